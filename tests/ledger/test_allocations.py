"""What each client holds, in a list: narrowed, searched, counted and paged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import UUID

import pytest

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup
from domain.pages import Window
from persistence.ledger.balances import find_allocation, read_allocations
from tests import db
from tests.ledger.balance_setup import Setup, balance_setup

UNKNOWN_ID = UUID(int=404)


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with balance_setup(database_url) as setup:
        yield setup


async def test_allocations_say_what_each_client_of_the_default_pool_holds(setup: Setup) -> None:
    other = await db.add_pool(default=False)
    await db.add_client(other, name="Elsewhere")
    await db.add_school()
    sent = await db.accept(setup.member)
    page = await read_allocations(Everything(), Window(25), group_id=None, search=None)
    found = [(each.client_id, each.balance, each.value_usd, each.unit) for each in page.items]
    assert found == [
        (setup.loner.client_id, 7, None, "credit"),
        (setup.sibling.client_id, 200, Decimal("10.00"), "credit"),
        (setup.member.client_id, 999, Decimal("29.97"), "credit"),
    ]
    assert page.total == 3
    at = await db.fetch("SELECT created_at FROM send WHERE id = $1", sent.id)
    assert [each.last_sent_at for each in page.items] == [None, None, at[0]["created_at"]]


async def test_allocations_are_paged_both_ways(setup: Setup) -> None:
    async def page(window: Window[UUID]) -> tuple[list[UUID], bool, bool]:
        found = await read_allocations(Everything(), window, group_id=None, search=None)
        assert found.total == 3
        return [each.client_id for each in found.items], found.has_previous, found.has_next

    newest, middle, oldest = (
        tenant.client_id for tenant in (setup.loner, setup.sibling, setup.member)
    )
    assert await page(Window(2)) == ([newest, middle], False, True)
    assert await page(Window(2, after=middle)) == ([oldest], True, False)
    assert await page(Window(2, from_end=True)) == ([middle, oldest], True, False)
    assert await page(Window(2, before=middle, from_end=True)) == ([newest], False, True)
    assert await page(Window(0)) == ([], False, True)


async def test_a_supervisor_lists_its_group_alone(setup: Setup) -> None:
    scope = OfGroup(setup.group.id)
    page = await read_allocations(scope, Window(25), group_id=None, search=None)
    members = [setup.sibling.client_id, setup.member.client_id]
    assert [each.client_id for each in page.items] == members
    page = await read_allocations(scope, Window(25), group_id=setup.group.id, search=None)
    assert page.total == 2
    other = await db.add_group(setup.pool, name="Other")
    for foreign in (other.id, UNKNOWN_ID):
        with pytest.raises(NotFound):
            await read_allocations(scope, Window(25), group_id=foreign, search=None)


async def test_allocations_can_be_narrowed_to_a_group_and_searched(setup: Setup) -> None:
    async def names(*, group_id: UUID | None = None, search: str | None = None) -> list[UUID]:
        page = await read_allocations(Everything(), Window(25), group_id=group_id, search=search)
        assert page.total == len(page.items)
        return [each.client_id for each in page.items]

    empty = await db.add_group(setup.pool, name="Empty")
    assert await names(group_id=empty.id) == []
    assert len(await names(group_id=setup.group.id)) == 2
    assert await names(search="acm") == [setup.member.client_id]
    assert await names(search="MILK") == [setup.loner.client_id]
    assert await names(search="50%") == [setup.sibling.client_id]
    assert await names(search="_") == []
    assert await names(group_id=setup.group.id, search="coop") == []
    with pytest.raises(NotFound):
        await names(group_id=UNKNOWN_ID)


async def test_the_scope_of_a_client_lists_only_this_client(setup: Setup) -> None:
    scope = OfClient(setup.member.client_id)
    page = await read_allocations(scope, Window(25), group_id=None, search=None)
    assert [each.client_id for each in page.items] == [setup.member.client_id]


async def test_one_clients_allocation_is_found_within_the_scope(setup: Setup) -> None:
    for scope in (Everything(), OfGroup(setup.group.id), OfClient(setup.member.client_id)):
        found = await find_allocation(scope, setup.member.client_id)
        assert (found.client_id, found.group_id) == (setup.member.client_id, setup.group.id)
        assert found.balance == 1_000
    for scope in (OfGroup(UNKNOWN_ID), OfClient(setup.sibling.client_id)):
        with pytest.raises(NotFound):
            await find_allocation(scope, setup.member.client_id)
