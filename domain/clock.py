"""A clock that does not stand still while the machine sleeps or the program is stopped."""

from __future__ import annotations

import time


def now_seconds() -> float:
    """Seconds since some moment; never set back, and counting on during a suspend where it can."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
