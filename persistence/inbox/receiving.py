"""Inbound messages: the candidates that they are routed by, and writing them to inboxes.

Set-based SQL: one transaction receives up to 200 messages and must not cost 200 times one. An event
takes 240 µs of CPU in all processes, from its arrival to the inbox (docs/measurements.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.ids import first_id_at, new_id
from domain.inbox.messages import ConversationKey, NewInbound
from domain.inbox.routing import WRITERS_DAYS, CandidateIndex
from domain.inbox.senders import is_answerable
from domain.live import hints
from domain.sending.messages import Line
from domain.sending.schedule import LONGEST_WAIT
from persistence.database import Connection, columns, note
from persistence.inbox.capture import write_lines
from persistence.sending.to_number import is_to

ASSIGNED = "SELECT number, client_id FROM assigned_number WHERE number = ANY($1::text[])"

# LIMIT 2: two learned routes are enough to know that several clients share the line.
ON_LINES = """
SELECT line.modem, line.port, route.client_id, route.learned
FROM unnest($1::text[], $2::text[]) AS line (modem, port)
CROSS JOIN LATERAL (
    (SELECT client_id, learned FROM modem_route
     WHERE modem = line.modem AND port = line.port AND NOT learned)
    UNION ALL
    (SELECT client_id, learned FROM modem_route
     WHERE modem = line.modem AND port = line.port AND learned LIMIT 2)
) AS route
"""

TALKING = """
SELECT sender.number, line.modem, line.port, recent.client_id
FROM unnest($1::text[]) AS sender (number)
CROSS JOIN unnest($2::text[], $3::text[]) AS line (modem, port)
CROSS JOIN LATERAL (
    SELECT client_id, last_active_id FROM conversation_line
    WHERE number = sender.number AND modem = line.modem AND port = line.port
    ORDER BY last_active_id DESC LIMIT 2
) AS recent
ORDER BY recent.last_active_id DESC
"""

# The clients that sent to `sender`. A loose index scan of the months that go on: one probe per
# client, however many messages each one sent. `since`: more conditions.
_WRITER = f"""
WITH RECURSIVE writer AS (
    (SELECT client_id FROM open_sent_to AS sent_to
     WHERE {is_to("sender.number")} {{since}} ORDER BY client_id LIMIT 1)
    UNION ALL
    SELECT next.client_id FROM writer CROSS JOIN LATERAL (
        SELECT client_id FROM open_sent_to AS sent_to
        WHERE {is_to("sender.number")} AND client_id > writer.client_id {{since}}
        ORDER BY client_id LIMIT 1) AS next)
SELECT client_id FROM writer
UNION
SELECT client_id FROM closed_sent_to AS sent_to WHERE {is_to("sender.number")} {{since}}
"""  # noqa: S608 - conditions of our own
# Nobody can answer a message that was never submitted. The ID of a scheduled message is older than
# the message. A scalar subquery, because PostgreSQL would turn EXISTS into a join that reads all
# messages to the number.
WRITERS = f"""
SELECT sender.number, writer.client_id
FROM unnest($1::text[]) AS sender (number)
CROSS JOIN LATERAL (
    SELECT client_id FROM ({_WRITER.format(since="AND message_id >= $2")}) AS writer
    WHERE (
        SELECT true FROM all_sent_to AS sent_to
        WHERE {is_to("sender.number", "writer.client_id")}
          AND sent_to.message_id >= $2 AND (
              SELECT (created_at >= $3 OR send_at >= $3)
                 AND status NOT IN ('QUEUED', 'CANCELLED', 'REJECTED')
              FROM message WHERE message.id = sent_to.message_id)
        LIMIT 1)
    LIMIT 2
) AS writer
"""  # noqa: S608 - a piece of our own

CORRESPONDENTS = f"""
SELECT writer.client_id, sender.number
FROM unnest($1::text[]) AS sender (number)
CROSS JOIN LATERAL ({_WRITER.format(since="")}) AS writer
UNION
SELECT client_id, number FROM conversation WHERE number = ANY($1::text[])
"""  # noqa: S608 - a piece of our own

FIRST_ACCOUNTS = """
SELECT provider, (array_agg(id ORDER BY id))[:2] FROM provider_account GROUP BY provider
"""
CAPTURED_UNTIL = "SELECT created_at FROM send WHERE NOT captured ORDER BY id LIMIT 1"

# ORDER BY: transactions that receive for the same clients lock their feeds in the same order, so
# that they cannot deadlock.
TAKE_FEED_NUMBERS = """
INSERT INTO client_feed (client_id, last_feed)
SELECT * FROM unnest($1::uuid[], $2::int8[]) AS new (client_id, messages) ORDER BY client_id
ON CONFLICT (client_id) DO UPDATE SET last_feed = client_feed.last_feed + excluded.last_feed
RETURNING client_id, last_feed
"""

WRITE_INBOUND = """
INSERT INTO inbound (id, client_id, feed, number, text, receiver, modem, port, created_at,
                     mentions_opt_out)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::text[], $9::timestamptz[], $10::bool[])
