"""The circuit breaker opens, lets one call try, and closes."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from uuid import UUID

import pytest

from domain.dispatch.rules import Breaker, is_clear, is_harmless, requested_pause
from domain.provider import Accepted, NotSent, Outcome, Rejected, Unknown


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(opens_after=5, first_pause_seconds=2, longest_pause_seconds=30, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.ended(clear=False, was_try=breaker.started())


def test_the_breaker_opens_after_five_calls_in_a_row_without_a_clear_answer(
    breaker: Breaker,
) -> None:
    fail(breaker, 4)
    assert breaker.allowance == inf
    fail(breaker, 1)
    assert breaker.is_open
    assert breaker.allowance == 0
    assert breaker.wait_seconds == 2


def test_a_clear_answer_in_between_starts_the_count_again(breaker: Breaker) -> None:
    fail(breaker, 4)
    breaker.ended(clear=True, was_try=breaker.started())
    fail(breaker, 4)
    assert not breaker.is_open


def test_a_call_that_was_not_made_is_not_counted(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 4)
    breaker.not_made(was_try=breaker.started())
    assert not breaker.is_open
    fail(breaker, 1)
    clock.seconds = 2
    breaker.not_made(was_try=breaker.started())  # It does not end the try either.
    assert breaker.is_open
    assert breaker.allowance == 1


def test_after_the_pause_one_call_may_start_as_a_try(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.seconds = 2
    assert breaker.allowance == 1
    assert breaker.started()
    assert breaker.allowance == 0
    assert breaker.wait_seconds == inf


def test_calls_that_were_marked_before_the_breaker_opened_do_not_count_as_tries(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 5)
    assert not breaker.started()
    fail(breaker, 3)
    assert breaker.wait_seconds == 2
    clock.seconds = 2
    assert [breaker.started(), breaker.started()] == [True, False]


def test_the_pause_doubles_with_each_try_that_fails_up_to_the_longest(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 5)
    pauses = []
    for _ in range(6):
        pauses.append(breaker.wait_seconds)
        clock.seconds += breaker.wait_seconds
        fail(breaker, 1)
    assert pauses == [2, 4, 8, 16, 30, 30]


def test_the_pause_stays_short_while_no_try_can_have_sent_anything(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 5)
    pauses = []
    for harmless in (True, True, False, True, True, False):
        clock.seconds += breaker.wait_seconds
        breaker.ended(clear=False, was_try=breaker.started(), harmless=harmless)
        pauses.append(breaker.wait_seconds)
    assert pauses == [2, 2, 4, 4, 4, 8]


FIRST, SECOND, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


def end(breaker: Breaker, client_id: UUID, *, clear: bool = False, times: int = 1) -> None:
    for _ in range(times):
        breaker.ended(client_id, clear=clear, was_try=breaker.started(client_id))


def test_another_client_is_tried_at_once_if_only_one_has_failed(breaker: Breaker) -> None:
    end(breaker, FIRST, times=4)
    assert breaker.allows() == (inf, None)
    end(breaker, FIRST)
    assert breaker.allows() == (1, FIRST)
    assert not breaker.started(FIRST)
    assert breaker.started(SECOND)
    assert breaker.allows() == (0, None), "one try at a time"
    breaker.ended(SECOND, clear=True, was_try=True)
    assert breaker.allows() == (inf, None)


def test_after_two_clients_have_failed_all_wait(breaker: Breaker, clock: Clock) -> None:
    end(breaker, FIRST, times=5)
    end(breaker, SECOND)
    assert breaker.allows() == (0, None)
    assert breaker.wait_seconds == 4
    assert not breaker.started(THIRD)
    clock.seconds = 4
    assert breaker.allows() == (1, None)


def test_another_client_waits_for_a_requested_pause(breaker: Breaker, clock: Clock) -> None:
    breaker.pause(7)
    end(breaker, FIRST, times=5)
    assert breaker.allows() == (0, None)
    clock.seconds = 7
    assert breaker.allows() == (1, None)


def test_what_failed_before_a_clear_answer_does_not_count(breaker: Breaker) -> None:
    end(breaker, SECOND)
    end(breaker, THIRD, clear=True)
    end(breaker, FIRST, times=5)
    assert breaker.allows() == (1, FIRST)


def test_a_late_failure_of_another_client_counts(breaker: Breaker) -> None:
    late = breaker.started(SECOND)
    end(breaker, FIRST, times=5)
    breaker.ended(SECOND, clear=False, was_try=late)
    assert breaker.allows() == (0, None)


@pytest.mark.parametrize(
    ("outcomes", "harmless"),
    [
        ([NotSent("refused")], True),
        ([NotSent("wait", asks_to_wait=True)], False),
        ([NotSent("refused"), Unknown("?")], False),
        ([Unknown("?")], False),
        ([Accepted("a")], False),
    ],
)
def test_a_call_is_harmless_if_no_message_was_sent_and_nobody_asks_to_wait(
    outcomes: list[Outcome], harmless: bool
) -> None:
    assert is_harmless(outcomes) is harmless


def test_a_try_that_is_answered_closes_the_breaker_and_the_next_pause_is_short_again(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 5)
    clock.seconds += 2
    fail(breaker, 1)
    clock.seconds += 4
    breaker.ended(clear=True, was_try=breaker.started())
    assert breaker.allowance == inf
    fail(breaker, 5)
    assert breaker.wait_seconds == 2


def test_the_answer_of_an_earlier_call_does_not_end_the_try(breaker: Breaker, clock: Clock) -> None:
    straggler = breaker.started()
    fail(breaker, 5)
    clock.seconds += 2
    tries = breaker.started()
    breaker.ended(clear=False, was_try=straggler)
    assert breaker.wait_seconds == inf, "the try is still under way"
    breaker.ended(clear=False, was_try=tries)
    assert breaker.wait_seconds == 4


def test_a_clear_answer_of_an_earlier_call_closes_the_breaker(breaker: Breaker) -> None:
    straggler = breaker.started()
    fail(breaker, 5)
    breaker.ended(clear=True, was_try=straggler)
    assert breaker.allowance == inf


def test_the_breaker_stays_open_for_the_requested_pause(breaker: Breaker, clock: Clock) -> None:
    breaker.pause(7)
    breaker.pause(3)
    assert (breaker.allowance, breaker.wait_seconds) == (0, 7)
    clock.seconds = 7
    assert breaker.allowance == inf


@pytest.mark.parametrize(
    ("outcomes", "clear"),
    [
        ([Accepted("a")], True),
        ([Rejected("no")], True),
        ([Unknown("?")], False),
        ([NotSent("refused")], False),
        ([NotSent("wait", asks_to_wait=True, retry_after_seconds=7)], True),
        ([NotSent("wait", asks_to_wait=True)], False),
        ([NotSent("wait", asks_to_wait=True, retry_after_seconds=0)], False),
        ([NotSent("no money", refuses_account=True)], True),
        ([NotSent("as a whole", alone=True)], True),
        ([Unknown("?"), Accepted("a")], True),
        ([], False),
    ],
)
def test_a_response_of_the_provider_itself_is_clear(outcomes: list[Outcome], clear: bool) -> None:
    assert is_clear(outcomes) is clear


def test_the_longest_requested_pause_counts() -> None:
    outcomes: list[Outcome] = [
        NotSent("wait", retry_after_seconds=2),
        Accepted(None),
        NotSent("wait", retry_after_seconds=5),
    ]
    assert requested_pause(outcomes) == 5
    assert requested_pause([Accepted(None), NotSent("refused")]) == 0
