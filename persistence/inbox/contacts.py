"""Contacts in SQL: pages of them by key, newest first, and what people write down of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.ids import new_id
from domain.inbox.contact import Contact, ContactCard
from domain.live import hints
from domain.pages import Page, Window
from domain.search import digits_of
from persistence.live.hints import note
from persistence.pages import Filter, matching, read_page
from persistence.turns import in_turn

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

CONTACTS = """
SELECT id, client_id, number, name, business, created_at, EXISTS (
    SELECT FROM opt_out
    WHERE opt_out.client_id = page.client_id AND opt_out.number = page.number) AS opted_out
FROM (SELECT * FROM contact {page}) AS page ORDER BY id {order}
"""

# In order of number, as whoever captures: two who write the same ones wait in line.
SAVE = """
INSERT INTO contact (id, client_id, number, name, business)
SELECT card.id, $1, card.number, card.name, card.business
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) AS card (id, number, name, business)
ORDER BY card.number
ON CONFLICT (client_id, number) DO UPDATE
SET name = CASE WHEN $6 THEN excluded.name ELSE coalesce(excluded.name, contact.name) END,
    business = CASE
        WHEN $7 THEN excluded.business ELSE coalesce(excluded.business, contact.business) END
WHERE contact.name IS DISTINCT FROM
        CASE WHEN $6 THEN excluded.name ELSE coalesce(excluded.name, contact.name) END
   OR contact.business IS DISTINCT FROM
        CASE WHEN $7 THEN excluded.business ELSE coalesce(excluded.business, contact.business) END
RETURNING number, xmax = 0 AS created
"""

WITH_OPT_OUT = """
SELECT id, client_id, number, name, business, created_at, EXISTS (
    SELECT FROM opt_out
    WHERE opt_out.client_id = found.client_id AND opt_out.number = found.number) AS opted_out
FROM found
"""
CONTACT_OF = f"""
WITH found AS (SELECT * FROM contact WHERE client_id = $1 AND number = $2) {WITH_OPT_OUT}
"""  # noqa: S608 - a statement of our own
DROP = f"""
WITH found AS (
    DELETE FROM contact WHERE id = $1 AND ($2::uuid IS NULL OR client_id = $2) RETURNING *)
{WITH_OPT_OUT}
"""  # noqa: S608 - a statement of our own

# Behind the contacts, and in id order, as whoever receives and captures locks them.
TOUCH_CONVERSATIONS = """
WITH talk AS (
    SELECT id FROM conversation WHERE client_id = $1 AND number = ANY($2::text[])
    ORDER BY id FOR UPDATE)
UPDATE conversation SET updated_at = clock_timestamp() FROM talk WHERE conversation.id = talk.id
RETURNING conversation.id
"""

MOST_AT_ONCE = 10_000


async def read_contacts(
    scope: Scope, window: Window[UUID], *, search: str | None = None
) -> Page[Contact]:
    """The contacts of a scope, newest first. `search`: a part of the number or of a name."""
    wanted = Filter()
    match scope:
        case Everything():
            pass
        case OfClient(client_id):
            wanted.add("client_id = {}", client_id)
        case OfGroup():
            wanted.add("false")  # a supervisor does not read whom the members write to
    if search is not None:
        pattern = matching(search)
        number = matching(digits_of(search) or search)
        wanted.add(
            "(number LIKE {} OR name ILIKE {} OR business ILIKE {})", number, pattern, pattern
        )
    async with in_turn(scope, searches=search is not None):
        return await read_page(CONTACTS, wanted, window, contact_of)


async def save_contacts(
    tx: Connection,
    scope: OfClient,
    cards: Sequence[ContactCard],
    *,
    clear_name: bool = False,
    clear_business: bool = False,
) -> tuple[int, int]:
    """Makes contacts, and changes those that are there and differ: how many of each.

    One card a number, in order of number. What a card lacks is left as it is, or cleared.
    """
    created = 0
    numbers: list[str] = []
    for start in range(0, len(cards), MOST_AT_ONCE):
        some = cards[start : start + MOST_AT_ONCE]
        rows = await tx.fetch(
            SAVE,
            scope.client_id,
            [new_id() for _ in some],
            [card.number for card in some],
            [card.name for card in some],
            [card.business for card in some],
            clear_name,
            clear_business,
        )
        created += sum(row["created"] for row in rows)
        numbers += [row["number"] for row in rows]
    await note_contacts(tx, scope.client_id, numbers)
    return created, len(numbers) - created


async def find_contact_of(tx: Connection, scope: OfClient, number: str) -> Contact:
    """The contact with that number, which is there."""
    row = await tx.fetchrow(CONTACT_OF, scope.client_id, number)
    assert row is not None
    return contact_of(row)


async def drop_contact(tx: Connection, scope: Scope, contact_id: UUID) -> Contact:
    """Deletes a contact, and returns it as it was. Its opt-out stays. Raises NotFound."""
    client_id = scope.client_id if isinstance(scope, OfClient) else None
    row = None
    if not isinstance(scope, OfGroup):
        row = await tx.fetchrow(DROP, contact_id, client_id)
    if row is None:
        raise NotFound("contact")
    await note_contacts(tx, row["client_id"], [row["number"]])
    return contact_of(row)


async def note_contacts(tx: Connection, client_id: UUID, numbers: Sequence[str]) -> None:
    """Whoever watches the client's conversations with these numbers is told of a change."""
    rows = await tx.fetch(TOUCH_CONVERSATIONS, client_id, list(numbers))
    note(tx, [hints.CONVERSATION + row[0].bytes for row in rows])


def contact_of(row: Record) -> Contact:
    """A contact as a row of it says."""
    return Contact(
        id=row["id"],
        client_id=row["client_id"],
        number=row["number"],
        name=row["name"],
        business=row["business"],
        opted_out=row["opted_out"],
        created_at=row["created_at"],
    )
