"""Stored sends and messages: pages by key within a scope, and statistics.

Sends are read through querysets. Messages are set-based SQL: the text of a bulk is on its send, and
a search or a page must be one statement to stay within its index.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tortoise.expressions import RawSQL

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.pages import Page, Window
from domain.rejections import SENTENCES, RejectedRecipient, RejectionReason
from domain.search import digits_of
from domain.sending.lists import (
    ALL_MESSAGES,
    ALL_SENDS,
    MessageFilter,
    Period,
    SendFilter,
    SendOrder,
    StatRow,
)
from domain.sending.messages import AcceptedMessage, Message, MessageStatus, Send, SendKind
from persistence.database import connection, orm
from persistence.long_reads import long_read
from persistence.pages import (
    Filter,
    add_limit,
    list_page,
    matching,
    order_of,
    page_clause,
    page_of,
    read_page,
)
from persistence.planned import read_selected
from persistence.sending import models
from persistence.sending.tallies import read_counts
from persistence.sql import first_id_at
from persistence.turns import in_turn

if TYPE_CHECKING:
    from asyncpg import Record
    from tortoise.queryset import QuerySet

    from persistence.database import Connection

# The text of a bulk is stored once, in its send.
SHOWN_MESSAGE_COLUMNS = """
page.id, send_id, page.client_id, number, coalesce(page.text, send.text) AS text, status,
failure, send.kind = 'REPLY' AS is_reply, page.created_at, page.updated_at,
send.modem, send.port, page.send_at
"""
MESSAGES = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM (SELECT * FROM message {{page}}) AS page
JOIN send ON send.id = page.send_id
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
# The messages to one number, by the index of `sent_to`. OFFSET 0 keeps each message a look-up by
# its key: as a join, it could be planned to read all messages.
TO_NUMBER = """
(SELECT message_id AS id, client_id, number, each.* FROM sent_to CROSS JOIN LATERAL (
    SELECT send_id, text, status, failure, created_at, updated_at, send_at, deleted_at
    FROM message WHERE message.id = sent_to.message_id OFFSET 0) AS each) AS message
"""
MESSAGES_TO_NUMBER = MESSAGES.replace("FROM message {page}", f"FROM {TO_NUMBER} {{page}}")
# BETWEEN instead of an equation, so that the planner does not drop send_id from ORDER BY. For a
# large send it would walk all messages in the order of their IDs until it finds those of the send.
MESSAGES_OF_SENDS = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM unnest({{sends}}::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM message {{page}}) AS page
JOIN send ON send.id = page.send_id
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
# A shared text is not repeated: it is in the send. IDs sort in the order of the request.
ACCEPTED = """
SELECT id, number, text FROM message WHERE send_id = $1 AND client_id = $2 ORDER BY id
"""
# A scalar subquery, because PostgreSQL would turn EXISTS into a scan of all sends.
TEXT_MATCHES = """
coalesce(text, (SELECT send.text FROM send WHERE send.id = message.send_id)) ILIKE {}
"""
STATS = """
SELECT date_trunc({by}, created_at, 'UTC') AS starts_at, status,
       count(*) AS messages, sum(price)::int8 AS units
FROM message {where} GROUP BY 1, 2
"""

# coalesce: true or false for every send, so that both can be asked for. The time is compared before
# the messages are looked at: most sends are due at once, or their time has come.
IS_SCHEDULED = """
(coalesce(due_until > statement_timestamp(), false) AND EXISTS (
    SELECT FROM message WHERE message.send_id = send.id
    AND message.status = 'QUEUED' AND message.send_at > statement_timestamp()))
"""

SUBMITTED_AT = """
SELECT message.id, attempt.started_at FROM message JOIN attempt ON attempt.id = message.attempt_id
WHERE message.id = ANY($1::uuid[]) AND message.client_id = $2
  AND message.status IN ('SENT', 'DELIVERED', 'UNDELIVERED')
