"""Messages that delivery reports or status queries name, and the progress of status queries.

Set-based SQL: reports arrive in bursts as large as the sends that they are about. `events` has the
figure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from asyncpg import Record

from domain.dispatch.messages import LockedMessage
from domain.ids import first_id_at
from domain.inbox.webhooks import (
    DeliveryReport,
    PollBatch,
    Polled,
    PollPosition,
    ReportedChange,
    ReportedMessage,
    Verdicts,
)
from domain.live import hints
from domain.sending.messages import MessageStatus
from domain.sending.text import segments_of
from persistence.database import Connection, columns, connection, execute, fetch, fetch_value, note
from persistence.dispatch.settlement import OF_MESSAGES, UNDECIDED_COLUMNS, locked_messages
from persistence.rows import object_of

MOST_SCANNED = 2_000
"""Messages that one batch of status queries reads, of any status: it bounds the time of a read."""

RECENT = timedelta(days=45)
"""The age of messages that almost all reports are about."""

OWN_ID = re.compile(r"[0-9a-f]{32}")
"""The ID of an attempt or of a message as a reference."""

# A message whose outcome is not known has no reference yet.
COLUMNS = """
provider_account.provider,
coalesce(message.reference, replace(message.attempt_id::text, '-', '')) AS reference,
message.number, message.id, message.send_id, message.client_id, message.status, message.verdicts,
message.provider_account_id, coalesce(message.text, send.text) AS text,
extract(epoch FROM clock_timestamp() - message.updated_at)::float8 AS unchanged_seconds
"""
SOURCE = """
message JOIN provider_account ON provider_account.id = message.provider_account_id
CROSS JOIN LATERAL (SELECT text FROM send WHERE send.id = message.send_id OFFSET 0) AS send
"""

# Branches, so that each uses its index. In ID order, like all code that locks messages. Almost all
# reports are about recent messages. The older months are read only for references that recent
# messages do not have: OFFSET 0 keeps that a look-up for each of these.
LOCK_REPORTED = f"""
SELECT {COLUMNS} FROM {SOURCE}
WHERE message.id = ANY (ARRAY(
    WITH report AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[])
            AS report (provider, reference, number, own_id)
    ), recent AS (
        SELECT report.*, message.id, message.provider_account_id
        FROM report JOIN message ON message.reference = report.reference
         AND (report.number IS NULL OR message.number = report.number)
        JOIN provider_account AS upstream ON upstream.id = message.provider_account_id
         AND upstream.provider = report.provider
        WHERE message.id >= $5
    ), named AS (
        SELECT provider, id, provider_account_id FROM recent
        UNION ALL
        SELECT report.provider, older.id, older.provider_account_id
        FROM report CROSS JOIN LATERAL (
            SELECT id, provider_account_id FROM message
            WHERE message.reference = report.reference AND message.id < $5
              AND (report.number IS NULL OR message.number = report.number) OFFSET 0
        ) AS older
        WHERE NOT EXISTS (
            SELECT FROM recent
            WHERE recent.provider = report.provider AND recent.reference = report.reference
              AND recent.number IS NOT DISTINCT FROM report.number)
        UNION ALL
        SELECT report.provider, message.id, message.provider_account_id
        FROM report JOIN message ON message.attempt_id = report.own_id
         AND message.status IN ('SUBMITTING', 'UNKNOWN') AND message.attempt_id = ANY($4)
        UNION ALL
        SELECT report.provider, message.id, message.provider_account_id
        FROM report JOIN message ON message.id = report.own_id
         AND message.status IN ('SUBMITTING', 'UNKNOWN') AND message.id = ANY($4)
    )
    SELECT named.id FROM named
    JOIN provider_account AS upstream ON upstream.id = named.provider_account_id
     AND upstream.provider = named.provider))
ORDER BY message.id FOR UPDATE OF message
"""  # noqa: S608 - constant columns
WRITE_REPORTED = """
UPDATE message
SET status = reported.status, failure = reported.failure, verdicts = reported.verdicts,
    reference = coalesce(message.reference, reported.reference), updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int2[], $5::text[])
    AS reported (id, status, failure, verdicts, reference)
WHERE message.id = reported.id AND message.id = ANY($1)
"""
PROVIDER_ACCOUNTS_OF = """
SELECT DISTINCT provider_account_id FROM (
    SELECT provider_account_id FROM message WHERE reference = ANY($1::text[])
    UNION ALL
    SELECT provider_account_id FROM message
    WHERE attempt_id = ANY($2::uuid[]) AND status IN ('SUBMITTING', 'UNKNOWN')
    UNION ALL
    SELECT provider_account_id FROM message
    WHERE id = ANY($2::uuid[]) AND status IN ('SUBMITTING', 'UNKNOWN')
) AS named ORDER BY provider_account_id
"""
LOCK_REFUSED = f"""
SELECT {UNDECIDED_COLUMNS} {OF_MESSAGES}
JOIN attempt ON attempt.id = message.attempt_id
WHERE message.id = ANY($1::uuid[]) AND message.status = 'UNDELIVERED'
ORDER BY message.id FOR UPDATE OF message
"""

PROVIDER_ACCOUNT_IDS = "SELECT id FROM provider_account ORDER BY id"

HAS_LATER = """
SELECT EXISTS (
    SELECT FROM message
    WHERE provider_account_id = $1 AND send_at IS NOT NULL AND status IN ('SENT', 'UNKNOWN'))
