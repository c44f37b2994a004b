"""Messages of large sends that are QUEUED or SUBMITTING, which no index by status has.

Both are short-lived, and an entry for each would be half of what a bulk pays for that index. So
lists of these two statuses read two places: `message_listed` has the messages of single sends
and replies (`BY_STATUS`), and those of large sends come from what the dispatchers read.

QUEUED: the index of the queue is ordered by account, priority, client, `due_at` and ID. Messages
that differ only in their IDs are a part. One look-up finds its first message. There are few parts:
all messages of a bulk are due at once, and a retry makes one part of the messages of a call.

SUBMITTING: the messages of the calls that have not ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from domain.pages import Window
from domain.sending.messages import LATER, MessageStatus
from persistence.ledger.singles import LARGE
from persistence.pages import Filter, order_of, page_clause
from persistence.sending.parts import BETWEEN_ITS_ENDS, QUEUED_APART, QUEUED_IN_PART

WAITING = (MessageStatus.QUEUED, MessageStatus.SUBMITTING)

PRIORITIES = sorted(each + later for each in LARGE for later in (0, LATER))
_LISTED = ", ".join(map(str, PRIORITIES))
BY_STATUS = f"(status NOT IN ('QUEUED', 'SUBMITTING') OR priority NOT IN ({_LISTED}))"
"""The condition of the index `message_listed`: a read without it cannot use the index."""

# The parts, by a loose index scan. ORDER BY has the columns of the index, so that PostgreSQL reads
# its first entry. `behind`: leads to the next part. For one client, it compares `due_at` alone: for
# a pair, PostgreSQL would begin at the client, and read each message of the part.
# `id`: of the first message of the part, in the order of the page.
_PARTS = f"""
WITH RECURSIVE part AS (
    SELECT head.* FROM provider_account AS upstream
    CROSS JOIN unnest(ARRAY[{_LISTED}]::int2[]) AS large (priority)
    CROSS JOIN LATERAL (
        SELECT provider_account_id, priority, client_id, due_at, id FROM message
        WHERE provider_account_id = upstream.id AND {QUEUED_APART}
          AND priority = large.priority {{of_client}} {{since}}
        ORDER BY client_id {{order}}, due_at {{order}}, id {{order}} LIMIT 1) AS head
    {{only}}
    UNION ALL
    SELECT head.* FROM part CROSS JOIN LATERAL (
        SELECT provider_account_id, priority, client_id, due_at, id FROM message
        WHERE provider_account_id = part.provider_account_id AND {QUEUED_APART}
          AND priority = part.priority {{of_client}} {{since}}
          AND {{behind}}
        ORDER BY client_id {{order}}, due_at {{order}}, id {{order}} LIMIT 1) AS head
)"""  # noqa: S608 - numbers of our own
# Pairs, and `due_at` in ORDER BY: see IndexedList._of_status.
_OF_PART = f"""
provider_account_id = part.provider_account_id AND {QUEUED_APART}
AND priority = part.priority AND client_id = part.client_id
AND (due_at, id) >= (part.due_at, {{lowest}}) AND (due_at, id) <= (part.due_at, {{highest}})"""
# The messages that come first are in the parts whose first message comes first.
_QUEUED_APART = """
{parts}, among AS (
    SELECT part.* FROM part CROSS JOIN LATERAL ({head}) AS head
    WHERE head.id IS NOT NULL ORDER BY head.id {order} LIMIT {size}
)
SELECT page.* FROM among AS part CROSS JOIN LATERAL ({page}) AS page
ORDER BY page.id {order} LIMIT {size}
"""
# Those without an entry in that index. Their parts do not overlap, so this reads one after the
# other until there are enough. OFFSET 0: the parts stay in order.
_QUEUED_IN_PARTS = """
SELECT page.* FROM (
    SELECT * FROM queued_part AS part
    WHERE first_id <= {highest} AND last_id >= {lowest} {of_client} {only}
    ORDER BY last_id {order} OFFSET 0
) AS part CROSS JOIN LATERAL ({page}) AS page LIMIT {size}
"""
# OFFSET 0: no condition of the page can lead PostgreSQL to another index than that of attempts.
_SUBMITTING = f"""
SELECT * FROM (
    SELECT * FROM message
    WHERE attempt_id = ANY (ARRAY(
        SELECT id FROM attempt WHERE ended_at IS NULL ORDER BY provider_account_id, lease_until))
      AND status = 'SUBMITTING' AND priority IN ({_LISTED}) {{since}} OFFSET 0
) AS message {{page}}
"""  # noqa: S608 - numbers of our own
# All of a client, in no order. The range of IDs is in pairs, where it can be. PostgreSQL expects
# one row in a range without such a pair, and would read the messages of all clients by ID.
# OFFSET 0: status by status and part by part, instead of all at once and then their pairs.
_OVERLAP = BETWEEN_ITS_ENDS.format(
    first="greatest(part.first_id, {lowest})", last="least(part.last_id, {highest})"
)
_STATUSES = ", ".join(f"'{each}'" for each in MessageStatus)
_OF_CLIENT = f"""
SELECT each.* FROM unnest(ARRAY[{_STATUSES}]) AS wanted (status) CROSS JOIN LATERAL (
    SELECT {{columns}} FROM message WHERE {{conditions}} AND {BY_STATUS}
      AND (status, id) >= (wanted.status, {{lowest}})
      AND (status, id) <= (wanted.status, {{highest}}) OFFSET 0) AS each
