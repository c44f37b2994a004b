"""Reads of messages in both directions, within a scope.

Hand-written SQL: a page merges two tables by keyset.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from asyncpg import Record

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, Scope
from domain.inbox.messages import AnyMessage, ConversationKey, InboundMessage
from domain.pages import Page, Window
from domain.sending.lists import ALL_MESSAGES, MessageFilter
from domain.sending.messages import Direction
from persistence.database import Connection, fetch, fetch_row, fetch_value
from persistence.pages import Filter, order_of, page_clause, page_of
from persistence.planned import read_selected
from persistence.rows import object_of, only_client_of
from persistence.sending.listed import MOST_SEARCHED, IndexedList, rows_within
from persistence.sending.messages import (
    TEXT_MATCHES,
    add_message_filter,
    add_search,
    message_of,
)
from persistence.sending.to_number import is_to

# Both directions with the same columns. IDs of both tables sort as one list.
OUTBOUND = """
SELECT message.id, false AS inbound, message.client_id, message.number,
       coalesce(message.text, send.text) AS text, message.send_id, message.status,
       message.failure, send.kind = 'REPLY' AS is_reply, message.created_at, message.updated_at,
       send.modem, send.port, NULL::int8 AS feed, false AS mentions_opt_out, message.send_at,
       NULL AS receiver
FROM message JOIN send ON send.id = message.send_id
"""
INBOUND = """
SELECT id, true AS inbound, client_id, number, text, NULL::uuid AS send_id, NULL AS status,
       NULL AS failure, false AS is_reply, created_at, created_at AS updated_at, modem, port, feed,
       mentions_opt_out, NULL::timestamptz AS send_at, receiver
FROM inbound
"""

MESSAGES_BY_ID = f"""
{OUTBOUND} WHERE message.id = ANY($1::uuid[])
    AND ($2::uuid IS NULL OR (message.client_id = $2 AND message.deleted_at IS NULL))
UNION ALL
{INBOUND} WHERE id = ANY($1::uuid[])
    AND ($2::uuid IS NULL OR (client_id = $2 AND deleted_at IS NULL))
"""
FIND_INBOUND = f"{INBOUND} WHERE id = $1 AND ($2::uuid IS NULL OR client_id = $2)"
LAST_INBOUND = f"{INBOUND} WHERE client_id = $1 AND deleted_at IS NULL ORDER BY id DESC LIMIT 1"
FEED = f"""
{INBOUND} WHERE client_id = $1 AND feed > $2 AND deleted_at IS NULL ORDER BY feed LIMIT $3
"""
# A reader may have seen any of them last. Retention drops the oldest messages: if all that are left
# are newer, it may have dropped this one, and all that are left came after it.
FEED_NUMBER = """
SELECT coalesce(
    (SELECT feed FROM inbound WHERE id = $2 AND client_id = $1),
    (SELECT feed FROM erased_inbound WHERE id = $2 AND client_id = $1),
    (SELECT 0 FROM client_feed WHERE client_id = $1 AND last_feed > 0
        AND NOT EXISTS (SELECT FROM inbound WHERE client_id = $1 AND feed = 1)
        AND NOT EXISTS (SELECT FROM inbound WHERE client_id = $1 AND id < $2)))
