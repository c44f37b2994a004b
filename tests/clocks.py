"""Clocks of tests: one that never waits, and one that knows how busy the machine is."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 60.0
"""How long a test waits for what has to happen: only a failure takes this long. Longer than a slow
or busy machine needs."""

STEP_SECONDS = 0.02


class Stopwatch:
    """The seconds since it was started, without those in which others used the processor.

    So a limit of a second holds on a busy machine too. What this process itself computes counts.
    """

    def __init__(self) -> None:
        self._began_at = time.monotonic()
        self._late_seconds = 0.0

    @property
    def seconds(self) -> float:
        """The time until now."""
        return time.monotonic() - self._began_at - self._late_seconds

    async def watch(self) -> None:
        """Measures how late the event loop wakes."""
        while True:
            began_at, computed = time.monotonic(), time.process_time()
            await asyncio.sleep(STEP_SECONDS)
            late = time.monotonic() - began_at - STEP_SECONDS
            self._late_seconds += max(0.0, late - (time.process_time() - computed))


@asynccontextmanager
async def stopwatch() -> AsyncIterator[Stopwatch]:
    """A stopwatch that runs while the block does."""
    watch = Stopwatch()
    watching = asyncio.create_task(watch.watch())
    try:
        yield watch
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


class _JumpingSelector(selectors.DefaultSelector):
    """Moves its clock forward by a timeout instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("Every task waits, and no timer is left that could wake one.")
        if not ready and timeout is not None:
            self.now_seconds += timeout
        return ready


class _FakeClockLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _JumpingSelector) -> None:
        super().__init__(selector)
        self._jumping = selector

    def time(self) -> float:
        return self._jumping.now_seconds


def run_with_fake_clock(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns. `asyncio.sleep` and timeouts take no real time in it."""
    loop = _FakeClockLoop(_JumpingSelector())
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()