"""
OPEN_ROUND = """
INSERT INTO status_poll (provider_account_id, round, after_id, after_due_at)
VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
CLAIM_ROUND = """
UPDATE status_poll SET claimed_until = clock_timestamp() + make_interval(secs => $3)
WHERE provider_account_id = $1 AND round = $2
  AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
RETURNING after_id, after_due_at
"""
NEXT_MESSAGES = """
SELECT id, NULL::timestamptz,
       CASE WHEN provider_account_id = $1 AND status IN ('SENT', 'UNKNOWN') AND send_at IS NULL
       THEN reference END
FROM message WHERE id > $2 AND id < $3 ORDER BY id LIMIT $4
"""
NEXT_LATER = """
SELECT id, send_at, reference FROM message
WHERE provider_account_id = $1 AND send_at IS NOT NULL AND status IN ('SENT', 'UNKNOWN')
  AND (send_at, id) > ($2, $3) AND send_at < $4
ORDER BY send_at, id LIMIT $5
"""
FINISH_POLL = """
UPDATE status_poll SET after_id = $3, after_due_at = $4, claimed_until = NULL
WHERE provider_account_id = $1 AND round = $2
"""
LATER_ROUNDS = 100
"""Added to the rounds of messages that were scheduled: these rounds have their own rows."""
LOCK_POLLED = f"""
SELECT {COLUMNS} FROM {SOURCE}
WHERE message.id = ANY($1::uuid[]) ORDER BY message.id FOR UPDATE OF message
"""  # noqa: S608 - constant columns


async def lock_reported(
    tx: Connection, reports: Sequence[tuple[str, DeliveryReport]]
) -> list[ReportedMessage]:
    named = [
        (provider, report.reference, report.number, _own_id(report.attempt or report.reference))
        for provider, report in reports
    ]
    recent = first_id_at(datetime.now(UTC) - RECENT)
    return [_message(row) for row in await tx.fetch(LOCK_REPORTED, *columns(named), recent)]


async def provider_accounts_of(tx: Connection, references: Sequence[str]) -> list[UUID]:
    own_ids = [each for each in map(_own_id, references) if each is not None]
    rows = await tx.fetch(PROVIDER_ACCOUNTS_OF, list(references), own_ids)
    return [row[0] for row in rows]


async def lock_refused(tx: Connection, ids: Sequence[UUID]) -> list[LockedMessage]:
    return locked_messages(await tx.fetch(LOCK_REFUSED, list(ids)))


async def write_reported(tx: Connection, changed: Sequence[ReportedChange]) -> None:
    rows = [
        (
            each.message.message_id,
            each.status.value,
            each.failure,
            each.verdicts.value or None,
            each.message.reference,
        )
        for each in changed
    ]
    await tx.execute(WRITE_REPORTED, *columns(rows))
    note(tx, {hints.SEND + each.message.send_id.bytes for each in changed})
    note(tx, [hints.MESSAGE + each.message.message_id.bytes for each in changed])


async def provider_account_ids() -> list[UUID]:
    return [row[0] for row in await fetch(PROVIDER_ACCOUNT_IDS)]


async def has_later(provider_account_id: UUID) -> bool:
    return bool(await fetch_value(HAS_LATER, provider_account_id))


async def claim_poll(
    provider_account_id: UUID,
    round_: int,
    *,
    later: bool,
    youngest_seconds: float,
    oldest_seconds: float,
    most: int,
    lease_seconds: float,
) -> PollBatch | None:
    now = datetime.now(UTC)
    first, last = (now - timedelta(seconds=each) for each in (oldest_seconds, youngest_seconds))
    oldest = PollPosition(first_id_at(first), first if later else None)
    key = (provider_account_id, _row_of(round_, later=later))
    async with connection() as pooled:
        await pooled.execute(OPEN_ROUND, *key, oldest.id, oldest.due_at)
        row = await pooled.fetchrow(CLAIM_ROUND, *key, lease_seconds)
        if row is None:
            return None
        after = max(PollPosition(*row), oldest, key=_in_order)
        if later:
            rows = await pooled.fetch(
                NEXT_LATER, provider_account_id, after.due_at, after.id, last, MOST_SCANNED
            )
        else:
            rows = await pooled.fetch(
                NEXT_MESSAGES, provider_account_id, after.id, first_id_at(last), MOST_SCANNED
            )
    wanted = [Polled(row[0], row[2], PollPosition(row[0], row[1])) for row in rows if row[2]][:most]
    if len(wanted) == most:
        return PollBatch(after, wanted[-1].position, wanted)
    return PollBatch(after, PollPosition(*rows[-1][:2]) if rows else after, wanted)


async def finish_poll(
    provider_account_id: UUID, round_: int, until: PollPosition, *, later: bool
) -> None:
    row = _row_of(round_, later=later)
    await execute(FINISH_POLL, provider_account_id, row, until.id, until.due_at)


async def lock_polled(tx: Connection, message_ids: Sequence[UUID]) -> list[ReportedMessage]:
    return [_message(row) for row in await tx.fetch(LOCK_POLLED, list(message_ids))]


def _message(row: Record) -> ReportedMessage:
    return object_of(
        ReportedMessage,
        row,
        message_id=row["id"],
        status=MessageStatus(row["status"]),
        verdicts=Verdicts(row["verdicts"] or 0),
        # A text that was deleted may have been long.
        is_long=not row["text"] or segments_of(row["text"]) > 1,
    )


def _row_of(round_: int, *, later: bool) -> int:
    return round_ + LATER_ROUNDS if later else round_


def _in_order(position: PollPosition) -> tuple[datetime, UUID]:
    return position.due_at or datetime.min.replace(tzinfo=UTC), position.id


def _own_id(reference: str) -> UUID | None:
    return UUID(reference) if OWN_ID.fullmatch(reference) else None
