"""A program that is newer than its database sends nothing until `ibiki migrate` has run."""

from __future__ import annotations

import asyncio
import logging

from domain.errors import TryAgain
from domain.loops import wait_for
from domain.transactions import Failures
from persistence.migrating import pending_migrations

LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


async def until_migrated(stop: asyncio.Event) -> None:
    """Returns when the database has all migrations of this program, or at the stop.

    Before, an outcome might not be recorded: what it is stored in may not exist.
    """
    failures = Failures(_log, "looking for migrations")
    is_logged = False
    while not stop.is_set():
        try:
            pending = await pending_migrations()
        except TryAgain as failure:
            failures.add(failure)
        else:
            failures.end()
            if not pending:
                break
            if not is_logged:
                missing = ", ".join(pending)
                _log.warning("nothing is sent before `ibiki migrate` has run: lacks %s", missing)
            is_logged = True
        await wait_for(stop, LOOK_SECONDS)
    failures.stop()
