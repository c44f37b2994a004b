"""Numbers that clients may not write to, in SQL: behind `domain.inbox.ports`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from domain.dispatch.settlement import Refund
from domain.inbox.arrivals import OptOut
from domain.inbox.ports import CalledBack, Correspondence
from domain.live import hints
from persistence.database import connection
from persistence.live.hints import note
from persistence.sql import columns

if TYPE_CHECKING:
    from persistence.database import Connection

WRITE_OPT_OUTS = """
INSERT INTO opt_out (client_id, number, source, inbound_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[])
    AS new (client_id, number, source, inbound_id)
ORDER BY client_id, number
ON CONFLICT DO NOTHING
"""
DROP_OPT_OUTS = """
DELETE FROM opt_out USING unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
WHERE opt_out.client_id = pair.client_id AND opt_out.number = pair.number
"""

# Locked in id order, as by whoever captures or receives.
CHANGE_CONVERSATIONS = """
WITH changed AS (
    SELECT conversation.id FROM unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
    JOIN conversation USING (client_id, number)
    ORDER BY conversation.id FOR UPDATE OF conversation
)
UPDATE conversation SET updated_at = clock_timestamp()
FROM changed WHERE conversation.id = changed.id RETURNING conversation.id
"""

OPTED_OUT = """
SELECT number FROM opt_out
WHERE client_id = $1 AND number IN (SELECT wanted FROM unnest($2::text[]) AS given (wanted))
"""

# The rows are made where they are missing: what is not there cannot be held.
MAKE_FEEDS = """
INSERT INTO client_feed (client_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING
"""
SHARE_FEEDS = """
SELECT FROM client_feed WHERE client_id = ANY($1::uuid[]) ORDER BY client_id FOR SHARE
"""

OPTED_OUT_AMONG = """
SELECT DISTINCT message.client_id, message.number
FROM message JOIN opt_out USING (client_id, number)
WHERE message.send_id = ANY($1::uuid[]) AND message.status = 'QUEUED'
"""

OPTED_OUT_OF = """
SELECT message.id FROM message JOIN opt_out USING (client_id, number)
WHERE message.id = ANY($1::uuid[])
"""

# One that is being handed over may be QUEUED again a moment later: its account counts too.
UPSTREAMS_QUEUED_TO = """
SELECT DISTINCT message.provider_account_id
FROM unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
JOIN sent_to USING (client_id, number)
JOIN message ON message.id = sent_to.message_id
WHERE message.status IN ('QUEUED', 'SUBMITTING')
"""
# Waits for what is being recorded: whoever is not taken is QUEUED again, and is seen as that.
CALL_BACK = """
WITH queued AS (
    SELECT message.id, message.status
    FROM unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
    JOIN sent_to USING (client_id, number)
    JOIN message ON message.id = sent_to.message_id
    WHERE message.status IN ('QUEUED', 'SUBMITTING')
      AND message.provider_account_id = ANY($3::uuid[])
    ORDER BY message.id FOR UPDATE OF message
), cancelled AS (
    UPDATE message SET status = 'CANCELLED', waiting_for = NULL, failure = $4,
           updated_at = clock_timestamp()
    FROM queued WHERE message.id = queued.id AND queued.status = 'QUEUED'
    RETURNING message.id, message.send_id
)
SELECT send.id, send.provider_account_id, send.account_id, send.price, send.rate_usd, ids
FROM (SELECT send_id, array_agg(id) AS ids FROM cancelled GROUP BY send_id) AS each
JOIN send ON send.id = each.send_id
ORDER BY send.id
"""


async def write_opt_outs(tx: Connection, opt_outs: Sequence[OptOut]) -> None:
    """From now on these may not be written to. One that is there stays as it is."""
    rows = [(each.client_id, each.number, each.source.value, each.inbound_id) for each in opt_outs]
    await tx.execute(WRITE_OPT_OUTS, *columns(rows))
    await _change_conversations(tx, [(each.client_id, each.number) for each in opt_outs])


async def drop_opt_outs(tx: Connection, pairs: Sequence[Correspondence]) -> None:
    """They may be written to again."""
    await tx.execute(DROP_OPT_OUTS, *columns(pairs))
    await _change_conversations(tx, pairs)


async def share_feeds(tx: Connection, client_ids: Collection[UUID]) -> None:
    """Holds the clients' feeds, FOR SHARE in id order: nobody opts out of them meanwhile."""
    ids = sorted(client_ids)
    await tx.execute(MAKE_FEEDS, ids)
    await tx.execute(SHARE_FEEDS, ids)


async def opted_out_among(tx: Connection, send_ids: Sequence[UUID]) -> list[Correspondence]:
    """Whom these sends have QUEUED messages to that may not be written to."""
    return [(row[0], row[1]) for row in await tx.fetch(OPTED_OUT_AMONG, list(send_ids))]


async def upstreams_queued_to(tx: Connection, pairs: Sequence[Correspondence]) -> list[UUID]:
    """Provider accounts by which something captured is to reach them; nothing is locked."""
    return [row[0] for row in await tx.fetch(UPSTREAMS_QUEUED_TO, *columns(pairs))]


async def call_back_queued_to(
    tx: Connection,
    provider_account_ids: Sequence[UUID],
    pairs: Sequence[Correspondence],
    *,
    failure: str,
) -> list[CalledBack]:
    """What of it is QUEUED is CANCELLED, locked in id order: one a send, with its refund."""
    rows = await tx.fetch(CALL_BACK, *columns(pairs), list(provider_account_ids), failure)
    note(tx, [hints.SEND + row[0].bytes for row in rows])
    note(tx, [hints.MESSAGE + each.bytes for row in rows for each in row[5]])
    return [
        CalledBack(
            row[1],
            Refund(
                row[0],
                payer_account_id=row[2],
                count=len(row[5]),
                price=row[3],
                rate_usd=row[4],
                message_id=row[5][0] if len(row[5]) == 1 else None,
                note=failure,
            ),
        )
        for row in rows
    ]


async def opted_out_of(tx: Connection, message_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the messages whose numbers their clients may not write to any more."""
    return {row[0] for row in await tx.fetch(OPTED_OUT_OF, list(message_ids))}


async def find_opted_out(client_id: UUID, numbers: Sequence[str]) -> set[str]:
    """Those of the numbers (E.164) that the client may not write to."""
    async with connection() as pooled:
        return {row[0] for row in await pooled.fetch(OPTED_OUT, client_id, list(numbers))}


async def _change_conversations(tx: Connection, pairs: Sequence[Correspondence]) -> None:
    """Whoever watches the conversations is told of them."""
    changed = await tx.fetch(CHANGE_CONVERSATIONS, *columns(pairs))
    note(tx, [hints.CONVERSATION + row[0].bytes for row in changed])
