"""Pieces of SQL that several modules share: times, IDs of transactions, combined statements."""

from __future__ import annotations

import re
from functools import partial

from tortoise.expressions import RawSQL
from tortoise.fields.db_defaults import SqlDefault

NOW = RawSQL("clock_timestamp()")
"""The time by the clock of PostgreSQL, for querysets: the clocks of several servers may differ."""

CURRENT_TRANSACTION = SqlDefault("pg_current_xact_id()::text::bigint")
"""The ID of the transaction that writes a row: 64 bits, so it never wraps around."""

CHANGED = (
    "updated_at = clock_timestamp(), version = version + 1,"
    " changed_xid = (SELECT pg_current_xact_id()::text::bigint)"
)
"""In the SET of an UPDATE of many messages: a visible change, without a call of `note_change`."""

_PARAMETER = re.compile(r"\$(\d+)")


def combined(*statements: str) -> str:
    """One statement that runs all of them in one round trip. Each numbers its parameters from $1.

    None of them sees the changes of the others.
    """
    parts: list[str] = []
    before = 0
    for statement in statements:
        numbers = [int(each) for each in _PARAMETER.findall(statement)]
        parts.append(_PARAMETER.sub(partial(_renumbered, before), statement))
        before += max(numbers, default=0)
    *others, last = parts
    named = ", ".join(f"part_{index} AS ({part})" for index, part in enumerate(others))
    return f"WITH {named} {last}"


def _renumbered(before: int, found: re.Match[str]) -> str:
    return f"${int(found[1]) + before}"
