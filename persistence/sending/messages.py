"""Messages of sends: pages by key within a scope, filtered and searched.

Set-based SQL: the text of a bulk is on its send, and a search or a page must be one statement to
stay within its index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.pages import Page, Window, digits_of
from domain.sending.lists import ALL_MESSAGES, MessageFilter
from domain.sending.messages import Message, MessageStatus
from persistence.database import connection
from persistence.pages import Filter, matching, order_of, page_clause, page_of
from persistence.planned import read_selected
from persistence.sql import first_id_at

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

# The text of a bulk is stored once, in its send. OFFSET 0 keeps each send a look-up by its key.
SHOWN_MESSAGE_COLUMNS = """
page.id, send_id, page.client_id, number, coalesce(page.text, send.text) AS text, status,
failure, send.kind = 'REPLY' AS is_reply, page.created_at, page.updated_at,
send.modem, send.port, page.send_at
"""
MESSAGES = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM ({{page}}) AS page
CROSS JOIN LATERAL (
    SELECT text, kind, modem, port FROM send WHERE send.id = page.send_id OFFSET 0) AS send
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
# The messages of all clients with one status. Those that come first belong to the clients whose
# first message comes first: it takes one look into the index on (client_id, status, id) for each
# client, and a page for each of these. In the order of all IDs, there could be a million others.
OF_ALL_CLIENTS = """
SELECT {columns} FROM message WHERE id = ANY (ARRAY(
    SELECT found.id FROM (
        SELECT client.id FROM client CROSS JOIN LATERAL ({first}) AS first
        ORDER BY first.id {order} LIMIT {size}
    ) AS among CROSS JOIN LATERAL ({page}) AS found
    ORDER BY found.id {order} LIMIT {size}
)) ORDER BY id {order}
"""
# The messages to one number, by the index of `sent_to`. OFFSET 0 keeps each message a look-up by
# its key: as a join, it could be planned to read all messages.
TO_NUMBER = """
(SELECT message_id AS id, client_id, number, each.* FROM sent_to CROSS JOIN LATERAL (
    SELECT send_id, text, status, failure, created_at, updated_at, send_at, deleted_at
    FROM message WHERE message.id = sent_to.message_id OFFSET 0) AS each) AS message
"""
# BETWEEN instead of an equation, so that the planner does not drop send_id from ORDER BY. For a
# large send it would walk all messages in the order of their IDs until it finds those of the send.
MESSAGES_OF_SENDS = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM unnest({{sends}}::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (SELECT * FROM message {{page}}) AS page
CROSS JOIN LATERAL (
    SELECT text, kind, modem, port FROM send WHERE send.id = page.send_id OFFSET 0) AS send
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
# The messages of a send with a given status, by the index on (client_id, status, id). They lie
# between the first and the last ID of the send, with few others of the same client. IS NOT DISTINCT
# FROM keeps PostgreSQL from reading all messages of the send by the index on (send_id, id). The
# ends are found by comparing pairs: for an equation PostgreSQL may walk the primary key instead.
# `since`: no message of the send has a smaller ID.
FIRST_OF_SEND = """
SELECT same.id FROM message AS same
WHERE (same.send_id, same.id) >= ({0}, '00000000-0000-0000-0000-000000000000')
  AND same.id >= {since}
