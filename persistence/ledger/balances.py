"""Balances, allocations and provider accounts. SQL: all figures of an answer share one snapshot."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

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
from domain.sending.messages import LATER
from persistence.database import connection
from persistence.ledger.pools import FIRST_OF_TENANTS, MESSAGES_WAITING, UNITS_WAITING
from persistence.pages import Filter, matching, read_page

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

# statement_timestamp() can be compared in an index, clock_timestamp() cannot.
LATE = "statement_timestamp() - interval '5 minutes'"
# Whether a call was started in the last five minutes. Only asked if messages have waited for so
# long. The newest attempts are enough: an account that works has one among them, or one open.
IS_DISPATCHING = f"""
(first.due_at < {LATE}) IS NOT TRUE OR EXISTS (
    SELECT FROM attempt
    WHERE attempt.provider_account_id = upstream.id AND ended_at IS NULL
      AND lease_until > clock_timestamp()
) OR EXISTS (
    SELECT FROM (SELECT * FROM attempt ORDER BY id DESC LIMIT 1000) AS newest
    WHERE newest.provider_account_id = upstream.id
      AND started_at > clock_timestamp() - interval '5 minutes')
"""  # noqa: S608 - a time of our own
# What all nodes of a pool hold; what is in flight, written or not (SUBMITTING after its lease is
# UNKNOWN and not included); and the last attempt that may make the reading wrong. The first message
# that is due: one look into message_queue for each tenant and priority. Messages are only counted
# if an alarm says how many there are; what is overdue is all without what is due later.
PLATFORM_FIGURES = f"""
CROSS JOIN LATERAL (
    SELECT coalesce(sum(held), 0)::int8 AS pool,
           coalesce(sum(held) FILTER (WHERE kind = 'CLIENT'), 0)::int8 AS allocated
    FROM account WHERE account.provider_account_id = upstream.id
) AS holdings
CROSS JOIN LATERAL ({UNITS_WAITING.format("upstream.id")}) AS waiting
CROSS JOIN LATERAL (
    SELECT coalesce(sum(unwritten), 0)::int8 AS messages,
           coalesce(sum(unwritten) FILTER (WHERE seen_at < {LATE}), 0)::int8 AS overdue,
           min(seen_at) FILTER (WHERE seen_at < {LATE}) AS due_at
    FROM send_job WHERE send_job.provider_account_id = upstream.id AND unwritten > 0
) AS job
CROSS JOIN LATERAL (
    {FIRST_OF_TENANTS}
    SELECT least(min(due_at), job.due_at) AS due_at, array_agg(priority) AS priorities,
           array_agg(client_id) AS clients
    FROM tenant
) AS first
CROSS JOIN LATERAL (
    SELECT {IS_DISPATCHING} AS is_dispatching,
           paused_at IS NOT NULL OR stopped_at IS NOT NULL AS is_paused
) AS work
CROSS JOIN LATERAL (
    SELECT CASE WHEN is_paused OR NOT is_dispatching
           THEN ({MESSAGES_WAITING.format("upstream.id")}) END AS messages
) AS written
CROSS JOIN LATERAL (
    SELECT CASE WHEN is_paused THEN job.messages + written.messages - (
               SELECT count(*) FROM message
               WHERE provider_account_id = upstream.id AND status = 'QUEUED'
                 AND priority >= {LATER} AND send_at > statement_timestamp())
           ELSE 0 END AS messages,
           CASE WHEN is_dispatching THEN 0 ELSE job.overdue + written.messages - (
               SELECT count(*) FROM unnest(first.priorities, first.clients) AS each (priority, id)
               CROSS JOIN LATERAL (
                   SELECT FROM message
                   WHERE provider_account_id = upstream.id AND status = 'QUEUED'
                     AND message.priority = each.priority AND client_id = each.id
                     AND due_at >= {LATE}
                   OFFSET 0) AS later)
           END AS overdue
) AS queued
CROSS JOIN LATERAL (
    SELECT coalesce(sum(message.price), 0)::int8 AS units
    FROM attempt JOIN message ON message.attempt_id = attempt.id
    WHERE attempt.provider_account_id = upstream.id AND attempt.ended_at IS NULL
      AND attempt.lease_until > clock_timestamp() AND message.status = 'SUBMITTING'
      AND message.route_id IS NULL
) AS submitting
CROSS JOIN LATERAL (
    SELECT max(ended_at) AS at FROM attempt
    WHERE attempt.provider_account_id = upstream.id
      AND outcome IN ('UNKNOWN', 'MIXED', 'ACCOUNT_REFUSED')
) AS doubt
CROSS JOIN LATERAL (
    SELECT count(*) AS messages, min(updated_at) AS at FROM message
    WHERE message.provider_account_id = upstream.id AND status = 'UNKNOWN'
      AND updated_at < statement_timestamp() - interval '1 hour'
) AS old_unknown
CROSS JOIN LATERAL (
    SELECT count(DISTINCT id) AS charges, min(created_at) AS at FROM (
        SELECT coalesce(send_id, imported_line_id) AS id, difference.created_at
        FROM reconciliation_difference AS difference
        LEFT JOIN send ON send.id = send_id
        LEFT JOIN imported_line AS line ON line.id = imported_line_id
        WHERE NOT corrected
          AND upstream.id = coalesce(send.provider_account_id, line.provider_account_id)
          AND difference.created_at > coalesce((
              SELECT max(started_at) FROM reconciliation
              WHERE since IS NULL AND NOT dry_run AND finished_at IS NOT NULL AND NOT interrupted
          ), '-infinity')
          AND NOT EXISTS (
              SELECT FROM reconciliation
              WHERE since <= coalesce(send.created_at, line.created_at)
                AND started_at > difference.created_at
                AND NOT dry_run AND finished_at IS NOT NULL AND NOT interrupted)
        LIMIT 1000
    ) AS open
) AS difference
CROSS JOIN LATERAL (
    SELECT count(*) AS clients, min(noticed_at) AS at
    FROM client JOIN account ON account.id = client.account_id
    LEFT JOIN low_balance ON low_balance.client_id = client.id AND ended_at IS NULL
    WHERE account.provider_account_id = upstream.id AND held < low_balance_threshold
) AS low
CROSS JOIN LATERAL (
    SELECT count(*) AS endpoints, min(failing_since) AS at
    FROM hook_endpoint JOIN client ON client.id = client_id
    JOIN account ON account.id = client.account_id
    WHERE account.provider_account_id = upstream.id
      AND failing_since < statement_timestamp() - interval '24 hours'
      AND deleted_at IS NULL AND NOT is_callback
) AS failing_hook
"""  # noqa: S608 - a statement of our own
PLATFORM_COLUMNS = """
upstream.id AS upstream_id, upstream.unit AS pool_unit, holdings.pool, holdings.allocated,
waiting.units + submitting.units AS in_flight,
upstream.reading_raw, clock_timestamp() AS seen_at,
upstream.created_at AS added_at, upstream.read_at, upstream.read_failed_at AS failed_at,
greatest(doubt.at, upstream.credentials_set_at) AS doubted_at,
difference.charges AS differences, difference.at AS differing_at,
upstream.paused_at, upstream.stopped_at,
queued.messages AS queued, queued.overdue, first.due_at AS overdue_at, is_dispatching,
old_unknown.messages AS unknown, old_unknown.at AS unknown_at,
low.clients AS low_clients, low.at AS low_at,
failing_hook.endpoints AS failing_hooks, failing_hook.at AS failing_hooks_at
"""

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
# Without the pool's figures, which few clients see. With them, a read takes 5 ms if it is rare:
# PostgreSQL plans 30 subqueries for a connection that has not kept the plan yet.
OWN_BALANCES = f"""
{_VIEWED}, nodes AS ({_NODES})
{_FIGURES.format(more="account_terms.owner_client_id = viewed.id AS owns_pool")}
"""

PROVIDER_ACCOUNTS = f"""
SELECT upstream.id, provider, owner_client_id, price, name, is_default, configuration::text,
       rate_per_second, {PLATFORM_COLUMNS}