"""

# A name that a user entered stays. A missing name is filled in.
CAPTURE_SENDERS = """
INSERT INTO contact (id, client_id, number, name, business)
SELECT new.id, new.client_id, number, new.name,
       coalesce((SELECT business FROM client WHERE client.id = new.client_id), new.business)
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
    AS new (id, client_id, number, name, business)
ORDER BY new.client_id, number
ON CONFLICT (client_id, number) DO UPDATE SET name = excluded.name
WHERE contact.name IS NULL AND excluded.name IS NOT NULL
"""

SHOWN_OF_NEW = f"""
{is_to("new.number", "new.client_id")}
AND (SELECT deleted_at IS NULL FROM message WHERE message.id = message_id)
"""  # noqa: S608 - conditions of our own
# A conversation starts with the first inbound message. Earlier sends to the number join it.
WRITE_CONVERSATIONS = f"""
INSERT INTO conversation (
    id, client_id, number, unread, last_message_id, last_inbound_id, modem, port, updated_at)
SELECT new.id, new.client_id, new.number, unread, greatest(inbound_id, sent.message_id),
       inbound_id, modem, port, clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int4[], $5::uuid[], $6::text[], $7::text[])
    AS new (id, client_id, number, unread, inbound_id, modem, port)
LEFT JOIN LATERAL (
    (SELECT message_id FROM open_sent_to AS sent_to WHERE {SHOWN_OF_NEW}
     ORDER BY message_id DESC LIMIT 1)
    UNION ALL
    (SELECT message_id FROM closed_sent_to AS sent_to WHERE {SHOWN_OF_NEW}
     ORDER BY message_id DESC LIMIT 1)
    ORDER BY message_id DESC LIMIT 1
) AS sent ON true
ORDER BY new.client_id, new.number
ON CONFLICT (client_id, number) DO UPDATE
SET unread = conversation.unread + excluded.unread,
    last_message_id = greatest(conversation.last_message_id, excluded.last_message_id),
    last_inbound_id = greatest(conversation.last_inbound_id, excluded.last_inbound_id),
    modem = CASE WHEN excluded.last_inbound_id > conversation.last_inbound_id
            THEN excluded.modem ELSE conversation.modem END,
    port = CASE WHEN excluded.last_inbound_id > conversation.last_inbound_id
           THEN excluded.port ELSE conversation.port END,
    updated_at = clock_timestamp()
RETURNING id
"""  # noqa: S608 - conditions of our own

LEARN_ROUTES = """
INSERT INTO modem_route (id, client_id, modem, port, learned, last_seen_at)
SELECT id, client_id, modem, port, true, seen_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
    AS seen (id, client_id, modem, port, seen_at)
