"""Contacts: pages of them, and changes by users.

SAVE is set-based SQL, because a file can have 1,000,000 rows. Everything else is querysets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from tortoise.expressions import Q, RawSQL
from tortoise.queryset import QuerySet

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.ids import new_id
from domain.inbox.messages import Contact, ContactCard, ContactKey, ContactOrder
from domain.live import hints
from domain.pages import Page, Window, digits_of
from persistence.database import Connection, fetch, fetch_value, note, orm
from persistence.inbox.models import Contact as ContactRow
from persistence.pages import Filter, list_page, without_accents
from persistence.planned import read_selected
from persistence.rows import object_of, within

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
WITH locked AS (
    SELECT id FROM conversation WHERE client_id = $1 AND number = ANY($2::text[])
    ORDER BY id FOR UPDATE)
UPDATE conversation SET updated_at = clock_timestamp() FROM locked WHERE conversation.id = locked.id
RETURNING conversation.id
"""

# As annotations, so that pages can filter and sort by them.
# OFFSET: one look-up for each contact. PostgreSQL could read the opt-outs of all clients instead.
OPTED_OUT = """
EXISTS (SELECT FROM opt_out WHERE opt_out.client_id = contact.client_id
        AND opt_out.number = contact.number OFFSET 0)
"""
UNNAMED = "(contact.name IS NULL)"
SORT_NAME = "lower(coalesce(contact.name, ''))"

# The first `size` contacts of all clients by name belong to the clients whose first contact comes
# first. So one look-up in the index by name is enough for most clients.
FIRST_BY_NAME = f"""
SELECT found.id FROM (
    SELECT client.id FROM client CROSS JOIN LATERAL (
        SELECT {UNNAMED} AS unnamed, {SORT_NAME} AS sort_name, contact.id FROM contact
        WHERE client_id = client.id {{beyond}} ORDER BY {{order}} LIMIT 1) AS first
    ORDER BY {{order_of_first}} LIMIT {{size}}
) AS among CROSS JOIN LATERAL (
    SELECT {UNNAMED} AS unnamed, {SORT_NAME} AS sort_name, contact.id FROM contact
    WHERE client_id = among.id {{beyond}} ORDER BY {{order}} LIMIT {{size}}) AS found
ORDER BY {{order}} LIMIT {{size}}
"""  # noqa: S608 - columns of our own
# The contacts that were added last.
AMONG_NEWEST = """
(contact.id >= coalesce(
    (SELECT newest.id FROM contact AS newest ORDER BY newest.id DESC OFFSET {} LIMIT 1),
    '00000000-0000-0000-0000-000000000000'::uuid))
"""
# Lets the index on (client_id, number) find a number of any client.
OF_ANY_CLIENT = "(contact.client_id = ANY (ARRAY(SELECT client.id FROM client)))"

# The contacts that have opted out. If they are few, they are found by their opt-outs: a read in the
# order of the list would pass many other contacts before it has a page of them.
COUNT_OPT_OUTS = "SELECT count(*) FROM (SELECT FROM opt_out WHERE {} LIMIT $2 + 1) AS found"
ALL_OPTED_OUT = """
(SELECT found.id FROM opt_out CROSS JOIN LATERAL (
    SELECT id FROM contact AS found
    WHERE found.client_id = opt_out.client_id AND found.number = opt_out.number OFFSET 0
) AS found)
"""
OPTED_OUT_NUMBERS = "SELECT opt_out.number FROM opt_out WHERE opt_out.client_id = '{}'"
# unnest(): one look-up for each opt-out, also if PostgreSQL expects many.
NUMBERS_OF_FEW = f"(SELECT unnest(ARRAY({OPTED_OUT_NUMBERS})))"
# If one client has some thousands, they are read once, and each contact that is read is compared
# with them.
AMONG_NUMBERS = f"(contact.number IN ({OPTED_OUT_NUMBERS}))"

WHOLE_NUMBER = re.compile(r"\+[0-9]{7,15}", re.ASCII)

MOST_SEARCHED = 100_000
"""Contacts that a search of all clients looks through: it has to take less than a second."""

FEW_OPT_OUTS = 2_000
SOME_OPT_OUTS = 20_000

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
    row = await within(scope, _contacts(None)).filter(id=contact_id).first()
    if row is None:
        raise NotFound("contact")
    return object_of(Contact, row)


