"""Watches the database's clock. If it is set back, corrects the times that messages wait for.

Queue times, leases and pauses are times of the database. If its clock is set back by an hour, all
of them would last an hour longer. A session that waits for a lock would also keep its own locks for
an hour longer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from domain.dispatch.ports import DatabaseClock
from domain.errors import units_in_words
from domain.loops import now_seconds

SLACK_SECONDS = 2.0
"""Usual corrections of a clock are not larger than this."""

WRITING_SECONDS = 60.0
"""A transaction that began before the change can still commit within this time."""

READING_SECONDS = 120.0
"""Longer than a reading of a balance pauses marking, and than a lease of an endpoint."""

LATE_SECONDS = 5.0
"""How late the database itself may end a session that takes too long."""

MOST_CORRECTED = 10_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ClockWatch:
    """Compares the database's clock with ours. Each process has one."""

    store: DatabaseClock
    writing_seconds: float = WRITING_SECONDS
    _ahead_seconds: float | None = None
    """How far, at least, the database's clock was ahead of ours at the last look."""
    _correct_until: float = 0.0

    async def look(self) -> bool:
        """Corrects future times at the first look, and after the clock was set back.

        Also ends sessions that wait too long for locks. True if there may be more to correct.
        """
        ended = await self.store.end_stuck_sessions(
            slack_seconds=SLACK_SECONDS, late_seconds=LATE_SECONDS
        )
        if ended:
            sessions = units_in_words(ended, "database session")
            _log.warning("ended %s that held or awaited locks too long", sessions)
        before = now_seconds()
        reading = await self.store.read_clock()
        after = now_seconds()
        ahead, self._ahead_seconds = self._ahead_seconds, reading - after
        if ahead is None or reading - before < ahead - SLACK_SECONDS:
            self._correct_until = after + self.writing_seconds
            if ahead is not None:
                _log.warning(
                    "the database's clock was set back by %.0f s", ahead - (reading - before)
                )
        if after > self._correct_until:
            return False
        return await self.store.correct_future_dates(
            slack_seconds=SLACK_SECONDS, reading_seconds=READING_SECONDS, most=MOST_CORRECTED
        )