ORDER BY client_id, modem, port
ON CONFLICT (client_id, modem, port) DO UPDATE
SET last_seen_at = greatest(modem_route.last_seen_at, excluded.last_seen_at)
"""


async def first_accounts(tx: Connection) -> dict[str, list[UUID]]:
    return {row[0]: row[1] for row in await tx.fetch(FIRST_ACCOUNTS)}


async def captured_until(tx: Connection) -> datetime | None:
    moment: datetime | None = await tx.fetchval(CAPTURED_UNTIL)
    return moment


async def read_candidates(
    tx: Connection,
    *,
    senders: Collection[str],
    receivers: Collection[str],
    lines: Collection[Line],
) -> CandidateIndex:
    index = CandidateIndex()
    for number, client_id in await tx.fetch(ASSIGNED, list(receivers)):
        index.assigned[number] = client_id
    modems, ports = [line.modem for line in lines], [line.port for line in lines]
    for modem, port, client_id, learned in await tx.fetch(ON_LINES, modems, ports):
        if learned:
            index.seen.setdefault(Line(modem, port), set()).add(client_id)
        else:
            index.by_hand[Line(modem, port)] = client_id
    for number, modem, port, client_id in await tx.fetch(TALKING, list(senders), modems, ports):
        index.talking.setdefault((number, Line(modem, port)), []).append(client_id)
    since = datetime.now(UTC) - timedelta(days=WRITERS_DAYS)
    first_id = first_id_at(since - LONGEST_WAIT)
    for number, client_id in await tx.fetch(WRITERS, list(senders), first_id, since):
        index.writers.setdefault(number, set()).add(client_id)
    return index


async def find_correspondents(tx: Connection, numbers: Collection[str]) -> set[ConversationKey]:
    return {(row[0], row[1]) for row in await tx.fetch(CORRESPONDENTS, list(numbers))}


async def take_feed_numbers(tx: Connection, counts: Mapping[UUID, int]) -> dict[UUID, int]:
    rows = await tx.fetch(TAKE_FEED_NUMBERS, *columns(list(counts.items())))
    note(tx, [hints.FEED + client_id.bytes for client_id in counts])
    return {row[0]: row[1] - counts[row[0]] + 1 for row in rows}


async def write_inbound(tx: Connection, messages: Sequence[tuple[NewInbound, int]]) -> None:
    await tx.execute(WRITE_INBOUND, *columns([_inbound_row(*each) for each in messages]))
    new = [message for message, _ in messages]
    await _capture_senders(tx, new)
    await _write_conversations(tx, new)
    with_lines = [(each, each.line) for each in new if each.line and each.line.is_known]
    if with_lines:
        # Short codes and names are not routed by line, so their conversations need none.
        active = {
            (each.number, line, each.client_id): each.id
            for each, line in with_lines
            if is_answerable(each.number)
        }
        await write_lines(tx, active)
        seen = {(each.client_id, line): each.created_at for each, line in with_lines}
        learned = [(new_id(), key, line.modem, line.port, at) for (key, line), at in seen.items()]
        await tx.execute(LEARN_ROUTES, *columns(learned))


def _inbound_row(message: NewInbound, feed: int) -> tuple[object, ...]:
    line = message.line
    return (
        message.id,
        message.client_id,
        feed,
        message.number,
        message.text,
        message.receiver,
        line.modem if line else None,
        line.port if line else None,
        message.created_at,
        message.mentions_opt_out,
    )


async def _capture_senders(tx: Connection, messages: Sequence[NewInbound]) -> None:
    senders: dict[ConversationKey, tuple[str | None, str | None]] = {}
    for each in messages:
        name, business = senders.get(each.key, (None, None))
        senders[each.key] = (name or each.name, business or each.business)
    rows = [(new_id(), *key, *names) for key, names in senders.items()]
    await tx.execute(CAPTURE_SENDERS, *columns(rows))


async def _write_conversations(tx: Connection, messages: Sequence[NewInbound]) -> None:
    unread = Counter(each.key for each in messages)
    last: dict[ConversationKey, NewInbound] = {}
    for each in messages:
        if each.key not in last or last[each.key].id < each.id:
            last[each.key] = each
    rows = [
        (
            new_id(),
            *key,
            unread[key],
            each.id,
            each.line.modem if each.line else None,
            each.line.port if each.line else None,
        )
        for key, each in last.items()
    ]
    written = await tx.fetch(WRITE_CONVERSATIONS, *columns(rows))
    note(tx, [hints.CONVERSATION + row[0].bytes for row in written])
