"""Connections whose statements are planned for the values that they are called with.

asyncpg keeps prepared statements, and PostgreSQL plans such a statement for any values from the
sixth time on. For a search or a filter that is wrong: the best plan for a client with ten messages
takes seconds for a client with a million, and the other way round. Here each statement is prepared
again, which costs one more round trip and its planning: some tenths of a millisecond.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from persistence.database import connection
from persistence.long_reads import long_read
from persistence.turns import in_turn

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection


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
    async with in_turn(whose, searches=filters or search is not None):
        if search is not None:
            return await long_read(lambda held: work(planned(held)))
        async with connection_for(searches=filters) as pooled:
            return await work(pooled)


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
