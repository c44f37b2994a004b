"""How often a client may ask: so many requests a second, counted in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from uuid import UUID


class ClientPace:
    """Counts requests by client, in windows of a second. Fills `domain.house.Pace`.

    Asked once a request: the storages of the `limits` library start a thread or a task for their
    windows, which costs more than all else that a request does here. A window is thrown away whole.
    """

    def __init__(
        self, requests_per_second: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = requests_per_second
        self._clock = clock
        self._window = 0
        self._counts: Counter[UUID] = Counter()

    def wait_seconds(self, client_id: UUID) -> int:
        """0 where the request may go on (and is counted), else the seconds until the next may."""
        window = int(self._clock())
        if window != self._window:
            self._window = window
            self._counts.clear()
        self._counts[client_id] += 1
        return 0 if self._counts[client_id] <= self._most else 1