UNION ALL
({{parts}} SELECT each.* FROM part CROSS JOIN LATERAL (
    SELECT {{columns}} FROM message WHERE {{conditions}} AND {_OF_PART} OFFSET 0) AS each)
UNION ALL
SELECT each.* FROM queued_part AS part CROSS JOIN LATERAL (
    SELECT {{columns}} FROM message
    WHERE {{conditions}} AND {QUEUED_IN_PART} AND {_OVERLAP} OFFSET 0) AS each
WHERE part.client_id = $1
UNION ALL
SELECT {{columns}} FROM ({_SUBMITTING.format(since="", page="")}) AS message
WHERE {{conditions}} AND id BETWEEN {{lowest}} AND {{highest}}
"""  # noqa: S608 - numbers of our own
# Reads one part after the other until there are enough messages, and returns the last of these.
_LAST = """
{parts}
SELECT id FROM (
    SELECT page.id FROM (
        SELECT part.* FROM part CROSS JOIN LATERAL ({head}) AS head
        WHERE head.id IS NOT NULL ORDER BY head.id {order}
    ) AS part CROSS JOIN LATERAL ({page}) AS page LIMIT {most}
) AS looked ORDER BY id {order} OFFSET {most} - 1 LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """The limits of a page: its client, None for all, and its first and last ID, as SQL.

    `only`: a condition for the whole page. `since`, `since_at`: no message that is looked for has a
    smaller ID, or was due before: earlier months and messages are not read.
    """

    client: str | None
    lowest: str
    highest: str
    only: str = ""
    since: str | None = None
    since_at: str | None = None


def page_of_waiting(
    wanted: Filter, status: MessageStatus, window: Window[UUID], among: PageLimits
) -> str:
    """The SELECT of a page of the messages of large sends with one of the two statuses, by ID.

    Adds values to `wanted`.
    """
    if status is MessageStatus.SUBMITTING:
        ends = f"id BETWEEN {among.lowest} AND {among.highest}"
        of_client = f"client_id = {among.client}" if among.client else "true"
        conditions = [*wanted.conditions, of_client, ends, among.only or "true"]
        page = Filter(conditions, wanted.values)
        since = f"AND id >= {among.since}" if among.since else ""
        return _SUBMITTING.format(page=page_clause(page, window, key="id"), since=since)
    size, order = wanted.value(window.size + 1), order_of(window)
    apart = _QUEUED_APART.format(
        parts=_parts(among, window),
        head=_head(wanted, window, among),
        page=_of_part(wanted, window, among, "*"),
        order=order,
        size=size,
    )
    in_parts = _in_parts(wanted, window, among, "*", size)
    return f"""
    SELECT * FROM (({apart}) UNION ALL ({in_parts})) AS page ORDER BY id {order} LIMIT {size}
    """  # noqa: S608 - statements of our own


