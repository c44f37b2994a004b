"""Balances, allocations and provider accounts. SQL: all figures of an answer share one snapshot."""

from __future__ import annotations

from uuid import UUID

import orjson
from asyncpg import Record

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope
from domain.ledger.alarms import PoolSigns
from domain.ledger.balances import (
    AccountBalance,
    Allocation,
    Balances,
    BalanceView,
    GroupBalance,
    PlatformBalance,
    PlatformShown,
    ProviderAccountFigures,
)
from domain.pages import Page, Window
from persistence.database import Connection, connection, fetch_with_plan
from persistence.ledger.platform import PLATFORM_COLUMNS, PLATFORM_FIGURES
from persistence.pages import Filter, matching, read_page
from persistence.rows import object_of

_VIEWED = """
WITH viewed AS (
    SELECT client.id, client.account_id, client.group_id, client.rate_per_unit_usd,
           low_balance_threshold,
           account.held, account.provider_account_id
    FROM client JOIN account ON account.id = client.account_id
    WHERE client.id = $1 AND ($2::uuid IS NULL OR client.group_id = $2)
), team AS (
    SELECT client_group.id, name, account_id, rate_per_unit_usd,
           account.held, account.provider_account_id
    FROM client_group JOIN account ON account.id = client_group.account_id
    WHERE client_group.id = coalesce($3, (SELECT group_id FROM viewed))
)
"""
_NODES = """
SELECT held, version + departed_version AS version, parent_id FROM account
WHERE id = (SELECT account_id FROM viewed)
   OR id = (SELECT account_id FROM team)
   OR parent_id = (SELECT account_id FROM team)
"""
_FIGURES = """
SELECT viewed.id AS client_id, viewed.account_id, viewed.held AS account_held,
       account_terms.unit AS account_unit, account_terms.price, viewed.low_balance_threshold,
       coalesce(viewed.rate_per_unit_usd, client_rate.rate_per_unit_usd) AS rate_per_unit_usd,
       team.id AS group_id, team.account_id AS group_account_id, team.name AS group_name,
       group_terms.unit AS group_unit,
       team.held AS group_held,
       (SELECT coalesce(sum(held), 0)::int8 FROM nodes
        WHERE nodes.parent_id = team.account_id) AS members_held,
       (SELECT coalesce(sum(version), 0)::int8 FROM nodes) AS version,
       {more}
FROM (SELECT) AS always
LEFT JOIN viewed ON true
LEFT JOIN client_group AS client_rate ON client_rate.id = viewed.group_id
LEFT JOIN provider_account AS account_terms ON account_terms.id = viewed.provider_account_id
LEFT JOIN team ON true
LEFT JOIN provider_account AS group_terms ON group_terms.id = team.provider_account_id
"""
# Each is one statement: a send that commits meanwhile is in all figures or in none.
BALANCES = f"""
{_VIEWED}, platform AS (
    SELECT {PLATFORM_COLUMNS}
    FROM provider_account AS upstream {PLATFORM_FIGURES}
    WHERE CASE
        WHEN $4::text = 'OWNED' THEN
            upstream.owner_client_id = $1
            AND upstream.id = (SELECT provider_account_id FROM viewed)
        WHEN $1::uuid IS NOT NULL THEN
            upstream.id = (SELECT provider_account_id FROM viewed)
        WHEN $5::uuid IS NOT NULL THEN upstream.id = $5
        ELSE is_default END
), nodes AS ({_NODES} OR provider_account_id = (SELECT upstream_id FROM platform))
{_FIGURES.format(more="platform.*")} LEFT JOIN platform ON true
"""  # noqa: S608 - columns of our own
# Without the pool's figures, which few clients see. With them, the first read on a connection takes
# 20 ms, because PostgreSQL plans 30 subqueries.
OWN_BALANCES = f"""
{_VIEWED}, nodes AS ({_NODES})
{_FIGURES.format(more="account_terms.owner_client_id = viewed.id AS owns_pool")}
"""

PROVIDER_ACCOUNTS = f"""
SELECT upstream.id, provider, owner_client_id, unit, price AS price_per_message, name, is_default,
       configuration::text, rate_per_second AS messages_per_second, {PLATFORM_COLUMNS}
FROM provider_account AS upstream {PLATFORM_FIGURES}
WHERE $1::uuid IS NULL OR upstream.id = $1
ORDER BY upstream.is_default DESC, upstream.id
"""  # noqa: S608 - columns of our own

ALLOCATIONS = """
SELECT client.id, client.group_id, upstream.unit, account.held AS balance,
       coalesce(client.rate_per_unit_usd, client_group.rate_per_unit_usd) AS rate_per_unit_usd,
       (SELECT send.created_at FROM send WHERE send.client_id = client.id
        ORDER BY send.id DESC LIMIT 1) AS last_sent_at
FROM client
JOIN account ON account.id = client.account_id
JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
LEFT JOIN client_group ON client_group.id = client.group_id
{page}
"""
COUNT_ALLOCATIONS = """
SELECT count(*) FROM client
JOIN account ON account.id = client.account_id
JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
"""
GROUP_EXISTS = "SELECT EXISTS (SELECT FROM client_group WHERE id = $1)"


