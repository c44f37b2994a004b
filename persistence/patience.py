"""How long this process waits for PostgreSQL, which may be stopped or out of reach, and silent.

A `statement_timeout` is PostgreSQL's own, and ends nothing where PostgreSQL itself stands still.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

ANSWER_SECONDS = 10.0
"""How long one statement may take; who needs longer says so."""

PROOF_SECONDS = 1.0
"""How long a database that has been silent has, at the least, to take a new connection."""


class Patience:
    """How long this process waits for its database, and whether it has just waited in vain.

    After a silence no connection is used that was there before it, and a new one is waited for
    less long: who comes later is not to wait as long as the first one did. The longer the silence,
    the longer that wait, so that a database that is merely slow finds the time.
    """

    def __init__(self) -> None:
        self.answer_seconds = ANSWER_SECONDS
        self._silent_since: float | None = None

    def begin(self, answer_seconds: float) -> None:
        """A new pool, of which nothing bad is known."""
        self.answer_seconds = answer_seconds
        self._silent_since = None

    @property
    def connection_seconds(self) -> float:
        """How long to wait for a connection."""
        if self._silent_since is None:
            return self.answer_seconds
        silent_seconds = time.monotonic() - self._silent_since
        return min(max(PROOF_SECONDS, silent_seconds / 4), self.answer_seconds)

    async def waited_in_vain(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        """A statement was not answered in time."""
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            await pool.expire_connections()

    def heard(self) -> None:
        """It has taken a connection: it speaks."""
        self._silent_since = None
