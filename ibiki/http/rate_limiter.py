"""How often somebody may ask: so many requests a second of each, counted in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Asker = TypeVar("Asker", bound=Hashable)


class RequestRateLimiter(Generic[Asker]):
    """Counts requests by who asks, in windows of a second. Fills `domain.installation.Pace`.

    Asked once a request: the storages of the `limits` library start a thread or a task for their
    windows, which costs more than all else that a request does here, and end them by a clock that
    may be set back. A window is thrown away whole.
    """

    def __init__(
        self, requests_per_second: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = requests_per_second
        self._clock = clock
        self._window = 0
        self._counts: Counter[Asker] = Counter()

    def wait_seconds(self, asker: Asker, /) -> int:
        """0 where the request may go on (and is counted), else the seconds until the next may."""
        window = int(self._clock())
        if window != self._window:
            self._window = window
            self._counts.clear()
        self._counts[asker] += 1
        return 0 if self._counts[asker] <= self._most else 1
