"""Small words that the set-based SQL shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as one array a column, as `unnest` takes them. There is at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]
