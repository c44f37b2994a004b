"""How long to wait before the next try: doubled with each failure in a row, up to a limit.

Everything that retries for ever uses this one function. A retry library (tenacity, stamina) wraps
a call and sleeps itself. Our loops must wake early when the program stops, and several waits are
written to the database instead of being slept. Only the length of the wait is common to them.
"""

from __future__ import annotations

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 2.0

# 2.0 ** 1024 overflows. After 60 doublings every wait is longer than any limit.
MOST_DOUBLINGS = 60


def backoff_seconds(
    failures: int, *, first_seconds: float = FIRST_SECONDS, longest_seconds: float = LONGEST_SECONDS
) -> float:
    """Seconds to wait after so many failures in a row. Without a failure, as after the first."""
    doublings = min(max(failures - 1, 0), MOST_DOUBLINGS)
    return min(first_seconds * 2.0**doublings, longest_seconds)
