"""Loops that repeat a step for as long as the program runs, and continue after any failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from domain.backoff import backoff_seconds
from domain.clock import now_seconds
from domain.errors import OutcomeUnknown, ProviderUnavailable, TryAgain
from domain.transactions import Disconnected

AWAY = (Disconnected, TryAgain, OutcomeUnknown)
"""The errors that mean that the database is away."""

_log = logging.getLogger(__name__)


class Loop:
    """Runs a step at an interval, or at once again if the step returns True (there may be more).

    `least_rest`: how long a pause is at least, in times of the step before it, so that steps that
    have become slow do not take all of the database's time.
    A step that fails is logged and repeated after a pause. Start it at boot, never inside a
    request: a task inherits the context of the code that starts it.
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
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def wake(self) -> None:
        """Runs the next step at once."""
        self._woken.set()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            began = now_seconds()
            try:
                more = await self._step()
            except (Exception, asyncio.CancelledError) as failure:
                if is_cancelled(failure):
                    raise
                failures += 1
                log_failure(_log, self._name, failure, failures)
                await pause_after(failures, self._stopping)
                continue
            failures = 0
            if not more:
                rest = self._least_rest * (now_seconds() - began)
                await wait_for(self._woken, max(self._every_seconds, rest))


def is_cancelled(failure: BaseException) -> bool:
    """Whether the current task was cancelled.

    A step can also raise CancelledError if something that it waited for was cancelled. That is a
    failure like any other and must not end the loop.
    """
    task = asyncio.current_task()
    is_cancellation = isinstance(failure, asyncio.CancelledError)
    return is_cancellation and task is not None and task.cancelling() > 0


def log_failure(log: logging.Logger, name: str, failure: BaseException, failures: int) -> None:
    """Logs a failure: an outage only the first time in a row, anything else each time."""
    if isinstance(failure, AWAY):
        reason = "the database is away"
    elif isinstance(failure, ProviderUnavailable):
        reason = failure.reason
    else:
        log.error("%s failed", name, exc_info=failure)
        return
    if failures == 1:
        log.warning("%s waits: %s", name, reason)


async def pause_after(failures: int, stopping: asyncio.Event) -> None:
    """Waits, longer with each failure in a row. Returns at once when `stopping` is set."""
    await wait_for(stopping, backoff_seconds(failures))


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Returns when the event is set, or after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
