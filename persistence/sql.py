"""Small words that the set-based SQL shares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from tortoise.fields.db_defaults import SqlDefault

CURRENT_TRANSACTION = SqlDefault("pg_current_xact_id()::text::bigint")
"""The ID of the transaction that writes a row: 64 bits, so it never wraps around."""

_PARAMETER = re.compile(r"\$(\d+)")


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as one array a column, as `unnest` takes them. There is at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def together(*statements: str) -> str:
    """One statement that does them all: one round trip. Each counts its parameters from $1.

    They see the database as it was before any of them, and come into force together.
    """
    parts: list[str] = []
    before = 0
    for statement in statements:
        numbers = [int(each) for each in _PARAMETER.findall(statement)]
        parts.append(_PARAMETER.sub(partial(_counted_on, before), statement))
        before += max(numbers, default=0)
    *others, last = parts
    named = ", ".join(f"part_{place} AS ({part})" for place, part in enumerate(others))
    return f"WITH {named} {last}"


def _counted_on(before: int, found: re.Match[str]) -> str:
    return f"${int(found[1]) + before}"


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of a moment (RFC 9562 §5.7): 48 bits of milliseconds come first."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
