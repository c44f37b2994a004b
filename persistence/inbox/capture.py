"""Contacts that are created from sends, and their messages by number.

Set-based SQL: a bulk send captures up to 100,000 numbers, 5,000 in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.dispatch.messages import UncapturedSend
from domain.live import hints
from domain.sending.messages import Line
from persistence.database import Connection, columns, note
from persistence.sending.messages import first_of_sends
from persistence.sending.of_send import by_index, next_in_range

TAKE_UNCAPTURED = """
SELECT send.id, send.client_id, send.accepted, captured_to, coalesce(unwritten, 0) = 0
FROM send LEFT JOIN LATERAL (
    SELECT unwritten, last_id FROM send_job WHERE send_job.send_id = send.id OFFSET 0
) AS job ON true
WHERE NOT captured AND ($2::uuid IS NULL OR send.id = $2)
  -- While a job writes messages, only new ones are captured.
  AND (coalesce(unwritten, 0) = 0 OR captured_to IS NULL AND last_id IS NOT NULL
       OR captured_to < last_id)
ORDER BY send.id LIMIT $1 FOR UPDATE OF send SKIP LOCKED
"""

# LATERAL reads one send at a time, so that an index is used whatever the statistics say.
NUMBERS = f"""
SELECT message.id, wanted.send_id, message.number, send.modem, send.port, send.client_id
FROM unnest($1::uuid[]) AS wanted (send_id)
JOIN send ON send.id = wanted.send_id AND send.id = ANY($1)
CROSS JOIN LATERAL (
    (SELECT id, number FROM message
     WHERE {next_in_range("wanted.send_id")} AND id > $2 ORDER BY id LIMIT $3)
    UNION ALL
    (SELECT id, number FROM message
     WHERE {by_index("wanted.send_id", since="$2")} AND id > $2 ORDER BY id LIMIT $3)
    ORDER BY id LIMIT $3
) AS message
"""  # noqa: S608 - names of our own

# In PostgreSQL, so that a bulk does not carry its numbers to this process and back. ORDER BY: two
# transactions that capture the same numbers lock them in the same order, so that they cannot
# deadlock. The ID of a contact is that of the message that it comes from: a new one for each takes
# as long as the rest.
#
# Returned are the last message, those of replies, which have a line, and for each conversation with
# one of the numbers its last message. `share_feeds` comes before: no conversation is created
# meanwhile. OFFSET 0: one look-up in an index for each number, whatever the statistics say.
CAPTURE = f"""
WITH sent AS MATERIALIZED ({NUMBERS}), new_contact AS (
    INSERT INTO contact (id, client_id, number, business)
    SELECT id, client_id, number, (SELECT business FROM client WHERE id = recipient.client_id)
    FROM (SELECT DISTINCT ON (client_id, number) id, client_id, number FROM sent
          ORDER BY client_id, number) AS recipient
    ON CONFLICT (client_id, number) DO NOTHING
), new_sent_to AS (
    INSERT INTO sent_to (number, client_id, message_id)
    SELECT number, client_id, id FROM sent ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING
)
SELECT NULL::uuid, id, client_id, number, modem, port FROM sent
WHERE modem IS NOT NULL OR id = (SELECT id FROM sent ORDER BY id DESC LIMIT 1)
UNION ALL
SELECT conversation.id, last.id, NULL, NULL, NULL, NULL
FROM (SELECT DISTINCT ON (client_id, number) client_id, number, id FROM sent
      ORDER BY client_id, number, id DESC) AS last
CROSS JOIN LATERAL (
    SELECT id FROM conversation
    WHERE client_id = last.client_id AND number = last.number OFFSET 0
) AS conversation
"""  # noqa: S608 - a query of our own

# In ID order: two captures for one client may meet in the same conversations.
LOCK_CONVERSATIONS = """
SELECT FROM conversation WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
"""
JOIN_CONVERSATIONS = """
UPDATE conversation
SET last_message_id = greatest(last_message_id, joined.message_id), updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[]) AS joined (id, message_id)
WHERE conversation.id = joined.id AND conversation.id = ANY($1)
  AND (SELECT deleted_at FROM message WHERE id = joined.message_id) IS NULL
"""

KEEP_CAPTURED = "UPDATE send SET captured = true WHERE id = ANY($1::uuid[])"
KEEP_CAPTURED_TO = "UPDATE send SET captured_to = $2 WHERE id = $1"

WRITE_LINES = """
INSERT INTO conversation_line (number, modem, port, client_id, last_active_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[])
    AS active (number, modem, port, client_id, message_id)
ORDER BY 1, 2, 3, 4
ON CONFLICT (number, modem, port, client_id) DO UPDATE
SET last_active_id = greatest(conversation_line.last_active_id, excluded.last_active_id)
"""


async def take_uncaptured(
    tx: Connection, *, most: int, send_id: UUID | None = None
) -> list[UncapturedSend]:
    return [UncapturedSend(*row) for row in await tx.fetch(TAKE_UNCAPTURED, most, send_id)]


async def capture_numbers(
    tx: Connection, sends: Sequence[UncapturedSend], *, after: UUID, most: int
) -> UUID | None:
    ids = [send.send_id for send in sends]
    rows = await tx.fetch(CAPTURE, ids, max(after, first_of_sends(ids)), most)
    joined = {row[0]: row[1] for row in rows if row[0] is not None}
    if joined:
        await tx.execute(LOCK_CONVERSATIONS, list(joined))
        await tx.execute(JOIN_CONVERSATIONS, list(joined), list(joined.values()))
        note(tx, [hints.CONVERSATION + each.bytes for each in joined])
    active = {
        (number, line, client_id): message_id
        for _, message_id, client_id, number, modem, port in sorted(rows, key=lambda row: row[1])
        if modem is not None and port is not None and (line := Line(modem, port)).is_known
    }
    await write_lines(tx, active)
    return max((row[1] for row in rows), default=None)


async def keep_captured_to(tx: Connection, send_id: UUID, last: UUID) -> None:
    await tx.execute(KEEP_CAPTURED_TO, send_id, last)


async def keep_captured(tx: Connection, send_ids: Sequence[UUID]) -> None:
    await tx.execute(KEEP_CAPTURED, list(send_ids))


async def write_lines(tx: Connection, active: Mapping[tuple[str, Line, UUID], UUID]) -> None:
    """Records the last message of each number and client on each line."""
    if active:
        rows = [
            (number, line.modem, line.port, client_id, message_id)
            for (number, line, client_id), message_id in active.items()
        ]
        await tx.execute(WRITE_LINES, *columns(rows))
