"""What a reply needs to know, in SQL: behind `domain.inbox.ports`."""

from __future__ import annotations

from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.inbox.ports import ReplyTerms
from persistence.database import connection

REPLY_TERMS = """
SELECT client.status, account.id, upstream.id, account.held, upstream.price, upstream.unit,
       upstream.paused_at IS NOT NULL
FROM client
JOIN account ON account.id = client.account_id
JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
WHERE client.id = $1
"""
WARNING = "SELECT warning FROM send WHERE id = $1 AND client_id = $2"


async def find_reply_terms(client_id: UUID) -> ReplyTerms:
    """What a reply of the client's would need, besides its words. Raises NotFound."""
    async with connection() as pooled:
        row = await pooled.fetchrow(REPLY_TERMS, client_id)
    if row is None:
        raise NotFound("client")
    return ReplyTerms(*row)


async def find_warning(scope: OfClient, send_id: UUID) -> str | None:
    """What the sender of a reply was told of its line; None where there was nothing to tell."""
    async with connection() as pooled:
        warning: str | None = await pooled.fetchval(WARNING, send_id, scope.client_id)
    return warning
