"""How often a client may ask: so many requests a second, counted in this process."""

from __future__ import annotations

import math
import time
from uuid import UUID

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


class ClientPace:
    """Counts requests by client in windows of a second. Fills `domain.house.Pace`."""

    def __init__(self, requests_per_second: int) -> None:
        self._limit = RateLimitItemPerSecond(requests_per_second)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def wait_seconds(self, client_id: UUID) -> int:
        """0 where the request may go on (and is counted), else the seconds until the next may."""
        key = client_id.hex
        if self._limiter.hit(self._limit, key):
            return 0
        reset_time = self._limiter.get_window_stats(self._limit, key).reset_time
        return max(1, math.ceil(reset_time - time.time()))
