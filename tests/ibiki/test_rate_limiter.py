"""So many requests a second for each client, and no more."""

from __future__ import annotations

from uuid import UUID

from domain.ids import new_id
from ibiki.http.rate_limiter import RequestRateLimiter


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_client_that_has_asked_often_enough_waits_for_the_next_second() -> None:
    clock = Clock()
    pace: RequestRateLimiter[UUID] = RequestRateLimiter(2, clock=clock)
    client_id = new_id()
    assert [pace.wait_seconds(client_id) for _ in range(4)] == [0, 0, 1, 1]
    clock.now += 1
    assert pace.wait_seconds(client_id) == 0


def test_one_client_does_not_slow_another() -> None:
    pace: RequestRateLimiter[UUID] = RequestRateLimiter(1, clock=Clock())
    first, second = new_id(), new_id()
    assert [pace.wait_seconds(first), pace.wait_seconds(first)] == [0, 1]
    assert pace.wait_seconds(second) == 0


def test_nothing_is_kept_of_clients_that_ask_no_more() -> None:
    clock = Clock()
    pace: RequestRateLimiter[UUID] = RequestRateLimiter(1, clock=clock)
    for _ in range(1_000):
        pace.wait_seconds(new_id())
    clock.now += 1
    pace.wait_seconds(new_id())
    assert len(pace._counts) == 1