"""

# IDs carry the time of the server that made them, created_at that of PostgreSQL. The range of IDs
# only leads to an index; the exact limit is created_at. A page may read an hour of rows too many.
CLOCKS_DIFFER_SECONDS = 60 * 60

MOST_SEARCHED = 50_000
"""Messages of each direction that a search looks through: it must not take a second."""

_ONE: Window[UUID] = Window(size=1)


async def find_send(scope: Scope, send_id: UUID, *, tx: Connection | None = None) -> Send:
    rows = await _sends_within(scope).filter(id=send_id).using_db(orm(tx))
    if not rows:
        raise NotFound("send")
    (send,) = await _with_counts(rows, tx)
    return send


async def find_sends_by_id(scope: Scope, send_ids: Sequence[UUID]) -> dict[UUID, Send]:
    rows = await _sends_within(scope).filter(id__in=list(send_ids))
    return {send.id: send for send in await _with_counts(rows)}


async def read_sends(
    scope: Scope,
    window: Window[UUID],
    *,
    filter: SendFilter = ALL_SENDS,
    order: SendOrder = SendOrder.NEWEST,
) -> Page[Send]:
    query = _sends_within(scope)
    if filter.client_id is not None:
        query = query.filter(client_id=filter.client_id)
    if filter.kind is not None:
        # Written into the statement, as in _add_status.
        is_kind = RawSQL(f"(kind = '{filter.kind.value}')")
        query = query.annotate(is_kind=is_kind).filter(is_kind=True)
    if filter.scheduled is not None:
        is_scheduled = RawSQL(IS_SCHEDULED)
        query = query.annotate(is_scheduled=is_scheduled).filter(is_scheduled=filter.scheduled)
    if filter.created_after is not None:
        query = query.filter(
            created_at__gte=filter.created_after, id__gte=_first_id(filter.created_after)
        )
    if filter.created_before is not None:
        query = query.filter(
            created_at__lt=filter.created_before, id__lt=_last_id(filter.created_before)
        )
    async with in_turn(scope, searches=filter != ALL_SENDS):
        sign = "" if order is SendOrder.OLDEST else "-"
        page = await list_page(query, window, order=[f"{sign}id"])
        return page.with_items(await _with_counts(page.items))


async def find_message(scope: Scope, message_id: UUID, *, tx: Connection | None = None) -> Message:
    wanted = _shown_within(scope)
    wanted.add("id = {}", message_id)
    page = await read_page(MESSAGES, wanted, _ONE, message_of, tx=tx)
    if not page.items:
        raise NotFound("message")
    return page.items[0]


async def read_messages(
    scope: Scope,
    window: Window[UUID],
    *,
    filter: MessageFilter = ALL_MESSAGES,
    search: str | None = None,
) -> Page[Message]:
    wanted = _shown_within(scope)
    _add_status(wanted, filter.status)
    add_message_filter(wanted, filter)
    statement, within = MESSAGES, None
    if filter.number is not None:
        statement = MESSAGES_TO_NUMBER
    if filter.send_id is not None:
        # BETWEEN and `within`: as for MESSAGES_OF_SENDS.
        wanted.add("send_id BETWEEN {} AND {}", filter.send_id, filter.send_id)
        within = None if filter.number is not None else "send_id"
    elif filter.number is None and search is not None:
        listed = listed_within(scope, wanted, filter)
        add_limit(wanted, "message", listed, window, key="id", most=MOST_SEARCHED)
    if search is not None:
        add_search(wanted, search, TEXT_MATCHES)

    async def read(held: Connection) -> Page[Message]:
        return await read_page(statement, wanted, window, message_of, within=within, tx=held)

    return await read_selected(scope, read, filters=filter != ALL_MESSAGES, search=search)


async def read_messages_of_sends(
    scope: Scope,
    send_ids: Sequence[UUID],
    window: Window[UUID],
    *,
    status: MessageStatus | None = None,
) -> dict[UUID, Page[Message]]:
    wanted = _shown_within(scope)
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


async def read_accepted(scope: OfClient, send_id: UUID) -> list[AcceptedMessage]:
    async with connection() as pooled:
        rows = await pooled.fetch(ACCEPTED, send_id, scope.client_id)
    return [AcceptedMessage(*row) for row in rows]


async def read_submitted_at(scope: OfClient, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    if not ids:
        return {}
    async with connection() as pooled:
        rows = await pooled.fetch(SUBMITTED_AT, list(ids), scope.client_id)
    return {row[0]: row[1] for row in rows}


async def read_message_stats(
    scope: Scope,
    by: Period,
    starts_at: datetime,
    ends_at: datetime,
    *,
    client_id: UUID | None = None,
) -> list[StatRow]:
    wanted = _within(scope)
    if client_id is not None:
        wanted.add("client_id = {}", client_id)
    _add_time(wanted, starts_at, ends_at)
    statement = STATS.format(by=wanted.value(by.value.lower()), where=wanted.where)
    async with in_turn(scope, searches=True):
        rows = await long_read(lambda held: held.fetch(statement, *wanted.values))
    return [StatRow(row[0], MessageStatus(row[1]), row[2], row[3]) for row in rows]


def listed_within(scope: Scope, wanted: Filter, filter: MessageFilter) -> Filter:
    """The messages that a search looks through, with the values of `wanted`."""
    listed = Filter(values=wanted.values)
    if isinstance(scope, OfClient):
        listed.add("client_id = {}", scope.client_id)
    _add_time(listed, filter.created_after, filter.created_before)
    return listed


def add_message_filter(wanted: Filter, filter: MessageFilter) -> None:
    """The conditions that apply to messages of both directions."""
    if filter.number is not None:
        wanted.add("number = {}", filter.number)
    _add_time(wanted, filter.created_after, filter.created_before)


def _sends_within(scope: Scope) -> QuerySet[models.Send]:
    match scope:
        case Everything():
            return models.Send.all()
        case OfClient(client_id):
            return models.Send.filter(client_id=client_id)
        case OfGroup():
            # A supervisor does not read what the clients of the group send.
            return models.Send.filter(id__in=[])


def _shown_within(scope: Scope) -> Filter:
    """The messages of a scope. A client's lists do not have those that the client has deleted."""
    wanted = _within(scope)
    if scope != Everything():
        wanted.add("deleted_at IS NULL")
    return wanted


