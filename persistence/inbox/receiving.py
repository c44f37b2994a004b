"""Inbound messages in SQL: what they are routed by, and how they are written down.

Behind `domain.inbox.ports`, set-based throughout: a batch of messages costs what one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from domain.ids import new_id
from domain.inbox.arrivals import Arrival
from domain.inbox.routing import WRITERS_DAYS, Signposts
from domain.live import hints
from domain.sending.sends import Line
from persistence.inbox.correspondence import note_lines
from persistence.live.hints import note
from persistence.sql import columns, first_id_at

if TYPE_CHECKING:
    from persistence.database import Connection

ASSIGNED = "SELECT number, client_id FROM assigned_number WHERE number = ANY($1::text[])"

# Whether one client alone was seen needs two of them at most, however many share a line.
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
SELECT sender.number, line.modem, line.port, talk.client_id
FROM unnest($1::text[]) AS sender (number)
CROSS JOIN unnest($2::text[], $3::text[]) AS line (modem, port)
CROSS JOIN LATERAL (
    SELECT client_id, last_active_id FROM conversation_line
    WHERE number = sender.number AND modem = line.modem AND port = line.port
    ORDER BY last_active_id DESC LIMIT 2
) AS talk
ORDER BY talk.last_active_id DESC
"""

# A loose index scan: one probe a client, however much each wrote. What was never handed over is
# not something that anybody could answer.
WRITERS = """
SELECT sender.number, writer.client_id
FROM unnest($1::text[]) AS sender (number)
CROSS JOIN LATERAL (
    WITH RECURSIVE writer AS (
        (SELECT client_id FROM sent_to WHERE number = sender.number ORDER BY client_id LIMIT 1)
        UNION ALL
        SELECT next.client_id FROM writer CROSS JOIN LATERAL (
            SELECT client_id FROM sent_to
            WHERE number = sender.number AND client_id > writer.client_id
            ORDER BY client_id LIMIT 1) AS next)
    SELECT client_id FROM writer WHERE EXISTS (
        SELECT FROM sent_to JOIN message ON message.id = sent_to.message_id
        WHERE sent_to.number = sender.number AND sent_to.client_id = writer.client_id
          AND sent_to.message_id >= $2
          AND message.status NOT IN ('QUEUED', 'CANCELLED', 'REJECTED'))
    LIMIT 2
) AS writer
"""

CAPTURED_UNTIL = "SELECT created_at FROM send WHERE NOT captured ORDER BY id LIMIT 1"

# In id order: whoever receives for the same clients waits in line, not in a circle.
TAKE_FEED_NUMBERS = """
INSERT INTO client_feed (client_id, last_feed)
SELECT * FROM unnest($1::uuid[], $2::int8[]) AS new (client_id, messages) ORDER BY client_id
ON CONFLICT (client_id) DO UPDATE SET last_feed = client_feed.last_feed + excluded.last_feed
RETURNING client_id, last_feed
"""

WRITE_INBOUND = """
INSERT INTO inbound (id, client_id, feed, number, text, receiver, modem, port, created_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::text[], $5::text[], $6::text[],
                     $7::text[], $8::text[], $9::timestamptz[])
"""

# A person's word on a contact stays; a name that was missing is filled in.
CAPTURE_SENDERS = """
INSERT INTO contact (id, client_id, number, name, business)
SELECT new.id, new.client_id, number, new.name, coalesce(client.business, new.business)
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
    AS new (id, client_id, number, name, business)
LEFT JOIN client ON client.id = new.client_id
ORDER BY new.client_id, number
ON CONFLICT (client_id, number) DO UPDATE SET name = excluded.name
WHERE contact.name IS NULL AND excluded.name IS NOT NULL
"""

# A conversation begins with the first inbound; what was sent before belongs to it.
WRITE_CONVERSATIONS = """
INSERT INTO conversation (
    id, client_id, number, unread, last_message_id, last_inbound_id, modem, port, updated_at)
SELECT new.id, new.client_id, new.number, unread, greatest(inbound_id, sent.message_id),
       inbound_id, modem, port, clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int4[], $5::uuid[], $6::text[], $7::text[])
    AS new (id, client_id, number, unread, inbound_id, modem, port)
LEFT JOIN LATERAL (
    SELECT message_id FROM sent_to
    WHERE sent_to.number = new.number AND sent_to.client_id = new.client_id
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
"""

