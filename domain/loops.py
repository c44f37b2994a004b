"""Loops that do something again and again, and outlive what goes wrong in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from domain.errors import ProviderUnavailable, TryAgain
from domain.transactions import Disconnected

AWAY = (Disconnected, TryAgain)
"""What is raised while the database is away."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Loop:
    """Takes a step every so often; at once again where the step says that there may be more.

    Start it at boot, never inside a request. A step that fails is logged and tried again later.
    """

    def __init__(
        self, name: str, step: Callable[[], Awaitable[bool]], *, every_seconds: float
    ) -> None:
        self._name = name
        self._step = step
        self._every_seconds = every_seconds
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins, with a first step at once."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Ends after the step that is being taken."""
        task, self._task = self._task, None
        self._stopping.set()
        self._woken.set()
        if task is not None:
            await task

    def wake(self) -> None:
        """The next step is taken at once."""
        self._woken.set()

    async def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                more = await self._step()
                failures = 0
            except Exception as failure:  # noqa: BLE001 - a loop outlives any step
                failures += 1
                tell_failure(_log, self._name, failure, failures)
                await pause_after(failures, self._stopping)
                continue
            if not more:
                await wait_for(self._woken, self._every_seconds)


def tell_failure(log: logging.Logger, name: str, failure: Exception, failures: int) -> None:
    """Logs what went wrong: what is known to pass only once, anything else each time."""
    if isinstance(failure, AWAY):
        said = "the database is away"
    elif isinstance(failure, ProviderUnavailable):
        said = failure.reason
    else:
        log.error("%s failed", name, exc_info=failure)
        return
    if failures == 1:
        log.warning("%s waits: %s", name, said)


async def pause_after(failures: int, stopping: asyncio.Event) -> None:
    """Waits, longer with each failure in a row; not at all once it is stopping."""
    doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10)
    await wait_for(stopping, min(doubled, LONGEST_PAUSE_SECONDS))


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Returns when the event is set, or after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
