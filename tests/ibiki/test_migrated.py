"""A dispatcher that is newer than its database waits, and goes on when it is migrated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from domain.errors import TryAgain
from ibiki import migrated
from ibiki.migrated import until_migrated
from tests.clocks import run_with_fake_clock

Answers = list[list[str] | type[TryAgain]]


def reading(answers: Iterator[list[str] | type[TryAgain]]) -> Callable[[], Awaitable[list[str]]]:
    """Reads the pending migrations. The last answer is that none is."""

    async def read() -> list[str]:
        answer = next(answers, [])
        if isinstance(answer, list):
            return answer
        raise answer

    return read


@pytest.mark.parametrize(
    ("answers", "logged"),
    [
        ([], []),
        (
            [["0002_two", "0003_three"], ["0003_three"]],
            ["nothing is sent before `ibiki migrate` has run: lacks 0002_two, 0003_three"],
        ),
        (
            [TryAgain, TryAgain],
            [
                "the database is unavailable (noticed by: looking for migrations)",
                "the database answers again, after 0 s",
            ],
        ),
    ],
)
def test_a_program_waits_until_no_migration_is_missing(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answers: Answers,
    logged: list[str],
) -> None:
    caplog.set_level("INFO")
    left = iter(answers)
    monkeypatch.setattr(migrated, "pending_migrations", reading(left))
    run_with_fake_clock(until_migrated(asyncio.Event()))
    assert list(left) == []
    assert caplog.messages == logged


def test_a_stop_signal_ends_the_wait_for_a_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        stop = asyncio.Event()

        async def read() -> list[str]:
            stop.set()
            return ["0002_two"]

        monkeypatch.setattr(migrated, "pending_migrations", read)
        await until_migrated(stop)

    run_with_fake_clock(main())
