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

_PARAMETER = re.compile(r"\$(\d+)")


def committed_since(column: str, snapshot: str) -> str:
    """The condition for rows that were committed after a snapshot. Both arguments are SQL.

    `column` holds CURRENT_TRANSACTION. A reader runs one statement that returns
    `pg_current_snapshot()::text` and the rows for which this holds, and passes that snapshot to its
    next read. So it reads each row once, at the first read after its commit, however late that is.
    A time or a sequence number is taken before the commit, so it cannot do that.

    The first condition uses an index: older transactions were all visible. The last one leaves out
    rows that were restored from another server, with IDs that this one has not reached.
    """
    return f"""(
    {column} >= pg_snapshot_xmin({snapshot}::pg_snapshot)::text::bigint
    AND NOT pg_visible_in_snapshot({column}::text::xid8, {snapshot}::pg_snapshot)
    AND pg_visible_in_snapshot({column}::text::xid8, pg_current_snapshot()))"""


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
