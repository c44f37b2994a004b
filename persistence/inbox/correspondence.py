"""What a client and a number wrote to each other, kept by number: beside the accept path.

`sent_to` is written when a send is captured; conversations and the lines that they were active on,
then and whenever something is received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from domain.live import hints
from domain.sending.sends import Line
from persistence.live.hints import note
from persistence.sql import columns

if TYPE_CHECKING:
    from persistence.database import Connection

INSERT_SENT_TO = """
INSERT INTO sent_to (number, client_id, message_id)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[]) AS new (number, client_id, message_id)
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""

# Locked in id order: two captures for one client may meet in the same conversations.
LOCK_CONVERSATIONS = """
SELECT conversation.id, conversation.client_id, conversation.number
FROM unnest($1::uuid[], $2::text[]) AS wrote (client_id, number)
JOIN conversation USING (client_id, number)
ORDER BY conversation.id FOR UPDATE OF conversation
"""
JOIN_CONVERSATIONS = """
UPDATE conversation
SET last_message_id = greatest(last_message_id, joined.message_id), updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[]) AS joined (id, message_id)
WHERE conversation.id = joined.id
"""

LINES_ACTIVE = """
INSERT INTO conversation_line (number, modem, port, client_id, last_active_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[])
    AS active (number, modem, port, client_id, message_id)
ORDER BY 1, 2, 3, 4
ON CONFLICT (number, modem, port, client_id) DO UPDATE
SET last_active_id = greatest(conversation_line.last_active_id, excluded.last_active_id)
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message by the number that it goes to; a reply has the line that it leaves through."""

    message_id: UUID
    client_id: UUID
    number: str
    modem: str | None
    port: str | None


async def note_sent(tx: Connection, sent: Sequence[Sent]) -> None:
    """The messages are known by number, and stand in the conversations that there are."""
    rows = [(each.number, each.client_id, each.message_id) for each in sent]
    await tx.execute(INSERT_SENT_TO, *columns(rows))
    last: dict[tuple[UUID, str], UUID] = {}
    for each in sorted(sent, key=lambda each: each.message_id):
        last[each.client_id, each.number] = each.message_id
    found = await tx.fetch(LOCK_CONVERSATIONS, *columns(list(last)))
    if found:
        joined = [(row[0], last[row[1], row[2]]) for row in found]
        await tx.execute(JOIN_CONVERSATIONS, *columns(joined))
        note(tx, [hints.CONVERSATION + row[0].bytes for row in found])
    await note_lines(
        tx,
        {
            (each.number, Line(each.modem, each.port), each.client_id): each.message_id
            for each in sent
            if each.modem is not None and each.port is not None
        },
    )


async def note_lines(tx: Connection, active: Mapping[tuple[str, Line, UUID], UUID]) -> None:
    """Numbers and clients wrote to each other through lines: the last message of each."""
    if active:
        rows = [
            (number, line.modem, line.port, client_id, message_id)
            for (number, line, client_id), message_id in active.items()
        ]
        await tx.execute(LINES_ACTIVE, *columns(rows))
