"""Messages of sends: pages by key within a scope, filtered and searched.

SQL: the text of a bulk is in its send, and a page or a search reads only a part of an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from asyncpg import Record

from domain.errors import NotFound
from domain.identity.access import Everything, Scope
from domain.pages import Page, Window, digits_of
from domain.sending.lists import ALL_MESSAGES, MessageFilter
from domain.sending.messages import Message, MessageStatus
from persistence.database import Connection, fetch, fetch_row
from persistence.pages import Filter, beyond_cursors, matching, order_of, page_clause, page_of
from persistence.planned import read_selected
from persistence.rows import object_of
from persistence.sending.listed import CLOCKS_DIFFER_SECONDS, IndexedList, rows_within
from persistence.sending.of_send import is_of, last_of, next_in_range
from persistence.sending.waiting import BY_STATUS, WAITING, PageLimits, page_of_waiting

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
MESSAGES_OF_SENDS = f"""
SELECT {SHOWN_MESSAGE_COLUMNS}
FROM unnest({{sends}}::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT client_id, text, kind, modem, port FROM send WHERE send.id = wanted.id OFFSET 0
) AS send CROSS JOIN LATERAL ({{pages}}) AS page
ORDER BY page.id {{order}}
"""  # noqa: S608 - columns of our own
# The messages of a send with one status, by the index on (client_id, status, id).
# `IndexedList._of_status` says why pairs are compared.
WITH_STATUS = f"""
{BY_STATUS} AND client_id = send.client_id AND (status, id) >= ('{{status}}', {{first}})
AND (status, id) <= ('{{status}}', {{last}})
"""
# The messages of a send of an earlier release are between these two IDs, with few others of the
# same client. Pairs are compared: for `send_id = …`, PostgreSQL may scan the primary key instead.
# `since`: no message of the send has a smaller ID.
FIRST_OF_SEND = """
SELECT same.id FROM message AS same
WHERE same.by_send AND (same.send_id, same.id) >= ({0}, '00000000-0000-0000-0000-000000000000')
  AND same.id >= {since}
