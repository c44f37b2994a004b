"""A page of a list of messages: the SELECT that reads it from an index in the order of IDs.

Hand-written SQL: a page begins at its cursor in the index, and reads only as many rows as it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.ids import FIRST_ID, LAST_ID, first_id_at
from domain.pages import Window
from domain.sending.lists import MessageFilter
from domain.sending.messages import MessageStatus
from persistence.database import Connection
from persistence.pages import Filter, order_of, page_clause
from persistence.sending.waiting import (
    BY_STATUS,
    WAITING,
    PageLimits,
    last_of_waiting,
    page_of_waiting,
)

# A page of the messages of all clients with one status. Only as many clients as the page has rows
# can be on it: those whose first messages come first. So this takes one look-up in the index on
# (client_id, status, id) for each client, and a page for each of these. By ID alone, PostgreSQL
# could read a million messages with other statuses.
OF_ALL_CLIENTS = """
SELECT {columns} FROM message WHERE id = ANY (ARRAY(
    SELECT found.id FROM (
        SELECT client.id FROM client CROSS JOIN LATERAL ({first}) AS first
        ORDER BY first.id {order} LIMIT {size}
    ) AS among CROSS JOIN LATERAL ({page}) AS found
    ORDER BY found.id {order} LIMIT {size}
)) ORDER BY id {order}
"""
# The messages to one number, by a view of `persistence.closing`. OFFSET 0 keeps each message a
# look-up by its key: as a join, it could be planned to read all messages.
TO_NUMBER = """
(SELECT message_id AS id, client_id, number, number_hash, client_hash, each.*
 FROM {view} AS sent_to CROSS JOIN LATERAL (
    SELECT send_id, text, status, failure, created_at, updated_at, send_at, deleted_at
    FROM message WHERE message.id = sent_to.message_id OFFSET 0) AS each) AS message
