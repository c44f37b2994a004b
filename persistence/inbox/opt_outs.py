"""Opt-outs, and the messages that they cancel.

Set-based SQL: a bulk send of 100,000 numbers checks and cancels them all at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.dispatch.messages import Refund
from domain.ids import first_id_at
from domain.inbox.messages import CancelledSend, ConversationKey, OptOut
from domain.inbox.webhooks import LockedEvent
from domain.live import hints
from domain.sending.schedule import LONGEST_WAIT
from persistence.database import Connection, columns, connection, ends_of, note
from persistence.sending.messages import first_of_sends
from persistence.sending.of_send import by_index, in_range
from persistence.sending.to_number import is_to

# The sources from the weakest to the strongest. Of two pending ones, the newer event counts.
WRITE_OPT_OUTS = """
INSERT INTO opt_out (client_id, number, source, inbound_id)
SELECT DISTINCT ON (client_id, number) *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[])
    AS new (client_id, number, source, inbound_id)
ORDER BY client_id, number, inbound_id DESC
ON CONFLICT (client_id, number) DO UPDATE
SET source = excluded.source, inbound_id = excluded.inbound_id
WHERE array_position(ARRAY['PENDING', 'KEYWORD', 'BLOCKED', 'PERSON'], excluded.source)
    > array_position(ARRAY['PENDING', 'KEYWORD', 'BLOCKED', 'PERSON'], opt_out.source)
   OR (excluded.source = 'PENDING' AND opt_out.source = 'PENDING')
"""
DROP_OPT_OUTS = """
DELETE FROM opt_out USING unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
WHERE opt_out.client_id = pair.client_id AND opt_out.number = pair.number
  AND (NOT $3 OR source IN ('KEYWORD', 'PENDING'))
"""

CONFIRM_PENDING = """
UPDATE opt_out SET source = 'KEYWORD'
WHERE number = ANY($1::text[]) AND source = 'PENDING' RETURNING client_id, number
"""
LIFT_PENDING = """
DELETE FROM opt_out
WHERE number = ANY($1::text[]) AND source = 'PENDING' AND NOT EXISTS (
    SELECT FROM webhook_event WHERE opt_out_pending AND sender = $2 AND id <> $3)
RETURNING client_id, number
"""

# A question mark as written in Latin, full-width and Arabic script. A scalar subquery, because
# PostgreSQL would turn EXISTS into a scan of all messages.
ASKED_LATELY = f"""
SELECT client_id, number FROM unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
WHERE (
    SELECT true FROM all_sent_to AS sent_to
    JOIN message ON message.id = sent_to.message_id
    JOIN send ON send.id = message.send_id
    WHERE {is_to("pair.number", "pair.client_id")}
      AND sent_to.message_id >= $3 AND (message.created_at >= $4 OR message.send_at >= $4)
      AND message.status NOT IN ('QUEUED', 'CANCELLED', 'REJECTED')
      AND coalesce(message.text, send.text) ~ '[?？؟]'
    LIMIT 1)
"""  # noqa: S608 - conditions of our own

# Locked in ID order, like all code that captures or receives.
CHANGE_CONVERSATIONS = """
WITH changed AS (
    SELECT conversation.id FROM unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
    JOIN conversation USING (client_id, number)
    ORDER BY conversation.id FOR UPDATE OF conversation
)
UPDATE conversation SET updated_at = clock_timestamp()
FROM changed WHERE conversation.id = changed.id RETURNING conversation.id
"""

FEW_NUMBERS = 100
OPT_OUTS_OF = "SELECT number FROM opt_out WHERE client_id = $1 LIMIT $2"
OPTED_OUT = """
SELECT number FROM opt_out
WHERE client_id = $1 AND number IN (SELECT wanted FROM unnest($2::text[]) AS given (wanted))
"""

# In ID order, like TAKE_FEED_NUMBERS. No row is locked while one is missing: the others would then
# be locked out of order.
SHARE_FEEDS = """
SELECT FROM client_feed
WHERE client_id = ANY($1::uuid[]) AND cardinality($1::uuid[])
    = (SELECT count(*) FROM client_feed WHERE client_id = ANY($1::uuid[]))
ORDER BY client_id FOR SHARE
"""
# Creates the missing rows and locks the others. WHERE false: a row is locked and not changed.
MAKE_FEEDS = """
INSERT INTO client_feed (client_id) SELECT unnest($1::uuid[]) ORDER BY 1
ON CONFLICT (client_id) DO UPDATE SET last_feed = client_feed.last_feed WHERE false
"""

# A part of a large send. LATERAL reads it by its IDs, whatever the statistics say.
OPTED_OUT_AMONG = f"""
SELECT DISTINCT client_id, number
FROM unnest($1::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    (SELECT client_id, number, status FROM message
     WHERE {in_range("wanted.id")} AND message.id > $2 AND message.id <= $3 OFFSET 0)
    UNION ALL
    (SELECT client_id, number, status FROM message
     WHERE {by_index("wanted.id", since="$2")} AND message.id > $2 AND message.id <= $3 OFFSET 0)
) AS part
WHERE status = 'QUEUED' AND (
    SELECT true FROM opt_out
    WHERE opt_out.client_id = part.client_id AND opt_out.number = part.number)
"""  # noqa: S608 - names of our own

OPTED_OUT_OF = """
SELECT id FROM message
WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 AND (
    SELECT true FROM opt_out
    WHERE opt_out.client_id = message.client_id AND opt_out.number = message.number)
