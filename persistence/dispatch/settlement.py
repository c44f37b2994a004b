"""Settling in SQL: what becomes of messages and attempts: behind `domain.dispatch.ports`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.dispatch.ports import Charged, Ending
from domain.dispatch.settlement import Refund, Standing, Step, Upstream
from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, Scope
from domain.live import hints
from domain.sending.sends import MessageStatus
from persistence.database import STATEMENT_TIMEOUT_SECONDS, connection
from persistence.live.hints import note
from persistence.sql import columns, first_id_at

if TYPE_CHECKING:
    from persistence.database import Connection

MOST_DETAIL = 4_000
"""Characters that are kept of what is known of an attempt."""

UPSTREAM = """
SELECT id, account_id, epoch, coalesce(reading_until > clock_timestamp(), false),
       paused_at IS NOT NULL, paused_at IS NOT NULL AND probe_at <= clock_timestamp(),
       rate_per_second
FROM provider_account WHERE id = $1
"""
SHARE_UPSTREAM = f"{UPSTREAM} FOR SHARE"
LOCK_UPSTREAM = f"{UPSTREAM} FOR NO KEY UPDATE"

LOCK_ATTEMPTS = "SELECT FROM attempt WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"

STANDING = """
message.id, message.send_id, message.status, message.attempt_id, attempt.epoch, message.attempts,
message.alone, extract(epoch FROM clock_timestamp() - message.created_at)::float8, message.price,
send.account_id, send.rate_usd
"""

# In id order, as whoever cancels locks them too: neither waits for the other in a circle.
LOCK_UNDECIDED = f"""
SELECT {STANDING}
FROM message JOIN send ON send.id = message.send_id JOIN attempt ON attempt.id = message.attempt_id
WHERE message.attempt_id = ANY($1::uuid[]) AND message.status IN ('SUBMITTING', 'UNKNOWN')
  AND ($2::uuid[] IS NULL OR message.id = ANY($2))
ORDER BY message.id FOR UPDATE OF message
"""  # noqa: S608 - columns of our own

WRITE_STEPS = """
UPDATE message
SET status = step.status,
    attempt_id = CASE WHEN step.status = 'QUEUED' THEN NULL ELSE message.attempt_id END,
    reference = coalesce(step.reference, message.reference),
    failure = step.failure,
    waiting_for = step.waiting_for,
    due_at = CASE WHEN step.due_in_seconds IS NULL THEN message.due_at
             ELSE statement_timestamp() + make_interval(secs => step.due_in_seconds) END,
    alone = message.alone OR step.alone,
    in_reading = message.in_reading OR step.in_reading,
    updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[],
            $7::bool[], $8::bool[])
    AS step (id, status, reference, failure, waiting_for, due_in_seconds, alone, in_reading)
WHERE message.id = step.id
"""

# An answer that comes after the sweep replaces its outcome; what was noted before stays.
END_ATTEMPTS = f"""
WITH ended AS (
    UPDATE attempt
    SET ended_at = clock_timestamp(), outcome = ending.outcome,
        detail = nullif(left(concat_ws(E'\\n', attempt.detail, ending.detail), {MOST_DETAIL}), '')
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS ending (id, outcome, detail)
    WHERE attempt.id = ending.id RETURNING provider_account_id
)
SELECT DISTINCT provider_account_id FROM ended
"""  # noqa: S608 - a number of our own
NOTE_ON_ATTEMPTS = f"""
UPDATE attempt SET detail = left(concat_ws(E'\\n', detail, $2::text), {MOST_DETAIL})
WHERE id = ANY($1::uuid[])
"""  # noqa: S608 - a number of our own

PAUSE = """
UPDATE provider_account
SET paused_at = coalesce(paused_at, clock_timestamp()), pause_reason = $2,
    probe_at = CASE WHEN paused_at IS NULL THEN clock_timestamp() + make_interval(secs => $3)
               ELSE probe_at END
WHERE id = $1
"""
RESUME = """
UPDATE provider_account SET paused_at = NULL, pause_reason = NULL, probe_at = NULL WHERE id = $1
"""

# In the order of the index of open attempts, so that those that have ended are not looked at.
TAKE_EXPIRED = """
SELECT id FROM attempt
WHERE ended_at IS NULL AND lease_until < clock_timestamp()
ORDER BY provider_account_id, lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
"""

# Ids begin with the time at which they were made: an id is a date without a look at the row. In
# the order of the queue, so that what is not queued any more is not looked at.
TAKE_OVERDUE = """
SELECT message.id, message.send_id, message.status, NULL::uuid, NULL::int8, message.attempts,
       message.alone, extract(epoch FROM clock_timestamp() - message.created_at)::float8,
       message.price, send.account_id, send.rate_usd
FROM message JOIN send ON send.id = message.send_id
WHERE message.provider_account_id = $1 AND message.status = 'QUEUED' AND message.id < $2
  AND message.created_at < clock_timestamp() - make_interval(secs => $3)
  AND (message.attempts > 0 OR EXISTS (
      SELECT FROM provider_account WHERE id = $1
      AND paused_at < clock_timestamp() - make_interval(secs => $3)))
