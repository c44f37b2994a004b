"""An event loop with a clock of its own: every wait ends at once, and in the right order."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


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
