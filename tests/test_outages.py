"""What the log of a process says during an outage of the database."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from domain.errors import ProviderUnavailable, TryAgain
from domain.loops import Loop
from domain.transactions import Failures
from tests.clocks import run_with_fake_clock

TASKS = 25

_log = logging.getLogger("tests.outages")


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_an_outage_that_many_tasks_notice_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        steps: Counter[int] = Counter()
        all_succeeded = asyncio.Event()

        def step_of(number: int) -> Callable[[], Awaitable[bool]]:
            async def step() -> bool:
                steps[number] += 1
                if steps[number] <= 3:
                    raise TryAgain
                if len(steps) == TASKS and min(steps.values()) > 3:
                    all_succeeded.set()
                return False

            return step

        loops = [
            Loop(f"task {number}", step_of(number), every_seconds=60.0) for number in range(TASKS)
        ]
        for loop in loops:
            loop.start()
        await all_succeeded.wait()
        await asyncio.gather(*(loop.stop() for loop in loops))

    run_with_fake_clock(main())
    began, ended = caplog.messages
    assert began == "the database is unavailable (noticed by: task 0)"
    assert ended.startswith("the database answers again, after ")


def test_the_outage_is_over_when_no_task_waits_any_more(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk refuses those that write. Those that read do not end the outage."""
    writer, reader = Failures(_log, "a writer"), Failures(_log, "a reader")
    writer.add(TryAgain())
    reader.add(TryAgain())
    reader.end()
    reader.end()
    assert len(caplog.messages) == 1
    writer.end()
    assert len(caplog.messages) == 2


def test_a_task_that_ends_does_not_prolong_the_outage(caplog: pytest.LogCaptureFixture) -> None:
    ended, other = Failures(_log, "ended"), Failures(_log, "other")
    with suppress(asyncio.CancelledError), ended:
        ended.add(TryAgain())
        raise asyncio.CancelledError
    assert len(caplog.messages) == 1
    other.add(TryAgain())
    other.end()
    assert [each.split(" (")[0].split(",")[0] for each in caplog.messages] == [
        "the database is unavailable",
        "the database is unavailable",
        "the database answers again",
    ]


def test_a_task_that_is_gone_does_not_prolong_the_outage(caplog: pytest.LogCaptureFixture) -> None:
    Failures(_log, "cancelled").add(TryAgain())
    other = Failures(_log, "other")
    other.add(TryAgain())
    other.end()
    assert [each.split(" (")[0].split(",")[0] for each in caplog.messages] == [
        "the database is unavailable",
        "the database is unavailable",
        "the database answers again",
    ]


def test_what_is_no_outage_is_logged_by_its_task(caplog: pytest.LogCaptureFixture) -> None:
    task = Failures(_log, "a task")
    task.add(ProviderUnavailable("the provider is not configured"))
    task.add(ProviderUnavailable("the provider is not configured"))
    task.end()
    task.add(ValueError("a defect"))
    task.add(ValueError("a defect"))
    task.end()
    task.end()
    assert caplog.messages == [
        "a task waits: the provider is not configured",
        "a task continues",
        "a task failed",
        "a task failed",
        "a task continues",
    ]