"""

# One look into an index for each pair, whatever the statistics say.
SENT_TO_PAIRS = f"""
ARRAY(SELECT sent.message_id FROM unnest($1::uuid[], $2::text[]) AS pair (client_id, number)
CROSS JOIN LATERAL (
    SELECT message_id FROM all_sent_to AS sent_to
    WHERE {is_to("pair.number", "pair.client_id")} OFFSET 0
) AS sent)
"""  # noqa: S608 - conditions of our own
# A SUBMITTING message may be QUEUED again a moment later, so its provider account counts too. With
# a route, a message can wait for another account than that of its client's pool.
UPSTREAMS_QUEUED_TO = f"""
SELECT DISTINCT unnest(ARRAY[message.provider_account_id, send.provider_account_id])
FROM message JOIN send ON send.id = message.send_id
WHERE message.id = ANY ({SENT_TO_PAIRS}) AND message.status IN ('QUEUED', 'SUBMITTING')
"""  # noqa: S608 - conditions of our own
# Locking SUBMITTING messages waits for their outcome: those that were not submitted are QUEUED
# again, and are cancelled too.
CANCEL_MESSAGES = f"""
WITH queued AS (
    SELECT id, status FROM message
    WHERE id = ANY ({SENT_TO_PAIRS}) AND status IN ('QUEUED', 'SUBMITTING')
      AND provider_account_id = ANY($3::uuid[])
    ORDER BY id FOR UPDATE
), cancelled AS (
    UPDATE message SET status = 'CANCELLED', waiting_for = NULL, failure = $4,
           updated_at = clock_timestamp()
    WHERE message.id = ANY (ARRAY(SELECT id FROM queued WHERE status = 'QUEUED'))
    RETURNING message.id, message.send_id
)
SELECT send.id, send.provider_account_id, send.account_id, send.price, send.rate_usd, ids
FROM (SELECT send_id, array_agg(id) AS ids FROM cancelled GROUP BY send_id) AS each
JOIN send ON send.id = each.send_id
ORDER BY send.id
"""  # noqa: S608 - conditions of our own


async def write_opt_outs(tx: Connection, opt_outs: Sequence[OptOut]) -> None:
    rows = [(each.client_id, each.number, each.source.value, each.inbound_id) for each in opt_outs]
    await tx.execute(WRITE_OPT_OUTS, *columns(rows))
    await _change_conversations(tx, [(each.client_id, each.number) for each in opt_outs])


async def drop_opt_outs(
    tx: Connection, keys: Sequence[ConversationKey], *, by_text: bool = False
) -> None:
    await tx.execute(DROP_OPT_OUTS, *columns(keys), by_text)
    await _change_conversations(tx, keys)


async def end_pending(
    tx: Connection, event: LockedEvent, numbers: Sequence[str], *, opt_out: bool
) -> None:
    if opt_out:
        rows = await tx.fetch(CONFIRM_PENDING, list(numbers))
    else:
        rows = await tx.fetch(LIFT_PENDING, list(numbers), event.sender, event.event.id)
    if rows:
        await _change_conversations(tx, [(row[0], row[1]) for row in rows])


async def asked_lately(
    tx: Connection, keys: Sequence[ConversationKey], *, seconds: float
) -> set[ConversationKey]:
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    first_id = first_id_at(since - LONGEST_WAIT)
    rows = await tx.fetch(ASKED_LATELY, *columns(keys), first_id, since)
    return {(row[0], row[1]) for row in rows}


async def share_feeds(tx: Connection, client_ids: Collection[UUID]) -> None:
    ids = sorted(set(client_ids))
    if len(await tx.fetch(SHARE_FEEDS, ids)) < len(ids):
        await tx.execute(MAKE_FEEDS, ids)


async def opted_out_among(
    tx: Connection, send_ids: Sequence[UUID], *, after: UUID, until: UUID | None
) -> list[ConversationKey]:
    first, last = max(after, first_of_sends(send_ids)), until or UUID(int=2**128 - 1)
    rows = await tx.fetch(OPTED_OUT_AMONG, list(send_ids), first, last)
    return [(row[0], row[1]) for row in rows]


async def upstreams_queued_to(tx: Connection, keys: Sequence[ConversationKey]) -> list[UUID]:
    return [row[0] for row in await tx.fetch(UPSTREAMS_QUEUED_TO, *columns(keys))]


async def cancel_messages_to(
    tx: Connection,
    provider_account_ids: Sequence[UUID],
    keys: Sequence[ConversationKey],
    *,
    failure: str,
) -> list[CancelledSend]:
    rows = await tx.fetch(CANCEL_MESSAGES, *columns(keys), list(provider_account_ids), failure)
    note(tx, [hints.SEND + row[0].bytes for row in rows])
    note(tx, [hints.MESSAGE + each.bytes for row in rows for each in row[5]])
    return [
        CancelledSend(
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
    rows = await tx.fetch(OPTED_OUT_OF, list(message_ids), *ends_of(message_ids))
    return {row[0] for row in rows}


async def find_opted_out(
    client_id: UUID, numbers: Sequence[str], *, tx: Connection | None = None
) -> set[str]:
    async with connection(tx) as pooled:
        # A client has few opt-outs: to read them is cheaper than to send a long list of numbers.
        if len(numbers) > FEW_NUMBERS:
            rows = await pooled.fetch(OPT_OUTS_OF, client_id, len(numbers))
            if len(rows) < len(numbers):
                return {row[0] for row in rows}.intersection(numbers)
        return {row[0] for row in await pooled.fetch(OPTED_OUT, client_id, list(numbers))}


async def _change_conversations(tx: Connection, keys: Sequence[ConversationKey]) -> None:
    """Marks the conversations as changed, for subscribers."""
    changed = await tx.fetch(CHANGE_CONVERSATIONS, *columns(keys))
    note(tx, [hints.CONVERSATION + row[0].bytes for row in changed])
