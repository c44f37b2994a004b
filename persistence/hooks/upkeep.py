"""Finished sends, and old deliveries of client webhooks.

Set-based SQL: each statement is for all clients, and reads by transaction IDs or by age.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.ids import first_id_at
from domain.sending.messages import MessageStatus
from domain.sending.schedule import MOST_AHEAD
from persistence.database import connection, execute, fetch, transaction
from persistence.hooks.deliveries import WAITING
from persistence.sending.tallies import has_status

KEPT_FINISHED_DAYS = 60

FAIL_OVERDUE = f"""
{WAITING}, overdue AS (
    SELECT late.id FROM waiting CROSS JOIN LATERAL (
        SELECT id FROM hook_delivery AS delivery
        WHERE endpoint_id = waiting.endpoint_id AND status = 'PENDING'
          AND due_at < clock_timestamp() - make_interval(secs => $1)
        ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS late
    LIMIT $2
)
UPDATE hook_delivery SET status = 'FAILED', error = coalesce(error, $3)
FROM overdue WHERE hook_delivery.id = overdue.id AND status = 'PENDING'
"""  # noqa: S608 - text of our own
NEVER_TRIED = "The endpoint failed or was paused for 24 hours, so this was not posted."

# IDs begin with the time. The oldest are looked at, so no further index is needed.
PURGE = """
WITH oldest AS (SELECT id, status, created_at FROM hook_delivery ORDER BY id LIMIT $2)
DELETE FROM hook_delivery USING oldest
WHERE hook_delivery.id = oldest.id AND oldest.status <> 'PENDING'
  AND oldest.created_at < clock_timestamp() - make_interval(secs => $1)
"""
PURGE_CALLBACKS = "DELETE FROM hook_callback WHERE message_id < $1"
PURGE_FINISHED = "DELETE FROM hook_finished_send WHERE send_id < $1"
PURGE_ENDPOINTS = """
WITH unused AS (
    SELECT id FROM hook_endpoint WHERE (deleted_at IS NOT NULL OR is_callback)
      AND coalesce(deleted_at, greatest(created_at, succeeded_at))
          < clock_timestamp() - make_interval(secs => $1)
      AND NOT EXISTS (SELECT FROM hook_delivery WHERE endpoint_id = hook_endpoint.id)
      AND NOT EXISTS (SELECT FROM hook_callback WHERE endpoint_id = hook_endpoint.id)
    FOR UPDATE SKIP LOCKED  -- a send that holds the lock adds a callback
)
DELETE FROM hook_endpoint USING unused WHERE hook_endpoint.id = unused.id
"""

# Everything below the first running transaction is decided: see `persistence.live.changes`.
READ_POSITION = """
SELECT changed_xid, pg_snapshot_xmin(seen)::text::int8, pg_snapshot_xmax(seen)::text::int8,
       wanted.clients, wanted.since
FROM hook_position CROSS JOIN pg_current_snapshot() AS seen CROSS JOIN (
    SELECT array_agg(client_id) AS clients, array_agg(since) AS since FROM (
        SELECT client_id, min(created_at) AS since FROM hook_endpoint
        WHERE 'send.finished' = ANY(events) AND paused_at IS NULL AND deleted_at IS NULL
        GROUP BY client_id) AS each
) AS wanted
"""
LOCK_POSITION = f"{READ_POSITION} FOR UPDATE OF hook_position SKIP LOCKED"
MOVE_POSITION = "UPDATE hook_position SET changed_xid = $1"
FAR_BEHIND = 10_000
"""Transactions. Without changes to report, the position is written only this often: an idle
installation writes nothing, and a first subscriber does not cause a year of changes to be read."""

# `hook_finished_send` has each send once, so that a late delivery report does not repeat its end.
# IS NOT TRUE: no index by status, because it has more messages than those that have changed.
QUEUE_FINISHED = f"""
WITH changed AS (
    SELECT DISTINCT send_id, client_id
    FROM message JOIN unnest($3::uuid[], $4::timestamptz[]) AS wanted (client_id, since)
        USING (client_id)
    WHERE changed_xid >= $1 AND changed_xid < $2 AND updated_at >= since
      AND (status IN ('QUEUED', 'SUBMITTING')) IS NOT TRUE
    UNION
    -- Its last messages were cancelled before they were written.
    SELECT send_id, client_id FROM send_job JOIN unnest($3::uuid[], $4::timestamptz[])
        AS wanted (client_id, since) USING (client_id)
    WHERE changed_xid >= $1 AND changed_xid < $2 AND cancelled_at >= since
), finished AS (
    INSERT INTO hook_finished_send (send_id)
    SELECT send_id FROM changed
    WHERE NOT {has_status("changed.send_id", MessageStatus.QUEUED, MessageStatus.SUBMITTING)}
      AND NOT EXISTS (
        SELECT FROM send_job WHERE send_job.send_id = changed.send_id AND unwritten > 0)
    ORDER BY send_id ON CONFLICT DO NOTHING RETURNING send_id
)
SELECT queue_hooks(client_id, 'send.finished', send_id, NULL) FROM changed JOIN finished
USING (send_id)
"""  # noqa: S608 - conditions of our own


async def fail_overdue_deliveries(*, age_seconds: float, most: int) -> int:
    done = await execute(FAIL_OVERDUE, age_seconds, most, NEVER_TRIED)
    return int(done.rpartition(" ")[2])


async def purge_deliveries(*, age_seconds: float, most: int) -> int:
    now = datetime.now(UTC)
    async with connection() as pooled:
        done = await pooled.execute(PURGE, age_seconds, most)
        # A message may have been scheduled long before it was sent.
        before = first_id_at(now - timedelta(seconds=2 * age_seconds) - MOST_AHEAD)
        await pooled.execute(PURGE_CALLBACKS, before)
        await pooled.execute(PURGE_FINISHED, first_id_at(now - timedelta(days=KEPT_FINISHED_DAYS)))
        await pooled.execute(PURGE_ENDPOINTS, age_seconds)
    return int(done.rpartition(" ")[2])


async def queue_finished_sends() -> bool:
    """Safe in many processes at once: one of them holds the position."""
    [(position, running_from, _, clients, _)] = await fetch(READ_POSITION)
    if clients is None and running_from - position < FAR_BEHIND:
        return False
    async with transaction() as tx:
        row = await tx.fetchrow(LOCK_POSITION)
        if row is None:
            return False
        position, running_from, end, clients, since = row
        queued = []
        if clients:
            # After a restore from a dump, the position may be ahead of this server.
            after = min(position, running_from)
            queued = await tx.fetch(QUEUE_FINISHED, after, end, clients, since)
        if queued or abs(running_from - position) >= FAR_BEHIND:
            await tx.execute(MOVE_POSITION, running_from)
    return False