FROM provider_account AS upstream {PLATFORM_FIGURES}
WHERE $1::uuid IS NULL OR upstream.id = $1
ORDER BY upstream.is_default DESC, upstream.id
"""  # noqa: S608 - columns of our own

ALLOCATIONS = """
SELECT client.id, client.group_id, upstream.unit, account.held,
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
    row = await pooled.fetchrow(BALANCES, *chosen, shown.value, view.provider_account_id)
    assert row is not None
    return row


async def read_provider_accounts(_scope: Everything) -> list[ProviderAccountFigures]:
    async with connection() as pooled:
        return [_figures(row) for row in await pooled.fetch(PROVIDER_ACCOUNTS, None)]


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
    return ProviderAccountFigures(
        id=row["id"],
        provider=row["provider"],
        owner_client_id=row["owner_client_id"],
        unit=row["pool_unit"],
        price_per_message=row["price"],
        platform=_platform(row),
        name=row["name"],
        is_default=row["is_default"],
        configuration=orjson.loads(row["configuration"]) if row["configuration"] else None,
        messages_per_second=row["rate_per_second"],
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
        signs=PoolSigns(**{field.name: row[field.name] for field in fields(PoolSigns)}),
        seen_at=row["seen_at"],
    )


def _allocation(row: Record) -> Allocation:
    return Allocation(
        client_id=row["id"],
        group_id=row["group_id"],
        unit=row["unit"],
        balance=row["held"],
        rate_per_unit_usd=row["rate_per_unit_usd"],
        last_sent_at=row["last_sent_at"],
    )
