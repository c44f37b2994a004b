"""Messages that the provider has accepted: most of them are recorded without being read.

Raw SQL: one statement locks and changes the messages of several calls. A message that had to be
read first cost twice as much CPU, half of it in Python (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from domain.live import hints
from persistence.database import Connection, ends_of, note
from persistence.sql import CHANGED

# All messages of the calls are locked, in ID order, also those that are read afterwards: two
# statements that lock a part each could deadlock with a cancel. Each message finds its values by
# its place among the IDs, which are sorted: see `settlement`.
RECORD_ACCEPTED = f"""
WITH locked AS MATERIALIZED (
    SELECT id, route_id IS NULL AND coalesce(($3::bool[])[width_bucket(id, $1::uuid[])], true)
        AS is_recorded
    FROM message
    WHERE id = ANY($1) AND id BETWEEN $4 AND $5 AND attempt_id = ANY($6::uuid[])
      AND status IN ('SUBMITTING', 'UNKNOWN')
    ORDER BY id FOR UPDATE
), recorded AS (
    UPDATE message
    SET status = 'SENT', failure = NULL, waiting_for = NULL, {CHANGED},
        reference = coalesce(($2::text[])[width_bucket(id, $1)], reference)
    WHERE id = ANY (ARRAY(SELECT id FROM locked WHERE is_recorded)) AND id BETWEEN $4 AND $5
    RETURNING send_id
)
SELECT send_id, count(*) FROM recorded GROUP BY send_id
"""  # noqa: S608 - columns of our own


async def record_accepted(
    tx: Connection,
    attempt_ids: Sequence[UUID],
    references: Mapping[UUID, str | None],
    others: Collection[UUID],
) -> int:
    ids = sorted([*references, *others])
    rows = await tx.fetch(
        RECORD_ACCEPTED,
        ids,
        [references.get(each) for each in ids],
        [each in references for each in ids] if others else None,
        *ends_of(ids),
        attempt_ids,
    )
    note(tx, [hints.SEND + row[0].bytes for row in rows])
    note(tx, [hints.MESSAGE + each.bytes for each in references])
    return sum(row[1] for row in rows)
