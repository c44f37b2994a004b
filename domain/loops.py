"""When things happen: loops, batches of requests, pauses, a limit on requests, and their clock.

Start a loop or a batcher at boot, never inside a request: a task inherits the context of the code
that starts it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from math import ceil, inf
from typing import Any, Generic, TypeAlias, TypeVar

from domain.errors import RateLimited, TryAgain
from domain.transactions import Failures

LONGEST_REST_SECONDS = 10.0
"""A step takes longest if the machine or this process was suspended in it. That says nothing about
the next step, so it must not be followed by a rest of minutes."""

_log = logging.getLogger(__name__)


class Loop:
    """Runs a step at an interval, or at once again if the step returns True (there may be more).

    `least_rest`: the shortest pause, as a multiple of the time of the step before it. So steps that
    have become slow do not take all of the database's time. At most LONGEST_REST_SECONDS.
    A step that fails is logged and repeated after a pause.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[bool]],
        *,
        every_seconds: float,
        least_rest: float = 0.0,
    ) -> None:
        self._name = name
        self._step = step
        self._every_seconds = every_seconds
        self._least_rest = least_rest
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the loop. The first step runs at once."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Returns when the current step has ended."""
        task, self._task = self._task, None
        self._stopping.set()
        self._woken.set()
        if task is not None:
            await task

    async def cancel(self) -> None:
        """Cancels the current step, and returns when it has ended. For steps that take long."""
        task, self._task = self._task, None
        await end_task(task)

    def wake(self) -> None:
        """Runs the next step at once."""
        self._woken.set()

    async def _run(self) -> None:
        with Failures(_log, self._name) as failures:
            await self._repeat(failures)

    async def _repeat(self, failures: Failures) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            began = now_seconds()
            try:
                more = await self._step()
            except (Exception, asyncio.CancelledError) as failure:
                if is_cancelled(failure):
                    raise
                failures.add(failure)
                await pause_after(failures.count, self._stopping)
                continue
            failures.end()
            if not more:
                rest = min(self._least_rest * (now_seconds() - began), LONGEST_REST_SECONDS)
                await wait_for(self._woken, max(self._every_seconds, rest))


@asynccontextmanager
async def running_loops(*loops: Loop) -> AsyncIterator[None]:
    """Runs the loops while the block runs, then cancels them."""
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        await asyncio.gather(*(loop.cancel() for loop in loops))


async def end_task(task: asyncio.Task[Any] | None) -> None:
    """Cancels a task until it ends: `asyncio.wait_for` of Python 3.11 can lose a cancellation."""
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=3.0)
    if task is not None and not task.cancelled():
        task.result()  # raises what it has raised


def is_cancelled(failure: BaseException) -> bool:
    """Whether the current task was cancelled.

    A step can also raise CancelledError if something that it waited for was cancelled. That is a
    failure like any other and must not end the loop.
    """
    task = asyncio.current_task()
    is_cancellation = isinstance(failure, asyncio.CancelledError)
    return is_cancellation and task is not None and task.cancelling() > 0


async def pause_after(failures: int, stopping: asyncio.Event) -> None:
    """Waits, longer with each failure in a row. Returns at once when `stopping` is set."""
    await wait_for(stopping, backoff_seconds(failures))


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Returns when the event is set, or after this many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

# 2.0 ** 1024 overflows. After 60 doublings every wait is longer than any limit.
MOST_DOUBLINGS = 60


def backoff_seconds(
    failures: int,
    *,
    first_seconds: float = FIRST_PAUSE_SECONDS,
    longest_seconds: float = LONGEST_PAUSE_SECONDS,
) -> float:
    """Seconds to wait after this many failures in a row: doubled with each, up to a limit.

    Without a failure, as after the first. Everything that retries for ever uses this function. A
    retry library (tenacity, stamina) wraps a call and sleeps itself. Our loops must wake early when
    the program stops, and several waits are written to the database instead of being slept. Only
    the length of the wait is common to them.
    """
    doublings = min(max(failures - 1, 0), MOST_DOUBLINGS)
    return min(first_seconds * 2.0**doublings, longest_seconds)


