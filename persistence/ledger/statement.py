"""Statements: the transfers of an account in the order of its versions, through querysets.

SQL for the version at a moment: a binary search in an index. See `VERSION_AT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

from tortoise.expressions import RawSQL
from tortoise.queryset import QuerySet

from domain.errors import NotFound
from domain.ledger.balances import BalanceView
from domain.ledger.book import NodeKind, TransferKind
from domain.ledger.statement import (
    OtherEnd,
    StatementFilter,
    StatementLine,
    StatementOrder,
)
from domain.pages import Page, Window
from persistence.database import Connection, HeldClient, PooledClient, orm
from persistence.identity.models import Client, Group
from persistence.ledger.models import Account, ProviderAccount, Transfer
from persistence.long_reads import long_read
from persistence.pages import list_page
from persistence.planned import connection_for, in_turn, planned
from persistence.sending.models import Send

Orm: TypeAlias = PooledClient | HeldClient

_ENDS = ("source", "destination")

# The first version of an account that is not older than a moment. Versions have the order of their
# times, so this is a binary search. Each end of a transfer has its own index, which lacks the
# account's other versions.
VERSION_AT = """
WITH RECURSIVE half (low, high) AS (
    SELECT 0::int8, version + 1 FROM account WHERE id = $1
    UNION ALL
    SELECT CASE WHEN is_older THEN middle.version ELSE low END,
           CASE WHEN is_older THEN high ELSE (low + high) / 2 END
    FROM half LEFT JOIN LATERAL (
        SELECT {end}_version AS version, created_at < $2::timestamptz + $3::interval AS is_older
        FROM transfer
        WHERE {end}_id = $1 AND {end}_version >= (low + high) / 2 AND {end}_version < high
        ORDER BY {end}_version LIMIT 1) AS middle ON true
    WHERE high - low > 1
)
SELECT min(high) FROM half
"""
# The binary search is still correct if the clock was set back by less than this.
CLOCK_GOES_BACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _End:
    """A transfer as one of its two accounts has it. `sign`: -1 if units leave the account."""

    transfer: Transfer
    sign: int
    version: int
    balance: int
    other_id: UUID | None


async def read_statement(
    view: BalanceView,
    window: Window[int],
    *,
    filter: StatementFilter | None = None,
    order: StatementOrder = StatementOrder.NEWEST,
    may_lag: bool = False,
) -> Page[StatementLine]:
    """One page of the statement of a view's account; a line's key is its version.

    Raises NotFound if the account is not in the view.
    """
    filter = filter or StatementFilter()
    searches = filter.is_selective
    async with in_turn(view, searches=searches):
        account = await _viewed_account(view)

        async def read(held: Connection) -> list[Page[_End]]:
            # Two pages, because a version of the account is either the source's or the
            # destination's, and each has an index in this order.
            return [await _page(held, account.id, end, window, filter, order) for end in _ENDS]

        if may_lag:
            pages = await long_read(lambda held: read(planned(held)))
        else:
            async with connection_for(searches=searches) as pooled:
                pages = await read(pooled)
        page = _merged(pages, window, order)
        return page.with_items(await _lines(account, page.items, orm(None)))


async def find_line(
    account_id: UUID, transfer_id: UUID, *, tx: Connection | None = None
) -> StatementLine:
    """One transfer as seen from one of its accounts. Raises NotFound if it is not one of them."""
    client = orm(tx)
    transfer = await Transfer.get_or_none(id=transfer_id, using_db=client)
    account = await Account.get_or_none(id=account_id, using_db=client)
    if transfer is None or account is None:
        raise NotFound("transfer")
    end = next((each for each in _ENDS if getattr(transfer, f"{each}_id") == account_id), None)
    if end is None:
        raise NotFound("transfer")
    (line,) = await _lines(account, [_end(transfer, end)], client)
    return line


async def _viewed_account(view: BalanceView) -> Account:
    """The account that a view is about: the client's, else the group's, else the pool's."""
    query: QuerySet[Any]
    if view.client_id is not None:
        query = Client.filter(id=view.client_id)
        if view.within_group_id is not None:
            query = query.filter(group_id=view.within_group_id)
    elif view.group_id is not None:
        query = Group.filter(id=view.group_id)
    elif view.provider_account_id is not None:
        query = ProviderAccount.filter(id=view.provider_account_id)
    else:
        query = ProviderAccount.filter(is_default=True)
    for account_id in await query.values_list("account_id", flat=True):
        return await Account.get(id=account_id)
    raise NotFound("client")


