"""Groups and clients on a real database: reads within a scope, and changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain.errors import InvalidInput, TryAgain
from domain.identity.access import Everything, OfClient, OfGroup, Role, Scope
from domain.identity.clients import (
    ClientChange,
    GroupChange,
    NewClient,
    create_client,
    create_group,
    update_client,
    update_group,
)
from domain.identity.directory import (
    Client,
    ClientFilter,
    ClientOrder,
    ClientStatus,
    UserFilter,
    UserOrder,
)
from domain.ids import new_id
from domain.pages import Window
from persistence import store
from tests import db, people
from tests.people import NORMALISER, Setup


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with people.setup(database_url) as setup:
        yield setup


def window(size: int = 25, **rest: Any) -> Window[Any]:
    return Window(size, **rest)


async def names(scope: Scope, **filters: Any) -> list[str]:
    page = await store.list_clients(scope, window(), filter=ClientFilter(**filters))
    assert page.total == len(page.items)
    return [client.name for client in page.items]


async def found_client(client_id: UUID) -> Client:
    return (await store.find_clients(Everything(), [client_id]))[client_id]


# Who is found


async def test_only_clients_in_the_scope_are_found(setup: Setup) -> None:
    ids = [setup.member.id, setup.stranger.id, setup.loner.id, new_id()]
    expected: dict[Scope, set[UUID]] = {
        Everything(): {setup.member.id, setup.stranger.id, setup.loner.id},
        OfGroup(setup.ours.id): {setup.member.id},
        OfClient(setup.stranger.id): {setup.stranger.id},
        OfClient(new_id()): set(),
    }
    for scope, seen in expected.items():
        assert set(await store.find_clients(scope, ids)) == seen


async def test_a_status_is_read_in_any_case(setup: Setup) -> None:
    await db.execute("UPDATE client SET status = 'dormant'")
    assert (await found_client(setup.member.id)).status is ClientStatus.DORMANT


async def test_clients_are_listed_newest_first_by_scope_group_and_name(setup: Setup) -> None:
    assert await names(Everything()) == ["Coop 100%_\\", "Bits", "Acme"]
    assert await names(OfGroup(setup.ours.id)) == ["Acme"]
    assert await names(OfClient(setup.stranger.id)) == ["Bits"]
    assert await names(Everything(), group_id=setup.theirs.id) == ["Bits"]
    assert await names(OfGroup(setup.ours.id), group_id=setup.theirs.id) == []
    assert await names(Everything(), search="ACM") == ["Acme"]
    assert await names(OfGroup(setup.ours.id), search="bits") == []


@pytest.mark.parametrize("search", ["%", "_", "\\", "100%_\\"])
async def test_a_search_takes_wildcards_literally(setup: Setup, search: str) -> None:
    assert await names(Everything(), search=search) == ["Coop 100%_\\"]


async def test_clients_and_users_are_listed_in_pages(setup: Setup) -> None:
    first = await store.list_clients(Everything(), window(2))
    assert [client.name for client in first.items] == ["Coop 100%_\\", "Bits"]
    assert (first.total, first.has_next, first.has_previous) == (3, True, False)
    rest = await store.list_clients(Everything(), window(2, after=first.items[-1].key))
    assert [client.name for client in rest.items] == ["Acme"]
    last = await store.list_clients(Everything(), window(1, from_end=True))
    assert [client.name for client in last.items] == ["Acme"]
    second = await people.add_user("second@ibiki.test")
    users = await store.list_users(window(1))
    assert (list(users.items), users.total, users.has_next) == ([second], 2, True)


async def test_clients_are_listed_by_status_and_sorted_by_name(setup: Setup) -> None:
    await db.execute("UPDATE client SET name = 'acorn', status = 'dormant' WHERE name = 'Bits'")
    assert await names(Everything(), status=ClientStatus.DORMANT) == ["acorn"]
    by_name = ["Acme", "acorn", "Coop 100%_\\"]
    order = ClientOrder.NAME
    page = await store.list_clients(Everything(), window(), order=order)
    assert [each.name for each in page.items] == by_name
    for size in (1, 2):
        after = page.items[0].key
        rest = await store.list_clients(Everything(), window(size, after=after), order=order)
        assert [each.name for each in rest.items] == by_name[1 : 1 + size]
    before = window(1, before=page.items[2].key, from_end=True)
    [last] = (await store.list_clients(Everything(), before, order=order)).items
    assert last.name == "acorn"
    oldest = await store.list_clients(Everything(), window(), order=ClientOrder.OLDEST)
    newest = await store.list_clients(Everything(), window())
    assert oldest.items == newest.items[::-1]


async def test_clients_of_the_same_name_are_each_listed_once(setup: Setup) -> None:
    await db.execute("UPDATE client SET name = 'Same'")
    found: list[Client] = []
    while True:
        after = found[-1].key if found else None
        page = await store.list_clients(
            Everything(), window(1, after=after), order=ClientOrder.NAME
        )
        found += page.items
        if not page.has_next:
            break
    assert len({each.id for each in found}) == len(found) == 3


async def test_users_are_filtered_and_sorted_by_email(setup: Setup) -> None:
    emails = ["ZOE@ibiki.test", "adam@ibiki.test", "Émile@ibiki.test"]
    for email in emails:
        await people.add_user(email, Role.CLIENT, client_id=setup.member.id)
    own = UserFilter(client_id=setup.member.id)
    page = await store.list_users(window(), filter=own, order=UserOrder.EMAIL)
    found = [each.email for each in page.items]
    assert found[0] == emails[1]
    for at, user in enumerate(page.items[:-1]):
        rest = await store.list_users(window(1, after=user.key), filter=own, order=UserOrder.EMAIL)
        assert [each.email for each in rest.items] == [found[at + 1]]

    async def listed(**filters: Any) -> set[str]:
        page = await store.list_users(window(), filter=UserFilter(**filters))
        return {each.email for each in page.items}

    assert await listed(search="IBIKI.test", role=Role.CLIENT) == set(emails)
    assert await listed(search="zoe") == {emails[0]}
    assert await listed(disabled=True) == set()
    assert set(emails) <= await listed(disabled=False)
    supervisor = await people.add_user("s@ibiki.test", Role.SUPERVISOR, group_id=setup.ours.id)
    assert await listed(group_id=setup.ours.id) == {supervisor.email}


async def test_groups_are_listed_by_name_and_found_by_id(setup: Setup) -> None:
    first = await people.add_group("a first")
    assert [group.id for group in await store.list_groups()] == [
        first.id,
        setup.ours.id,
        setup.theirs.id,
    ]
    assert await store.find_groups([first.id, new_id()]) == {first.id: first}


# Groups and clients


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (GroupChange(name=None), "name"),
        (GroupChange(name="a\0b"), "name"),
        (GroupChange(rate_per_unit_usd=Decimal(-1)), "ratePerUnitUsd"),
    ],
)
async def test_an_invalid_change_of_a_group_names_the_field(
    setup: Setup, change: GroupChange, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await update_group(store, setup.ours.id, change)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (ClientChange(), {}),
        (ClientChange(name=" Acme 2 "), {"name": "Acme 2"}),
        (ClientChange(business="Milk"), {"business": "Milk"}),
        (ClientChange(business=None), {"business": None}),
        (ClientChange(status=ClientStatus.DORMANT), {"status": ClientStatus.DORMANT}),
        (ClientChange(rate_per_unit_usd=Decimal("0.5")), {"rate_per_unit_usd": Decimal("0.5")}),
        (ClientChange(assigned_numbers=["2025550101"]), {"assigned_numbers": ["+12025550101"]}),
        (ClientChange(assigned_numbers=None), {"assigned_numbers": []}),
        (ClientChange(assigned_numbers=[]), {"assigned_numbers": []}),
    ],
)
async def test_only_the_given_fields_of_a_client_change(
    setup: Setup, change: ClientChange, changed: dict[str, Any]
) -> None:
    given = ClientChange(
        business="Cheese", rate_per_unit_usd=Decimal(1), assigned_numbers=["2025550199"]
    )
    before = await update_client(store, NORMALISER, setup.member.id, given)
    after = await update_client(store, NORMALISER, setup.member.id, change)
    assert after == replace(before, **changed)
    assert await found_client(setup.member.id) == after
    assert await found_client(setup.loner.id) == setup.loner


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (ClientChange(name=None), "name"),
        (ClientChange(status=None), "status"),
        (ClientChange(business="a\nb"), "business"),
        (ClientChange(rate_per_unit_usd=Decimal("NaN")), "ratePerUnitUsd"),
        (ClientChange(assigned_numbers=["1"]), "assignedNumbers"),
        (ClientChange(low_balance_threshold=0), "lowBalanceThreshold"),
    ],
)
async def test_an_invalid_change_of_a_client_names_the_field(
    setup: Setup, change: ClientChange, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await update_client(store, NORMALISER, setup.member.id, change)
    assert refused.value.field == field
    assert await found_client(setup.member.id) == setup.member


async def test_a_number_can_be_assigned_to_one_client_only(setup: Setup) -> None:
    await update_client(
        store, NORMALISER, setup.member.id, ClientChange(assigned_numbers=["2025550101"])
    )
    taken = ClientChange(assigned_numbers=["2025550102", "+1 202 555 0101"])
    with pytest.raises(InvalidInput) as refused:
        await update_client(store, NORMALISER, setup.loner.id, taken)
    assert refused.value.field == "assignedNumbers"
    assert (await found_client(setup.loner.id)).assigned_numbers == []
    new = NewClient(name="Dairy", assigned_numbers=["2025550101"])
    with pytest.raises(InvalidInput):
        await create_client(store, NORMALISER, new)
    await update_client(store, NORMALISER, setup.member.id, ClientChange(assigned_numbers=None))
    await update_client(store, NORMALISER, setup.loner.id, taken)


async def test_a_number_that_is_assigned_to_several_clients_at_once_goes_to_one(
    setup: Setup,
) -> None:
    change = ClientChange(assigned_numbers=["2025550101", "2025550102"])
    answers = await asyncio.gather(
        *(
            update_client(store, NORMALISER, client.id, change)
            for client in (setup.member, setup.stranger, setup.loner)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Client) for each in answers) == 1
    assert sum(isinstance(each, InvalidInput) for each in answers) == 2


async def test_new_groups_and_clients_have_a_node_and_hold_nothing(setup: Setup) -> None:
    nodes = await db.fetch(
        "SELECT id, kind, parent_id, provider_account_id, held FROM account ORDER BY id"
    )
    by_id = {node["id"]: node for node in nodes}
    (pool_node,) = [node for node in nodes if node["kind"] == "POOL"]
    expected = {
        setup.ours.account_id: ("GROUP", pool_node["id"]),
        setup.member.account_id: ("CLIENT", setup.ours.account_id),
        setup.loner.account_id: ("CLIENT", pool_node["id"]),
    }
    for node_id, (kind, parent_id) in expected.items():
        assert (by_id[node_id]["kind"], by_id[node_id]["parent_id"]) == (kind, parent_id)
        assert by_id[node_id]["provider_account_id"] == pool_node["provider_account_id"]
        assert by_id[node_id]["held"] == 0
    await db.assert_audit_holds()


# When the database is unavailable


async def test_a_change_during_an_outage_raises_try_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(tx: Any) -> None:
        await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(store, "lock_identities", cut)
    with pytest.raises(TryAgain):
        await update_group(store, setup.ours.id, GroupChange(name="New"))
    monkeypatch.undo()
    assert (await create_group(store, name="Next", rate_per_unit_usd=None)).name == "Next"
