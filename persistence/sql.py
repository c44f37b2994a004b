"""Small words that the set-based SQL shares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as one array a column, as `unnest` takes them. There is at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment (RFC 9562 §5.7): 48 bits of milliseconds come first."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
