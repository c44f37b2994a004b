"""Searches and filters: planned for the values that they are called with, a few at a time.

asyncpg keeps prepared statements, and PostgreSQL plans such a statement for any values from the
sixth time on. For a search or a filter that is wrong: the best plan for a client with ten messages
takes seconds for a client with a million, and the other way round. Here each statement is prepared
again, which costs one more round trip and its planning: some tenths of a millisecond.

A page reads as many rows as it shows. But if a search finds little, it reads all rows of a tenant.
Without a limit, the searches of one tenant could hold every connection of the process, and the
sends of others would wait (docs/decisions/0076). So a process runs a few searches at a time, and
one of each tenant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from asyncpg import Record

from domain.errors import RateLimited
from persistence.database import Connection, connection
from persistence.long_reads import long_read

AT_ONCE = 4
"""Searches of one process at a time: a fifth of its connections with the default pool size."""

WAIT_SECONDS = 5.0
"""How long a search may wait for its turn. Most searches are shorter."""

_few = asyncio.Semaphore(AT_ONCE)
_own: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def in_turn(whose: Hashable, *, searches: bool) -> AsyncIterator[None]:
    """Waits for a turn if the read `searches`; other reads never wait.

    `whose`: the tenant, which has one turn at a time. Raises RateLimited if the wait is too long.
    """
    async with AsyncExitStack() as turn:
        if searches:
            own = _own.setdefault(whose, asyncio.Lock())
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await turn.enter_async_context(own)
                    await turn.enter_async_context(_few)
            except TimeoutError:
                raise RateLimited(1) from None
        yield


Answer = TypeVar("Answer")


@asynccontextmanager
async def connection_for(*, searches: bool) -> AsyncIterator[Connection]:
    """A pooled connection. If the read `searches`, its statements are planned for their values."""
    async with connection() as pooled:
        yield planned(pooled) if searches else pooled


def planned(held: Connection) -> Connection:
    """The connection. Its statements are planned for their values."""
    return cast("Connection", _Planned(held))


async def read_selected(
    whose: Hashable,
    work: Callable[[Connection], Awaitable[Answer]],
    *,
    filters: bool,
    search: str | None,
) -> Answer:
    """The result of a read that may have filters, or search for a text. Takes turns if so.

    A search looks through many rows, so it may run on a replica. A filter does not: a caller
    that has just written a row expects to find it. Raises RateLimited and TryAgain.
    """
    if search is None and not filters:
        async with connection() as pooled:
            return await work(pooled)
    async with in_turn(whose, searches=True):
        if search is not None:
            return await long_read(lambda held: work(planned(held)))
        async with connection() as pooled:
            return await work(planned(pooled))


class _Planned:
    """A connection that prepares each statement each time."""

    def __init__(self, held: Connection) -> None:
        self._held = held

    async def fetch(self, statement: str, *values: Any) -> list[Record]:
        """The rows of a statement."""
        prepared = await self._held.prepare(statement, name="")
        return await prepared.fetch(*values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._held, name)
