"""Contacts created from sends, messages by number, and old idempotency keys.

Set-based SQL: a bulk send captures up to 100,000 numbers, 5,000 in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from domain.dispatch.messages import Uncaptured
from domain.ids import new_id
from domain.live import hints
from domain.sending.messages import Line
from persistence.database import columns, connection, note
from persistence.sending.messages import first_of_sends
from persistence.sending.of_send import by_index, next_in_range

if TYPE_CHECKING:
    from persistence.database import Connection

TAKE_UNCAPTURED = """
SELECT send.id, send.client_id, send.accepted,
       (SELECT business FROM client WHERE client.id = send.client_id),
       captured_to, coalesce(unwritten, 0) = 0
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
SELECT message.id, wanted.send_id, message.number, send.modem, send.port
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

# ORDER BY: two transactions that capture the same numbers lock them in the same order, so that they
# cannot deadlock.
INSERT_CONTACTS = """
INSERT INTO contact (id, client_id, number, business)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
    AS new (id, client_id, number, business)
ORDER BY client_id, number
ON CONFLICT (client_id, number) DO NOTHING
"""

KEEP_CAPTURED = "UPDATE send SET captured = true WHERE id = ANY($1::uuid[])"
KEEP_CAPTURED_TO = "UPDATE send SET captured_to = $2 WHERE id = $1"

INSERT_SENT_TO = """
INSERT INTO sent_to (number, client_id, message_id)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[]) AS new (number, client_id, message_id)
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""

# Locked in ID order: two captures for one client may meet in the same conversations.
LOCK_CONVERSATIONS = """
SELECT conversation.id, conversation.client_id, conversation.number
FROM unnest($1::uuid[], $2::text[]) AS wrote (client_id, number)
JOIN conversation USING (client_id, number)
WHERE conversation.number = ANY($2)
ORDER BY conversation.id FOR UPDATE OF conversation
"""
JOIN_CONVERSATIONS = """
UPDATE conversation
SET last_message_id = greatest(last_message_id, joined.message_id), updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::uuid[]) AS joined (id, message_id)
WHERE conversation.id = joined.id AND conversation.id = ANY($1)
  AND (SELECT deleted_at FROM message WHERE id = joined.message_id) IS NULL
"""

WRITE_LINES = """
INSERT INTO conversation_line (number, modem, port, client_id, last_active_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[])
    AS active (number, modem, port, client_id, message_id)
ORDER BY 1, 2, 3, 4
ON CONFLICT (number, modem, port, client_id) DO UPDATE
SET last_active_id = greatest(conversation_line.last_active_id, excluded.last_active_id)
"""

# statement_timestamp(): PostgreSQL does not use an index for a comparison with a volatile function
# such as clock_timestamp(). ARRAY: with a subquery of this size it prefers to scan the whole table.
PURGE_KEYS = """
DELETE FROM idempotency_key WHERE id = ANY (ARRAY(
    SELECT id FROM idempotency_key
    WHERE created_at < statement_timestamp() - make_interval(secs => $1)
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message of a send. A reply has the line that it uses."""

    message_id: UUID
    client_id: UUID
    number: str
    modem: str | None
    port: str | None

    @property
    def line(self) -> Line | None:
        """The line of a reply, None if it has none."""
        return None if self.modem is None or self.port is None else Line(self.modem, self.port)


async def take_uncaptured(
    tx: Connection, *, most: int, send_id: UUID | None = None
) -> list[Uncaptured]:
    return [Uncaptured(*row) for row in await tx.fetch(TAKE_UNCAPTURED, most, send_id)]


async def capture_numbers(
    tx: Connection, sends: Sequence[Uncaptured], *, after: UUID, most: int
) -> UUID | None:
    by_id = {send.send_id: send for send in sends}
    rows = await tx.fetch(NUMBERS, list(by_id), max(after, first_of_sends(by_id)), most)
    contacts = {(by_id[row[1]].client_id, row[2]): by_id[row[1]].business for row in rows}
    if contacts:
        new = [(new_id(), *key, business) for key, business in contacts.items()]
        await tx.execute(INSERT_CONTACTS, *columns(new))
        await _write_sent(tx, [_Sent(row[0], by_id[row[1]].client_id, *row[2:]) for row in rows])
    return max((row[0] for row in rows), default=None)


async def keep_captured_to(tx: Connection, send_id: UUID, last: UUID) -> None:
    await tx.execute(KEEP_CAPTURED_TO, send_id, last)


async def keep_captured(tx: Connection, send_ids: Sequence[UUID]) -> None:
    await tx.execute(KEEP_CAPTURED, list(send_ids))


async def purge_keys(*, age_seconds: float, most: int) -> int:
    async with connection() as pooled:
        done = await pooled.execute(PURGE_KEYS, age_seconds, most)
    return int(done.split()[-1])


async def write_lines(tx: Connection, active: Mapping[tuple[str, Line, UUID], UUID]) -> None:
    """Records the last message of each number and client on each line."""
    if active:
        rows = [
            (number, line.modem, line.port, client_id, message_id)
            for (number, line, client_id), message_id in active.items()
        ]
        await tx.execute(WRITE_LINES, *columns(rows))


async def _write_sent(tx: Connection, sent: Sequence[_Sent]) -> None:
    """Indexes the messages by number and adds them to existing conversations."""
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
    lines = {
        (each.number, line, each.client_id): each.message_id
        for each in sent
        if (line := each.line) is not None and line.is_known
    }
    await write_lines(tx, lines)