"""

VIEWS = ("open_sent_to", "closed_sent_to")

# IDs contain the time of the server that made them, created_at is PostgreSQL's. The exact limit is
# created_at; the range of IDs leads to an index, and may include an hour of rows too many.
CLOCKS_DIFFER_SECONDS = 60 * 60


MOST_SEARCHED = 50_000
"""Messages of each direction that a search looks through: it has to take less than a second."""


@dataclass(frozen=True, slots=True)
class IndexedList:
    """A list of messages, and the index that has it in the order of IDs.

    `searched_to`: the last ID that a search looks at.
    """

    scope: Scope
    filter: MessageFilter
    window: Window[UUID]
    searched_to: UUID | None = None

    async def limited(self, pooled: Connection) -> IndexedList:
        """The list up to the last row that a search looks at, which is found in indexes alone.

        The index has a client's messages of one status in ID order. So the statuses are merged,
        and not sorted. Queued messages of large sends have their own limit: the list ends at
        the first of both.
        """
        among, order = rows_within(self.scope), order_of(self.window)
        among.add("id BETWEEN {} AND {}", *self.ends)
        pages = [f"SELECT id FROM message {among.where}"]  # noqa: S608 - conditions of our own
        wanted = [self.filter.status] if self.filter.status else list(MessageStatus)
        if isinstance(self.scope, OfClient):
            pages = [
                f"({pages[0]} AND {BY_STATUS} AND status = '{each}' ORDER BY id {order})"
                for each in wanted
            ]
        last = f"ORDER BY id {order} OFFSET {MOST_SEARCHED - 1} LIMIT 1"
        lasts = [f"SELECT id FROM ({' UNION ALL '.join(pages)}) AS message {last}"]  # noqa: S608
        if isinstance(self.scope, OfClient) and MessageStatus.QUEUED in wanted:
            lasts.extend(last_of_waiting(among, self.window, self._among(among), MOST_SEARCHED))
        found = await pooled.fetch(
            f"SELECT id FROM (({') UNION ALL ('.join(lasts)})) AS last ORDER BY id {order}",  # noqa: S608
            *among.values,
        )
        return replace(self, searched_to=found[0][0]) if found else self

    def select(self, wanted: Filter, columns: str = "*") -> str:
        """The SELECT of one page. Adds conditions and values to `wanted`."""
        status, number = self.filter.status, self.filter.number
        if number is None:
            if isinstance(self.scope, OfClient):
                return self._first_of(
                    wanted,
                    [
                        page
                        for each in ([status] if status else MessageStatus)
                        for page in (
                            self._of_status(wanted, each, columns, self.window.size),
                            *self._waiting(wanted, each, columns),
                        )
                    ],
                )
            if self.scope == Everything() and status is not None and self.searched_to is None:
                pages = [self._of_all_clients(wanted, status, columns)]
                return self._first_of(wanted, pages + self._waiting(wanted, status, columns))
        _add_status(wanted, status)
        self.add_ends(wanted)
        if number is not None:
            wanted.add("number_hash = hashtext({})", number)
            if isinstance(self.scope, OfClient):
                wanted.add("client_hash = uuid_hash({})", self.scope.client_id)
        page = page_clause(wanted, self.window, key="id")
        tables = ["message"] if number is None else [TO_NUMBER.format(view=each) for each in VIEWS]
        pages = [f"SELECT {columns} FROM {table} {page}" for table in tables]  # noqa: S608
        return self._first_of(wanted, pages)

    def _of_status(self, wanted: Filter, status: MessageStatus, columns: str, size: int) -> str:
        """A page of the messages of one client with one status.

        The status is compared in pairs. With `status = …`, PostgreSQL leaves the status out of
        ORDER BY. Then it may read the index by ID, through a million messages with other statuses,
        instead of the index on (client_id, status, id). Add no other condition for the status or
        the ID: PostgreSQL would begin to read there, or choose the index by ID.
        """
        page = Filter(list(wanted.conditions), wanted.values)
        lowest, highest = self.ends
        page.add(BY_STATUS)
        page.add(f"(status, id) <= ('{status}', {{}})", highest)
        page.add(f"(status, id) >= ('{status}', {{}})", lowest)
        clause = page_clause(page, replace(self.window, size=size), key="id", within="status")
        return f"SELECT {columns} FROM message {clause}"  # noqa: S608 - names of our own

    def add_ends(self, wanted: Filter) -> None:
        """Adds the condition for the IDs that the page may have, if they are limited."""
        if self.ends != (FIRST_ID, LAST_ID):
            wanted.add("id BETWEEN {} AND {}", *self.ends)

    @property
    def ends(self) -> tuple[UUID, UUID]:
        """The smallest and the largest ID that the page may have."""
        after, before = self.filter.created_after, self.filter.created_before
        lowest = [self.window.before, first_id(after) if after else None]
        highest = [self.window.after, last_id(before) if before else None]
        (highest if self.window.from_end else lowest).append(self.searched_to)
        return (
            max((each for each in lowest if each), default=FIRST_ID),
            min((each for each in highest if each), default=LAST_ID),
        )

    def _waiting(self, wanted: Filter, status: MessageStatus, columns: str) -> list[str]:
        """The page of messages of large sends with this status, if it is one of `WAITING`."""
        if status not in WAITING:
            return []
        page = page_of_waiting(wanted, status, self.window, self._among(wanted))
        return [f"SELECT {columns} FROM ({page}) AS message"]  # noqa: S608 - columns of our own

    def _among(self, wanted: Filter) -> PageLimits:
        """The client and the limits of the page, as SQL."""
        client = wanted.value(self.scope.client_id) if isinstance(self.scope, OfClient) else None
        lowest, highest = map(wanted.value, self.ends)
        return PageLimits(client, lowest, highest)

    def _first_of(self, wanted: Filter, pages: Sequence[str]) -> str:
        """A page of several lists together: the first rows of the page of each."""
        if len(pages) == 1:
            return pages[0]
        limit = wanted.value(self.window.size + 1)
        order = f"ORDER BY id {order_of(self.window)} LIMIT {limit}"
        return f"SELECT * FROM (({') UNION ALL ('.join(pages)})) AS message {order}"  # noqa: S608

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


def rows_within(scope: Scope) -> Filter:
    """The messages or conversations of a scope."""
    wanted = Filter()
    match scope:
        case Everything():
            pass
        case OfClient(client_id):
            wanted.add("client_id = {}", client_id)
        case OfGroup():
            wanted.add("false")  # a supervisor does not read what the clients of the group write
    return wanted


def _add_status(wanted: Filter, status: MessageStatus | None) -> None:
    if status is not None:
        # A literal: a plan for any status could not be the best one for each.
        wanted.add(f"status = '{status.value}'")


def first_id(moment: datetime) -> UUID:
    """An ID: no row that was accepted after `moment` has a smaller one."""
    return first_id_at(moment, -CLOCKS_DIFFER_SECONDS)


def last_id(moment: datetime) -> UUID:
    """An ID: no row that was accepted before `moment` has a larger one."""
    return first_id_at(moment, CLOCKS_DIFFER_SECONDS)
