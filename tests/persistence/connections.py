"""Shared by tests of connections: checks of the pool, and waits with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import pytest

from persistence.database import transaction
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection

POOL_SIZE = 5

INSERT = "INSERT INTO access_change (id, subject_id) VALUES ($1, $1)"


async def assert_whole(size: int = POOL_SIZE) -> None:
    """All connections of the pool are usable, and none has an open transaction."""
    barrier = asyncio.Barrier(size)

    async def use() -> bool:
        async with transaction() as tx:
            await barrier.wait()
            return bool(await tx.fetchval("SELECT pg_current_xact_id_if_assigned() IS NULL"))

    fresh = await asyncio.wait_for(asyncio.gather(*(use() for _ in range(size))), PATIENCE_SECONDS)
    assert all(fresh)


async def cancel_once(call: Callable[[], Awaitable[None]], inside: asyncio.Event) -> None:
    """Cancels the call when `inside` is set. It must end with CancelledError."""
    task = asyncio.ensure_future(call())
    await asyncio.wait_for(inside.wait(), PATIENCE_SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE_SECONDS)


async def is_there(connection: OtherConnection, row_id: UUID) -> bool:
    """Whether the row was committed."""
    return bool(await connection.fetchval("SELECT 1 FROM access_change WHERE id = $1", row_id))


async def until(true: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Returns when the condition is true."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what no event tells of
            await asyncio.sleep(0.002)


async def insert(database: OtherConnection, table: str, row: Mapping[str, object]) -> None:
    """Writes a row without the program."""
    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})"
    await database.execute(statement, *row.values())


async def update(
    database: OtherConnection, table: str, row_id: UUID, change: Mapping[str, object]
) -> None:
    """Changes a row without the program."""
    changes = ", ".join(f"{column} = ${place}" for place, column in enumerate(change, start=2))
    await database.execute(f"UPDATE {table} SET {changes} WHERE id = $1", row_id, *change.values())
