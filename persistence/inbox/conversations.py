"""Reads of conversations within a scope, and what a reply needs.

Hand-written SQL: a page of an inbox is one statement, with the contacts and the last messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from asyncpg import Record

from domain.errors import NotFound
from domain.identity.access import OfClient, Scope
from domain.inbox.messages import (
    AnyMessage,
    Contact,
    Conversation,
    ConversationKey,
    InboundMessage,
    ReplyTerms,
)
from domain.live import hints
from domain.pages import Page, Window, digits_of
from domain.sending.messages import Message, MessageStatus
from persistence.database import (
    Connection,
    columns,
    connection,
    fetch,
    fetch_row,
    fetch_value,
    note,
)
from persistence.inbox.messages import INBOUND, OUTBOUND
from persistence.pages import (
    add_limit,
    matching,
    page_clause,
    read_page,
    without_accents,
)
from persistence.planned import read_selected
from persistence.rows import only_client_of
from persistence.sending.listed import rows_within

CONVERSATION_COLUMNS = (
    "id, client_id, number, unread, last_message_id, last_inbound_id, modem, port, updated_at"
)
# A scalar subquery, because PostgreSQL would turn EXISTS into a scan of all contacts.
SEARCHED = """
(number LIKE {} OR (
    SELECT name ~* {} OR business ~* {} FROM contact
    WHERE contact.client_id = conversation.client_id AND contact.number = conversation.number))
"""
# Conversations, each with its contact and its last message. LATERAL with LIMIT: row by row, so that
# an index is used whatever the statistics say. If the last message is the last inbound one, it is
# not looked for among the sent ones.
_WITH_LAST_MESSAGES = f"""
SELECT {", ".join(f"shown.{name}" for name in CONVERSATION_COLUMNS.split(", "))},
       contact.*, last.inbound, last.text, last.modem, last.port, last.feed, last.created_at,
       last.mentions_opt_out, last.receiver, last.send_id, last.status, last.failure,
       last.is_reply, last.updated_at, last.send_at{{more}}
FROM ({{conversations}}) AS shown
LEFT JOIN LATERAL (
    SELECT contact.id AS contact_id, name, business, EXISTS (
        SELECT FROM opt_out WHERE opt_out.client_id = contact.client_id
        AND opt_out.number = contact.number), created_at
    FROM contact WHERE contact.client_id = shown.client_id AND contact.number = shown.number LIMIT 1
) AS contact ON true
LEFT JOIN LATERAL (
    ({INBOUND} WHERE id = shown.last_message_id)
    UNION ALL
    ({OUTBOUND} WHERE message.id = shown.last_message_id
                  AND shown.last_message_id <> shown.last_inbound_id)
    LIMIT 1
) AS last ON true
"""  # noqa: S608 - columns of our own


def with_last_messages(conversations: str, *, more: str = "") -> str:
    """SQL: these conversations, a SELECT, for `conversation_of`. `more`: columns."""
    return _WITH_LAST_MESSAGES.format(conversations=conversations, more=more)


CONVERSATIONS = (
    with_last_messages(f"SELECT {CONVERSATION_COLUMNS} FROM conversation {{page}}")  # noqa: S608
    + "ORDER BY shown.last_message_id {order}"
)
CONVERSATIONS_WITH = with_last_messages(f"""
SELECT {CONVERSATION_COLUMNS} FROM conversation
JOIN unnest($1::uuid[], $2::text[]) AS pair (client_id, number) USING (client_id, number)
WHERE $3::uuid IS NULL OR client_id = $3
""")  # noqa: S608 - columns of our own
MARK_READ = f"""
WITH marked AS (
    UPDATE conversation SET unread = 0, updated_at = clock_timestamp()
    WHERE id = $1 AND ($2::uuid IS NULL OR client_id = $2) RETURNING {CONVERSATION_COLUMNS})
""" + with_last_messages("SELECT * FROM marked")  # noqa: S608 - columns of our own
REPLY_TERMS = """
SELECT client.status, account.id, upstream.id, account.held, upstream.price, upstream.unit,
       upstream.paused_at IS NOT NULL OR upstream.stopped_at IS NOT NULL
