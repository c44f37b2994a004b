"""The limit of requests per second of each client."""

from __future__ import annotations

from uuid import UUID

from domain.ids import new_id
from domain.loops import RequestRateLimiter


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_client_over_the_limit_waits_for_the_next_second() -> None:
    clock = Clock()
    limiter: RequestRateLimiter[UUID] = RequestRateLimiter(2, clock=clock)
    client_id = new_id()
    assert [limiter.wait_seconds(client_id) for _ in range(4)] == [0, 0, 1, 1]
    clock.now += 1
    assert limiter.wait_seconds(client_id) == 0


def test_one_client_does_not_slow_another() -> None:
    limiter: RequestRateLimiter[UUID] = RequestRateLimiter(1, clock=Clock())
    first, second = new_id(), new_id()
    assert [limiter.wait_seconds(first), limiter.wait_seconds(first)] == [0, 1]
    assert limiter.wait_seconds(second) == 0


def test_counts_of_earlier_seconds_are_dropped() -> None:
    clock = Clock()
    limiter: RequestRateLimiter[UUID] = RequestRateLimiter(1, clock=clock)
    for _ in range(1_000):
        limiter.wait_seconds(new_id())
    clock.now += 1
    limiter.wait_seconds(new_id())
    assert len(limiter._counts) == 1
