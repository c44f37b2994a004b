"""What is written when calls have ended: their attempts, and messages that the provider accepted.

Raw SQL: one statement locks and changes the messages of several calls. It is on the path of every
message: 13,500 a second of a bulk, or 1,430 single ones (docs/measurements.md). Most accepted
messages are recorded without being read: reading them first cost twice as much CPU.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from domain.dispatch.messages import AttemptEnd, LockedProviderAccount
from domain.errors import NotFound
from domain.live import hints
from persistence.database import Connection, columns, ends_of, note
from persistence.sql import CHANGED

MOST_DETAIL = 4_000
"""Characters of an attempt's detail that are kept."""

PROVIDER_ACCOUNT = """
SELECT id, account_id, epoch, coalesce(reading_until > clock_timestamp(), false),
       paused_at IS NOT NULL, paused_at IS NOT NULL AND probe_at <= clock_timestamp(),
       rate_per_second, stopped_at IS NOT NULL
FROM provider_account WHERE id = $1
"""
SHARE_PROVIDER_ACCOUNT = f"{PROVIDER_ACCOUNT} FOR SHARE"
LOCK_PROVIDER_ACCOUNT = f"{PROVIDER_ACCOUNT} FOR NO KEY UPDATE"

# `persistence.database.ends_of` says why the ends of the IDs are given, too.
LOCK_ATTEMPTS = """
SELECT FROM attempt WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id FOR UPDATE
"""

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
    SET status = 'SENT', failure = NULL, waiting_for = NULL, due_at = NULL, {CHANGED},
        reference = coalesce(($2::text[])[width_bucket(id, $1)], reference)
    WHERE id = ANY (ARRAY(SELECT id FROM locked WHERE is_recorded)) AND id BETWEEN $4 AND $5
    RETURNING send_id
)
SELECT send_id, count(*) FROM recorded GROUP BY send_id
"""  # noqa: S608 - columns of our own

# A late result replaces the outcome that the sweep wrote. The detail is kept and added to.
END_ATTEMPTS = f"""
WITH ended AS (
    UPDATE attempt
    SET ended_at = clock_timestamp(), outcome = done.outcome, dispatcher_id = NULL,
        lease_until = NULL,
        detail = nullif(left(concat_ws(E'\\n', attempt.detail, done.detail), {MOST_DETAIL}), '')
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS done (id, outcome, detail)
    WHERE attempt.id = done.id AND attempt.id = ANY($1) AND attempt.id BETWEEN $4 AND $5
    RETURNING provider_account_id
)
SELECT DISTINCT provider_account_id FROM ended
"""  # noqa: S608 - a number of our own
NOTE_ON_ATTEMPTS = f"""
UPDATE attempt SET detail = left(concat_ws(E'\\n', detail, $2::text), {MOST_DETAIL})
WHERE id = ANY($1::uuid[])
"""  # noqa: S608 - a number of our own


async def lock_provider_account(
    tx: Connection, provider_account_id: UUID, *, for_update: bool = False
) -> LockedProviderAccount:
    statement = LOCK_PROVIDER_ACCOUNT if for_update else SHARE_PROVIDER_ACCOUNT
    row = await tx.fetchrow(statement, provider_account_id)
    if row is None:
        raise NotFound("provider account")
    return LockedProviderAccount(*row)


async def lock_attempts(tx: Connection, ids: Sequence[UUID]) -> None:
    await tx.execute(LOCK_ATTEMPTS, list(ids), *ends_of(ids))


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


async def end_attempts(tx: Connection, ends: Sequence[AttemptEnd]) -> None:
    rows = [(end.attempt_id, end.outcome, end.detail) for end in ends]
    ids = [end.attempt_id for end in ends]
    ended = await tx.fetch(END_ATTEMPTS, *columns(rows), *ends_of(ids))
    note(tx, [hints.POOL + row[0].bytes for row in ended])


async def note_on_attempts(tx: Connection, ids: Sequence[UUID], note: str) -> None:
    await tx.execute(NOTE_ON_ATTEMPTS, list(ids), note)