ORDER BY message.priority, message.client_id, message.due_at, message.id
LIMIT $4 FOR UPDATE OF message SKIP LOCKED
"""

FIND_ATTEMPT_OF = "SELECT provider_account_id, attempt_id FROM message WHERE id = $1"

FIND_CHARGED = """
SELECT provider_account_id, account_id, price, rate_usd FROM send
WHERE id = $1 AND ($2::uuid IS NULL OR client_id = $2)
"""

CANCEL_QUEUED = """
WITH queued AS (
    SELECT id FROM message WHERE send_id = $1 AND status = 'QUEUED' ORDER BY id FOR UPDATE
), cancelled AS (
    UPDATE message SET status = 'CANCELLED', waiting_for = NULL, updated_at = clock_timestamp()
    FROM queued WHERE message.id = queued.id RETURNING 1
)
SELECT count(*) FROM cancelled
"""


async def lock_upstream(
    tx: Connection, provider_account_id: UUID, *, alone: bool = False
) -> Upstream:
    """The provider account FOR SHARE, so that its epoch stands until the transaction ends.

    `alone`: FOR NO KEY UPDATE, for who is going to change it.
    """
    row = await tx.fetchrow(LOCK_UPSTREAM if alone else SHARE_UPSTREAM, provider_account_id)
    if row is None:
        raise NotFound("provider account")
    return Upstream(*row)


async def lock_attempts(tx: Connection, ids: Sequence[UUID]) -> None:
    """The attempts FOR UPDATE, in id order."""
    await tx.execute(LOCK_ATTEMPTS, list(ids))


async def lock_undecided(
    tx: Connection, attempt_ids: Sequence[UUID], *, only: Sequence[UUID] | None = None
) -> list[Standing]:
    """Messages FOR UPDATE in id order that are SUBMITTING or UNKNOWN under these attempts."""
    ids = None if only is None else list(only)
    return _standings(await tx.fetch(LOCK_UNDECIDED, list(attempt_ids), ids))


async def write_steps(tx: Connection, steps: Sequence[Step]) -> None:
    """Writes what becomes of messages, all in one statement."""
    await tx.execute(WRITE_STEPS, *columns([_step_row(step) for step in steps]))
    note(tx, {hints.SEND + step.standing.send_id.bytes for step in steps})
    note(tx, [hints.MESSAGE + step.standing.message_id.bytes for step in steps])


async def end_attempts(tx: Connection, endings: Sequence[Ending]) -> None:
    """Writes how attempts ended. A late ending is added to what a sweep wrote before."""
    rows = [(ending.attempt_id, ending.outcome, ending.detail) for ending in endings]
    ended = await tx.fetch(END_ATTEMPTS, *columns(rows))
    note(tx, [hints.POOL + row[0].bytes for row in ended])


async def note_on_attempts(tx: Connection, ids: Sequence[UUID], note: str) -> None:
    """Adds a line to the detail of attempts."""
    await tx.execute(NOTE_ON_ATTEMPTS, list(ids), note)


async def pause_upstream(
    tx: Connection, upstream: Upstream, reason: str, *, first_seconds: float
) -> None:
    """The account is paused, if it was not; its first probe is due after so long."""
    await tx.execute(PAUSE, upstream.id, reason, first_seconds)


async def resume_upstream(tx: Connection, upstream: Upstream) -> None:
    """The account is not paused."""
    await tx.execute(RESUME, upstream.id)


async def take_expired(tx: Connection, most: int) -> list[UUID]:
    """Attempts FOR UPDATE, not ended, whose lease has passed; others' are skipped."""
    return [row[0] for row in await tx.fetch(TAKE_EXPIRED, most)]


async def take_overdue(
    tx: Connection, provider_account_id: UUID, *, age_seconds: float, most: int
) -> list[Standing]:
    """QUEUED messages FOR UPDATE of that age that were refused before, or whose account has
    been paused for as long; others' are skipped."""
    first_id_after = first_id_at(datetime.now(UTC) - timedelta(seconds=age_seconds - 1))
    rows = await tx.fetch(TAKE_OVERDUE, provider_account_id, first_id_after, age_seconds, most)
    return _standings(rows)


async def find_attempt_of(tx: Connection, message_id: UUID) -> tuple[UUID, UUID | None]:
    """Provider account and attempt of a message, nothing locked. Raises NotFound."""
    row = await tx.fetchrow(FIND_ATTEMPT_OF, message_id)
    if row is None:
        raise NotFound("message")
    return row[0], row[1]


async def find_charged(scope: Scope, send_id: UUID) -> Charged:
    """A send within the scope. Raises NotFound."""
    match scope:
        case Everything():
            client_id = None
        case OfClient(own):
            client_id = own
        case _:
            raise NotFound("send")
    async with connection() as pooled:
        row = await pooled.fetchrow(FIND_CHARGED, send_id, client_id)
    if row is None:
        raise NotFound("send")
    refund = Refund(send_id, payer_account_id=row[1], count=0, price=row[2], rate_usd=row[3])
    return Charged(send_id, row[0], refund)


async def cancel_queued(tx: Connection, send_id: UUID) -> int:
    """What of the send is QUEUED is CANCELLED, locked in id order. Returns how many."""
    note(tx, (hints.SEND + send_id.bytes, hints.MESSAGES + send_id.bytes))
    # A large send has 100,000 of them.
    timeout = STATEMENT_TIMEOUT_SECONDS
    return int(await tx.fetchval(CANCEL_QUEUED, send_id, timeout=timeout))


def _standings(rows: Iterable[Any]) -> list[Standing]:
    return [Standing(row[0], row[1], MessageStatus(row[2]), *tuple(row)[3:]) for row in rows]


def _step_row(step: Step) -> tuple[Any, ...]:
    return (
        step.standing.message_id,
        step.status.value,
        step.reference,
        step.failure,
        step.waiting_for,
        step.due_in_seconds,
        step.alone,
        step.in_reading,
    )
