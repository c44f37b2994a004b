"""A clock that continues while the machine sleeps or the program is stopped."""

from __future__ import annotations

import time


def now_seconds() -> float:
    """Seconds since some moment. Never set back. On Linux it counts while the machine sleeps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
