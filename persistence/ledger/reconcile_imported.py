"""Reconcile of imported lines: behind `domain.ledger.reconcile_imported`.

Set-based SQL: a file has a million lines, and all of them can be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import datetime
from uuid import UUID

from domain.errors import NotFound
from domain.ledger.reconciliation import (
    Difference,
    ImportedPage,
    ProviderReading,
    WrongLine,
)
from domain.live import hints
from persistence.database import Connection, columns, connection, note
from persistence.ledger.reconcile import ADD_UNITS

MOST_LINES = 10_000
"""Lines of one page."""

MOST_CORRECTED = 500
"""Lines of one transaction, so that it takes less than 200 ms."""

IS_WRONG = "difference_id IS NULL AND messages * price <> found"

END_OF_IMPORTED_PAGE = """
SELECT id FROM (SELECT id FROM imported_line WHERE id > $1 ORDER BY id LIMIT $2) AS next
ORDER BY id DESC LIMIT 1
"""
CHECK_IMPORTED = f"""
SELECT count(*), coalesce(sum(messages), 0)::int8,
       array_agg(DISTINCT provider_account_id) FILTER (WHERE {IS_WRONG})
FROM imported_line
WHERE id > $1 AND id <= $2 AND ($3::timestamptz IS NULL OR created_at >= $3)
"""  # noqa: S608 - a condition of our own
# FOR SHARE, before any account: a sync waits, so that its reading does not change.
SHARE_READING = """
SELECT account_id, unit, epoch, read_at FROM provider_account WHERE id = $1 FOR SHARE
"""
# If another run has corrected a line meanwhile, this one skips it: PostgreSQL checks the condition
# again after it has waited for the lock.
LOCK_WRONG_LINES = f"""
SELECT id, client_id, account_id, reference, messages, price, charged, found, created_at
FROM imported_line
WHERE id > $1 AND id <= $2 AND provider_account_id = $3 AND {IS_WRONG}
  AND ($4::timestamptz IS NULL OR created_at >= $4)
ORDER BY id LIMIT $5 FOR UPDATE
"""  # noqa: S608 - a condition of our own
DIFFERENCE_COLUMNS = tuple(field.name for field in fields(Difference))
MARK_LINES = """
UPDATE imported_line SET difference_id = found.difference_id
FROM unnest($1::uuid[], $2::uuid[]) AS found (id, difference_id)
WHERE imported_line.id = found.id
"""


async def check_imported(after: UUID, *, since: datetime | None) -> ImportedPage | None:
    async with connection() as pooled:
        last_id = await pooled.fetchval(END_OF_IMPORTED_PAGE, after, MOST_LINES)
        if last_id is None:
            return None
        row = await pooled.fetchrow(CHECK_IMPORTED, after, last_id, since)
    assert row is not None
    return ImportedPage(last_id, row[0], row[1], row[2] or [])


async def share_reading(tx: Connection, provider_account_id: UUID) -> ProviderReading:
    row = await tx.fetchrow(SHARE_READING, provider_account_id)
    if row is None:
        raise NotFound("provider account")
    return ProviderReading(*row)


async def lock_wrong_lines(
    tx: Connection,
    provider_account_id: UUID,
    *,
    after: UUID,
    until: UUID,
    since: datetime | None,
) -> list[WrongLine]:
    """The next lines between two IDs that are wrong and not corrected, FOR UPDATE in ID order."""
    rows = await tx.fetch(
        LOCK_WRONG_LINES, after, until, provider_account_id, since, MOST_CORRECTED
    )
    return [WrongLine(*row) for row in rows]


async def write_imported_differences(
    tx: Connection, run_id: UUID, differences: Sequence[Difference]
) -> None:
    await tx.copy_records_to_table(
        "reconciliation_difference",
        records=[astuple(each) for each in differences],
        columns=DIFFERENCE_COLUMNS,
    )
    marks = [(each.imported_line_id, each.id) for each in differences if each.corrected]
    if marks:
        await tx.execute(MARK_LINES, *columns(marks))
    counted = [each.expected - each.found for each in differences if not each.in_reading]
    # Charges and refunds separately: the run counts both.
    for units in (sum(each for each in counted if each > 0), sum(filter(lambda u: u < 0, counted))):
        await tx.execute(ADD_UNITS, run_id, units)
    note(tx, [hints.RECONCILIATION + run_id.bytes])
