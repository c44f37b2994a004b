"""Collects concurrent requests and decides them in one batch: many requests, one transaction.

While one batch is being decided, the next one collects. It then waits until as many requests are
there as were around the last time, or no more arrive, or a few milliseconds are over. A batch takes
no more round trips than one request. A lone request is not delayed. Start it at boot, never inside
a request: a task inherits the context of the code that starts it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Generic, TypeVar

from domain.clock import now_seconds
from domain.errors import RateLimited, TryAgain

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Batcher(Generic[Request, Answer]):
    """Passes requests to `decide` in order of arrival, at most `largest` at a time.

    `decide` returns one answer for each request, in order. If it raises, each request of that batch
    is decided alone, so that a request that cannot be decided does not fail the others.
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
    ) -> None:
        self._decide = decide
        self._largest = largest
        self._window_seconds = window_seconds
        self._longest_window_seconds = longest_window_seconds
        self._most_waiting = most_waiting
        self._longest_wait_seconds = longest_wait_seconds
        self._waiting: deque[tuple[Request, asyncio.Future[Answer], float]] = deque()
        self._arrived = asyncio.Event()
        self._callers = 1
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
        self._arrived.set()
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
        self._waiting.append((request, answer, now_seconds()))
        self._arrived.set()
        if len(self._waiting) >= self._callers:
            self._enough.set()
        return await answer

    async def _run(self) -> None:
        while self._waiting or not self._stopping:
            await self._arrived.wait()
            await self._gather()
            batch = self._take()
            if batch:
                await self._answer(batch)
            self._callers = min(len(batch) + len(self._waiting), self._largest)

    async def _gather(self) -> None:
        """Waits while requests arrive, until the expected number is there or time is up.

        Expected are as many as the last batch had, and those that arrived meanwhile.
        """
        until = now_seconds() + self._longest_window_seconds
        before = 0
        while before < len(self._waiting) < self._callers and now_seconds() < until:
            before = len(self._waiting)
            await self._wait_for_more()

    async def _wait_for_more(self) -> None:
        self._enough.clear()
        timer = asyncio.get_running_loop().call_later(self._window_seconds, self._enough.set)
        await self._enough.wait()
        timer.cancel()

    def _take(self) -> list[tuple[Request, asyncio.Future[Answer]]]:
        batch: list[tuple[Request, asyncio.Future[Answer]]] = []
        too_old = now_seconds() - self._longest_wait_seconds
        while self._waiting and len(batch) < self._largest:
            request, answer, arrived_at = self._waiting.popleft()
            if answer.cancelled():
                continue
            if arrived_at < too_old:
                answer.set_exception(TryAgain())
            else:
                batch.append((request, answer))
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _answer(self, batch: Sequence[tuple[Request, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._decide([request for request, _ in batch])
            answered = list(zip(batch, answers, strict=True))
        except Exception as failure:  # noqa: BLE001 - alone, each request shows its own failure
            if len(batch) > 1:
                for each in batch:
                    await self._answer([each])
            elif not batch[0][1].done():
                batch[0][1].set_exception(failure)
            return
        for (_, future), answer in answered:
            if not future.done():
                future.set_result(answer)