async def read_contacts(
    scope: Scope,
    window: Window[ContactKey],
    *,
    search: str | None = None,
    opted_out: bool | None = None,
    order: ContactOrder = ContactOrder.NEWEST,
) -> Page[Contact]:
    is_whole = search is None and opted_out is None
    is_by_name = order is ContactOrder.NAME
    columns, key_of = ORDERS[order]
    keys = window.with_keys(key_of)
    query = _contacts(None)
    match scope:
        case Everything() if search is not None:
            query = _searched_of_all(query, search)
        case Everything() if is_by_name and not opted_out:
            query = query.filter(id__in=await _first_by_name(keys, opted_out=opted_out))
        case Everything():
            pass
        case OfClient(client_id):
            query = query if search is None else query.filter(_matches(search))
        case OfGroup():
            return Page([], has_next=False, has_previous=False)  # supervisors do not read contacts
    if opted_out:
        query = await _opted_out(query, scope, order)
    elif opted_out is not None:
        query = query.filter(opted_out=False)
    if isinstance(scope, OfClient) and not is_whole and not is_by_name:
        # With `client_id = …`, PostgreSQL may scan the contacts of all clients.
        query = query.filter(client_id__gte=scope.client_id, client_id__lte=scope.client_id)
        columns = ["client_id" if order is ContactOrder.NEWEST else "-client_id", *columns]
        keys = window.with_keys(lambda key: (client_id, key[1]))
    elif isinstance(scope, OfClient):
        query = query.filter(client_id=scope.client_id)

    async def read(held: Connection) -> Page[ContactRow]:
        return await list_page(query.using_db(orm(held)), keys, order=columns)

    page = await read_selected(scope, read, filters=opted_out is not None, search=search)
    return page.with_items([object_of(Contact, row) for row in page.items])


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


async def has_contact(client_id: UUID, number: str) -> bool:
    return await ContactRow.filter(client_id=client_id, number=number).exists()


async def find_contact_of(tx: Connection, scope: OfClient, number: str) -> Contact:
    return object_of(Contact, await _contacts(tx).get(client_id=scope.client_id, number=number))


async def drop_contact(tx: Connection, scope: Scope, contact_id: UUID) -> Contact:
    row = await within(scope, _contacts(tx)).filter(id=contact_id).first()
    if row is None or not await ContactRow.filter(id=contact_id).using_db(orm(tx)).delete():
        raise NotFound("contact")
    await touch_conversations(tx, row.client_id, [row.number])
    return object_of(Contact, row)


async def touch_conversations(tx: Connection, client_id: UUID, numbers: Sequence[str]) -> None:
    rows = await tx.fetch(TOUCH_CONVERSATIONS, client_id, list(numbers))
    note(tx, [hints.CONVERSATION + row[0].bytes for row in rows])


def _contacts(tx: Connection | None) -> QuerySet[ContactRow]:
    """Contacts with their opt-out and what they are sorted by."""
    return (
        ContactRow.all()
        .using_db(orm(tx))
        .annotate(opted_out=RawSQL(OPTED_OUT), unnamed=RawSQL(UNNAMED), sort_name=RawSQL(SORT_NAME))
    )


def _searched_of_all(query: QuerySet[ContactRow], search: str) -> QuerySet[ContactRow]:
    """Those of all clients with this number if it is a whole one, else the newest that match."""
    number = digits_of(search) or ""
    if WHOLE_NUMBER.fullmatch(number):
        among = query.annotate(among=RawSQL(OF_ANY_CLIENT))
        return among.filter(among=True, number=number)
    among = query.annotate(among=RawSQL(AMONG_NEWEST.format(MOST_SEARCHED - 1)))
    return among.filter(_matches(search), among=True)


async def _opted_out(
    query: QuerySet[ContactRow], scope: Scope, order: ContactOrder
) -> QuerySet[ContactRow]:
    client_id = scope.client_id if isinstance(scope, OfClient) else None
    # Also if they are many: no index has the names of all clients in order.
    if client_id is None and order is ContactOrder.NAME:
        return query.filter(id__in=RawSQL(ALL_OPTED_OUT))
    most = FEW_OPT_OUTS if client_id is None else SOME_OPT_OUTS
    where = "$1::uuid IS NULL" if client_id is None else "client_id = $1"
    found = await fetch_value(COUNT_OPT_OUTS.format(where), client_id, most)
    if found > most:
        return query.filter(opted_out=True)
    if client_id is None:
        return query.filter(id__in=RawSQL(ALL_OPTED_OUT))
    if found <= FEW_OPT_OUTS:
        return query.filter(number__in=RawSQL(NUMBERS_OF_FEW.format(client_id)))
    among = RawSQL(AMONG_NUMBERS.format(client_id))
    return query.annotate(among=among).filter(among=True)


async def _first_by_name(window: Window[Any], *, opted_out: bool | None) -> list[UUID]:
    """The IDs of one page of the contacts of all clients, and of one more.

    `opted_out`: None for all, False for those that have not opted out.
    """
    wanted = Filter([] if opted_out is None else [f"AND NOT {OPTED_OUT}"])
    for bound, comparison in ((window.after, ">"), (window.before, "<")):
        if bound is not None:
            wanted.add(
                f"AND ({UNNAMED}, {SORT_NAME}, contact.id) {comparison} ({{}}, lower({{}}), {{}})",
                *bound,
            )
    direction = "DESC" if window.from_end else "ASC"
    columns = ("unnamed", "sort_name", "id")
    statement = FIRST_BY_NAME.format(
        beyond=" ".join(wanted.conditions),
        order=", ".join(f"{column} {direction}" for column in columns),
        order_of_first=", ".join(f"first.{column} {direction}" for column in columns),
        size=wanted.value(window.size + 1),
    )
    return [row[0] for row in await fetch(statement, *wanted.values)]


def _matches(search: str) -> Q:
    number = digits_of(search) or search
    return Q(
        Q(number__contains=number),
        Q(name__iposix_regex=without_accents(search)),
        Q(business__iposix_regex=without_accents(search)),
        join_type=Q.OR,
    )
