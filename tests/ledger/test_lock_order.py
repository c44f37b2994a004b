"""Rows are locked in ID order under every query plan, so that two transactions never deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from persistence import store
from tests import db
from tests.databases import connection_to
from tests.dispatch.parts import marked
from tests.locks import blocked, locked

Lock = Callable[[Any], Awaitable[Any]]

ACCOUNT_NOW = "SELECT FROM account WHERE id = $1 FOR UPDATE NOWAIT"

SCAN_THE_TABLE = """
SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off;
SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
"""
"""The rows come in the order of the table. Other plans may have them in ID order without ORDER BY.

An index is in order, and a hash join can reverse the rows.
"""


@pytest.fixture
async def database(new_database_url: str) -> AsyncIterator[str]:
    """New: a scan finds the few rows of a table in the order in which they were written."""
    async with db.connected(new_database_url):
        yield new_database_url


async def assert_lower_first(database: str, table: str, ids: Iterable[UUID], lock: Lock) -> None:
    """Checks that `lock` locks the row with the lower one of two IDs first.

    It finds the row with the higher ID first. Another process has locked that row.
    """
    lower, higher = sorted(ids)
    row = f"{table} WHERE id = $1 FOR UPDATE"
    await db.execute(f"UPDATE {table} SET id = id WHERE id = $1", lower)

    async def lock_both() -> None:
        async with store.transaction() as tx:
            await tx.execute(SCAN_THE_TABLE)
            found = await tx.fetch(f"SELECT id FROM {table} WHERE id = ANY($1)", [lower, higher])
            assert [each["id"] for each in found] == [higher, lower]
            await lock(tx)

    async with locked(database, f"SELECT FROM {row}", higher):
        locking = asyncio.create_task(lock_both())
        await blocked(locking)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await db.execute(f"SELECT FROM {row} NOWAIT", lower)
    await locking


async def lock_accounts(tx: Any, clients: Sequence[db.Tenant]) -> None:
    await store.lock_accounts(tx, [each.account_id for each in clients])


async def lock_with_limit(tx: Any, clients: Sequence[db.Tenant]) -> None:
    await store.lock_accounts(tx, [each.account_id for each in clients], wait_seconds=10)


async def accept_sends(tx: Any, clients: Sequence[db.Tenant]) -> None:
    sends = [db.new_send(each) for each in clients]
    await store.accept_sends(tx, sends, wait_seconds=10)


@pytest.mark.parametrize("lock", [lock_accounts, lock_with_limit, accept_sends])
async def test_the_accounts_of_clients_are_locked_in_order(
    lock: Callable[[Any, Sequence[db.Tenant]], Awaitable[None]], database: str
) -> None:
    pool = await db.add_pool()
    clients = [await db.add_client(pool, held=10) for _ in range(2)]
    ids = [each.account_id for each in clients]
    await assert_lower_first(database, "account", ids, lambda tx: lock(tx, clients))


async def test_reconcile_locks_the_accounts_of_a_send_in_order(database: str) -> None:
    client = await db.add_client(held=10)
    send = await db.accept(client)
    ids = [client.pool.account_id, client.account_id]
    await assert_lower_first(
        database, "account", ids, lambda tx: store.lock_checked_send(tx, send.id, epoch=0)
    )


@pytest.mark.parametrize("status", ["QUEUED", "SUBMITTING"])
async def test_messages_are_locked_in_order(status: str, database: str) -> None:
    pool = await db.add_pool()
    await db.accept(await db.add_client(pool), 2)
    attempts = [] if status == "QUEUED" else [each.attempt_id for each in await marked(pool)]
    ids = [row["id"] for row in await db.fetch("SELECT id FROM message")]

    async def lock(tx: Any) -> None:
        if status == "QUEUED":
            await store.lock_queued(tx, ids)
        else:
            await store.lock_undecided(tx, attempts)

    await assert_lower_first(database, "message", ids, lock)


@pytest.mark.parametrize("other", [0, 1])
async def test_accepted_messages_and_others_of_a_call_are_locked_in_order(
    other: int, database: str
) -> None:
    pool = await db.add_pool()
    await db.accept(await db.add_client(pool), 2)
    attempts = [each.attempt_id for each in await marked(pool)]
    ids = [row["id"] for row in await db.fetch("SELECT id FROM message ORDER BY id")]

    async def lock(tx: Any) -> None:
        await store.record_accepted(tx, attempts, {ids[1 - other]: None}, [ids[other]])

    await assert_lower_first(database, "message", ids, lock)


async def test_attempts_are_locked_in_order(database: str) -> None:
    pool = await db.add_pool()
    await db.accept(await db.add_client(pool), 2)
    ids = [call.attempt_id for call in await marked(pool, batch=1)]
    await assert_lower_first(database, "attempt", ids, lambda tx: store.lock_attempts(tx, ids))


async def test_reconcile_checks_a_send_under_the_locks_of_its_accounts(database: str) -> None:
    client = await db.add_client(held=10)
    send = await db.accept(client)
    async with connection_to(database) as elsewhere, store.transaction() as tx:
        upstream = await store.share_provider_account(tx, send.id)
        await store.lock_checked_send(tx, send.id, epoch=upstream.epoch)
        for account_id in (client.account_id, client.pool.account_id):
            with pytest.raises(asyncpg.LockNotAvailableError):
                await elsewhere.execute(ACCOUNT_NOW, account_id)