LEARN_ROUTES = """
INSERT INTO modem_route (id, client_id, modem, port, learned, last_seen_at)
SELECT id, client_id, modem, port, true, seen_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
    AS seen (id, client_id, modem, port, seen_at)
ORDER BY client_id, modem, port
ON CONFLICT (client_id, modem, port) DO UPDATE
SET last_seen_at = greatest(modem_route.last_seen_at, excluded.last_seen_at)
"""


async def captured_until(tx: Connection) -> datetime | None:
    """Everything that was sent before that moment is known by number; None: everything is."""
    moment: datetime | None = await tx.fetchval(CAPTURED_UNTIL)
    return moment


async def read_signposts(
    tx: Connection,
    *,
    senders: Collection[str],
    receivers: Collection[str],
    lines: Collection[Line],
) -> Signposts:
    """What points to clients for these numbers (E.164) and lines."""
    signposts = Signposts()
    for number, client_id in await tx.fetch(ASSIGNED, list(receivers)):
        signposts.assigned[number] = client_id
    modems, ports = [line.modem for line in lines], [line.port for line in lines]
    for modem, port, client_id, learned in await tx.fetch(ON_LINES, modems, ports):
        if learned:
            signposts.seen.setdefault(Line(modem, port), set()).add(client_id)
        else:
            signposts.by_hand[Line(modem, port)] = client_id
    for number, modem, port, client_id in await tx.fetch(TALKING, list(senders), modems, ports):
        signposts.talking.setdefault((number, Line(modem, port)), []).append(client_id)
    since = first_id_at(datetime.now(UTC) - timedelta(days=WRITERS_DAYS))
    for number, client_id in await tx.fetch(WRITERS, list(senders), since):
        signposts.writers.setdefault(number, set()).add(client_id)
    return signposts


async def take_feed_numbers(tx: Connection, counts: Mapping[UUID, int]) -> dict[UUID, int]:
    """The first of so many new numbers of each client's feed, which stays locked."""
    rows = await tx.fetch(TAKE_FEED_NUMBERS, *columns(list(counts.items())))
    note(tx, [hints.FEED + client_id.bytes for client_id in counts])
    return {row[0]: row[1] - counts[row[0]] + 1 for row in rows}


async def write_arrivals(tx: Connection, arrivals: Sequence[tuple[Arrival, int]]) -> None:
    """Writes messages, each with its number in the feed, and all that grows from them."""
    await tx.execute(WRITE_INBOUND, *columns([_inbound_row(*each) for each in arrivals]))
    messages = [arrival for arrival, _ in arrivals]
    await _capture_senders(tx, messages)
    await _write_conversations(tx, messages)
    with_lines = [(each, each.line) for each in messages if each.line is not None]
    if with_lines:
        await note_lines(
            tx, {(each.number, line, each.client_id): each.id for each, line in with_lines}
        )
        seen = {(each.client_id, line): each.created_at for each, line in with_lines}
        await tx.execute(
            LEARN_ROUTES,
            *columns(
                [(new_id(), key, line.modem, line.port, at) for (key, line), at in seen.items()]
            ),
        )


def _inbound_row(arrival: Arrival, feed: int) -> tuple[object, ...]:
    line = arrival.line
    return (
        arrival.id,
        arrival.client_id,
        feed,
        arrival.number,
        arrival.text,
        arrival.receiver,
        line.modem if line else None,
        line.port if line else None,
        arrival.created_at,
    )


async def _capture_senders(tx: Connection, arrivals: Sequence[Arrival]) -> None:
    senders: dict[tuple[UUID, str], tuple[str | None, str | None]] = {}
    for each in arrivals:
        name, business = senders.get(each.correspondence, (None, None))
        senders[each.correspondence] = (name or each.name, business or each.business)
    rows = [(new_id(), *pair, *names) for pair, names in senders.items()]
    await tx.execute(CAPTURE_SENDERS, *columns(rows))


async def _write_conversations(tx: Connection, arrivals: Sequence[Arrival]) -> None:
    unread = Counter(each.correspondence for each in arrivals)
    last: dict[tuple[UUID, str], Arrival] = {}
    for each in arrivals:
        if each.correspondence not in last or last[each.correspondence].id < each.id:
            last[each.correspondence] = each
    rows = [
        (
            new_id(),
            *pair,
            unread[pair],
            each.id,
            each.line.modem if each.line else None,
            each.line.port if each.line else None,
        )
        for pair, each in last.items()
    ]
    written = await tx.fetch(WRITE_CONVERSATIONS, *columns(rows))
    note(tx, [hints.CONVERSATION + row[0].bytes for row in written])
