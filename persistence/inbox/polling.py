"""Rounds of asking for statuses, in SQL: behind `domain.dispatch.ports`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from domain.inbox.polling import Part
from domain.inbox.ports import Reported
from persistence.database import connection
from persistence.inbox.reports import reported_of
from persistence.sql import first_id_at

if TYPE_CHECKING:
    from persistence.database import Connection

MOST_LOOKED_AT = 2_000
"""Messages of a part that are looked at, whatever their status: a part is never a long read."""

PROVIDER_ACCOUNT_IDS = "SELECT id FROM provider_account ORDER BY id"

OPEN_ROUND = """
INSERT INTO status_poll (provider_account_id, round, after_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
"""
CLAIM_ROUND = """
UPDATE status_poll SET claimed_until = clock_timestamp() + make_interval(secs => $3)
WHERE provider_account_id = $1 AND round = $2
  AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
RETURNING after_id
"""
NEXT_PART = """
SELECT id, CASE WHEN provider_account_id = $1 AND status IN ('SENT', 'UNKNOWN')
           THEN reference END
FROM message WHERE id > $2 AND id < $3 ORDER BY id LIMIT $4
"""
KEEP_PART = """
UPDATE status_poll SET after_id = $3, claimed_until = NULL
WHERE provider_account_id = $1 AND round = $2
"""
LOCK_ASKED = """
SELECT provider_account.provider, message.reference, message.number, message.id, message.send_id,
       message.client_id, message.status
FROM message JOIN provider_account ON provider_account.id = message.provider_account_id
WHERE message.id = ANY($1::uuid[]) ORDER BY message.id FOR UPDATE OF message
"""


async def provider_account_ids() -> list[UUID]:
    """All accounts at providers."""
    async with connection() as pooled:
        return [row[0] for row in await pooled.fetch(PROVIDER_ACCOUNT_IDS)]


async def claim_part(
    provider_account_id: UUID,
    round_: int,
    *,
    youngest_seconds: float,
    oldest_seconds: float,
    most: int,
    lease_seconds: float,
) -> Part | None:
    """The next part of a round, this program's alone for a while; None where it is another's."""
    now = datetime.now(UTC)
    oldest = first_id_at(now - timedelta(seconds=oldest_seconds))
    youngest = first_id_at(now - timedelta(seconds=youngest_seconds))
    key = (provider_account_id, round_)
    async with connection() as pooled:
        await pooled.execute(OPEN_ROUND, *key, oldest)
        after = await pooled.fetchval(CLAIM_ROUND, *key, lease_seconds)
        if after is None:
            return None
        after = max(after, oldest)
        rows = await pooled.fetch(NEXT_PART, provider_account_id, after, youngest, MOST_LOOKED_AT)
    wanted = [(row[0], row[1]) for row in rows if row[1] is not None][:most]
    if len(wanted) == most:
        return Part(after, wanted[-1][0], wanted)
    return Part(after, rows[-1][0] if rows else after, wanted)


async def keep_part(provider_account_id: UUID, round_: int, until: UUID) -> None:
    """The round has come so far; anybody may go on with it."""
    async with connection() as pooled:
        await pooled.execute(KEEP_PART, provider_account_id, round_, until)


async def lock_asked(tx: Connection, message_ids: Sequence[UUID]) -> list[Reported]:
    """Messages FOR UPDATE in id order."""
    return [reported_of(row) for row in await tx.fetch(LOCK_ASKED, list(message_ids))]
