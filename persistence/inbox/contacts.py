"""Contacts: pages of them, and changes by users.

SAVE is set-based SQL, because a file can have 1,000,000 rows. Everything else is querysets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tortoise.expressions import Q, RawSQL

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.ids import new_id
from domain.inbox.messages import Contact, ContactCard, ContactKey, ContactOrder
from domain.live import hints
from domain.pages import Page, Window
from domain.search import digits_of
from persistence.database import orm
from persistence.inbox.models import Contact as ContactRow
from persistence.live.hints import note
from persistence.pages import list_page
from persistence.planned import read_selected

if TYPE_CHECKING:
    from asyncpg import Record
    from tortoise.queryset import QuerySet

    from persistence.database import Connection

# ORDER BY: transactions that save or capture the same numbers lock them in the same order, so that
# they cannot deadlock.
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

# After the contacts and in ID order, like all code that receives and captures.
TOUCH_CONVERSATIONS = """
WITH talk AS (
    SELECT id FROM conversation WHERE client_id = $1 AND number = ANY($2::text[])
    ORDER BY id FOR UPDATE)
UPDATE conversation SET updated_at = clock_timestamp() FROM talk WHERE conversation.id = talk.id
RETURNING conversation.id
"""

# As annotations, so that pages can filter and sort by them.
OPTED_OUT = """
EXISTS (SELECT FROM opt_out
        WHERE opt_out.client_id = contact.client_id AND opt_out.number = contact.number)
"""
UNNAMED = "(contact.name IS NULL)"
SORT_NAME = "lower(coalesce(contact.name, ''))"

MOST_AT_ONCE = 10_000

ORDERS: dict[ContactOrder, tuple[Sequence[str], Callable[[ContactKey], Any]]] = {
    ContactOrder.NEWEST: (["-id"], lambda key: key[1]),
    ContactOrder.OLDEST: (["id"], lambda key: key[1]),
    ContactOrder.NAME: (
        ["unnamed", "sort_name", "id"],
        lambda key: (key[0] is None, key[0] or "", key[1]),
    ),
}


async def find_contact(scope: Scope, contact_id: UUID) -> Contact:
    query = _contacts(None).filter(id=contact_id)
    match scope:
        case OfClient(client_id):
            query = query.filter(client_id=client_id)
        case OfGroup():
            raise NotFound("contact")  # supervisors do not read contacts
    row = await query.first()
    if row is None:
        raise NotFound("contact")
    return _contact(row)


async def read_contacts(
    scope: Scope,
    window: Window[ContactKey],
    *,
    search: str | None = None,
    opted_out: bool | None = None,
    order: ContactOrder = ContactOrder.NEWEST,
) -> Page[Contact]:
    query = _contacts(None)
    match scope:
        case Everything():
            pass
        case OfClient(client_id):
            query = query.filter(client_id=client_id)
        case OfGroup():
            return Page([], has_next=False, has_previous=False)  # supervisors do not read contacts
    if search is not None:
        query = query.filter(_matches(search))
    if opted_out is not None:
        query = query.filter(opted_out=opted_out)
    columns, key_of = ORDERS[order]
    keyed = window.with_keys(key_of)

    async def read(held: Connection) -> Page[ContactRow]:
        return await list_page(query.using_db(orm(held)), keyed, order=columns)

    page = await read_selected(scope, read, filters=opted_out is not None, search=search)
    return page.with_items([_contact(row) for row in page.items])


async def save_contacts(
    tx: Connection,
    scope: OfClient,
    cards: Sequence[ContactCard],
    *,
    clear_name: bool = False,
    clear_business: bool = False,
) -> tuple[int, int]:
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
    await touch_conversations(tx, scope.client_id, numbers)
    return created, len(numbers) - created


async def find_contact_of(tx: Connection, scope: OfClient, number: str) -> Contact:
    return _contact(await _contacts(tx).get(client_id=scope.client_id, number=number))


async def drop_contact(tx: Connection, scope: Scope, contact_id: UUID) -> Contact:
    query = _contacts(tx).filter(id=contact_id)
    match scope:
        case OfClient(client_id):
            query = query.filter(client_id=client_id)
        case OfGroup():
            raise NotFound("contact")
    row = await query.first()
    if row is None or not await ContactRow.filter(id=contact_id).using_db(orm(tx)).delete():
        raise NotFound("contact")
    await touch_conversations(tx, row.client_id, [row.number])
    return _contact(row)


async def touch_conversations(tx: Connection, client_id: UUID, numbers: Sequence[str]) -> None:
    rows = await tx.fetch(TOUCH_CONVERSATIONS, client_id, list(numbers))
    note(tx, [hints.CONVERSATION + row[0].bytes for row in rows])


def contact_of(row: Record) -> Contact:
    """A contact as a row of SQL says."""
    return Contact(
        id=row["id"],
        client_id=row["client_id"],
        number=row["number"],
        name=row["name"],
        business=row["business"],
        opted_out=row["opted_out"],
        created_at=row["created_at"],
    )


def _contacts(tx: Connection | None) -> QuerySet[ContactRow]:
    """Contacts with their opt-out and what they are sorted by."""
    return (
        ContactRow.all()
        .using_db(orm(tx))
        .annotate(opted_out=RawSQL(OPTED_OUT), unnamed=RawSQL(UNNAMED), sort_name=RawSQL(SORT_NAME))
    )


def _matches(search: str) -> Q:
    number = digits_of(search) or search
    return Q(
        Q(number__contains=number),
        Q(name__icontains=search),
        Q(business__icontains=search),
        join_type=Q.OR,
    )


def _contact(row: Any) -> Contact:
    return Contact(
        id=row.id,
        client_id=row.client_id,
        number=row.number,
        name=row.name,
        business=row.business,
        opted_out=row.opted_out,
        created_at=row.created_at,
        sort_name=row.sort_name,
    )