async def _page(
    pooled: Connection,
    account_id: UUID,
    end: str,
    window: Window[int],
    filter: StatementFilter,
    order: StatementOrder,
) -> Page[_End]:
    query = Transfer.filter(**{f"{end}_id": account_id}).using_db(orm(pooled))
    if filter.kind is not None:
        # Written into the statement: a plan for any kind could not use the partial indexes.
        is_kind = RawSQL(f"(kind = '{filter.kind.value}')")
        query = query.annotate(is_kind=is_kind).filter(is_kind=True)
    if filter.created_after is not None:
        first = await _version_at(pooled, account_id, end, filter.created_after, -CLOCK_GOES_BACK)
        query = query.filter(created_at__gte=filter.created_after, **{f"{end}_version__gte": first})
    if filter.created_before is not None:
        last = await _version_at(pooled, account_id, end, filter.created_before, CLOCK_GOES_BACK)
        query = query.filter(created_at__lt=filter.created_before, **{f"{end}_version__lt": last})
    sign = "" if order is StatementOrder.OLDEST else "-"
    page = await list_page(query, window, order=[f"{sign}{end}_version"])
    return page.with_items([_end(each, end) for each in page.items])


async def _version_at(
    pooled: Connection, account_id: UUID, end: str, moment: datetime, later: timedelta
) -> int:
    statement = VERSION_AT.format(end=end)
    return int(await pooled.fetchval(statement, account_id, moment, later))


def _merged(pages: Sequence[Page[_End]], window: Window[int], order: StatementOrder) -> Page[_End]:
    """The page that two pages of the same window make together."""
    items = sorted(
        (each for page in pages for each in page.items),
        key=attrgetter("version"),
        reverse=order is StatementOrder.NEWEST,
    )
    too_many = len(items) > window.size
    if window.from_end:
        first = max(len(items) - window.size, 0)
        has_previous = too_many or any(page.has_previous for page in pages)
        return Page(items[first:], window.before is not None, has_previous)
    has_next = too_many or any(page.has_next for page in pages)
    return Page(items[: window.size], has_next, window.after is not None)


def _end(transfer: Transfer, end: str) -> _End:
    other = "destination" if end == "source" else "source"
    return _End(
        transfer,
        sign=-1 if end == "source" else 1,
        version=getattr(transfer, f"{end}_version"),
        balance=getattr(transfer, f"{end}_balance"),
        other_id=getattr(transfer, f"{other}_id"),
    )


async def _lines(account: Account, ends: Sequence[_End], client: Orm) -> list[StatementLine]:
    upstream = await ProviderAccount.get(id=account.provider_account_id, using_db=client)
    others = await _others({end.other_id for end in ends if end.other_id}, client)
    prices = await _prices({end.transfer.send_id for end in ends if end.transfer.send_id}, client)
    return [
        StatementLine(
            id=end.transfer.id,
            kind=TransferKind(end.transfer.kind),
            viewed=NodeKind(account.kind),
            amount=end.sign * end.transfer.amount,
            unit=upstream.unit,
            balance_after=end.balance,
            version=end.version,
            rate_per_unit_usd=end.transfer.rate_usd,
            value_usd=end.transfer.value_usd,
            send_id=end.transfer.send_id,
            price=prices.get(end.transfer.send_id) if end.transfer.send_id else None,
            note=end.transfer.note,
            other=others.get(end.other_id) if end.other_id else None,
            created_at=end.transfer.created_at,
        )
        for end in ends
    ]


async def _prices(send_ids: Iterable[UUID], client: Orm) -> dict[UUID, int]:
    ids = list(send_ids)
    if not ids:
        return {}
    return dict(await Send.filter(id__in=ids).using_db(client).values_list("id", "price"))


async def _others(account_ids: Iterable[UUID], client: Orm) -> dict[UUID, OtherEnd]:
    """Accounts at the other end of transfers, with the names of their clients or groups."""
    ids = list(account_ids)
    if not ids:
        return {}
    names: dict[UUID, str] = {}
    for model in (Client, Group):
        found = model.filter(account_id__in=ids).using_db(client)
        names |= dict(await found.values_list("account_id", "name"))
    kinds = await Account.filter(id__in=ids).using_db(client).values_list("id", "kind")
    return {id: OtherEnd(NodeKind(kind), names.get(id)) for id, kind in kinds}