def _within(scope: Scope) -> Filter:
    wanted = Filter()
    match scope:
        case Everything():
            pass
        case OfClient(client_id):
            wanted.add("client_id = {}", client_id)
        case OfGroup():
            wanted.add("false")  # a supervisor does not read what the clients of the group send
    return wanted


def _add_status(wanted: Filter, status: MessageStatus | None) -> None:
    if status is not None:
        # Written into the statement: a plan for any status could not use the partial indexes.
        wanted.add(f"status = '{status.value}'")


def _add_time(wanted: Filter, after: datetime | None, before: datetime | None) -> None:
    if after is not None:
        wanted.add("created_at >= {} AND id >= {}", after, _first_id(after))
    if before is not None:
        wanted.add("created_at < {} AND id < {}", before, _last_id(before))


def _first_id(moment: datetime) -> UUID:
    return first_id_at(moment, -CLOCKS_DIFFER_SECONDS)


def _last_id(moment: datetime) -> UUID:
    return first_id_at(moment, CLOCKS_DIFFER_SECONDS)


def add_search(wanted: Filter, search: str, matches: str) -> None:
    """The condition that a text or a number contains the search. `matches`: for the text."""
    digits = digits_of(search)
    if digits is None:
        wanted.add(matches, matching(search))
    else:
        wanted.add(f"(number LIKE {{}} OR {matches})", matching(digits), matching(search))


async def _with_counts(rows: Sequence[models.Send], tx: Connection | None = None) -> list[Send]:
    counts = await read_counts([row.id for row in rows], tx)
    return [_send(row, counts[row.id]) for row in rows]


def _send(row: models.Send, counts: dict[MessageStatus, int]) -> Send:
    rejected: list[Any] = row.rejected or []
    return Send(
        id=row.id,
        client_id=row.client_id,
        kind=SendKind(row.kind),
        accepted=row.accepted,
        price=row.price,
        value_usd=row.value_usd,
        rejected=[_rejected(*each) for each in rejected],
        rejected_count=row.rejected_count,
        counts=counts,
        created_at=row.created_at,
        send_at=row.send_at,
        held=row.held,
        held_until=row.due_until if row.held else None,
    )


def _rejected(
    given: str, position: int, reason: str, message: str | None = None
) -> RejectedRecipient:
    # Older rows have no message.
    why = RejectionReason(reason)
    return RejectedRecipient(given, position, why, message or SENTENCES[why])


def message_of(row: Record) -> Message:
    """A message from a row of `MESSAGES`."""
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
        send_at=row["send_at"],
    )
