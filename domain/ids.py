"""Ids: UUIDv7, so that rows sort by time and tables can be partitioned by month later."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """An id that no other process makes, later in order than those made before it."""
    return uuid7()
