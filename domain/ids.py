"""IDs: UUIDv7, so that rows sort by time and tables can be partitioned by month later."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A unique ID that sorts after the IDs made before it in this process."""
    return uuid7()


def first_id_at(moment: datetime, later_seconds: float = 0) -> UUID:
    """The smallest UUIDv7 of a moment (RFC 9562 §5.7): 48 bits of milliseconds come first.

    A moment before 1970 has the smallest of all UUIDs.
    """
    milliseconds = int((moment.timestamp() + later_seconds) * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)