ORDER BY same.send_id, same.id LIMIT 1"""
LAST_OF_SEND = """
SELECT same.id FROM message AS same
WHERE (same.send_id, same.id) <= ({0}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND same.send_id >= {0} AND same.id >= {since}
ORDER BY same.send_id DESC, same.id DESC LIMIT 1"""
_OF_SEND_WITH_STATUS = f"""
client_id = (SELECT whole.client_id FROM send AS whole WHERE whole.id = {{0}})
AND id >= ({FIRST_OF_SEND}) AND id <= ({LAST_OF_SEND})
AND send_id IS NOT DISTINCT FROM {{0}}
"""  # noqa: S608 - names of our own
OF_SEND_WITH_STATUS = _OF_SEND_WITH_STATUS.replace(
    "{since}", "'00000000-0000-0000-0000-000000000000'"
)
# The same for a page of them. The status is a range, and the IDs are limited together with it: see
# Listed._of_status.
PAGE_OF_SEND_WITH_STATUS = f"""
client_id = (SELECT whole.client_id FROM send AS whole WHERE whole.id = {{0}})
AND status BETWEEN '{{1}}' AND '{{1}}'
AND (status, id) >= ('{{1}}', ({FIRST_OF_SEND}))
AND (status, id) <= ('{{1}}', ({LAST_OF_SEND}))
AND send_id IS NOT DISTINCT FROM {{0}}
"""  # noqa: S608 - names of our own
# The messages of sends with one status. The ends of each are columns: subqueries in the page would
# not lead into the index. coalesce: of an equation, PostgreSQL expects fewer rows than the limit.
STATUS_OF_SENDS = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM unnest({{sends}}::uuid[]) AS wanted (id) JOIN send ON send.id = wanted.id
CROSS JOIN LATERAL ({FIRST_OF_SEND.format("wanted.id", since="{since}")}) AS first
CROSS JOIN LATERAL ({LAST_OF_SEND.format("wanted.id", since="{since}")}) AS last
CROSS JOIN LATERAL (SELECT * FROM message {{page}}) AS page
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
STATUS_OF_WANTED = """
client_id = send.client_id AND status BETWEEN '{0}' AND '{0}' AND (status, id) >= ('{0}', first.id)
AND (status, id) <= ('{0}', last.id) AND coalesce(send_id = wanted.id, false)
"""
# A scalar subquery, because PostgreSQL would turn EXISTS into a scan of all sends.
TEXT_MATCHES = """
coalesce(text, (SELECT send.text FROM send WHERE send.id = message.send_id)) ILIKE {}
"""

# IDs carry the time of the server that made them, created_at that of PostgreSQL. The range of IDs
# only leads to an index; the exact limit is created_at. A page may read an hour of rows too many.
CLOCKS_DIFFER_SECONDS = 60 * 60

MOST_SEARCHED = 50_000
"""Messages of each direction that a search looks through: it must not take a second."""


async def find_message(scope: Scope, message_id: UUID, *, tx: Connection | None = None) -> Message:
    wanted = _shown_within(scope)
    wanted.add("id = {}", message_id)
    page = f"SELECT * FROM message {wanted.where}"  # noqa: S608 - conditions of our own
    statement = MESSAGES.format(page=page, order="DESC")
    async with connection(tx) as pooled:
        row = await pooled.fetchrow(statement, *wanted.values)
    if row is None:
        raise NotFound("message")
    return message_of(row)


async def read_messages(
    scope: Scope,
    window: Window[UUID],
    *,
    filter: MessageFilter = ALL_MESSAGES,
    search: str | None = None,
) -> Page[Message]:
    wanted = _shown_within(scope)
    add_message_filter(wanted, filter)
    if filter.send_id is not None:
        send_id, first = filter.send_id, first_of_sends([filter.send_id])
        wanted.conditions.append(_of_send(filter, wanted.value(send_id), wanted.value(first)))
    if search is not None:
        add_search(wanted, search, TEXT_MATCHES)

    async def read(held: Connection) -> Page[Message]:
        again = Filter(list(wanted.conditions), list(wanted.values))  # the read may be repeated
        listed = Listed(scope, filter, window)
        if search is not None and filter.number is None and filter.send_id is None:
            listed = await listed.limited(held, again)
        statement = MESSAGES.format(page=listed.select(again), order=order_of(window))
        return page_of(await held.fetch(statement, *again.values), window, message_of)

    return await read_selected(scope, read, filters=filter != ALL_MESSAGES, search=search)


async def read_messages_of_sends(
    scope: Scope,
    send_ids: Sequence[UUID],
    window: Window[UUID],
    *,
    status: MessageStatus | None = None,
) -> dict[UUID, Page[Message]]:
    wanted = _shown_within(scope)
    sends = wanted.value(list(send_ids))
    first = wanted.value(first_of_sends(send_ids))
    wanted.conditions.append(f"id >= {first}")
    if status is None:
        statement, leading = MESSAGES_OF_SENDS, "send_id"
        wanted.conditions.append("send_id BETWEEN wanted.id AND wanted.id")
    else:
        statement, leading = STATUS_OF_SENDS, "status"
        wanted.conditions.append(STATUS_OF_WANTED.format(status.value))
    page = page_clause(wanted, window, key="id", within=leading)
    statement = statement.format(sends=sends, page=page, order=order_of(window), since=first)
    async with connection() as pooled:
        rows = await pooled.fetch(statement, *wanted.values)
    found: dict[UUID, list[Record]] = {send_id: [] for send_id in send_ids}
    for row in rows:
        found[row["send_id"]].append(row)
    return {send_id: page_of(rows, window, message_of) for send_id, rows in found.items()}


def _of_send(filter: MessageFilter, send_id: str, first: str) -> str:
    """The condition for messages of a send. `send_id`, and `first`, the smallest ID: SQL."""
    if filter.status is not None and filter.number is None:
        page = PAGE_OF_SEND_WITH_STATUS.format(send_id, filter.status.value, since=first)
        return f"{page} AND id >= {first}"
    # As in MESSAGES_OF_SENDS.
    return f"send_id BETWEEN {send_id} AND {send_id} AND id >= {first}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of messages, and the index that has it in the order of IDs.

    `searched_to`: the last ID that a search looks at.
    """

    scope: Scope
    filter: MessageFilter
    window: Window[UUID]
    searched_to: UUID | None = None

    async def limited(self, pooled: Connection, wanted: Filter) -> Listed:
        """The list up to the last row that a search looks at. Limits `wanted`, too.

        The index alone must have the order and the conditions of what is counted.
        """
        by_status = self.scope != Everything()
        filter = replace(ALL_MESSAGES, status=self.filter.status if by_status else None)
        most = replace(self.window, size=MOST_SEARCHED - 1)
        among = within(self.scope)
        add_time(among, self.filter.created_after, self.filter.created_before, exactly=False)
        page = Listed(self.scope, filter, most).select(among, columns="id")
        found = await pooled.fetch(f"{page} OFFSET {MOST_SEARCHED - 1}", *among.values)
        if not found:
            return self
        wanted.add("id <= {}" if self.window.from_end else "id >= {}", found[0][0])
        return replace(self, searched_to=found[0][0])

    def select(self, wanted: Filter, columns: str = "*") -> str:
        """The SELECT of one page of what is `wanted`, which gets further values."""
        status, is_of_send = self.filter.status, self.filter.send_id is not None
        if self.filter.number is not None:
            _add_status(wanted, status)
            page = page_clause(wanted, self.window, key="id")
            return f"SELECT {columns} FROM {TO_NUMBER} {page}"  # noqa: S608 - names of our own
        if is_of_send:
            leading = "send_id" if status is None else "status"
            page = page_clause(wanted, self.window, key="id", within=leading)
            return f"SELECT {columns} FROM message {page}"  # noqa: S608 - names of our own
        if isinstance(self.scope, OfClient):
            if status is None:
                return self._of_any_status(wanted, columns)
            return self._of_status(wanted, status, columns, self.window.size)
        if self.scope == Everything() and status is not None and self.searched_to is None:
            return self._of_all_clients(wanted, status, columns)
        _add_status(wanted, status)
        page = page_clause(wanted, self.window, key="id")
        return f"SELECT {columns} FROM message {page}"  # noqa: S608 - names of our own

    def _of_status(self, wanted: Filter, status: MessageStatus, columns: str, size: int) -> str:
        """A page of the messages of one client with one status.

        BETWEEN instead of an equation, so that the planner does not drop the status from ORDER BY,
        and reads the index on (client_id, status, id). The index by ID alone could lead it through
        a million messages with another status. Pairs are limits of what is read in the index.
        """
        page = Filter(
            [*wanted.conditions, f"status BETWEEN '{status}' AND '{status}'"], wanted.values
        )
        for comparison, bounds in (("<=", self._highest), (">=", self._lowest)):
            for bound in bounds:
                page.add(f"(status, id) {comparison} ('{status}', {{}})", bound)
        clause = page_clause(page, replace(self.window, size=size), key="id", within="status")
        return f"SELECT {columns} FROM message {clause}"  # noqa: S608 - names of our own

    @property
    def _highest(self) -> list[UUID]:
        before, end = self.filter.created_before, self.searched_to if self.window.from_end else None
        bounds = [self.window.after, last_id(before) if before else None, end]
        return [bound for bound in bounds if bound is not None]

    @property
    def _lowest(self) -> list[UUID]:
        after, end = self.filter.created_after, None if self.window.from_end else self.searched_to
        bounds = [self.window.before, first_id(after) if after else None, end]
        return [bound for bound in bounds if bound is not None]

    def _of_any_status(self, wanted: Filter, columns: str) -> str:
        """A page of the messages of one client: the first of the pages of each status."""
        pages = [
            f"({self._of_status(wanted, status, columns, self.window.size)})"
            for status in MessageStatus
        ]
        limit = wanted.value(self.window.size + 1)
        order = f"ORDER BY id {order_of(self.window)} LIMIT {limit}"
        return f"SELECT * FROM ({' UNION ALL '.join(pages)}) AS message {order}"  # noqa: S608

    def _of_all_clients(self, wanted: Filter, status: MessageStatus, columns: str) -> str:
        """A page of the messages of all clients with one status: see OF_ALL_CLIENTS."""
        first, page = (
            Filter([f"client_id = {client}.id", *wanted.conditions], wanted.values)
            for client in ("client", "among")
        )
        return OF_ALL_CLIENTS.format(
            columns=columns,
            first=self._of_status(first, status, "id", 0),
            page=self._of_status(page, status, "id", self.window.size),
            order=order_of(self.window),
            size=wanted.value(self.window.size + 1),
        )


def add_message_filter(wanted: Filter, filter: MessageFilter) -> None:
    """The conditions that apply to messages of both directions."""
    if filter.number is not None:
        wanted.add("number = {}", filter.number)
    add_time(wanted, filter.created_after, filter.created_before)


def _shown_within(scope: Scope) -> Filter:
    """A client's lists do not have the messages that the client has deleted."""
    wanted = within(scope)
    if scope != Everything():
        wanted.add("deleted_at IS NULL")
    return wanted


def within(scope: Scope) -> Filter:
    """The messages of a scope."""
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
        # Written into the statement: a plan for any status could not be the best one for each.
        wanted.add(f"status = '{status.value}'")


def add_time(
    wanted: Filter, after: datetime | None, before: datetime | None, *, exactly: bool = True
) -> None:
    """The conditions for a time of acceptance. If not `exactly`, only those for an index by ID."""
    if after is not None:
        wanted.add("id >= {}", first_id(after))
    if before is not None:
        wanted.add("id < {}", last_id(before))
    if after is not None and exactly:
        wanted.add("created_at >= {}", after)
    if before is not None and exactly:
        wanted.add("created_at < {}", before)


def first_id(moment: datetime) -> UUID:
    """No row that was accepted after a moment has a smaller ID."""
    return first_id_at(moment, -CLOCKS_DIFFER_SECONDS)


def last_id(moment: datetime) -> UUID:
    """No row that was accepted before a moment has a larger ID."""
    return first_id_at(moment, CLOCKS_DIFFER_SECONDS)


def first_of_sends(send_ids: Iterable[UUID]) -> UUID:
    """No message of these sends has a smaller ID: it is made after the ID of its send.

    With it, a read by send leaves out the months before. A send may have an ID without a time.
    """
    first = min((each.int >> 80 if each.version == 7 else 0 for each in send_ids), default=0)
    return UUID(int=max(first - CLOCKS_DIFFER_SECONDS * 1000, 0) << 80)


def add_search(wanted: Filter, search: str, matches: str) -> None:
    """The condition that a text or a number contains the search. `matches`: for the text."""
    digits = digits_of(search)
    if digits is None:
        wanted.add(matches, matching(search))
    else:
        wanted.add(f"(number LIKE {{}} OR {matches})", matching(digits), matching(search))


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
