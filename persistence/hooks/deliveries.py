"""The queue of client webhooks.

Set-based SQL: in each turn, a worker claims, picks and records for all its endpoints at once. With
1,000 deliveries a second, PostgreSQL takes 242 µs of CPU for each (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record

from domain.hooks.deliveries import (
    MOST_ANSWER_CHARACTERS,
    DeliveryStatus,
    DueDelivery,
    EventType,
    HookRules,
    Recorded,
)
from domain.live import hints
from persistence.database import Connection, columns, execute, fetch, note, transaction
from persistence.rows import object_of

FAILURES_BEFORE_WAITING = 3
"""After fewer failures in a row, only the failed delivery waits; then the whole endpoint does."""

# A loose index scan: one look-up in hook_delivery_due for each endpoint, however much waits for it.
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
FROM unnest($2::uuid[], $3::int4[]) AS held (id, room)
JOIN hook_endpoint AS endpoint ON endpoint.id = held.id AND lease_holder = $1
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
    ORDER BY due_at, position LIMIT held.room
) AS due
ORDER BY due.due_at, due.position LIMIT $5
"""

# In ID order and first: when a lease has ended, two workers may record at the same time.
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
# Later deliveries of a failed subject wait too. Otherwise each pick would read and skip them.
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
    retry_at = greatest(
        CASE WHEN NOT succeeded OR failures < {FAILURES_BEFORE_WAITING} THEN retry_at END,
        clock_timestamp() + make_interval(secs => asked_seconds),
        CASE WHEN NOT succeeded AND failures + 1 >= {FAILURES_BEFORE_WAITING} THEN
            clock_timestamp() + make_interval(secs => least(
                $5 * power(2.0, least(failures + 1 - {FAILURES_BEFORE_WAITING}, 60)), $6)) END),
    paused_at = CASE WHEN NOT is_callback AND (pause_reason_now IS NOT NULL
        OR NOT succeeded AND failing_since < clock_timestamp() - make_interval(secs => $7))
        THEN clock_timestamp() ELSE paused_at END,
    pause_reason = CASE WHEN NOT is_callback AND (pause_reason_now IS NOT NULL
        OR NOT succeeded AND failing_since < clock_timestamp() - make_interval(secs => $7))
        THEN coalesce(pause_reason_now, $8) ELSE pause_reason END
FROM unnest($1::uuid[], $2::bool[], $3::text[], $4::float8[])
    AS result (id, succeeded, pause_reason_now, asked_seconds)
WHERE hook_endpoint.id = result.id
  -- An endpoint that succeeds is written once a minute.
  AND NOT (succeeded AND failures = 0 AND pause_reason_now IS NULL AND asked_seconds IS NULL
           AND coalesce(succeeded_at > clock_timestamp() - interval '1 minute', false))
"""  # noqa: S608 - numbers of our own
# Deliveries that failed may wait for an hour. When their endpoint answers again, that is too long.
WAKE = """
UPDATE hook_delivery SET due_at = clock_timestamp()
WHERE endpoint_id = ANY($1::uuid[]) AND status = 'PENDING' AND due_at > clock_timestamp()
"""
PAUSED_AS_FAILING = "No attempt has succeeded for three days."


async def claim_endpoints(holder: UUID, *, lease_seconds: float, most: int) -> set[UUID]:
    return {row[0] for row in await fetch(CLAIM, holder, lease_seconds, most)}


async def release_endpoints(holder: UUID) -> None:
    await execute(RELEASE, holder)


async def pick_deliveries(
    holder: UUID, wanted: Mapping[UUID, int], *, in_flight: Collection[UUID], most: int
) -> list[DueDelivery]:
    rows = await fetch(PICK, holder, *columns(list(wanted.items())), list(in_flight), most)
    return [_due(row) for row in rows]


async def record_deliveries(results: Sequence[Recorded], rules: HookRules) -> None:
    failed = [
        (each.delivery.endpoint_id, each.delivery.subject, each.delivery.position, wait)
        for each in results
        if (wait := each.due_in_seconds) is not None
    ]
    judged = _judged(results, rules.endpoint_longest_seconds)
    recovered = {
        each.delivery.endpoint_id
        for each in results
        if each.answer.is_success and each.delivery.endpoint_failures >= FAILURES_BEFORE_WAITING
    }
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
        if recovered:
            await wake_deliveries(tx, recovered)
        await tx.execute(RECORD, *columns([_result_row(each) for each in results]))
        if failed:
            await tx.execute(POSTPONE, *columns(failed))
        note(tx, {hints.HOOK + each.bytes for each in endpoints})


async def wake_deliveries(tx: Connection, endpoint_ids: Collection[UUID]) -> None:
    """Makes all deliveries of these endpoints due."""
    await tx.execute(WAKE, list(endpoint_ids))


def _judged(
    results: Sequence[Recorded], longest_seconds: float
) -> list[tuple[UUID, bool, str | None, float | None]]:
    """What the results say about each endpoint. One success counts more than all failures.

    The last value: for how long its answers requested a pause.
    """
    found: dict[UUID, tuple[bool, str | None, float | None]] = {}
    for each in results:
        if not each.counts and each.pause_reason is None:
            continue
        succeeded = each.status is DeliveryStatus.DELIVERED
        requested = each.answer.retry_after_seconds
        before, reason, seconds = found.get(each.delivery.endpoint_id, (False, None, None))
        found[each.delivery.endpoint_id] = (
            before or succeeded,
            reason or each.pause_reason,
            seconds if requested is None else min(max(requested, seconds or 0), longest_seconds),
        )
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
    return object_of(
        DueDelivery,
        row,
        type=EventType(row["type"]),
        facts=orjson.loads(row["facts"] or "{}"),
        secrets=[each for each in (row["secret"], row["previous_secret"]) if each is not None],
        endpoint_failures=row["failures"],
    )
