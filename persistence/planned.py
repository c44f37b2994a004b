"""Connections whose statements are planned for the values that they are called with.

asyncpg keeps prepared statements, and PostgreSQL plans such a statement for any values from the
sixth time on. For a search or a filter that is wrong: the best plan for a client with ten messages
takes seconds for a client with a million, and the other way round. Here each statement is prepared
again, which costs one more round trip and its planning: some tenths of a millisecond.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from persistence.database import connection

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection


@asynccontextmanager
async def connection_for(*, searches: bool) -> AsyncIterator[Connection]:
    """A pooled connection. If the read `searches`, its statements are planned for their values."""
    async with connection() as pooled:
        yield cast("Connection", _Planned(pooled)) if searches else pooled


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