"""
LAST_IN_FEED = "SELECT last_feed FROM client_feed WHERE client_id = $1"

# One page of each direction, then the first rows of both: neither table is read further.
ANY_MESSAGES = """
WITH page AS (
    SELECT id, inbound FROM (
        ({sent})
        UNION ALL
        (SELECT id, true FROM inbound {inbound_page})
    ) AS both_ways ORDER BY id {order} LIMIT {limit}
)
"""
OF_CLIENT = "client_id = $1"  # the first value of rows_within
# Lets a search for a number use the index on (client_id, number, id) if no client is given.
OF_ANY_CLIENT = "client_id = ANY (ARRAY(SELECT id FROM client))"
MESSAGES_OF_CONVERSATIONS = """
WITH page AS (
    SELECT both_ways.* FROM unnest({clients}::uuid[], {numbers}::text[])
        AS pair (client_id, number)
    CROSS JOIN LATERAL (
        SELECT id, inbound FROM (
            (SELECT message_id AS id, false AS inbound FROM open_sent_to AS sent_to {sent_page})
            UNION ALL
            (SELECT message_id, false FROM closed_sent_to AS sent_to {sent_page})
            UNION ALL
            (SELECT id, true FROM inbound {inbound_page})
        ) AS each ORDER BY id {order} LIMIT {limit}
    ) AS both_ways
)
"""
SENT_TO_IS_SHOWN = """
NOT EXISTS (SELECT FROM message WHERE message.id = message_id AND deleted_at IS NOT NULL)
"""
OF_PAGE = f"""
SELECT * FROM (
    {OUTBOUND} JOIN page ON page.id = message.id AND NOT page.inbound
    UNION ALL
    SELECT inbound.id, true, client_id, number, text, NULL, NULL, NULL, false, created_at,
           created_at, modem, port, feed, mentions_opt_out, NULL, receiver
    FROM inbound JOIN page ON page.id = inbound.id AND page.inbound
) AS found ORDER BY id
"""  # noqa: S608 - columns of our own


async def find_messages(
    scope: Scope, ids: Collection[UUID], *, tx: Connection | None = None
) -> dict[UUID, AnyMessage]:
    rows = await fetch(MESSAGES_BY_ID, list(ids), only_client_of(scope, "conversation"), tx=tx)
    return {row["id"]: _any(row) for row in rows}


async def find_inbound(scope: Scope, inbound_id: UUID) -> InboundMessage:
    row = await fetch_row(FIND_INBOUND, inbound_id, only_client_of(scope, "conversation"))
    if row is None:
        raise NotFound("message")
    return object_of(InboundMessage, row)


async def find_last_inbound(client_id: UUID) -> InboundMessage | None:
    row = await fetch_row(LAST_INBOUND, client_id)
    return None if row is None else object_of(InboundMessage, row)


async def read_feed(scope: OfClient, *, after: int, most: int) -> list[InboundMessage]:
    rows = await fetch(FEED, scope.client_id, after, most)
    return [object_of(InboundMessage, row) for row in rows]


async def feed_number(scope: OfClient, inbound_id: UUID) -> int:
    number = await fetch_value(FEED_NUMBER, scope.client_id, inbound_id)
    if number is None:
        raise NotFound("message")
    return int(number)


async def last_in_feed(scope: OfClient) -> int:
    return int(await fetch_value(LAST_IN_FEED, scope.client_id) or 0)


async def read_any_messages(
    scope: Scope,
    window: Window[UUID],
    *,
    filter: MessageFilter = ALL_MESSAGES,
    search: str | None = None,
) -> Page[AnyMessage]:
    sent = rows_within(scope)
    if scope != Everything():
        sent.add("deleted_at IS NULL")
    add_message_filter(sent, filter)
    inbound = Filter(list(sent.conditions), sent.values)
    if filter.direction is Direction.INBOUND:
        sent.add("false")
    if filter.number is not None:
        inbound.add(OF_ANY_CLIENT)
    if filter.receiver is not None:
        inbound.add("receiver = {}", filter.receiver)
    if search is not None:
        add_search(sent, search, TEXT_MATCHES)
        add_search(inbound, search, "text ILIKE {}")

    async def read(held: Connection) -> list[Record]:
        values = list(sent.values)  # the read may be repeated
        of_sent, of_inbound = (Filter(list(each.conditions), values) for each in (sent, inbound))
        listed = received = IndexedList(scope, filter, window)
        if search is not None and filter.number is None:
            listed = await listed.limited(held)
            received = await _limited(held, received)
        statement = ANY_MESSAGES.format(
            sent=listed.select(of_sent, "id, false AS inbound"),
            inbound_page=_inbound_page(received, of_inbound, searches=search is not None),
            order=order_of(window),
            limit=of_sent.value(window.size + 1),
        )
        return await held.fetch(statement + OF_PAGE, *values)

    rows = await read_selected(scope, read, filters=filter != ALL_MESSAGES, search=search)
    return page_of(_in_order(rows, window), window, _any)


async def read_messages_of_conversations(
    scope: Scope, pairs: Sequence[ConversationKey], window: Window[UUID]
) -> dict[ConversationKey, Page[AnyMessage]]:
    own = [pair for pair in pairs if only_client_of(scope, "conversation") in (None, pair[0])]
    sent = Filter()
    clients, numbers = ([pair[at] for pair in own] for at in (0, 1))
    placeholders = {"clients": sent.value(clients), "numbers": sent.value(numbers)}
    inbound = Filter(values=sent.values)
    sent.add(is_to("pair.number", "pair.client_id"))
    sent.add(SENT_TO_IS_SHOWN)
    inbound.add("inbound.client_id = pair.client_id AND inbound.number = pair.number")
    inbound.add("inbound.deleted_at IS NULL")
    statement = MESSAGES_OF_CONVERSATIONS.format(
        **placeholders,
        sent_page=page_clause(sent, window, key="message_id"),
        inbound_page=page_clause(inbound, window, key="id"),
        order=order_of(window),
        limit=sent.value(window.size + 1),
    )
    rows = await fetch(statement + OF_PAGE, *sent.values)
    found: dict[ConversationKey, list[Record]] = {pair: [] for pair in pairs}
    for row in rows:
        found[row["client_id"], row["number"]].append(row)
    return {pair: page_of(_in_order(rows, window), window, _any) for pair, rows in found.items()}


async def _limited(pooled: Connection, received: IndexedList) -> IndexedList:
    """The inbound messages that a search looks at, as `IndexedList.limited` does for sent ones."""
    last = replace(received, window=replace(received.window, size=0))
    among = rows_within(received.scope)
    page = f"SELECT id FROM inbound {_inbound_page(last, among)} OFFSET {MOST_SEARCHED - 1}"  # noqa: S608
    found = await pooled.fetch(page, *among.values)
    return replace(received, searched_to=found[0][0]) if found else received


def _inbound_page(received: IndexedList, wanted: Filter, *, searches: bool = False) -> str:
    """The page of inbound messages.

    A search finds few. With `client_id = …`, PostgreSQL could look for them among the
    messages of all clients in the order of their IDs. The index is on (client_id, id DESC).
    """
    conditions, leading = list(wanted.conditions), None
    if searches and OF_CLIENT in conditions and received.filter.number is None:
        conditions[conditions.index(OF_CLIENT)] = "client_id BETWEEN $1 AND $1"
        leading = "client_id DESC, id" if received.window.from_end else "client_id ASC, id"
    page = Filter(conditions, wanted.values)
    page.add("id BETWEEN {} AND {}", *received.ends)
    return page_clause(page, received.window, key="id", within=leading)


def _in_order(rows: Iterable[Record], window: Window[UUID]) -> list[Record]:
    """The rows in the order in which the page was read."""
    return sorted(rows, key=lambda row: row["id"], reverse=not window.from_end)


def _any(row: Record) -> AnyMessage:
    return object_of(InboundMessage, row) if row["inbound"] else message_of(row)