def now_seconds() -> float:
    """Seconds since some moment. Never set back. On Linux it counts while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


Request = TypeVar("Request")
Answer = TypeVar("Answer")
_Waiting: TypeAlias = tuple[Request, "asyncio.Future[Answer]", float, Hashable]
"""A request, its answer, when it arrived, and its turn."""


class Batcher(Generic[Request, Answer]):
    """Collects concurrent requests and decides them in one batch: many requests, one transaction.

    A batch waits until its share of the callers has a request, or no more arrive, or a few
    milliseconds are over. It takes no more round trips than one request. A lone request is not
    delayed.

    Passes the requests to `decide` in order of arrival, at most `largest` at a time.
    `decide` returns one answer for each request, in order. If it raises, each request of that batch
    is decided alone, so that a request that cannot be decided does not fail the others.

    `at_once`: how many batches may run at once. The callers are divided among that many: while the
    database works for one half of them, this process works for the other half. A batch costs the
    database as much as 20 more requests, and this process a part of it, so each gets at least
    `smallest_share` requests. A smaller one begins only if the last one takes longer than
    `patience_seconds` (a lock, a slow disk). `turn_of`: requests for which it returns the same turn
    are never in two batches at once, so that they stay in order.
    """

    def __init__(
        self,
        decide: Callable[[Sequence[Request]], Awaitable[Sequence[Answer]]],
        *,
        largest: int = 200,
        window_seconds: float = 0.001,
        longest_window_seconds: float = 0.008,
        most_waiting: int = 20_000,
        longest_wait_seconds: float = inf,
        at_once: int = 1,
        smallest_share: int = 48,
        patience_seconds: float = 0.03,
        turn_of: Callable[[Request], Hashable] = id,
    ) -> None:
        self._decide = decide
        self._largest = largest
        self._window_seconds = window_seconds
        self._longest_window_seconds = longest_window_seconds
        self._most_waiting = most_waiting
        self._longest_wait_seconds = longest_wait_seconds
        self._at_once = at_once
        self._smallest_share = smallest_share
        self._patience_seconds = patience_seconds
        self._turn_of = turn_of
        self._waiting: deque[_Waiting[Request, Answer]] = deque()
        self._under_way: dict[asyncio.Task[None], Sequence[_Waiting[Request, Answer]]] = {}
        self._changed = asyncio.Event()
        self._patient_until = -inf
        self._share = 1
        self._enough = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Starts the batches. Call it once, at boot."""
        self._task = asyncio.create_task(self._run(), name="batcher")

    async def stop(self) -> None:
        """Decides what has arrived, then stops. Later requests are refused."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping = True
        self._changed.set()
        await task

    async def ask(self, request: Request) -> Answer:
        """The answer to one request. Raises what `decide` raises for it alone.

        Raises TryAgain if the batcher is not running or the request has waited too long, and
        RateLimited if too many requests wait. If the caller is cancelled, its request is dropped,
        unless its batch has begun.
        """
        if self._task is None:
            raise TryAgain
        if len(self._waiting) >= self._most_waiting:
            raise RateLimited(1)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer, now_seconds(), self._turn_of(request)))
        self._wake()
        return await answer

    def _wake(self) -> None:
        self._changed.set()
        if len(self._waiting) >= self._share:
            self._enough.set()

    async def _run(self) -> None:
        while self._waiting or self._under_way or not self._stopping:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting and self._may_begin():
                await self._gather()
                batch = self._take()
                if not batch:
                    break  # all wait for a turn, which comes when a batch ends
                deciding = asyncio.create_task(self._answer_and_end(batch), name="batch")
                self._under_way[deciding] = batch
                loop = asyncio.get_running_loop()
                self._patient_until = loop.time() + self._patience_seconds
                loop.call_at(self._patient_until, self._changed.set)

    def _may_begin(self) -> bool:
        """Whether another batch may be under way now."""
        is_late = asyncio.get_running_loop().time() >= self._patient_until
        return not self._under_way or (
            len(self._under_way) < self._at_once
            and (is_late or len(self._waiting) >= self._smallest_share)
        )

    async def _answer_and_end(self, batch: Sequence[_Waiting[Request, Answer]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await self._answer(batch)
        finally:
            # At once: a caller that has its answer may ask again, and would be counted twice.
            self._share = self._share_of_all()
            del self._under_way[task]
            self._wake()

    def _share_of_all(self) -> int:
        """The share of a batch of the callers that are here now. All, if few or of one turn."""
        here = [*islice(self._waiting, self._at_once * self._largest)]
        for batch in self._under_way.values():
            here += batch
        turns = {turn for *_, turn in here}
        batches = min(self._at_once, len(turns), len(here) // self._smallest_share)
        return min(ceil(len(here) / max(batches, 1)), self._largest)

    async def _gather(self) -> None:
        """Waits while requests arrive, until a share of the callers is there or time is up.

        Callers are those of the last batch, and those that were there when it ended.
        """
        until = now_seconds() + self._longest_window_seconds
        before = 0
        while before < len(self._waiting) < self._share and now_seconds() < until:
            before = len(self._waiting)
            await self._wait_for_more()

    async def _wait_for_more(self) -> None:
        self._enough.clear()
        timer = asyncio.get_running_loop().call_later(self._window_seconds, self._enough.set)
        await self._enough.wait()
        timer.cancel()

    def _take(self) -> list[_Waiting[Request, Answer]]:
        """A share of the requests, in order, without those that wait for a batch under way.

        Includes waiting requests of the same turns: they could not go into another batch.
        """
        batch: list[_Waiting[Request, Answer]] = []
        passed: list[_Waiting[Request, Answer]] = []
        busy = {turn for others in self._under_way.values() for *_, turn in others}
        own: set[Hashable] = set()
        too_old = now_seconds() - self._longest_wait_seconds
        share = max(self._share, self._share_of_all())
        # Only a part of a long queue: this process has other work.
        while self._waiting and len(batch) < self._largest and len(passed) < 4 * self._largest:
            waiting = self._waiting.popleft()
            _, answer, arrived_at, turn = waiting
            if answer.cancelled():
                continue
            if arrived_at < too_old:
                answer.set_exception(TryAgain())
            elif turn in busy or (len(batch) >= share and turn not in own):
                passed.append(waiting)
            else:
                batch.append(waiting)
                own.add(turn)
        self._waiting.extendleft(reversed(passed))
        return batch

    async def _answer(self, batch: Sequence[_Waiting[Request, Answer]]) -> None:
        try:
            answers = await self._decide([request for request, *_ in batch])
            answered = list(zip(batch, answers, strict=True))
        except Exception as failure:  # noqa: BLE001 - alone, each request shows its own failure
            if len(batch) > 1:
                for each in batch:
                    await self._answer([each])
            elif not batch[0][1].done():
                batch[0][1].set_exception(failure)
            return
        for (_, future, *_), answer in answered:
            if not future.done():
                future.set_result(answer)


Caller = TypeVar("Caller", bound=Hashable)


class RequestRateLimiter(Generic[Caller]):
    """Limits the requests per second of each caller, counted in this process in whole seconds.

    The `limits` library is too slow for this: its storages start a thread or a task for each
    window. They also use a clock that can be set back.
    """

    def __init__(
        self, requests_per_second: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = requests_per_second
        self._clock = clock
        self._window = 0
        self._counts: Counter[Caller] = Counter()

    def wait_seconds(self, caller: Caller, /) -> int:
        """Counts the request. 0 if it is allowed, else the seconds until the next is allowed."""
        window = int(self._clock())
        if window != self._window:
            self._window = window
            self._counts.clear()
        self._counts[caller] += 1
        return 0 if self._counts[caller] <= self._most else 1
