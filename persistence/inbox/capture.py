"""Contacts made from sends, and the removal of old idempotency keys, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from domain.dispatch.ports import Uncaptured
from domain.ids import new_id
from persistence.database import connection
from persistence.inbox.correspondence import Sent, note_sent
from persistence.sql import columns

if TYPE_CHECKING:
    from persistence.database import Connection

TAKE_UNCAPTURED = """
SELECT send.id, send.client_id, send.accepted,
       (SELECT business FROM client WHERE client.id = send.client_id)
FROM send WHERE NOT captured AND ($2::uuid IS NULL OR send.id = $2)
ORDER BY send.id LIMIT $1 FOR UPDATE SKIP LOCKED
"""

# Send by send, so that the index of a send's messages is used whatever the statistics say.
NUMBERS = """
SELECT message.id, wanted.send_id, message.number, send.modem, send.port
FROM unnest($1::uuid[]) AS wanted (send_id) JOIN send ON send.id = wanted.send_id
CROSS JOIN LATERAL (
    SELECT id, number FROM message
    WHERE message.send_id = wanted.send_id AND id > $2 ORDER BY id LIMIT $3
) AS message
"""

# In order of client and number: two captures of the same numbers wait in line, not in a circle.
INSERT_CONTACTS = """
INSERT INTO contact (id, client_id, number, business)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
    AS new (id, client_id, number, business)
ORDER BY client_id, number
ON CONFLICT (client_id, number) DO NOTHING
"""

KEEP_CAPTURED = "UPDATE send SET captured = true WHERE id = ANY($1::uuid[])"

# The time of the statement: PostgreSQL looks nothing volatile up in an index. An array of ids: for
# as many in a subquery it would rather read the whole table.
PURGE_KEYS = """
DELETE FROM idempotency_key WHERE id = ANY (ARRAY(
    SELECT id FROM idempotency_key
    WHERE created_at < statement_timestamp() - make_interval(secs => $1)
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""


async def take_uncaptured(
    tx: Connection, *, most: int, send_id: UUID | None = None
) -> list[Uncaptured]:
    """Sends FOR UPDATE, oldest first, or the one named; what others have locked is skipped."""
    return [Uncaptured(*row) for row in await tx.fetch(TAKE_UNCAPTURED, most, send_id)]


async def capture_numbers(
    tx: Connection, sends: Sequence[Uncaptured], *, after: UUID, most: int
) -> UUID | None:
    """Contacts for the numbers of the next messages behind `after`, where there are none yet."""
    by_id = {send.send_id: send for send in sends}
    rows = await tx.fetch(NUMBERS, list(by_id), after, most)
    contacts = {(by_id[row[1]].client_id, row[2]): by_id[row[1]].business for row in rows}
    if contacts:
        new = [(new_id(), *key, business) for key, business in contacts.items()]
        await tx.execute(INSERT_CONTACTS, *columns(new))
        await note_sent(tx, [Sent(row[0], by_id[row[1]].client_id, *row[2:]) for row in rows])
    return rows[-1][0] if len(rows) == most else None


async def keep_captured(tx: Connection, send_ids: Sequence[UUID]) -> None:
    """The sends are captured."""
    await tx.execute(KEEP_CAPTURED, list(send_ids))


async def purge_keys(*, age_seconds: float, most: int) -> int:
    """Idempotency keys of that age are gone, at most so many. Returns how many."""
    async with connection() as pooled:
        done = await pooled.execute(PURGE_KEYS, age_seconds, most)
    return int(done.split()[-1])
