"""Jobs: sends whose messages are written in parts. SQL: rows and their counts change together.

A job is locked before everything else that its transaction locks.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson

from domain.dispatch.jobs import Job, WrittenPart
from domain.identity.access import Payer
from domain.live import hints
from domain.sending.file_job import plan_of
from persistence.database import Connection, execute, fetch, fetch_value, note
from persistence.sending.accept import NOW, copy_numbers

# A process that was killed holds its jobs until their lease ends. Those that were claimed or
# written longest ago come first.
CLAIM_JOBS = """
WITH chosen AS (
    SELECT send_id FROM send_job
    WHERE unwritten > 0 AND send_id <> ALL($4::uuid[])
      AND (claimed_by = $1 OR claimed_until IS NULL OR claimed_until < clock_timestamp())
    ORDER BY seen_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE send_job
SET claimed_by = $1, seen_at = clock_timestamp(),
    claimed_until = clock_timestamp() + make_interval(secs => $3)
FROM chosen, send
WHERE send_job.send_id = chosen.send_id AND send.id = chosen.send_id
RETURNING send_job.send_id, send_job.client_id, account_id, send_job.provider_account_id,
          send_job.price, send.actor_id, send.created_at, upload_id, plan::text, accepted_rows,
          rows_read, accepted - unwritten
"""
# Returns how many written messages are queued, without those for a later time.
RENEW_JOB = """
UPDATE send_job
SET seen_at = clock_timestamp(), claimed_until = clock_timestamp() + make_interval(secs => $3)
FROM send
WHERE send_id = $1 AND claimed_by = $2 AND unwritten > 0 AND send.id = send_id
RETURNING accepted - unwritten - scheduled
    + coalesce((SELECT sum(queued) FROM send_tally WHERE send_tally.send_id = $1), 0)::int8
"""
RELEASE_JOB = """
UPDATE send_job SET claimed_by = NULL, claimed_until = NULL WHERE send_id = $1 AND claimed_by = $2
"""
OTHERS_WAIT = """
SELECT EXISTS (
    SELECT FROM send_job
    WHERE unwritten > 0 AND (claimed_until IS NULL OR claimed_until < clock_timestamp()))
"""

LOCK_CLAIMED = """
SELECT FROM send_job WHERE send_id = $1 AND claimed_by = $2 AND rows_read = $3 AND unwritten > 0
FOR UPDATE
"""
# The plan and the rows have no use after the last part.
WRITE_PART = """
UPDATE send_job
SET rows_read = rows_read + $2, unwritten = unwritten - $3, scheduled = scheduled + $4,
    last_id = coalesce($5, last_id), seen_at = clock_timestamp(),
    plan = CASE WHEN unwritten > $3 THEN plan END,
    accepted_rows = CASE WHEN unwritten > $3 THEN accepted_rows END
WHERE send_id = $1
"""

LOCK_UNWRITTEN = "SELECT unwritten FROM send_job WHERE send_id = $1 FOR UPDATE"

# The counters of the send count messages that are not written as QUEUED.
CANCEL_UNWRITTEN = """
WITH ended AS (
    UPDATE send_job
    SET unwritten = 0, cancelled = cancelled + unwritten, plan = NULL, accepted_rows = NULL,
        claimed_by = NULL, claimed_until = NULL, cancelled_at = clock_timestamp(),
        changed_xid = pg_current_xact_id()::text::bigint
    WHERE send_id = $1 AND unwritten > 0
)
INSERT INTO send_tally (send_id, queued, cancelled)
SELECT send_id, -unwritten, unwritten FROM send_job WHERE send_id = $1 AND unwritten > 0
"""


async def claim_jobs(
    writer_id: UUID, *, most: int, seconds: float, without: Sequence[UUID]
) -> list[Job]:
    rows = await fetch(CLAIM_JOBS, writer_id, most, seconds, list(without))
    return [
        Job(
            send_id=row[0],
            payer=Payer(row[1], row[2], row[3], row[4], unit="", rate_usd=None),
            actor_id=row[5],
            created_at=row[6],
            upload_id=row[7],
            plan=plan_of(orjson.loads(row[8])),
            accepted_rows=row[9],
            rows_read=row[10],
            written=row[11],
        )
        for row in rows
    ]


async def renew_job(send_id: UUID, writer_id: UUID, *, seconds: float) -> int | None:
    waiting: int | None = await fetch_value(RENEW_JOB, send_id, writer_id, seconds)
    return waiting


async def release_job(send_id: UUID, writer_id: UUID) -> None:
    await execute(RELEASE_JOB, send_id, writer_id)


async def other_jobs_wait() -> bool:
    return bool(await fetch_value(OTHERS_WAIT))


async def lock_claimed(tx: Connection, send_id: UUID, writer_id: UUID, *, rows_read: int) -> bool:
    return bool(await tx.fetch(LOCK_CLAIMED, send_id, writer_id, rows_read))


async def write_part(tx: Connection, part: WrittenPart) -> None:
    send, last_id = part.send, None
    if send.numbers:
        last_id = UUID(int=send.first_message_id.int + len(send.numbers) - 1)
        await copy_numbers(tx, send, await tx.fetchval(NOW), part.created_at)
    await tx.execute(WRITE_PART, send.id, part.rows, len(send.numbers), part.scheduled, last_id)
    note(tx, [hints.SEND + send.id.bytes])


async def lock_unwritten(tx: Connection, send_id: UUID) -> int:
    return await tx.fetchval(LOCK_UNWRITTEN, send_id) or 0


async def cancel_unwritten(tx: Connection, send_id: UUID) -> None:
    await tx.execute(CANCEL_UNWRITTEN, send_id)
