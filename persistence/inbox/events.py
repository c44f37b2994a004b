"""Webhook events: stored when they arrive, taken and marked when they are received.

Set-based SQL: providers send delivery reports at the rate of bulk sends, and must get their answer
within milliseconds. A batch of up to 500 events costs about as much as one: 6,000 events a second
are stored on two cores (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from domain.ids import first_id_at
from domain.inbox.webhooks import (
    REPEAT_SECONDS,
    DueEvent,
    EventResult,
    NewEvent,
    WebhookOutcome,
)
from domain.live import hints
from persistence.database import Connection, columns, connection, ends_of, note

STORED = "Stored, and not received yet."
DUPLICATE = "The same event was stored before: nothing was changed."

# `kept` decides which events are new, for all months: in the order of the keys, so that two batches
# with the same events cannot deadlock. A key that has expired is passed on to the new event. A
# repetition with the same body only names the event that has it.
STORE_EVENTS = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bytea[], $5::bool[], $6::text[],
                         $10::uuid[])
        AS given (id, provider, key, body, expires, invalid, provider_account_id)
), kept AS (
    INSERT INTO webhook_event_key (key, event_id)
    SELECT DISTINCT ON (key) key, id FROM given ORDER BY key, id
    ON CONFLICT (key) DO UPDATE SET event_id = excluded.event_id
    WHERE excluded.event_id IN (SELECT id FROM given WHERE expires)
      AND (SELECT received_at FROM webhook_event WHERE id = webhook_event_key.event_id)
        < statement_timestamp() - make_interval(secs => $9)
    RETURNING event_id
), stored AS (
    INSERT INTO webhook_event (id, provider, provider_account_id, body, outcome, reason, due_at,
                               received_at, updated_at)
    SELECT id, provider, provider_account_id, body,
           CASE WHEN invalid IS NULL THEN 'UNROUTED' ELSE 'INVALID' END,
           coalesce(invalid, $7), CASE WHEN invalid IS NULL THEN statement_timestamp() END,
           statement_timestamp(), clock_timestamp()
    FROM given WHERE id IN (SELECT event_id FROM kept)
), repeated AS (
    SELECT * FROM given WHERE id NOT IN (SELECT event_id FROM kept)
), original AS (
    SELECT DISTINCT ON (key) key, id, body FROM (
        SELECT key, id, body FROM given WHERE id IN (SELECT event_id FROM kept)
        UNION ALL
        SELECT own.key, event.id, event.body FROM webhook_event_key AS own
        CROSS JOIN LATERAL (
            SELECT id, body FROM webhook_event WHERE id = own.event_id OFFSET 0) AS event
        WHERE own.key = ANY(ARRAY(SELECT key FROM repeated))) AS each
    ORDER BY key, id DESC
), again AS (
    INSERT INTO webhook_event (id, provider, provider_account_id, body, original_id, outcome,
                               reason, received_at, updated_at)
    SELECT repeated.id, provider, provider_account_id,
           CASE WHEN original.id IS NULL THEN repeated.body ELSE '' END, original.id,
           'DUPLICATE', $8, statement_timestamp(), clock_timestamp()
    FROM repeated LEFT JOIN original
        ON original.key = repeated.key AND original.body = repeated.body
)
SELECT event_id FROM kept
"""

# One row per minute, provider and reason: refused calls cannot fill the table. The ID is made from
# these three, so that it is the same in every process.
COUNT_REFUSALS = """
INSERT INTO webhook_event (id, provider, body, outcome, reason, times, updated_at)
SELECT id, provider, '', 'REFUSED', reason, times, clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int4[])
    AS refused (id, provider, reason, times)
ORDER BY id
ON CONFLICT (id) DO UPDATE
SET times = webhook_event.times + excluded.times, updated_at = clock_timestamp()
"""

