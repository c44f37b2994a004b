"""Concurrent requests are decided in one batch, in order, and each gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import RateLimited, TryAgain
from domain.loops import Batcher
from tests.clocks import PATIENCE_SECONDS

Decide = Callable[[Sequence[int]], Awaitable[Sequence[str]]]


class CannotDecide(Exception):
    """Raised for a request that cannot be decided."""


class RecordingDecider:
    """Records its batches. Fails for a batch with a failing request."""

    def __init__(self, *, failing: frozenset[int] = frozenset()) -> None:
        self.batches: list[list[int]] = []
        self.may_continue = asyncio.Event()
        self.may_continue.set()
        self._failing = failing

    async def decide(self, requests: Sequence[int]) -> list[str]:
        self.batches.append(list(requests))
        await self.may_continue.wait()
        if self._failing & set(requests):
            raise CannotDecide
        return [f"answer {request}" for request in requests]


@asynccontextmanager
async def running(decide: Decide, **options: float) -> AsyncIterator[Batcher[int, str]]:
    options = {"window_seconds": 0, **options}
    batcher: Batcher[int, str] = Batcher(decide, **options)  # type: ignore[arg-type]
    batcher.start()
    try:
        yield batcher
    finally:
        await asyncio.wait_for(batcher.stop(), PATIENCE_SECONDS)


@given(
    requests=st.lists(st.integers(), unique=True, max_size=40),
    failing=st.frozensets(st.integers(), max_size=3),
    largest=st.integers(1, 7),
    pauses=st.sets(st.integers(0, 40), max_size=5),
)
async def test_each_request_gets_its_own_answer_even_if_others_fail(
    requests: list[int], failing: frozenset[int], largest: int, pauses: set[int]
) -> None:
    failing |= frozenset(requests[3:4])
    decider = RecordingDecider(failing=failing)
    async with running(decider.decide, largest=largest) as batcher:
        requested = []
        for place, request in enumerate(requests):
            requested.append(asyncio.create_task(batcher.ask(request)))
            if place in pauses:
                await asyncio.sleep(0.001)
        answers = await asyncio.gather(*requested, return_exceptions=True)
    for request, answer in zip(requests, answers, strict=True):
        if request in failing:
            assert isinstance(answer, CannotDecide)
        else:
            assert answer == f"answer {request}"
    assert all(len(batch) <= largest for batch in decider.batches)
    first_seen = list(dict.fromkeys(each for batch in decider.batches for each in batch))
    assert first_seen == requests


async def test_requests_that_arrive_during_a_batch_are_the_next_batch() -> None:
    decider = RecordingDecider()
    decider.may_continue.clear()
    async with running(decider.decide) as batcher:
        first = asyncio.create_task(batcher.ask(1))
        await until(lambda: decider.batches == [[1]])
        others = [asyncio.create_task(batcher.ask(request)) for request in range(2, 150)]
        await asyncio.sleep(0.01)
        assert decider.batches == [[1]]
        decider.may_continue.set()
        await asyncio.gather(first, *others)
    assert decider.batches == [[1], list(range(2, 150))]


async def test_a_batch_waits_for_as_many_requests_as_there_were_last_time() -> None:
    decider = RecordingDecider()
    decider.may_continue.clear()
    async with running(decider.decide, window_seconds=30, longest_window_seconds=30) as batcher:
        requested = [asyncio.create_task(batcher.ask(1))]
        await until(lambda: decider.batches == [[1]])
        requested += [asyncio.create_task(batcher.ask(request)) for request in (2, 3)]
        await asyncio.sleep(0)
        decider.may_continue.set()
        assert await requested[0] == "answer 1"
        assert decider.batches == [[1]]
        requested.append(asyncio.create_task(batcher.ask(4)))
        await asyncio.wait_for(asyncio.gather(*requested), PATIENCE_SECONDS)
    assert decider.batches == [[1], [2, 3, 4]]


async def test_a_batch_does_not_wait_for_long_if_fewer_requests_arrive() -> None:
    decider = RecordingDecider()
    async with running(decider.decide, window_seconds=0.01, longest_window_seconds=30) as batcher:
        await asyncio.gather(*(batcher.ask(request) for request in range(3)))
        assert await asyncio.wait_for(batcher.ask(3), PATIENCE_SECONDS) == "answer 3"


async def test_the_request_of_a_cancelled_caller_is_dropped() -> None:
    decider = RecordingDecider()
    decider.may_continue.clear()
    async with running(decider.decide) as batcher:
        deciding = asyncio.create_task(batcher.ask(1))
        await until(lambda: decider.batches == [[1]])
        leaving, staying = (asyncio.create_task(batcher.ask(request)) for request in (2, 3))
        await asyncio.sleep(0)
        leaving.cancel()
        deciding.cancel()  # too late for this one
        decider.may_continue.set()
        assert await staying == "answer 3"
    assert decider.batches == [[1], [3]]


async def test_a_batcher_that_stops_decides_waiting_requests_and_refuses_later_ones() -> None:
    decider = RecordingDecider()
    async with running(decider.decide, largest=2) as batcher:
        requested = [asyncio.create_task(batcher.ask(request)) for request in range(5)]
        await asyncio.sleep(0)
        await batcher.stop()
        assert await asyncio.gather(*requested) == [f"answer {request}" for request in range(5)]
        with pytest.raises(TryAgain):
            await batcher.ask(6)


async def test_a_request_before_the_start_is_refused_with_try_again() -> None:
    batcher: Batcher[int, str] = Batcher(RecordingDecider().decide)
    with pytest.raises(TryAgain):
        await batcher.ask(1)


async def test_too_many_waiting_requests_are_refused_at_once() -> None:
    decider = RecordingDecider()
    decider.may_continue.clear()
    async with running(decider.decide, most_waiting=3) as batcher:
        requested = [asyncio.create_task(batcher.ask(request)) for request in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await batcher.ask(4)
        decider.may_continue.set()
        await asyncio.gather(*requested)
        assert await batcher.ask(5) == "answer 5"


async def test_a_wrong_number_of_answers_fails_only_that_batch() -> None:
    answers = [["one too", "many"], ["a right one"]]

    async def decide(requests: Sequence[int]) -> list[str]:
        return answers.pop(0)

    async with running(decide) as batcher:
        with pytest.raises(ValueError, match="zip"):
            await asyncio.wait_for(batcher.ask(1), PATIENCE_SECONDS)
        assert await asyncio.wait_for(batcher.ask(2), PATIENCE_SECONDS) == "a right one"


async def test_a_batch_does_not_run_in_the_context_of_a_caller() -> None:
    """Or a request's transaction would become the batch's."""
    seen: list[str] = []

    async def decide(requests: Sequence[int]) -> list[str]:
        task = asyncio.current_task()
        seen.append(task.get_name() if task else "")
        return ["yes" for _ in requests]

    async with running(decide) as batcher:
        await asyncio.create_task(batcher.ask(1), name="a request")
    assert seen == ["batch"]


async def until(true: Callable[[], bool]) -> None:
    """Returns when it is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110 - what no event tells of
            await asyncio.sleep(0)


async def test_a_batch_collects_while_requests_arrive_up_to_its_longest_window() -> None:
    decider = RecordingDecider()
    async with running(decider.decide, longest_window_seconds=60, largest=10) as batcher:
        await asyncio.gather(*(batcher.ask(each) for each in range(10)))
        asking = []
        for each in range(10, 35):  # one a turn of the loop: never nothing new
            asking.append(asyncio.create_task(batcher.ask(each)))
            await asyncio.sleep(0)
        await asyncio.gather(*asking)
    assert [len(batch) for batch in decider.batches] == [10, 10, 10, 5]


async def test_a_batch_is_decided_after_its_longest_window() -> None:
    decider = RecordingDecider()
    async with running(decider.decide, longest_window_seconds=0) as batcher:
        await asyncio.gather(*(batcher.ask(each) for each in range(3)))
    assert decider.batches == [[0, 1, 2]]
