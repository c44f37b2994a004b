"""Transactions that hold locks while a test runs, and waits until others need these locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection, connection_to

WAITING = """
SELECT FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def until_waiting(count: int = 1) -> None:
    """Returns when this many sessions wait for a lock in the database of this process."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(await db.fetch(WAITING)) < count:  # noqa: ASYNC110 - of PostgreSQL
            await asyncio.sleep(0.005)


async def blocked(task: asyncio.Task[Any]) -> None:
    """Returns when a session waits for a lock. Fails if the task ends before."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await db.fetch(WAITING):
            assert not task.done(), "it did not wait"
            await asyncio.sleep(0.005)


@asynccontextmanager
async def locked(url: str, statement: str, *arguments: object) -> AsyncIterator[OtherConnection]:
    """Another process holds what the statement locks. It commits at the end of the block."""
    async with connection_to(url) as elsewhere, elsewhere.transaction():
        await elsewhere.execute(statement, *arguments)
        yield elsewhere


@asynccontextmanager
async def holding(
    step: Callable[[Any], Awaitable[Any]], then: Callable[[Any], Awaitable[Any]] | None = None
) -> AsyncIterator[None]:
    """Another task's transaction has taken this step.

    At the end of the block it takes the second step, if there is one, and commits.
    """
    taken, may_end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with store.transaction() as tx:
            await step(tx)
            taken.set()
            await may_end.wait()
            if then is not None:
                await then(tx)

    task = asyncio.create_task(hold())
    await taken.wait()
    try:
        yield
    finally:
        may_end.set()
        await task