async def read_balances(view: BalanceView, *, tx: Connection | None = None) -> Balances:
    """The figures of a view, all from one snapshot. Raises NotFound for a client outside of it."""
    async with connection(tx) as pooled:
        row = await _fetch_balances(pooled, view)
    if view.client_id is not None and row["client_id"] is None:
        raise NotFound("client")
    return Balances(
        account=_account(row) if row["client_id"] else None,
        group=_group(row) if row["group_id"] else None,
        platform=_platform(row) if row.get("upstream_id") else None,
        version=row["version"],
    )


async def _fetch_balances(pooled: Connection, view: BalanceView) -> Record:
    chosen = (view.client_id, view.within_group_id, view.group_id)
    shown = view.platform
    if shown is not PlatformShown.ANY:
        row = await pooled.fetchrow(OWN_BALANCES, *chosen)
        assert row is not None
        if shown is PlatformShown.NONE or not row["owns_pool"]:
            return row
    given = *chosen, shown.value, view.provider_account_id
    [row] = await fetch_with_plan(pooled, BALANCES, *given)
    return row


async def read_provider_accounts(_scope: Everything) -> list[ProviderAccountFigures]:
    async with connection() as pooled:
        rows = await fetch_with_plan(pooled, PROVIDER_ACCOUNTS, None)
    return [_figures(row) for row in rows]


async def read_provider_account(
    tx: Connection, provider_account_id: UUID
) -> ProviderAccountFigures:
    row = await tx.fetchrow(PROVIDER_ACCOUNTS, provider_account_id)
    assert row is not None
    return _figures(row)


async def read_allocations(
    scope: Scope, window: Window[UUID], *, group_id: UUID | None, search: str | None
) -> Page[Allocation]:
    """What the clients of the default pool hold, newest client first, counted.

    Raises NotFound for a group that is not within the scope.
    """
    async with connection() as pooled:
        wanted = await _allocations_wanted(pooled, scope, group_id=group_id, search=search)
        total = await pooled.fetchval(f"{COUNT_ALLOCATIONS} {wanted.where}", *wanted.values)
    page = await read_page(ALLOCATIONS, wanted, window, _allocation, key="client.id")
    return Page(page.items, page.has_next, page.has_previous, total)


async def find_allocation(
    scope: Scope, client_id: UUID, *, tx: Connection | None = None
) -> Allocation:
    """What one client within the scope holds. Raises NotFound."""
    wanted = _clients_within(scope)
    wanted.add("client.id = {}", client_id)
    page = await read_page(ALLOCATIONS, wanted, Window(1), _allocation, key="client.id", tx=tx)
    if not page.items:
        raise NotFound("client")
    return page.items[0]


def _clients_within(scope: Scope) -> Filter:
    wanted = Filter()
    wanted.add("account.kind = 'CLIENT'")  # not a client that owns its provider account
    match scope:
        case Everything():
            pass
        case OfGroup(own_group_id):
            wanted.add("client.group_id = {}", own_group_id)
        case OfClient(own_client_id):
            wanted.add("client.id = {}", own_client_id)
    return wanted


async def _allocations_wanted(
    pooled: Connection, scope: Scope, *, group_id: UUID | None, search: str | None
) -> Filter:
    wanted = _clients_within(scope)
    if isinstance(scope, Everything):
        wanted.add("upstream.is_default")
    if group_id is not None:
        if not await _group_is_within(pooled, scope, group_id):
            raise NotFound("group")
        wanted.add("client.group_id = {}", group_id)
    if search:
        pattern = matching(search)
        wanted.add("(client.name ILIKE {} OR client.business ILIKE {})", pattern, pattern)
    return wanted


async def _group_is_within(pooled: Connection, scope: Scope, group_id: UUID) -> bool:
    if isinstance(scope, Everything):
        return bool(await pooled.fetchval(GROUP_EXISTS, group_id))
    return scope == OfGroup(group_id)


def _figures(row: Record) -> ProviderAccountFigures:
    return object_of(
        ProviderAccountFigures,
        row,
        platform=_platform(row),
        configuration=orjson.loads(row["configuration"]) if row["configuration"] else None,
    )


def _account(row: Record) -> AccountBalance:
    return AccountBalance(
        account_id=row["account_id"],
        unit=row["account_unit"],
        balance=row["account_held"],
        rate_per_unit_usd=row["rate_per_unit_usd"],
        price_per_message=row["price"],
        low_balance_threshold=row["low_balance_threshold"],
    )


def _group(row: Record) -> GroupBalance:
    return GroupBalance(
        group_id=row["group_id"],
        account_id=row["group_account_id"],
        name=row["group_name"],
        unit=row["group_unit"],
        balance=row["group_held"] + row["members_held"],
        unallocated=row["group_held"],
    )


def _platform(row: Record) -> PlatformBalance:
    return PlatformBalance(
        provider_account_id=row["upstream_id"],
        unit=row["pool_unit"],
        pool=row["pool"],
        allocated=row["allocated"],
        in_flight=row["in_flight"],
        provider_balance=row["reading_raw"],
        signs=object_of(PoolSigns, row),
        seen_at=row["seen_at"],
    )


def _allocation(row: Record) -> Allocation:
    return object_of(Allocation, row, client_id=row["id"])
