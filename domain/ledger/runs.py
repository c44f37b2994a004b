"""Long runs over the whole ledger: their background task, and how steps are repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from domain.errors import TryAgain
from domain.loops import backoff_seconds, end_task, now_seconds
from domain.transactions import Disconnected

MOST_TRIES = 60
"""About two minutes of tries."""

REST = 4.0
"""How long to rest after a page, as a multiple of its time: an audit takes a fifth of one core of
PostgreSQL, so that sends stay fast."""

LONGEST_REST_SECONDS = 1.0

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Pace:
    """Reads pages, with a rest after each, so that sends stay fast.

    `rest`: as a multiple of the time of the page. `after_page`: called after each page.
    """

    def __init__(
        self, rest: float, *, after_page: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._rest = rest
        self._after_page = after_page

    async def read(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """Reads a page, then rests. Continues after outages like `persist`."""
        began = now_seconds()
        found = await persist(step)
        took_seconds = now_seconds() - began
        await asyncio.sleep(min(self._rest * took_seconds, LONGEST_REST_SECONDS))
        if self._after_page is not None:
            await self._after_page()
        return found


class DailyWork(Protocol):
    """Work that one of all processes does once a day."""

    async def start_daily(self, name: str, *, not_since: datetime) -> bool:
        """True for one process only, once after `not_since`: it does the daily work."""


class HasId(Protocol):
    """A run."""

    @property
    def id(self) -> UUID:
        """Its ID."""


Run = TypeVar("Run", bound=HasId)


async def persist(step: Callable[[], Awaitable[Result]]) -> Result:
    """Repeats a step during an outage. The step must be safe to repeat, also after a lost COMMIT.

    Continues after outages of the database of a few minutes, then raises TryAgain or Disconnected.
    """
    for failures in range(1, MOST_TRIES):
        try:
            return await step()
        except (TryAgain, Disconnected):
            await asyncio.sleep(backoff_seconds(failures))
    return await step()


class Runs(Generic[Run]):
    """Performs runs of one kind in the background of a process, one after another.

    Start it at boot, never inside a request: a task inherits the context of the code that starts
    it. A stop cancels the current run.
    """

    def __init__(
        self,
        kind: str,
        perform: Callable[[Run, Callable[[Run], None]], Awaitable[Run]],
        summary: Callable[[Run], str],
    ) -> None:
        """`perform`: performs a run to its end, and calls the function with it after each page.

        `summary`: a finished run in one line, for the log.
        """
        self._kind = kind
        self._perform = perform
        self._summary = summary
        self._waiting: asyncio.Queue[tuple[Run, asyncio.Future[Run]]] = asyncio.Queue()
        self._latest: dict[asyncio.Future[Run], Run] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the task."""
        self._task = asyncio.create_task(self._work(), name=f"runs of {self._kind}")

    async def stop(self) -> None:
        """Cancels the current run and ends the task."""
        task, self._task = self._task, None
        await end_task(task)

    def add(self, run: Run) -> asyncio.Future[Run]:
        """Queues a run. The future gets the finished run."""
        done: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        done.add_done_callback(self._forget)
        self._latest[done] = run
        self._waiting.put_nowait((run, done))
        return done

    async def run(self, run: Run, *, within_seconds: float) -> Run:
        """Waits for a run. After `within_seconds`, returns it as it is then; it continues."""
        done = self.add(run)
        await asyncio.wait([done], timeout=within_seconds)
        return done.result() if done.done() else self._latest[done]

    async def _work(self) -> None:
        while True:
            run, done = await self._waiting.get()

            def report(now: Run, done: asyncio.Future[Run] = done) -> None:
                self._latest[done] = now

            try:
                finished = await self._perform(run, report)
            except asyncio.CancelledError:
                done.cancel()
                raise
            except Exception as failure:  # noqa: BLE001 - logged, and raised where it is awaited
                _log.exception("%s %s failed", self._kind, run.id)
                done.set_exception(failure)
            else:
                _log.info("%s %s: %s", self._kind, run.id, self._summary(finished))
                done.set_result(finished)

    def _forget(self, done: asyncio.Future[Run]) -> None:
        self._latest.pop(done, None)
        if not done.cancelled():
            done.exception()  # marks the error as seen, if nobody awaits it
