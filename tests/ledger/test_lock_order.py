"""Accounts are locked in ID order under every query plan, so that two senders never deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import pytest

from persistence import store
from tests import worlds
from tests.databases import OtherConnection
from tests.locks import blocked

pytestmark = pytest.mark.usefixtures("connected")

Clients = Sequence[worlds.Tenant]


async def lock_accounts(tx: Any, clients: Clients) -> None:
    await store.lock_accounts(tx, [each.account_id for each in clients])


async def lock_payers(tx: Any, clients: Clients) -> None:
    sends = [worlds.new_send(each, 2) for each in clients]
    await store.lock_payers(tx, sends, wait_seconds=10)


@pytest.mark.parametrize("lock", [lock_accounts, lock_payers])
async def test_the_account_with_the_lower_id_is_locked_first(
    lock: Callable[[Any, Clients], Awaitable[None]], other_connection: OtherConnection
) -> None:
    pool = await worlds.add_pool(default=False)
    clients = [await worlds.add_client(pool, held=10) for _ in range(2)]
    lower, higher = sorted(each.account_id for each in clients)
    # A scan of the table finds the row that was written last at its end.
    await worlds.execute("UPDATE account SET version = version WHERE id = $1", lower)
    holding = other_connection.transaction()
    await holding.start()
    await other_connection.execute("SELECT FROM account WHERE id = $1 FOR UPDATE", higher)

    async def both_locked() -> None:
        async with store.transaction() as tx:
            await tx.execute("SET LOCAL enable_indexscan = off")
            await tx.execute("SET LOCAL enable_bitmapscan = off")
            await lock(tx, clients)

    locking = asyncio.create_task(both_locked())
    await blocked(locking)
    with pytest.raises(asyncpg.LockNotAvailableError):
        await worlds.execute("SELECT FROM account WHERE id = $1 FOR UPDATE NOWAIT", lower)
    await holding.rollback()
    await locking


async def test_reconcile_checks_a_send_under_the_locks_of_its_accounts(
    other_connection: OtherConnection,
) -> None:
    pool = await worlds.add_pool(default=False)
    client = await worlds.add_client(pool, held=10)
    send = await worlds.accept(client)
    async with store.transaction() as tx:
        upstream = await store.share_provider_account(tx, send.id)
        await store.lock_checked_send(tx, send.id, epoch=upstream.epoch)
        for account_id in (client.account_id, pool.account_id):
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other_connection.execute(
                    "SELECT FROM account WHERE id = $1 FOR UPDATE NOWAIT", account_id
                )