def last_of_waiting(
    wanted: Filter, window: Window[UUID], among: PageLimits, most: int
) -> list[str]:
    """SELECTs of the last of the first `most` queued messages of large sends, of each place."""
    apart = _LAST.format(
        parts=_parts(among, window),
        head=_head(wanted, Window(0, from_end=window.from_end), among),
        page=_of_part(wanted, Window(most, from_end=window.from_end), among, "id"),
        order=order_of(window),
        most=most,
    )
    window = Window(most, from_end=window.from_end)
    in_parts = _in_parts(wanted, window, among, "id", str(most))
    last = f"ORDER BY id {order_of(window)} OFFSET {most} - 1 LIMIT 1"
    return [apart, f"SELECT id FROM ({in_parts}) AS looked {last}"]  # noqa: S608 - our own


def messages_of_client(wanted: Filter, columns: str, lowest: str, highest: str) -> str:
    """The SELECT of the messages of one client that are `wanted`, whatever index has them.

    `wanted` has a condition for the client, whose ID is its first value. `lowest`, `highest`: the
    first and last ID, as SQL.
    """
    return _OF_CLIENT.format(
        columns=columns,
        conditions=" AND ".join(wanted.conditions),
        parts=_parts(PageLimits("$1", lowest, highest), Window(0)),
        lowest=lowest,
        highest=highest,
    )


def _in_parts(
    wanted: Filter, window: Window[UUID], among: PageLimits, columns: str, size: str
) -> str:
    page = Filter(list(wanted.conditions), wanted.values)
    lowest, highest = ["part.first_id", among.lowest], ["part.last_id", among.highest]
    # A plain comparison of the ID besides the pairs would lead to a sort, too.
    for cursor, ends, comparison in ((window.before, lowest, ">"), (window.after, highest, "<")):
        if cursor is not None:
            ends.append(f"{wanted.value(cursor)}::uuid")
            page.conditions.append(f"coalesce(id {comparison} {ends[-1]}, false)")
    first, last = f"greatest({', '.join(lowest)})", f"least({', '.join(highest)})"
    page.conditions += [BETWEEN_ITS_ENDS.format(first=first, last=last), QUEUED_IN_PART]
    order = order_of(window)
    return _QUEUED_IN_PARTS.format(
        page=f"SELECT {columns} FROM message {page.where} ORDER BY id {order} LIMIT {size}",  # noqa: S608
        of_client=f"AND client_id = {among.client}" if among.client else "",
        only=f"AND {among.only}" if among.only else "",
        lowest=among.lowest,
        highest=among.highest,
        order=order,
        size=size,
    )


def _parts(among: PageLimits, window: Window[UUID]) -> str:
    order = order_of(window)
    comparison = "<" if order == "DESC" else ">"
    of_client = ""
    behind = f"(client_id, due_at) {comparison} (part.client_id, part.due_at)"
    if among.client is not None:
        of_client, behind = f"AND client_id = {among.client}", f"due_at {comparison} part.due_at"
    since = f"AND due_at >= {among.since_at} AND id >= {among.since}" if among.since else ""
    only = f"WHERE {among.only}" if among.only else ""
    return _PARTS.format(of_client=of_client, behind=behind, since=since, only=only, order=order)


def _head(wanted: Filter, window: Window[UUID], among: PageLimits) -> str:
    """The SELECT of the first message of a part that the page may have. Its ID can be NULL.

    The search for the parts has found it, unless there are further conditions for it.
    """
    look = _of_part(wanted, replace(window, size=0), among, "id")
    if wanted.conditions:
        return look
    is_wanted = f"part.id BETWEEN {among.lowest} AND {among.highest}"
    if window.after is not None:
        is_wanted += f" AND part.id < {wanted.value(window.after)}"
    if window.before is not None:
        is_wanted += f" AND part.id > {wanted.value(window.before)}"
    # OFFSET 0: PostgreSQL would look twice, for the condition and for the order.
    return f"SELECT CASE WHEN {is_wanted} THEN part.id ELSE ({look}) END AS id OFFSET 0"


def _of_part(wanted: Filter, window: Window[UUID], among: PageLimits, columns: str) -> str:
    ends = _OF_PART.format(lowest=among.lowest, highest=among.highest)
    if among.since:
        ends += f" AND id >= {among.since}"
    page = Filter([*wanted.conditions, ends], wanted.values)
    clause = page_clause(page, window, key="id", within="due_at")
    return f"SELECT {columns} FROM message {clause}"  # noqa: S608 - names of our own
