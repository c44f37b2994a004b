"""Clients that move between groups, and the default pool, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from domain.errors import InvalidInput, NotFound
from domain.identity.clients import ClientChange, update_client
from domain.ledger.balances import BalanceView, PlatformShown
from domain.ledger.provider_accounts import ensure_default_pool
from persistence import store
from persistence.ledger.balances import read_balances
from tests import db, people
from tests.ledger.sends import accept_single
from tests.people import NORMALISER


@dataclass
class Setup:
    pool: db.Pool
    old: db.Group
    new: db.Group
    mover: db.Tenant
    sibling: db.Tenant
    neighbour: db.Tenant


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with db.connected(database_url):
        pool = await db.add_pool(held=500)
        old, new = await db.add_group(pool, held=50), await db.add_group(pool, held=5)
        yield Setup(
            pool=pool,
            old=old,
            new=new,
            mover=await db.add_client(pool, group=old, held=1_000),
            sibling=await db.add_client(pool, group=old, held=100),
            neighbour=await db.add_client(pool, group=new, held=10),
        )


async def move(tenant: db.Tenant, group: db.Group | None) -> None:
    change = ClientChange(group_id=group.id if group else None)
    await update_client(store, NORMALISER, tenant.client_id, change)


async def group_balance(group: db.Group) -> int:
    balances = await read_balances(BalanceView(group_id=group.id, platform=PlatformShown.NONE))
    assert balances.group is not None
    return balances.group.balance


async def parent_of(tenant: db.Tenant) -> UUID | None:
    rows = await db.fetch("SELECT parent_id FROM account WHERE id = $1", tenant.account_id)
    parent_id: UUID | None = rows[0]["parent_id"]
    return parent_id


def views(setup: Setup) -> dict[str, BalanceView]:
    """Every figure that a user may see."""
    none = PlatformShown.NONE
    return {
        "pool": BalanceView(),
        "old": BalanceView(group_id=setup.old.id, platform=none),
        "new": BalanceView(group_id=setup.new.id, platform=none),
        "mover": BalanceView(client_id=setup.mover.client_id, platform=none),
        "sibling": BalanceView(client_id=setup.sibling.client_id, platform=none),
        "neighbour": BalanceView(client_id=setup.neighbour.client_id, platform=none),
    }


async def test_a_client_that_moves_takes_its_units_to_the_other_group(setup: Setup) -> None:
    assert (await group_balance(setup.old), await group_balance(setup.new)) == (1_150, 15)
    await move(setup.mover, setup.new)
    assert (await group_balance(setup.old), await group_balance(setup.new)) == (150, 1_015)
    assert await parent_of(setup.mover) == setup.new.account_id
    await move(setup.mover, None)
    assert (await group_balance(setup.old), await group_balance(setup.new)) == (150, 15)
    assert await parent_of(setup.mover) == setup.pool.account_id
    await move(setup.mover, setup.old)
    assert await group_balance(setup.old) == 1_150
    assert await db.held(setup.mover.account_id) == 1_000
    await db.assert_audit_holds()


async def test_no_version_decreases_while_clients_move_and_send(setup: Setup) -> None:
    seen = dict.fromkeys(views(setup), -1)
    falls: list[str] = []
    moving = True

    async def watch() -> None:
        while moving:
            for name, view in views(setup).items():
                version = (await read_balances(view)).version
                if version < seen[name]:
                    falls.append(name)
                seen[name] = version

    async def send(tenant: db.Tenant) -> None:
        while moving:
            await accept_single(db.new_send(tenant))

    async def move_repeatedly() -> None:
        for place in [setup.new, None, setup.old, None, setup.new, setup.old] * 3:
            await move(setup.mover, place)

    others = [
        asyncio.create_task(each)
        for each in (watch(), send(setup.sibling), send(setup.mover), send(setup.neighbour))
    ]
    await move_repeatedly()
    moving = False
    await asyncio.gather(*others)
    assert not falls
    await db.assert_audit_holds()


async def test_versions_stay_small_after_many_moves(setup: Setup) -> None:
    async def largest() -> int:
        return max([(await read_balances(view)).version for view in views(setup).values()])

    before = await largest()
    for place in [setup.new, None, setup.old] * 34:
        await move(setup.mover, place)
    assert await largest() <= before + 102


async def test_two_clients_can_swap_groups_at_the_same_time(setup: Setup) -> None:
    before = await db.deadlocks()
    for _ in range(5):
        await asyncio.gather(move(setup.mover, setup.new), move(setup.neighbour, setup.old))
        assert await group_balance(setup.old) == 160
        await asyncio.gather(move(setup.mover, setup.old), move(setup.neighbour, setup.new))
        assert await group_balance(setup.old) == 1_150
    assert await db.deadlocks() == before


async def test_a_client_with_its_own_provider_account_joins_a_group_without_its_units(
    setup: Setup,
) -> None:
    school = await db.add_school()
    view = BalanceView(client_id=school.client_id, platform=PlatformShown.NONE)
    seen = [(await read_balances(view)).version]
    for place in (setup.new, setup.old, None):
        await move(school, place)
        seen.append((await read_balances(view)).version)
        assert await parent_of(school) is None
    assert seen == sorted(seen)
    assert (await group_balance(setup.old), await group_balance(setup.new)) == (1_150, 15)


async def test_a_client_cannot_join_a_group_of_another_pool(setup: Setup) -> None:
    elsewhere = await db.add_group(await db.add_pool(default=False))
    with pytest.raises(InvalidInput) as refused:
        await move(setup.mover, elsewhere)
    assert refused.value.field == "groupId"
    assert await parent_of(setup.mover) == setup.old.account_id


async def test_sends_during_a_move_are_charged_to_the_client(setup: Setup) -> None:
    async def send() -> None:
        for _ in range(20):
            await accept_single(db.new_send(setup.mover))

    async def move_repeatedly() -> None:
        for place in (setup.new, None, setup.old):
            await move(setup.mover, place)

    await asyncio.gather(send(), move_repeatedly())
    assert await db.held(setup.mover.account_id) == 980
    await db.assert_audit_holds()


# The default pool


async def default_pools() -> list[dict[str, Any]]:
    return await db.fetch(
        "SELECT upstream.id, provider, unit, price, kind, parent_id, account.provider_account_id"
        " FROM provider_account AS upstream JOIN account ON account.id = upstream.account_id"
        " WHERE is_default"
    )


async def test_processes_that_start_together_add_one_default_pool(database_url: str) -> None:
    async with db.connected(database_url):
        ids = await asyncio.gather(*(ensure_default_pool(store) for _ in range(8)))
        assert len(set(ids)) == 1
        assert await default_pools() == [
            {
                "id": ids[0],
                "provider": "extreme",
                "unit": "credit",
                "price": 1,
                "kind": "POOL",
                "parent_id": None,
                "provider_account_id": ids[0],
            }
        ]
        assert len(await db.fetch("SELECT 1 FROM account")) == 1


async def test_an_existing_default_pool_is_not_changed(setup: Setup) -> None:
    other = "UPDATE provider_account SET provider = 'egosms', unit = 'UGX', price = 50"
    await db.execute(f"{other} WHERE is_default")
    before = await default_pools()
    found = await ensure_default_pool(store)
    assert found == setup.pool.id
    assert await default_pools() == before


async def test_a_client_cannot_be_created_without_a_default_pool(database_url: str) -> None:
    async with db.connected(database_url):
        with pytest.raises(NotFound, match="default pool"):
            await people.add_client()
        assert await db.fetch("SELECT 1 FROM client") == []
