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
from tests import people, worlds
from tests.ledger.sends import accept_single
from tests.people import NORMALISER


@dataclass
class World:
    pool: worlds.Pool
    old: worlds.Group
    new: worlds.Group
    mover: worlds.Tenant
    sibling: worlds.Tenant
    neighbour: worlds.Tenant


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with worlds.connected(database_url):
        pool = await worlds.add_pool(held=500)
        old, new = await worlds.add_group(pool, held=50), await worlds.add_group(pool, held=5)
        yield World(
            pool=pool,
            old=old,
            new=new,
            mover=await worlds.add_client(pool, group=old, held=1_000),
            sibling=await worlds.add_client(pool, group=old, held=100),
            neighbour=await worlds.add_client(pool, group=new, held=10),
        )


async def move(tenant: worlds.Tenant, group: worlds.Group | None) -> None:
    change = ClientChange(group_id=group.id if group else None)
    await update_client(store, NORMALISER, tenant.client_id, change)


async def group_balance(group: worlds.Group) -> int:
    balances = await read_balances(BalanceView(group_id=group.id, platform=PlatformShown.NONE))
    assert balances.group is not None
    return balances.group.balance


async def parent_of(tenant: worlds.Tenant) -> UUID | None:
    rows = await worlds.fetch("SELECT parent_id FROM account WHERE id = $1", tenant.account_id)
    parent_id: UUID | None = rows[0]["parent_id"]
    return parent_id


def views(world: World) -> dict[str, BalanceView]:
    """Every figure that a user may see."""
    none = PlatformShown.NONE
    return {
        "pool": BalanceView(),
        "old": BalanceView(group_id=world.old.id, platform=none),
        "new": BalanceView(group_id=world.new.id, platform=none),
        "mover": BalanceView(client_id=world.mover.client_id, platform=none),
        "sibling": BalanceView(client_id=world.sibling.client_id, platform=none),
        "neighbour": BalanceView(client_id=world.neighbour.client_id, platform=none),
    }


async def test_a_client_that_moves_takes_its_units_to_the_other_group(world: World) -> None:
    assert (await group_balance(world.old), await group_balance(world.new)) == (1_150, 15)
    await move(world.mover, world.new)
    assert (await group_balance(world.old), await group_balance(world.new)) == (150, 1_015)
    assert await parent_of(world.mover) == world.new.account_id
    await move(world.mover, None)
    assert (await group_balance(world.old), await group_balance(world.new)) == (150, 15)
    assert await parent_of(world.mover) == world.pool.account_id
    await move(world.mover, world.old)
    assert await group_balance(world.old) == 1_150
    assert await worlds.held(world.mover.account_id) == 1_000
    await worlds.assert_audit_holds()


async def test_no_version_decreases_while_clients_move_and_send(world: World) -> None:
    seen = dict.fromkeys(views(world), -1)
    falls: list[str] = []
    moving = True

    async def watch() -> None:
        while moving:
            for name, view in views(world).items():
                version = (await read_balances(view)).version
                if version < seen[name]:
                    falls.append(name)
                seen[name] = version

    async def send(tenant: worlds.Tenant) -> None:
        while moving:
            await accept_single(worlds.new_send(tenant))

    async def wander() -> None:
        for place in [world.new, None, world.old, None, world.new, world.old] * 3:
            await move(world.mover, place)

    others = [
        asyncio.create_task(each)
        for each in (watch(), send(world.sibling), send(world.mover), send(world.neighbour))
    ]
    await wander()
    moving = False
    await asyncio.gather(*others)
    assert not falls
    await worlds.assert_audit_holds()


async def test_versions_stay_small_after_many_moves(world: World) -> None:
    async def largest() -> int:
        return max([(await read_balances(view)).version for view in views(world).values()])

    before = await largest()
    for place in [world.new, None, world.old] * 34:
        await move(world.mover, place)
    assert await largest() <= before + 102


async def test_two_clients_can_swap_groups_at_the_same_time(world: World) -> None:
    before = await worlds.deadlocks()
    for _ in range(5):
        await asyncio.gather(move(world.mover, world.new), move(world.neighbour, world.old))
        assert await group_balance(world.old) == 160
        await asyncio.gather(move(world.mover, world.old), move(world.neighbour, world.new))
        assert await group_balance(world.old) == 1_150
    assert await worlds.deadlocks() == before


async def test_a_client_with_its_own_provider_account_joins_a_group_without_its_units(
    world: World,
) -> None:
    school = await worlds.add_school()
    view = BalanceView(client_id=school.client_id, platform=PlatformShown.NONE)
    seen = [(await read_balances(view)).version]
    for place in (world.new, world.old, None):
        await move(school, place)
        seen.append((await read_balances(view)).version)
        assert await parent_of(school) is None
    assert seen == sorted(seen)
    assert (await group_balance(world.old), await group_balance(world.new)) == (1_150, 15)


async def test_a_client_cannot_join_a_group_of_another_pool(world: World) -> None:
    elsewhere = await worlds.add_group(await worlds.add_pool(default=False))
    with pytest.raises(InvalidInput) as refused:
        await move(world.mover, elsewhere)
    assert refused.value.field == "groupId"
    assert await parent_of(world.mover) == world.old.account_id


async def test_sends_during_a_move_are_charged_to_the_client(world: World) -> None:
    async def send() -> None:
        for _ in range(20):
            await accept_single(worlds.new_send(world.mover))

    async def wander() -> None:
        for place in (world.new, None, world.old):
            await move(world.mover, place)

    await asyncio.gather(send(), wander())
    assert await worlds.held(world.mover.account_id) == 980
    await worlds.assert_audit_holds()


# The default pool


async def default_pools() -> list[dict[str, Any]]:
    return await worlds.fetch(
        "SELECT upstream.id, provider, unit, price, kind, parent_id, account.provider_account_id"
        " FROM provider_account AS upstream JOIN account ON account.id = upstream.account_id"
        " WHERE is_default"
    )


async def test_processes_that_start_together_add_one_default_pool(database_url: str) -> None:
    async with worlds.connected(database_url):
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
        assert len(await worlds.fetch("SELECT 1 FROM account")) == 1


async def test_an_existing_default_pool_is_not_changed(world: World) -> None:
    other = "UPDATE provider_account SET provider = 'egosms', unit = 'UGX', price = 50"
    await worlds.execute(f"{other} WHERE is_default")
    before = await default_pools()
    found = await ensure_default_pool(store)
    assert found == world.pool.id
    assert await default_pools() == before


async def test_a_client_cannot_be_created_without_a_default_pool(database_url: str) -> None:
    async with worlds.connected(database_url):
        with pytest.raises(NotFound, match="default pool"):
            await people.add_client()
        assert await worlds.fetch("SELECT 1 FROM client") == []