ORDER BY same.send_id, same.id LIMIT 1"""
LAST_OF_SEND = """
SELECT same.id FROM message AS same
WHERE same.by_send AND (same.send_id, same.id) <= ({0}, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND same.send_id >= {0} AND same.id >= {since}
ORDER BY same.send_id DESC, same.id DESC LIMIT 1"""
# coalesce(): without it, PostgreSQL would expect fewer rows than the limit.
IS_BY_SEND = "coalesce(by_send AND send_id = {}, false)"
# The queue is read only for large sends with messages that may wait.
MAY_WAIT = "EXISTS (SELECT FROM open_send WHERE open_send.send_id = wanted.id)"
# A scalar subquery, because PostgreSQL would turn EXISTS into a scan of all sends.
TEXT_MATCHES = """
coalesce(text, (SELECT send.text FROM send WHERE send.id = message.send_id)) ILIKE {}
"""


async def find_message(scope: Scope, message_id: UUID, *, tx: Connection | None = None) -> Message:
    wanted = _shown_within(scope)
    wanted.add("id = {}", message_id)
    page = f"SELECT * FROM message {wanted.where}"  # noqa: S608 - conditions of our own
    statement = MESSAGES.format(page=page, order="DESC")
    row = await fetch_row(statement, *wanted.values, tx=tx)
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
    of_send = [] if filter.send_id is None else [filter.send_id]
    if of_send and filter.number is not None:
        wanted.add("send_id = {} AND id >= {}", *of_send, first_of_sends(of_send))
    if search is not None:
        add_search(wanted, search, TEXT_MATCHES)

    async def read(held: Connection) -> Page[Message]:
        again = Filter(list(wanted.conditions), list(wanted.values))  # the read may be repeated
        listed = IndexedList(scope, filter, window)
        if of_send and filter.number is None:
            statement = _of_sends(again, of_send, listed)
        else:
            if search is not None and filter.number is None:
                listed = await listed.limited(held)
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
    statement = _of_sends(wanted, send_ids, IndexedList(scope, MessageFilter(status), window))
    rows = await fetch(statement, *wanted.values)
    found: dict[UUID, list[Record]] = {send_id: [] for send_id in send_ids}
    for row in rows:
        found[row["send_id"]].append(row)
    return {send_id: page_of(rows, window, message_of) for send_id, rows in found.items()}


def _of_sends(wanted: Filter, send_ids: Sequence[UUID], listed: IndexedList) -> str:
    """The statement for a page of each send: of its range, and of the index by send."""
    status, window = listed.filter.status, listed.window
    sends, since = wanted.value(list(send_ids)), wanted.value(first_of_sends(send_ids))

    def page(*conditions: str, within: str | None) -> str:
        of_page = Filter([*wanted.conditions, *conditions], wanted.values)
        clause = page_clause(of_page, window, key="id", within=within)
        return f"SELECT * FROM message {clause}"  # noqa: S608 - conditions of our own

    if status is None:
        listed.add_ends(wanted)
        # BETWEEN instead of =, so that PostgreSQL does not leave send_id out of ORDER BY. For a
        # large send it would read all messages in the order of their IDs.
        between = f"send_id BETWEEN wanted.id AND wanted.id AND id >= {since}"
        pages = [
            page(next_in_range("wanted.id"), within=None),
            page("by_send", between, within="send_id"),
        ]
    else:
        is_queued = status is MessageStatus.QUEUED
        since_at = wanted.value(_time_of(first_of_sends(send_ids))) if is_queued else None
        # The cursor is in the pairs. A plain comparison of the ID would lead PostgreSQL to the
        # primary key: it would read all messages of the send on one side of the cursor.
        wanted.conditions += beyond_cursors(wanted, window)
        window = Window(window.size, from_end=window.from_end)
        lowest, highest = map(wanted.value, listed.ends)
        pages = []
        for first, last, of_send in (
            ("wanted.id", last_of("wanted.id"), is_of("wanted.id")),
            ("first.id", "last.id", IS_BY_SEND.format("wanted.id")),
        ):
            first, last = f"greatest({first}, {lowest})", f"least({last}, {highest})"
            ends = WITH_STATUS.format(status=status, first=first, last=last)
            found = [page(ends, of_send, within="status")]
            if status in WAITING:
                of_wanted = Filter([*wanted.conditions, of_send], wanted.values)
                among = PageLimits("send.client_id", first, last, MAY_WAIT, since, since_at)
                found.append(page_of_waiting(of_wanted, status, window, among))
            pages.append(f"({') UNION ALL ('.join(found)})")
        # Subqueries as ends would not lead into the index.
        pages[1] = f"""
        SELECT indexed.* FROM ({FIRST_OF_SEND.format("wanted.id", since=since)}) AS first
        CROSS JOIN ({LAST_OF_SEND.format("wanted.id", since=since)}) AS last
        CROSS JOIN LATERAL ({pages[1]}) AS indexed"""  # noqa: S608 - names of our own
    return MESSAGES_OF_SENDS.format(
        sends=sends, pages=f"({') UNION ALL ('.join(pages)})", order=order_of(window)
    )


def add_message_filter(wanted: Filter, filter: MessageFilter) -> None:
    """Adds the conditions that apply to messages of both directions, without limits of IDs."""
    if filter.number is not None:
        wanted.add("number = {}", filter.number)
    add_time(wanted, filter.created_after, filter.created_before)


def _shown_within(scope: Scope) -> Filter:
    """The messages of a scope, without those that a client has deleted from its lists."""
    wanted = rows_within(scope)
    if scope != Everything():
        wanted.add("deleted_at IS NULL")
    return wanted


def add_time(wanted: Filter, after: datetime | None, before: datetime | None) -> None:
    """Adds the conditions for the time of acceptance."""
    if after is not None:
        wanted.add("created_at >= {}", after)
    if before is not None:
        wanted.add("created_at < {}", before)


def first_of_sends(send_ids: Iterable[UUID]) -> UUID:
    """An ID: no message of these sends has a smaller one, because it is made after its send's.

    With it, a read by send skips earlier months. It is zero if the ID of a send has no time.
    """
    first = min((each.int >> 80 if each.version == 7 else 0 for each in send_ids), default=0)
    return UUID(int=max(first - CLOCKS_DIFFER_SECONDS * 1000, 0) << 80)


def _time_of(id: UUID) -> datetime:
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)


def add_search(wanted: Filter, search: str, matches: str) -> None:
    """Adds the condition that a text or a number contains `search`. `matches`: for the text."""
    digits = digits_of(search)
    if digits is None:
        wanted.add(matches, matching(search))
    else:
        wanted.add(f"(number LIKE {{}} OR {matches})", matching(digits), matching(search))


def message_of(row: Record) -> Message:
    """A message from a row of `MESSAGES`."""
    return object_of(Message, row, status=MessageStatus(row["status"]))
