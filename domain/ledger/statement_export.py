"""A whole statement for a file: all lines of a period, read page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from domain.errors import InvalidInput
from domain.identity.access import Actor, require
from domain.ledger.balances import view_of
from domain.ledger.ports import LedgerArchive
from domain.ledger.statement import StatementFilter, StatementLine, StatementOrder
from domain.pages import Window
from domain.times import end_of, moment_of

PAGE = 1_000


def period_of(
    start: str | None, end: str | None, *, names: tuple[str, str] = ("from", "to")
) -> StatementFilter:
    """The filter for the lines from a date or time to another one. Raises InvalidInput.

    The day of a date is included: from its beginning, to its end. A time as `end` is excluded.
    `names`: of the two parameters, for the message.
    """
    first, last = names
    after = moment_of(start, field=first) if start else None
    before = end_of(end, field=last) if end else None
    if after is not None and before is not None and after >= before:
        raise InvalidInput(f"{first} must be earlier than {last}.", field=first)
    return StatementFilter(created_after=after, created_before=before)


async def export_statement(
    store: LedgerArchive, actor: Actor | None, client_id: UUID, period: StatementFilter
) -> AsyncIterator[Sequence[StatementLine]]:
    """The statement of a client in pages, oldest line first; at least one page.

    It can be read by those who can read the balance: the client, its supervisor, an admin. Lines
    that are added meanwhile are left out, so that the file ends. Raises Unauthenticated, NotFound,
    RateLimited and TryAgain.
    """
    view = view_of(require(actor), client_id)
    newest = await store.read_statement(view, Window(1), filter=period, may_lag=True)
    end = newest.items[0].version + 1 if newest.items else 0
    after: int | None = None
    while True:
        page = await store.read_statement(
            view,
            Window(PAGE, after=after, before=end),
            filter=period,
            order=StatementOrder.OLDEST,
            may_lag=True,
        )
        yield page.items
        if not page.has_next or not page.items:
            return
        after = page.items[-1].version