FROM client
JOIN account ON account.id = client.account_id
JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
WHERE client.id = $1
"""
WARNING = "SELECT warning FROM send WHERE id = $1 AND client_id = $2"

MOST_SEARCHED = 20_000
"""The last active conversations that a search looks through, in less than a second."""

_ONE: Window[UUID] = Window(size=1)


async def read_conversations(
    scope: Scope, window: Window[UUID], *, unread_only: bool = False, search: str | None = None
) -> Page[Conversation]:
    wanted = rows_within(scope)
    if unread_only:
        wanted.add("unread > 0")
    if search is not None:
        page = page_clause(wanted, replace(window, size=0), key="last_message_id")
        last = f"SELECT last_message_id FROM conversation {page} OFFSET {MOST_SEARCHED - 1}"  # noqa: S608
        add_limit(wanted, last, window, key="last_message_id")
        pattern = without_accents(search)
        wanted.add(SEARCHED, matching(digits_of(search) or search), pattern, pattern)

    async def read(held: Connection) -> Page[Conversation]:
        return await read_page(
            CONVERSATIONS,
            wanted,
            window,
            conversation_of,
            key="last_message_id",
            keeps_plan=True,
            tx=held,
        )

    return await read_selected(scope, read, filters=False, search=search)


async def find_conversation(scope: Scope, conversation_id: UUID) -> Conversation:
    wanted = rows_within(scope)
    wanted.add("id = {}", conversation_id)
    page = await read_page(CONVERSATIONS, wanted, _ONE, conversation_of)
    if not page.items:
        raise NotFound("conversation")
    return page.items[0]


async def find_conversations_with(
    scope: Scope, pairs: Sequence[ConversationKey]
) -> dict[ConversationKey, Conversation]:
    rows = await fetch(CONVERSATIONS_WITH, *columns(pairs), only_client_of(scope, "conversation"))
    return {(row["client_id"], row["number"]): conversation_of(row) for row in rows}


async def mark_read(scope: Scope, conversation_id: UUID) -> Conversation:
    async with connection() as pooled:
        row = await pooled.fetchrow(
            MARK_READ, conversation_id, only_client_of(scope, "conversation")
        )
        if row is None:
            raise NotFound("conversation")
        note(pooled, [hints.CONVERSATION + conversation_id.bytes])
    return conversation_of(row)


async def find_reply_terms(client_id: UUID) -> ReplyTerms:
    row = await fetch_row(REPLY_TERMS, client_id)
    if row is None:
        raise NotFound("client")
    return ReplyTerms(*row)


async def find_warning(scope: OfClient, send_id: UUID) -> str | None:
    warning: str | None = await fetch_value(WARNING, send_id, scope.client_id)
    return warning


def conversation_of(row: Record) -> Conversation:
    """A conversation from a row of `with_last_messages`."""
    id, client, number, unread, last_id, inbound_id, modem, port, updated_at = row[:9]
    contact_id, name, business, opted_out, added_at, is_inbound = row[9:15]
    # tuple.__new__: the constructor of a named tuple is Python, and took a third of a row's time.
    contact: Contact | None = None
    last: AnyMessage | None = None
    if contact_id is not None:
        values = (contact_id, client, number, name, business, opted_out, added_at, "")
        contact = tuple.__new__(Contact, values)
    if is_inbound:
        text, last_modem, last_port, feed, at, mentions, receiver = row[15:22]
        last = tuple.__new__(
            InboundMessage,
            (last_id, client, number, text, last_modem, last_port, feed, at, mentions, receiver),
        )
    elif is_inbound is not None:
        last = _outbound(last_id, client, number, row)
    return tuple.__new__(
        Conversation,
        (id, client, number, unread, last_id, inbound_id, modem, port, updated_at, contact, last),
    )


def _outbound(last_id: UUID, client_id: UUID, number: str, row: Record) -> Message:
    """The last message, if it is a sent one, from a row of `with_last_messages`."""
    text, modem, port, _, created_at, _, _, send_id, status, *others = row[15:28]
    failure, is_reply, updated_at, send_at = others
    return Message(
        last_id,
        send_id,
        client_id,
        number,
        text,
        MessageStatus(status),
        failure,
        is_reply,
        created_at,
        updated_at,
        modem,
        port,
        send_at,
    )
