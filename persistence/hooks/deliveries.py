"""The queue of client webhooks.

Set-based SQL: in each turn, a worker claims, picks and records for all its endpoints at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from domain.hooks.deliveries import (
    MOST_ANSWER_CHARACTERS,
    DeliveryStatus,
    DueDelivery,
    EventType,
    HookRules,
    Recorded,
)
from domain.live import hints
from domain.sending.schedule import MOST_AHEAD
from persistence.database import connection, transaction
from persistence.live.hints import note
from persistence.sql import columns, first_id_at

__all__ = [
    "claim_endpoints",
    "fail_overdue_deliveries",
    "pick_deliveries",
    "purge_deliveries",
    "queue_finished_sends",
    "record_deliveries",
    "release_endpoints",
]

if TYPE_CHECKING:
    from asyncpg import Record

KEPT_FINISHED_DAYS = 60
FAILURES_BEFORE_WAITING = 3
"""Up to here single deliveries wait, then the endpoint as a whole, with one attempt at a time."""

# A loose index scan: one look into hook_delivery_due for each endpoint, however much waits for it.
WAITING = """
WITH RECURSIVE waiting AS (
    (SELECT endpoint_id FROM hook_delivery WHERE status = 'PENDING'
     ORDER BY endpoint_id, due_at, position LIMIT 1)
    UNION ALL
    SELECT next.endpoint_id FROM waiting CROSS JOIN LATERAL (
        SELECT endpoint_id FROM hook_delivery
        WHERE status = 'PENDING' AND endpoint_id > waiting.endpoint_id
        ORDER BY endpoint_id, due_at, position LIMIT 1) AS next
)
"""
# SKIP LOCKED: two workers that claim at the same moment take different endpoints. The condition is
# checked again under the lock. A third of the lease may pass before it is renewed.
CLAIM = f"""
{WAITING}, free AS (
    SELECT endpoint.id FROM hook_endpoint AS endpoint JOIN waiting ON endpoint_id = endpoint.id
    WHERE paused_at IS NULL AND deleted_at IS NULL
      AND (retry_at IS NULL OR retry_at <= clock_timestamp())
      AND (lease_until IS NULL OR lease_until <= clock_timestamp()
           OR lease_holder = $1
              AND lease_until <= clock_timestamp() + make_interval(secs => $2 * 2 / 3))
    LIMIT $3 FOR NO KEY UPDATE OF endpoint SKIP LOCKED
)
UPDATE hook_endpoint
SET lease_holder = $1, lease_until = clock_timestamp() + make_interval(secs => $2)
FROM free WHERE hook_endpoint.id = free.id
RETURNING hook_endpoint.id
"""  # noqa: S608 - text of our own
RELEASE = """
UPDATE hook_endpoint SET lease_holder = NULL, lease_until = NULL WHERE lease_holder = $1
"""

PICK = """
SELECT due.id, due.position, endpoint.id AS endpoint_id, due.client_id, event_id, type, subject,
       facts, occurred_at,
       extract(epoch FROM clock_timestamp() - due.created_at)::float8 AS age_seconds,
       attempts, coalesce(due.url, endpoint.url) AS url, format, secret,
       CASE WHEN previous_until > clock_timestamp() THEN previous_secret END AS previous_secret,
       failures, succeeded_at IS NOT NULL AS is_proven, is_callback
FROM unnest($2::uuid[], $3::int4[]) AS lane (id, room)
JOIN hook_endpoint AS endpoint ON endpoint.id = lane.id AND lease_holder = $1
    AND lease_until > clock_timestamp()
    AND paused_at IS NULL AND deleted_at IS NULL
    AND (retry_at IS NULL OR retry_at <= clock_timestamp())
