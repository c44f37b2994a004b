"""Webhook events in SQL, as they are stored and taken: behind `domain.inbox.ports`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from domain.ids import new_id
from domain.inbox.webhooks import DueEvent, NewEvent, Ruling, WebhookOutcome
from domain.live import hints
from persistence.database import connection
from persistence.live.hints import note
from persistence.sql import columns

if TYPE_CHECKING:
    from persistence.database import Connection

WAITS = "Stored, and not looked at yet."
TWICE = "The same was told before: nothing was changed."

# In order of the keys, so that two batches with the same events wait in line, not in a circle.
STORE_EVENTS = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[], $5::text[])
        AS given (id, provider, key, body, invalid)
), stored AS (
    INSERT INTO webhook_event (
        id, provider, key, body, outcome, reason, due_at, received_at, updated_at)
    SELECT id, provider, key, body, CASE WHEN invalid IS NULL THEN 'UNROUTED' ELSE 'INVALID' END,
           coalesce(invalid, $6), CASE WHEN invalid IS NULL THEN statement_timestamp() END,
           statement_timestamp(), clock_timestamp()
    FROM given ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING id
), again AS (
    INSERT INTO webhook_event (id, provider, body, outcome, reason, received_at, updated_at)
    SELECT id, provider, body, 'DUPLICATE', $7, statement_timestamp(), clock_timestamp()
    FROM given WHERE id NOT IN (SELECT id FROM stored)
)
SELECT id FROM stored
"""

# One row a minute, provider and reason: whoever is refused fills no table.
COUNT_REFUSALS = """
INSERT INTO webhook_event (id, provider, key, body, outcome, reason, times, updated_at)
SELECT id, provider, key, '', 'REFUSED', reason, times, clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::int4[])
    AS refused (id, provider, key, reason, times)
ORDER BY key
ON CONFLICT (key) DO UPDATE
SET times = webhook_event.times + excluded.times, updated_at = clock_timestamp()
RETURNING id
"""

# The time of the statement: PostgreSQL looks nothing volatile up in an index, and many may wait.
TAKE_DUE = """
SELECT id, provider, body, received_at, tries FROM webhook_event
WHERE due_at <= statement_timestamp() AND ($2::uuid[] IS NULL OR id = ANY($2))
ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""

WRITE_RULINGS = """
UPDATE webhook_event
SET outcome = ruling.outcome, reason = ruling.reason, client_id = ruling.client_id,
    inbound_id = ruling.inbound_id, modem = ruling.modem, port = ruling.port,
    due_at = clock_timestamp() + make_interval(secs => ruling.due_in_seconds),
    tries = CASE WHEN ruling.due_in_seconds IS NULL THEN tries ELSE least(tries + 1, 32767) END,
    updated_at = CASE WHEN ruling.due_in_seconds IS NULL THEN clock_timestamp()
                 ELSE updated_at END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
            $8::float8[])
    AS ruling (id, outcome, reason, client_id, inbound_id, modem, port, due_in_seconds)
WHERE webhook_event.id = ruling.id
"""
PUT_OFF = """
UPDATE webhook_event
SET reason = $2, due_at = clock_timestamp() + make_interval(secs => $3),
    tries = least(tries + 1, 32767), updated_at = clock_timestamp()
WHERE id = $1 AND due_at IS NOT NULL
"""


async def store_events(events: Sequence[NewEvent]) -> list[WebhookOutcome]:
    """One outcome an event, same order: UNROUTED (it waits), DUPLICATE or INVALID. Durable."""
    rows = [(each.id, each.provider, each.key, each.body, each.invalid) for each in events]
    async with connection() as pooled:
        stored = {row[0] for row in await pooled.fetch(STORE_EVENTS, *columns(rows), WAITS, TWICE)}
        note(pooled, [hints.EVENT + each.id.bytes for each in events])
    return [_outcome(each, new=each.id in stored) for each in events]


async def count_refusals(refusals: Mapping[tuple[str, str], int]) -> None:
    """Adds refusals by provider and reason to those of this minute."""
    minute = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M")
    rows = [
        (new_id(), provider, _refusal_key(provider, reason, minute), reason, times)
        for (provider, reason), times in refusals.items()
    ]
    async with connection() as pooled:
        counted = await pooled.fetch(COUNT_REFUSALS, *columns(rows))
        note(pooled, [hints.EVENT + row[0].bytes for row in counted])


async def take_due_events(
    tx: Connection, most: int, *, only: Sequence[UUID] | None = None
) -> list[DueEvent]:
    """Events that are due, FOR UPDATE, in order of their ids; others' are skipped."""
    rows = await tx.fetch(TAKE_DUE, most, None if only is None else list(only))
    return sorted((DueEvent(*row) for row in rows), key=lambda event: event.id)


async def write_rulings(tx: Connection, rulings: Sequence[Ruling]) -> None:
    """Writes what became of events."""
    rows = [
        (
            each.event_id,
            each.outcome.value,
            each.reason,
            each.client_id,
            each.inbound_id,
            each.line.modem if each.line else None,
            each.line.port if each.line else None,
            each.due_in_seconds,
        )
        for each in rulings
    ]
    await tx.execute(WRITE_RULINGS, *columns(rows))
    note(tx, [hints.EVENT + each.event_id.bytes for each in rulings if not each.due_in_seconds])


async def put_off_event(event_id: UUID, reason: str, *, due_in_seconds: float) -> None:
    """The event waits a while longer; the reason is shown meanwhile."""
    async with connection() as pooled:
        await pooled.execute(PUT_OFF, event_id, reason, due_in_seconds)
        note(pooled, [hints.EVENT + event_id.bytes])


def _outcome(event: NewEvent, *, new: bool) -> WebhookOutcome:
    if not new:
        return WebhookOutcome.DUPLICATE
    return WebhookOutcome.UNROUTED if event.invalid is None else WebhookOutcome.INVALID


def _refusal_key(provider: str, reason: str, minute: str) -> bytes:
    return sha256("\0".join(["refused", provider, reason, minute]).encode()).digest()
