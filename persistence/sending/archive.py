"""Sends and messages as they are looked up: pages by key, newest first, within a scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.pages import Page, Window
from domain.rejections import SENTENCES, RejectedRecipient, RejectionReason
from domain.search import digits_of
from domain.sending.sends import Message, MessageStatus, Send, SendKind
from persistence.database import connection
from persistence.pages import Filter, matching, order_of, page_clause, page_of, read_page
from persistence.turns import in_turn

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

SENDS = """
SELECT page.*, tally.counts
FROM (
    SELECT id, client_id, kind, accepted, price, value_usd, rejected, rejected_count, created_at
    FROM send {page}
) AS page
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(status, messages) AS counts FROM (
        SELECT status, count(*) AS messages FROM message
        WHERE message.send_id = page.id GROUP BY status
    ) AS each
) AS tally
ORDER BY page.id {order}
"""

# The text of a bulk stands once, on its send.
SHOWN_MESSAGE_COLUMNS = """
page.id, send_id, page.client_id, number, coalesce(page.text, send.text) AS text, status,
failure, send.kind = 'REPLY' AS is_reply, page.created_at, page.updated_at,
send.modem, send.port
"""
MESSAGES = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM (SELECT * FROM message {{page}}) AS page
JOIN send ON send.id = page.send_id
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
# A range, not an equation, so that ORDER BY send_id means something to the planner: for a large
# send it would rather walk all messages in id order, and hope to meet its own soon.
MESSAGES_OF_SENDS = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM unnest({{sends}}::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM message {{page}}) AS page
JOIN send ON send.id = page.send_id
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
TEXT_MATCHES = """
CASE WHEN text IS NOT NULL THEN text ILIKE {}
ELSE EXISTS (SELECT FROM send WHERE send.id = message.send_id AND send.text ILIKE {}) END
"""

_ONE: Window[UUID] = Window(size=1)


async def find_send(scope: Scope, send_id: UUID, *, tx: Connection | None = None) -> Send:
    """A send within the scope, with its counts. Raises NotFound."""
    wanted = _within(scope)
    wanted.add("id = {}", send_id)
    page = await read_page(SENDS, wanted, _ONE, _send, tx=tx)
    if not page.items:
        raise NotFound("send")
    return page.items[0]


async def read_sends(scope: Scope, window: Window[UUID]) -> Page[Send]:
    """The sends of a scope, newest first, with their counts."""
    return await read_page(SENDS, _within(scope), window, _send)


async def find_message(scope: Scope, message_id: UUID, *, tx: Connection | None = None) -> Message:
    """A message within the scope. Raises NotFound."""
    wanted = _within(scope)
    wanted.add("id = {}", message_id)
    page = await read_page(MESSAGES, wanted, _ONE, message_of, tx=tx)
    if not page.items:
        raise NotFound("message")
    return page.items[0]


async def read_messages(
    scope: Scope,
    window: Window[UUID],
    *,
    status: MessageStatus | None = None,
    search: str | None = None,
) -> Page[Message]:
    """The messages of a scope, newest first.

    `search`: a part of the number or of the text, taken literally, in any case.
    """
    wanted = _within(scope)
    _add_status(wanted, status)
    if search is not None:
        _add_search(wanted, search)
    searches = search is not None or status is not None
    async with in_turn(scope, searches=searches):
        return await read_page(MESSAGES, wanted, window, message_of)


async def read_messages_of_sends(
    scope: Scope,
    send_ids: Sequence[UUID],
    window: Window[UUID],
    *,
    status: MessageStatus | None = None,
) -> dict[UUID, Page[Message]]:
    """The same window on the messages of each send, newest first; empty for those outside."""
    wanted = _within(scope)
    wanted.add("send_id BETWEEN wanted.id AND wanted.id")
    _add_status(wanted, status)
    sends = wanted.value(list(send_ids))
    page = page_clause(wanted, window, key="id", within="send_id")
    statement = MESSAGES_OF_SENDS.format(sends=sends, page=page, order=order_of(window))
    async with connection() as pooled:
        rows = await pooled.fetch(statement, *wanted.values)
    found: dict[UUID, list[Record]] = {send_id: [] for send_id in send_ids}
    for row in rows:
        found[row["send_id"]].append(row)
    return {send_id: page_of(rows, window, message_of) for send_id, rows in found.items()}


def _within(scope: Scope) -> Filter:
    wanted = Filter()
    match scope:
        case Everything():
            pass
        case OfClient(client_id):
            wanted.add("client_id = {}", client_id)
        case OfGroup():
            wanted.add("false")  # a supervisor does not read what the members write
    return wanted


def _add_status(wanted: Filter, status: MessageStatus | None) -> None:
    if status is not None:
        # A word of ours, written out: a plan for any status could not use the partial indexes.
        wanted.add(f"status = '{status.value}'")


def _add_search(wanted: Filter, search: str) -> None:
    pattern = matching(search)
    digits = digits_of(search)
    if digits is None:
        wanted.add(TEXT_MATCHES, pattern, pattern)
    else:
        wanted.add(f"(number LIKE {{}} OR {TEXT_MATCHES})", matching(digits), pattern, pattern)


def _send(row: Record) -> Send:
    counts = orjson.loads(row["counts"] or "{}")
    rejected = orjson.loads(row["rejected"] or "[]")
    return Send(
        id=row["id"],
        client_id=row["client_id"],
        kind=SendKind(row["kind"]),
        accepted=row["accepted"],
        price=row["price"],
        value_usd=row["value_usd"],
        rejected=[_rejected(*each) for each in rejected],
        rejected_count=row["rejected_count"],
        counts={MessageStatus(status): count for status, count in counts.items()},
        created_at=row["created_at"],
    )


def _rejected(
    given: str, position: int, reason: str, message: str | None = None
) -> RejectedRecipient:
    # Older rows have no message.
    why = RejectionReason(reason)
    return RejectedRecipient(given, position, why, message or SENTENCES[why])


def message_of(row: Record) -> Message:
    return Message(
        id=row["id"],
        send_id=row["send_id"],
        client_id=row["client_id"],
        number=row["number"],
        text=row["text"],
        status=MessageStatus(row["status"]),
        failure=row["failure"],
        is_reply=row["is_reply"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        modem=row["modem"],
        port=row["port"],
    )