CROSS JOIN LATERAL (
    SELECT * FROM hook_delivery AS delivery
    WHERE endpoint_id = endpoint.id AND status = 'PENDING' AND due_at <= statement_timestamp()
      AND delivery.id <> ALL($4::uuid[])
      AND NOT EXISTS (
          SELECT FROM hook_delivery AS earlier
          WHERE earlier.endpoint_id = endpoint.id AND earlier.subject = delivery.subject
            AND earlier.status = 'PENDING' AND earlier.position < delivery.position)
    ORDER BY due_at, position LIMIT lane.room
) AS due
ORDER BY due.due_at, due.position LIMIT $5
"""

# In ID order and before anything else: after a lease ended, two workers may record at once.
LOCK_ENDPOINTS = """
SELECT FROM hook_endpoint WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
RECORD = """
UPDATE hook_delivery
SET status = new.status, attempts = attempts + 1, attempted_at = clock_timestamp(),
    due_at = coalesce(clock_timestamp() + make_interval(secs => new.due_in_seconds), due_at),
    duration_ms = new.duration_ms, answer_status = new.answer_status, answer = new.answer,
    error = new.error
FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::int4[], $5::int2[], $6::text[], $7::text[])
    AS new (id, status, due_in_seconds, duration_ms, answer_status, answer, error)
WHERE hook_delivery.id = new.id AND hook_delivery.status = 'PENDING'
"""
# Those after a failed one of the same subject, so that a pick does not read over them.
POSTPONE = """
UPDATE hook_delivery
SET due_at = greatest(due_at, clock_timestamp() + make_interval(secs => failed.due_in_seconds))
FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::float8[])
    AS failed (endpoint_id, subject, position, due_in_seconds)
WHERE hook_delivery.endpoint_id = failed.endpoint_id AND hook_delivery.subject = failed.subject
  AND status = 'PENDING' AND hook_delivery.position > failed.position
"""
JUDGE = f"""
UPDATE hook_endpoint
SET failures = CASE WHEN succeeded THEN 0 ELSE failures + 1 END,
    failing_since = CASE WHEN succeeded THEN NULL
                    ELSE coalesce(failing_since, clock_timestamp()) END,
    succeeded_at = CASE WHEN succeeded THEN clock_timestamp() ELSE succeeded_at END,
    retry_at = CASE WHEN succeeded OR failures + 1 < {FAILURES_BEFORE_WAITING} THEN NULL
               ELSE clock_timestamp() + make_interval(secs => least(
                   $4 * power(2.0, least(failures + 1 - {FAILURES_BEFORE_WAITING}, 60)), $5)) END,
    paused_at = CASE WHEN NOT is_callback AND (pause_reason_now IS NOT NULL
        OR NOT succeeded AND failing_since < clock_timestamp() - make_interval(secs => $6))
        THEN clock_timestamp() ELSE paused_at END,
    pause_reason = CASE WHEN NOT is_callback AND (pause_reason_now IS NOT NULL
        OR NOT succeeded AND failing_since < clock_timestamp() - make_interval(secs => $6))
        THEN coalesce(pause_reason_now, $7) ELSE pause_reason END
FROM unnest($1::uuid[], $2::bool[], $3::text[]) AS result (id, succeeded, pause_reason_now)
WHERE hook_endpoint.id = result.id
  -- An endpoint that goes on succeeding is written once a minute.
  AND NOT (succeeded AND failures = 0 AND pause_reason_now IS NULL
           AND coalesce(succeeded_at > clock_timestamp() - interval '1 minute', false))
"""  # noqa: S608 - numbers of our own
PAUSED_AS_FAILING = "No attempt has succeeded for three days."

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
    FOR UPDATE SKIP LOCKED  -- one that a send locks gets a callback
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
installation writes nothing, and the first subscriber makes nobody read a year of changes."""

# `hook_finished_send` has each send once, so that a delivery report days later is no second end.
QUEUE_FINISHED = """
WITH changed AS (
    SELECT DISTINCT send_id, client_id
    FROM message JOIN unnest($3::uuid[], $4::timestamptz[]) AS wanted (client_id, since)
        USING (client_id)
    WHERE changed_xid >= $1 AND changed_xid < $2 AND updated_at >= since
      AND status NOT IN ('QUEUED', 'SUBMITTING')
), finished AS (
    INSERT INTO hook_finished_send (send_id)
    SELECT send_id FROM changed WHERE NOT EXISTS (
        SELECT FROM message
        WHERE message.send_id = changed.send_id AND status IN ('QUEUED', 'SUBMITTING'))
    ORDER BY send_id ON CONFLICT DO NOTHING RETURNING send_id
)
SELECT queue_hooks(client_id, 'send.finished', send_id, NULL) FROM changed JOIN finished
USING (send_id)
"""


async def claim_endpoints(holder: UUID, *, lease_seconds: float, most: int) -> set[UUID]:
    async with connection() as pooled:
        return {row[0] for row in await pooled.fetch(CLAIM, holder, lease_seconds, most)}


async def release_endpoints(holder: UUID) -> None:
    async with connection() as pooled:
        await pooled.execute(RELEASE, holder)


async def pick_deliveries(
    holder: UUID, wanted: Mapping[UUID, int], *, in_flight: Collection[UUID], most: int
) -> list[DueDelivery]:
    async with connection() as pooled:
        rows = await pooled.fetch(
            PICK, holder, *columns(list(wanted.items())), list(in_flight), most
        )
    return [_due(row) for row in rows]


async def record_deliveries(results: Sequence[Recorded], rules: HookRules) -> None:
    failed = [
        (each.delivery.endpoint_id, each.delivery.subject, each.delivery.position, wait)
        for each in results
        if (wait := each.due_in_seconds) is not None
    ]
    judged = _judged(results)
    async with transaction() as tx:
        endpoints = {each.delivery.endpoint_id for each in results}
        await tx.execute(LOCK_ENDPOINTS, list(endpoints))
        if judged:
            await tx.execute(
                JUDGE,
                *columns(judged),
                rules.retry_first_seconds,
                rules.endpoint_longest_seconds,
                rules.pause_seconds,
                PAUSED_AS_FAILING,
            )
        await tx.execute(RECORD, *columns([_result_row(each) for each in results]))
        if failed:
            await tx.execute(POSTPONE, *columns(failed))
        note(tx, {hints.HOOK + each.bytes for each in endpoints})


async def fail_overdue_deliveries(*, age_seconds: float, most: int) -> int:
    async with connection() as pooled:
        done = await pooled.execute(FAIL_OVERDUE, age_seconds, most, NEVER_TRIED)
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
    async with connection() as pooled:
        [(position, running_from, _, clients, _)] = await pooled.fetch(READ_POSITION)
    if clients is None and running_from - position < FAR_BEHIND:
        return False
    async with transaction() as tx:
        row = await tx.fetchrow(LOCK_POSITION)
        if row is None:
            return False
        position, running_from, end, clients, since = row
        queued = []
        if clients:
            # Restored from a dump, the position may be ahead of this server.
            after = min(position, running_from)
            queued = await tx.fetch(QUEUE_FINISHED, after, end, clients, since)
        if queued or abs(running_from - position) >= FAR_BEHIND:
            await tx.execute(MOVE_POSITION, running_from)
    return False


def _judged(results: Sequence[Recorded]) -> list[tuple[UUID, bool, str | None]]:
    """What the results say about each endpoint. A success outweighs failures."""
    found: dict[UUID, tuple[bool, str | None]] = {}
    for each in results:
        succeeded = each.status is DeliveryStatus.DELIVERED
        if not each.counts and each.pause_reason is None:
            continue
        before, reason = found.get(each.delivery.endpoint_id, (False, None))
        found[each.delivery.endpoint_id] = before or succeeded, reason or each.pause_reason
    return [(endpoint_id, *judgement) for endpoint_id, judgement in found.items()]


def _result_row(result: Recorded) -> tuple[Any, ...]:
    answer = result.answer
    return (
        result.delivery.id,
        result.status.value,
        result.due_in_seconds,
        min(int(answer.duration_seconds * 1000), 2**31 - 1),
        answer.status,
        # PostgreSQL cannot store a NUL in a text.
        answer.body[:MOST_ANSWER_CHARACTERS].replace("\x00", "\ufffd") or None,
        answer.error,
    )


def _due(row: Record) -> DueDelivery:
    return DueDelivery(
        id=row["id"],
        position=row["position"],
        endpoint_id=row["endpoint_id"],
        client_id=row["client_id"],
        event_id=row["event_id"],
        type=EventType(row["type"]),
        subject=row["subject"],
        facts=orjson.loads(row["facts"] or "{}"),
        occurred_at=row["occurred_at"],
        age_seconds=row["age_seconds"],
        attempts=row["attempts"],
        url=row["url"],
        format=row["format"],
        secrets=[each for each in (row["secret"], row["previous_secret"]) if each is not None],
        endpoint_failures=row["failures"],
        is_proven=row["is_proven"],
        is_callback=row["is_callback"],
    )
