"""IDs: UUIDv7, so that rows sort by time and tables can be partitioned by month later."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A unique ID that sorts after the IDs made before it in this process."""
    return uuid7()
