"""Starts the embedded database again if it ends while programs use it.

PostgreSQL recovers from most crashes by itself. It ends if it was killed, or if its recovery fails,
for example because its disk is full.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.loops import Loop, backoff_seconds, running_loops
from ibiki.local.embedded import EmbeddedDatabase

LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


@asynccontextmanager
async def kept_running(database: EmbeddedDatabase | None) -> AsyncIterator[None]:
    """Within the block, the embedded database is started again whenever it has ended."""
    if database is None:
        yield
        return
    look = DatabaseRestarter(database).look
    loop = Loop("starting the embedded database", look, every_seconds=LOOK_SECONDS)
    async with running_loops(loop):
        yield


class DatabaseRestarter:
    """Starts a database, and says in the log why it has ended: each reason once."""

    def __init__(self, database: EmbeddedDatabase) -> None:
        self._database = database
        self._failures = 0
        self._logged = ""

    async def look(self) -> bool:
        """Tries once to start the database, if it has ended. Then waits, longer each time."""
        if not self._database.is_registered:
            # Otherwise the next command that ends would stop the server.
            await asyncio.to_thread(self._database.register)
            _log.warning("the file postgres.users was deleted, and is there again")
        if self._database.is_live:
            return False
        why = await asyncio.to_thread(self._database.restart)
        if why is None:
            _log.warning("the embedded database had ended, and was started again")
            self._failures, self._logged = 0, ""
            return False
        if why != self._logged:
            _log.error("the embedded database does not start, and is tried again: %s", why)
        self._failures, self._logged = self._failures + 1, why
        await asyncio.sleep(backoff_seconds(self._failures))
        return False