# statement_timestamp(): PostgreSQL does not use an index for a comparison with a volatile function
# such as clock_timestamp(), and many events may wait.
TAKE_DUE = """
SELECT id, provider, body, received_at,
       extract(epoch FROM statement_timestamp() - received_at)::float8 AS age_seconds,
       tries, provider_account_id
FROM webhook_event
WHERE due_at <= statement_timestamp() AND ($2::uuid[] IS NULL OR id = ANY($2))
ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""

WRITE_RESULTS = """
UPDATE webhook_event
SET outcome = result.outcome, reason = result.reason, client_id = result.client_id,
    inbound_id = result.inbound_id, modem = result.modem, port = result.port,
    sender = result.sender, opt_out_pending = result.opt_out_pending,
    due_at = clock_timestamp() + make_interval(secs => result.due_in_seconds),
    tries = CASE WHEN result.due_in_seconds IS NULL THEN tries ELSE least(tries + 1, 32767) END,
    updated_at = CASE WHEN result.due_in_seconds IS NULL THEN clock_timestamp()
                 ELSE updated_at END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
            $8::text[], $9::bool[], $10::float8[])
    AS result (id, outcome, reason, client_id, inbound_id, modem, port, sender, opt_out_pending,
               due_in_seconds)
WHERE webhook_event.id = result.id AND webhook_event.id = ANY($1)
  AND webhook_event.id BETWEEN $11 AND $12
"""
PUT_OFF = """
UPDATE webhook_event
SET reason = $2, due_at = clock_timestamp() + make_interval(secs => $3),
    tries = least(tries + 1, 32767), updated_at = clock_timestamp()
WHERE id = $1 AND due_at IS NOT NULL
"""


async def store_events(events: Sequence[NewEvent]) -> list[WebhookOutcome]:
    rows = [
        (each.id, each.provider, _key(each.key), each.body, each.expires, each.invalid)
        for each in events
    ]
    async with connection() as pooled:
        found = await pooled.fetch(
            STORE_EVENTS,
            *columns(rows),
            STORED,
            DUPLICATE,
            REPEAT_SECONDS,
            [each.provider_account_id for each in events],
        )
        stored = {row[0] for row in found}
        note(pooled, [hints.EVENT + each.id.bytes for each in events])
    return [_outcome(each, new=each.id in stored) for each in events]


async def count_refusals(refusals: Mapping[tuple[str, str], int]) -> None:
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    rows = [
        (_refusal_id(provider, reason, minute), provider, reason, times)
        for (provider, reason), times in refusals.items()
    ]
    async with connection() as pooled:
        await pooled.execute(COUNT_REFUSALS, *columns(rows))
        note(pooled, [hints.EVENT + row[0].bytes for row in rows])


async def take_due_events(
    tx: Connection, most: int, *, only: Sequence[UUID] | None = None
) -> list[DueEvent]:
    rows = await tx.fetch(TAKE_DUE, most, None if only is None else list(only))
    return sorted((DueEvent(*row) for row in rows), key=lambda event: event.id)


async def write_results(tx: Connection, results: Sequence[EventResult]) -> None:
    rows = [
        (
            each.event_id,
            each.outcome.value,
            each.reason,
            each.client_id,
            each.inbound_id,
            each.line.modem if each.line else None,
            each.line.port if each.line else None,
            each.sender,
            each.opt_out_pending,
            each.due_in_seconds,
        )
        for each in results
    ]
    await tx.execute(WRITE_RESULTS, *columns(rows), *ends_of([row[0] for row in rows]))
    note(tx, [hints.EVENT + each.event_id.bytes for each in results if not each.due_in_seconds])


async def put_off_event(event_id: UUID, reason: str, *, due_in_seconds: float) -> None:
    async with connection() as pooled:
        await pooled.execute(PUT_OFF, event_id, reason, due_in_seconds)
        note(pooled, [hints.EVENT + event_id.bytes])


def _outcome(event: NewEvent, *, new: bool) -> WebhookOutcome:
    if not new:
        return WebhookOutcome.DUPLICATE
    return WebhookOutcome.UNROUTED if event.invalid is None else WebhookOutcome.INVALID


def _key(key: bytes) -> UUID:
    """The part of a SHA-256 that is kept: 128 bits are enough to distinguish events."""
    return UUID(bytes=key[:16])


def _refusal_id(provider: str, reason: str, minute: datetime) -> UUID:
    """A UUIDv7 of the minute whose other bits are a hash instead of random."""
    text = "\0".join(["refused", provider, reason, minute.isoformat()])
    digest = int.from_bytes(sha256(text.encode()).digest()[:10], "big")
    return UUID(int=first_id_at(minute).int | 7 << 76 | 2 << 62 | digest & ~(15 << 76 | 3 << 62))
