"""A database that becomes unavailable right after a COMMIT."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from persistence import connections, database

Acquired = Callable[..., AbstractAsyncContextManager[Any]]


@dataclass
class CommitOutage:
    """All connections to the database are refused after a number of commits."""

    commits: int = 1
    has_begun: bool = False

    def install(self, patched: pytest.MonkeyPatch) -> None:
        """Replaces how this process takes connections from its pool."""
        patched.setattr(database, "acquired", self.around(connections.acquired))

    def around(self, acquired: Acquired) -> Acquired:
        """`acquired`, which raises when the outage has begun."""

        @asynccontextmanager
        async def failing(pool: Any, *, unavailable: type[Exception]) -> AsyncIterator[Any]:
            if self.has_begun:
                raise unavailable
            written: list[str] = []

            def see(seen: asyncpg.connection.LoggedQuery) -> None:
                if is_write(seen.query):
                    written.append(seen.query)

            async with acquired(pool, unavailable=unavailable) as held:
                held.add_query_logger(see)
                try:
                    yield held
                finally:
                    held.remove_query_logger(see)
            if written:
                self.commits -= 1
                self.has_begun = self.commits <= 0

        return failing


def is_write(statement: str) -> bool:
    """Whether a statement changes something."""
    words = statement.split()
    return bool({"INSERT", "UPDATE", "DELETE"} & set(words)) and words[:2] != ["SELECT", "FOR"]
