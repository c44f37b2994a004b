"""The database's clock goes back: what it has dated ahead waits no longer than it was to."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from domain.dispatch.clock_watch import ClockWatch
from domain.loops import now_seconds
from domain.provider import NotSent
from persistence import store
from tests import worlds
from tests.dispatch.parts import (
    QUICK,
    Scripted,
    answered,
    dispatching,
    eventually,
    marked,
)

HOUR_SECONDS = 3_600

# As it is left by a clock that has gone back since by an hour.
SET_BACK = (
    "UPDATE message SET due_at = due_at + interval '1 h', updated_at = updated_at + interval '1 h'",
    """
    UPDATE attempt
    SET started_at = started_at + interval '1 h', lease_until = lease_until + interval '1 h'
    """,
    """
    UPDATE provider_account
    SET paused_at = paused_at + interval '1 h', probe_at = probe_at + interval '1 h',
        reading_until = reading_until + interval '1 h'
    """,
    "UPDATE provider_pace SET next_at = next_at + interval '1 h'",
    "UPDATE webhook_event SET due_at = due_at + interval '1 h'",
    "UPDATE status_poll SET claimed_until = claimed_until + interval '1 h'",
)
SECONDS_LEFT = "SELECT extract(epoch FROM {} - clock_timestamp())::float8 AS seconds FROM {}"


async def set_back() -> None:
    """An hour has to pass again."""
    for statement in SET_BACK:
        await worlds.execute(statement)


async def correct(*, most: int = 1_000) -> bool:
    """True if there may be more."""
    return await store.correct_future_dates(slack_seconds=2.0, reading_seconds=120.0, most=most)


async def seconds_left(date: str, table: str) -> float:
    """Until the date of the only row."""
    (row,) = await worlds.fetch(SECONDS_LEFT.format(date, table))
    return float(row["seconds"])


@pytest.mark.usefixtures("connected")
async def test_messages_accepted_before_are_submitted_at_once() -> None:
    pool = await worlds.add_pool()
    await worlds.accept(await worlds.add_client(pool), 3)
    await set_back()
    provider = Scripted()
    async with dispatching(provider):
        await eventually(lambda: all_sent(3))
    assert len(provider.seen) == 3


@pytest.mark.usefixtures("connected")
async def test_a_clock_that_goes_back_while_dispatchers_work_is_noticed() -> None:
    pool = await worlds.add_pool()
    client = await worlds.add_client(pool)
    clock = Moved()
    watch = ClockWatch(clock, writing_seconds=0)
    await watch.look()
    await worlds.accept(client, 3)
    await set_back()
    await watch.look()
    assert not await marked(pool)
    clock.ahead_seconds -= HOUR_SECONDS
    await watch.look()
    assert len(await marked(pool)) == 1


async def all_sent(count: int) -> bool:
    return await worlds.statuses() == {"SENT": count}


@dataclass
class Moved:
    """The real store, by a clock that can be moved."""

    ahead_seconds: float = 0.0

    async def read_clock(self) -> float:
        return now_seconds() + self.ahead_seconds

    async def correct_future_dates(
        self, *, slack_seconds: float, reading_seconds: float, most: int
    ) -> bool:
        return await store.correct_future_dates(
            slack_seconds=slack_seconds, reading_seconds=reading_seconds, most=most
        )


@dataclass
class Steady:
    """A clock that a test sets; no row has its time."""

    moves: list[float]
    corrected: list[float] = field(default_factory=list)

    async def read_clock(self) -> float:
        return now_seconds() + self.moves[0]

    async def correct_future_dates(
        self, *, slack_seconds: float, reading_seconds: float, most: int
    ) -> bool:
        self.corrected.append(self.moves[0])
        return False


@pytest.mark.parametrize(
    ("moves", "corrected"),
    [
        ([0.0, 0.0, 0.0], [0.0]),
        ([0.0, 3_600.0, 7_200.0], [0.0]),
        ([0.0, -0.5, -1.0], [0.0]),
        ([7_200.0, 3_600.0, 3_600.0, 0.0], [7_200.0, 3_600.0, 0.0]),
    ],
    ids=["steady", "ahead", "a little back", "back, twice"],
)
async def test_times_are_corrected_only_if_the_clock_went_back(
    moves: list[float], corrected: list[float]
) -> None:
    clock = Steady(list(moves))
    watch = ClockWatch(clock, writing_seconds=0)
    while clock.moves:
        await watch.look()
        clock.moves.pop(0)
    assert clock.corrected == corrected, "the first look is always one: who knows what was before"


async def test_a_late_commit_of_an_earlier_transaction_is_found_too() -> None:
    clock = Steady([0.0])
    watch = ClockWatch(clock)
    for _ in range(3):
        await watch.look()
    assert len(clock.corrected) == 3


@pytest.mark.usefixtures("connected")
async def test_a_message_that_is_to_wait_waits_as_long_as_it_was_to() -> None:
    pool = await worlds.add_pool()
    await worlds.accept(await worlds.add_client(pool))
    (call,) = await marked(pool)
    await answered(pool, call, NotSent("Too many.", retry_after_seconds=300))
    before = await seconds_left("due_at", "message")
    await set_back()
    assert await correct() is False
    assert before - 60 < await seconds_left("due_at", "message") <= before + 5


@pytest.mark.usefixtures("connected")
async def test_a_call_has_its_lease_and_not_an_hour_more() -> None:
    pool = await worlds.add_pool()
    await worlds.accept(await worlds.add_client(pool))
    await marked(pool)
    await set_back()
    await correct()
    assert await seconds_left("lease_until", "attempt") <= QUICK.lease_seconds


@pytest.mark.usefixtures("connected")
async def test_neither_pace_nor_pause_nor_reading_lasts_an_hour_more() -> None:
    pool = await worlds.add_pool(rate_per_second=10)
    await worlds.accept(await worlds.add_client(pool))
    (call,) = await marked(pool)
    await answered(pool, call, NotSent("No credits.", refuses_account=True))
    await worlds.execute(
        "UPDATE provider_account SET reading_until = clock_timestamp() + interval '50 s'"
    )
    await set_back()
    await correct()
    assert await seconds_left("next_at", "provider_pace") <= 1
    assert await seconds_left("probe_at", "provider_account") <= QUICK.probe_first_seconds
    assert await seconds_left("reading_until", "provider_account") <= 0


@pytest.mark.usefixtures("connected")
async def test_a_reading_that_is_being_taken_goes_on() -> None:
    await worlds.add_pool()
    await worlds.execute(
        "UPDATE provider_account SET reading_until = clock_timestamp() + interval '50 s'"
    )
    await correct()
    assert await seconds_left("reading_until", "provider_account") > 10


@pytest.mark.usefixtures("connected")
async def test_many_times_are_corrected_in_steps() -> None:
    pool = await worlds.add_pool()
    await worlds.accept(await worlds.add_client(pool), 5)
    await set_back()
    assert await correct(most=3) is True
    assert await correct(most=3) is False
    (call,) = await marked(pool)
    assert len(call.messages) == 5
