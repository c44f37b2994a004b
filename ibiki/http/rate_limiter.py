"""Limits the requests per second of each caller, counted in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Caller = TypeVar("Caller", bound=Hashable)


class RequestRateLimiter(Generic[Caller]):
    """Counts requests in windows of one second. Implements `domain.installation.RateLimiter`.

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
