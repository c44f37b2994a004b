"""Messages that delivery reports tell of, in SQL: behind `domain.inbox.ports`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domain.inbox.ports import Reported
from domain.inbox.webhooks import ReportCall
from domain.live import hints
from domain.sending.sends import MessageStatus
from persistence.live.hints import note
from persistence.sql import columns

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

# In id order, as everybody locks messages.
LOCK_REPORTED = """
SELECT provider_account.provider, message.reference, message.number, message.id, message.send_id,
       message.client_id, message.status
FROM message JOIN provider_account ON provider_account.id = message.provider_account_id
WHERE message.id IN (
    SELECT named.id FROM unnest($1::text[], $2::text[], $3::text[])
        AS told (provider, reference, number)
    JOIN message AS named ON named.reference = told.reference
     AND (told.number IS NULL OR named.number = told.number)
    JOIN provider_account AS upstream ON upstream.id = named.provider_account_id
     AND upstream.provider = told.provider)
ORDER BY message.id FOR UPDATE OF message
"""
WRITE_REPORTED = """
UPDATE message
SET status = reported.status, failure = reported.failure, updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS reported (id, status, failure)
WHERE message.id = reported.id
"""


async def lock_reported(
    tx: Connection, reports: Sequence[tuple[str, ReportCall]]
) -> list[Reported]:
    """Messages FOR UPDATE, in id order, that the provider named by these references."""
    told = [(provider, report.reference, report.number) for provider, report in reports]
    rows = await tx.fetch(LOCK_REPORTED, *columns(told))
    return [reported_of(row) for row in rows]


async def write_reported(
    tx: Connection, found: Sequence[tuple[Reported, MessageStatus, str | None]]
) -> None:
    """Writes the status, and why where it was not delivered, of messages under lock."""
    rows = [(each.message_id, status.value, failure) for each, status, failure in found]
    await tx.execute(WRITE_REPORTED, *columns(rows))
    note(tx, {hints.SEND + each.send_id.bytes for each, _, _ in found})
    note(tx, [hints.MESSAGE + each.message_id.bytes for each, _, _ in found])


def reported_of(row: Record) -> Reported:
    """A message that somebody tells of, as a row of it says."""
    return Reported(
        provider=row["provider"],
        reference=row["reference"],
        number=row["number"],
        message_id=row["id"],
        send_id=row["send_id"],
        client_id=row["client_id"],
        status=MessageStatus(row["status"]),
    )
