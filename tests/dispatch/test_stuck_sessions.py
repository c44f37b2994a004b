"""Sessions that PostgreSQL does not end by itself because its clock was set back."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from domain.dispatch.clock_watch import LATE_SECONDS, SLACK_SECONDS, ClockWatch
from domain.loops import now_seconds
from persistence import store
from persistence.servers import UNAVAILABLE
from tests import db
from tests.locks import until_waiting

NEVER_SECONDS = 1e6


@pytest.mark.parametrize(
    ("slack_seconds", "late_seconds"),
    [(-NEVER_SECONDS, NEVER_SECONDS), (NEVER_SECONDS, -NEVER_SECONDS)],
    ids=["it began in the future", "it has taken longer than it may"],
)
async def test_what_waits_for_a_lock_by_a_wrong_clock_is_ended(
    database_url: str, slack_seconds: float, late_seconds: float
) -> None:
    async with db.connected(database_url):
        names = ("somebody", "ibiki dispatch", "ibiki dispatch 2f6C.7u-U")
        sessions = [await _session(database_url, each) for each in names]
        somebody, idle, busy = sessions
        try:
            await somebody.execute("SELECT pg_advisory_xact_lock(1)")
            await idle.execute("SELECT pg_advisory_xact_lock(2)")
            waiting = asyncio.create_task(busy.execute("SELECT pg_advisory_xact_lock(1)"))
            await until_waiting()
            assert await _ended(slack_seconds=2, late_seconds=5) == 0
            assert await _ended(slack_seconds=slack_seconds, late_seconds=late_seconds) == 2
            with pytest.raises(asyncpg.QueryCanceledError):
                await waiting
            with pytest.raises(UNAVAILABLE):
                await idle.execute("SELECT 1")
            await somebody.execute("SELECT 1")
        finally:
            for session in sessions:
                session.terminate()


async def _session(url: str, name: str) -> Any:
    session = await asyncpg.connect(url, server_settings={"application_name": name})
    await session.execute("BEGIN")
    return session


async def _ended(*, slack_seconds: float, late_seconds: float) -> int:
    return await store.end_stuck_sessions(slack_seconds=slack_seconds, late_seconds=late_seconds)


@dataclass
class Stuck:
    """A store in whose database sessions are stuck, once."""

    ended: list[int] = field(default_factory=lambda: [2, 0])

    async def read_clock(self) -> float:
        return now_seconds()

    async def correct_future_dates(
        self, *, slack_seconds: float, reading_seconds: float, most: int
    ) -> bool:
        return False

    async def end_stuck_sessions(self, *, slack_seconds: float, late_seconds: float) -> int:
        assert (slack_seconds, late_seconds) == (SLACK_SECONDS, LATE_SECONDS)
        return self.ended.pop(0)


async def test_each_look_of_the_watch_ends_stuck_sessions(caplog: pytest.LogCaptureFixture) -> None:
    clock = Stuck()
    watch = ClockWatch(clock)
    with caplog.at_level(logging.WARNING):
        await watch.look()
        await watch.look()
    assert clock.ended == []
    assert [each.message for each in caplog.records] == [
        "ended 2 database sessions that held or awaited locks too long"
    ]
