"""The store's clock, watched: where it goes back, nothing waits until it has caught up again.

Turns, leases and pauses are dated by the store's clock. One that is set back by an hour would
leave all that was dated before waiting for an hour.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from domain.clock import now_seconds
from domain.dispatch.ports import Dates

SLACK_SECONDS = 2.0
"""By how much clocks go back all the time, and nobody minds."""

WRITING_SECONDS = 60.0
"""For how long what was begun before may still be committed."""

READING_SECONDS = 120.0
"""Longer than any reading of a balance holds an account."""

MOST_DATED = 10_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ClockWatch:
    """One program's: what it saw last."""

    store: Dates
    writing_seconds: float = WRITING_SECONDS
    _latest_seconds: float | None = None
    """By how much the store's clock was ahead of ours at the least, when it was last looked at."""
    _mends_until: float = 0.0

    async def look(self) -> bool:
        """Dates anew what is dated ahead, where the clock has gone back; and at the first look.

        True where there may be more of it.
        """
        before = now_seconds()
        told = await self.store.read_clock()
        after = now_seconds()
        latest, self._latest_seconds = self._latest_seconds, told - after
        if latest is None or told - before < latest - SLACK_SECONDS:
            self._mends_until = after + self.writing_seconds
            if latest is not None:
                _log.warning(
                    "the database's clock has gone back by %.0f s", latest - (told - before)
                )
        if after > self._mends_until:
            return False
        return await self.store.redate(
            slack_seconds=SLACK_SECONDS, reading_seconds=READING_SECONDS, most=MOST_DATED
        )
