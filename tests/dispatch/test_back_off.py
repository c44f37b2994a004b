"""Loops that retry for ever still do after thousands of failures, with a bounded pause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

import pytest

from domain import loops
from domain.errors import TryAgain
from domain.live.streams import Stream
from domain.loops import Loop, end_task
from domain.transactions import Disconnected
from ibiki.live.bus import Backend
from tests.clocks import run_with_fake_clock

FAILURES = 5_000
LONGEST_PAUSE_SECONDS = 2.0


class FailingCarrier:
    """Cannot be opened the first `failures` times; records when each try was made."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tried_at: list[float] = []
        self.opened = asyncio.Event()

    async def open(
        self, channel: str, arrived: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        self.tried_at.append(asyncio.get_running_loop().time())
        if len(self.tried_at) <= self.failures:
            raise ConnectionError("nothing listens")
        self.opened.set()

    async def send(self, channel: str, text: str) -> None:
        raise AssertionError("nothing is published in this test")

    async def close(self) -> None:
        return None


def test_the_bus_opens_again_after_thousands_of_failures() -> None:
    async def main() -> list[float]:
        carrier = FailingCarrier(FAILURES)
        backend = Backend(carrier, heartbeat_seconds=1e9)
        await backend.connect()
        await backend.subscribe("hints")
        async with asyncio.timeout(FAILURES * LONGEST_PAUSE_SECONDS + 1):
            await carrier.opened.wait()
        await backend.disconnect()
        return carrier.tried_at

    pauses = pauses_between(run_with_fake_clock(main()))
    assert len(pauses) == FAILURES
    assert pauses[0] < 0.2
    assert LONGEST_PAUSE_SECONDS / 2 <= pauses[-1] <= LONGEST_PAUSE_SECONDS + 0.001


def test_a_stream_reads_again_after_thousands_of_failures() -> None:
    class FailingStream(Stream):
        tries = 0

        async def run_once(self) -> None:
            self.tries += 1
            if self.tries <= FAILURES:
                raise Disconnected

    async def main() -> int:
        async with asyncio.TaskGroup() as tasks:

            def spawn(run: Coroutine[Any, Any, None]) -> None:
                tasks.create_task(run)

            nothing = cast(Any, None)  # a run that only fails needs neither renderer nor subscriber
            stream = FailingStream(nothing, lambda: None, spawn)
            stream.join(nothing)
        return stream.tries

    assert run_with_fake_clock(main()) == FAILURES + 1


@pytest.mark.parametrize("failure", [Disconnected, ValueError, asyncio.CancelledError])
def test_a_loop_continues_after_thousands_of_failures(failure: type[BaseException]) -> None:
    tried_at: list[float] = []

    async def main() -> None:
        done = asyncio.Event()

        async def step() -> bool:
            tried_at.append(asyncio.get_running_loop().time())
            if len(tried_at) <= FAILURES:
                raise failure
            done.set()
            return False

        loop = Loop("a loop", step, every_seconds=60.0)
        loop.start()
        async with asyncio.timeout(FAILURES * LONGEST_PAUSE_SECONDS + 1):
            await done.wait()
        await loop.stop()

    run_with_fake_clock(main())
    assert pauses_between(tried_at)[-1] == pytest.approx(LONGEST_PAUSE_SECONDS)


def test_a_step_during_a_suspension_is_not_followed_by_a_pause_of_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "now_seconds", lambda: asyncio.get_running_loop().time())
    suspended_seconds = 60.0
    began_at: list[float] = []

    async def main() -> None:
        second = asyncio.Event()

        async def step() -> bool:
            began_at.append(asyncio.get_running_loop().time())
            if len(began_at) == 1:
                await asyncio.sleep(suspended_seconds)
            else:
                second.set()
            return False

        loop = Loop("a loop", step, every_seconds=0.1, least_rest=3)
        loop.start()
        await second.wait()
        await loop.stop()

    run_with_fake_clock(main())
    assert began_at[1] - suspended_seconds <= loops.LONGEST_REST_SECONDS + 0.1


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (None, ""),
        (OSError("could not extend file\nHINT: Check free disk space."), ": could not extend file"),
        (TimeoutError(), ": it does not answer"),
    ],
)
def test_the_log_of_an_outage_says_why_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture, cause: Exception | None, words: str
) -> None:
    async def main() -> None:
        tries = iter(range(3))
        several = asyncio.Event()

        async def step() -> bool:
            if next(tries, None) is None:
                several.set()
                return False
            try:
                raise Disconnected from cause
            except Disconnected as gone:
                raise TryAgain from gone

        loop = Loop("a loop", step, every_seconds=60.0)
        loop.start()
        await several.wait()
        await loop.stop()

    caplog.set_level("INFO")
    run_with_fake_clock(main())
    reported, recovered = caplog.messages
    assert reported == f"the database is unavailable{words} (noticed by: a loop)"
    assert recovered == "the database answers again, after 0 s"


def test_a_task_that_has_lost_a_cancellation_is_ended() -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def work() -> None:
            with suppress(asyncio.CancelledError):
                await never.wait()
            await never.wait()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        ending = asyncio.create_task(end_task(task))
        await asyncio.wait({ending}, timeout=60)
        assert ending.done()
        assert task.cancelled()

    run_with_fake_clock(main())


def test_a_cancelled_loop_ends() -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def step() -> bool:
            return await never.wait()

        loop = Loop("a loop", step, every_seconds=60.0)
        loop.start()
        await asyncio.sleep(0)
        (task,) = [each for each in asyncio.all_tasks() if each.get_name() == "a loop"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_with_fake_clock(main())


def pauses_between(moments: list[float]) -> list[float]:
    """How long each pause was."""
    return [after - before for before, after in pairwise(moments)]
