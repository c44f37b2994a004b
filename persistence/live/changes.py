"""What has changed for subscribers: rows in the order of transactions, and fingerprints of figures.

`changed_xid` is the transaction that changed a row last; a trigger sets it and counts `version`
whenever a statement sets `updated_at`. A transaction ID below `pg_snapshot_xmin` belongs to a
transaction that has ended, so reading from there misses nothing, whatever the clock does. An ID at
or above `pg_snapshot_xmax` is from another server (the database was restored from a dump): such a
row counts as unchanged.

Set-based SQL: it runs every 0.75 s for everything that is watched, in one statement for each kind.
So a delivery to one of 1,000 sockets takes 15 µs of CPU (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg import Record

from domain.identity.access import Everything, OfClient, Scope
from domain.live import hints
from domain.live.hints import Topic, id_of
from domain.live.ports import Change, ChangePage, ChangePosition
from persistence.database import Connection, connection, fetch, fetch_value
from persistence.inbox.conversations import conversation_of, with_last_messages
from persistence.inbox.routes import BODY, EVENT_COLUMNS, event_of
from persistence.pages import Filter
from persistence.sending.messages import SHOWN_MESSAGE_COLUMNS, first_of_sends, message_of
from persistence.sending.tallies import counts_of

MOST_RECENT = 5_000
"""A thousand changes a second, for as long as a new subscription looks back."""

MOST_CHANGED = 50_000
"""IDs of one page. A page sorts all that are left: one transaction may change 100,000 messages."""

SNAPSHOT = """
SELECT pg_snapshot_xmin(seen)::text::int8, pg_snapshot_xmax(seen)::text::int8
FROM pg_current_snapshot() AS seen
"""
# After a failover, PostgreSQL writes its log on another timeline: the first part of a file's name.
TIMELINE = """
SELECT CASE WHEN NOT pg_is_in_recovery()
       THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
"""
CHANGED = "SELECT changed_xid, id, version FROM {} {} ORDER BY changed_xid, id LIMIT {}"
RECENTLY_CHANGED = "SELECT id FROM {} {} ORDER BY changed_xid DESC, id DESC LIMIT {}"
NOT_YET_SHOWN = """
SELECT min(changed_xid) FROM webhook_event
WHERE due_at IS NOT NULL AND received_at >= clock_timestamp() - interval '1 second'
"""
MESSAGES = f"""
SELECT page.version, page.changed_xid, {SHOWN_MESSAGE_COLUMNS}
FROM (SELECT * FROM message {{page}}) AS page JOIN send ON send.id = page.send_id
ORDER BY page.changed_xid, page.id
"""  # noqa: S608 - columns of our own
CONVERSATIONS = (
    with_last_messages("SELECT * FROM conversation {page}", more=", version, changed_xid")  # noqa: S608
    + "ORDER BY changed_xid, shown.id"
)
EVENTS = f"""
SELECT version, changed_xid, {EVENT_COLUMNS.replace("body", f"{BODY} AS body")}
FROM webhook_event {{page}}
"""  # noqa: S608 - columns of our own


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """How rows of a table are read. `when`: which are shown; `changed`: which have changed.

    `hidden`: selects the first transaction of rows that are to be shown later without a change.
    """

    table: str
    statement: str
    item_of: Callable[[Record], Any]
    when: str = "true"
    changed: str = "true"
    hidden: str | None = None
    for_admins: bool = False


CHANGE_KINDS = {
    # A message that was only accepted is new, not changed. Its send shows it.
    hints.MESSAGE: ChangeKind(
        "message",
        MESSAGES,
        message_of,
        when="deleted_at IS NULL",
        changed="(status <> 'QUEUED' OR attempts > 0)",
    ),
    hints.CONVERSATION: ChangeKind("conversation", CONVERSATIONS, conversation_of),
    # An event is shown once it is decided, or if it waits: most are decided within a second.
    hints.EVENT: ChangeKind(
        "webhook_event",
        EVENTS,
        event_of,
        when="(due_at IS NULL OR received_at < clock_timestamp() - interval '1 second')",
        hidden=NOT_YET_SHOWN,
        for_admins=True,
    ),
}


async def position(kind: bytes | None = None) -> ChangePosition:
    async with connection() as pooled:
        running_from, _ = await _snapshot(pooled, kind)
    return ChangePosition(running_from)


async def find_changes(
    scopes: Collection[Scope], kind: bytes, ids: Collection[UUID]
) -> Sequence[Change]:
    rules = CHANGE_KINDS[kind]
    wanted = _within(rules, scopes)
    wanted.add("id = ANY({}::uuid[])", list(ids))
    page = f"{wanted.where} ORDER BY changed_xid, id LIMIT {wanted.value(len(ids))}"
    rows = await fetch(rules.statement.format(page=page), *wanted.values)
    return [Change(row["version"], rules.item_of(row)) for row in rows]


async def read_changes(scopes: Collection[Scope], kind: bytes, after: ChangePosition) -> ChangePage:
    rules = CHANGE_KINDS[kind]
    wanted = _within(rules, scopes)
    wanted.add(rules.changed)
    async with connection() as pooled:
        # Taken before the rows are read: what is still running now is read again next time.
        running_from, end = await _snapshot(pooled, kind)
        # The first condition is for the index, which cannot compare pairs.
        wanted.add("changed_xid >= {} AND changed_xid < {}", after.transaction, end)
        wanted.add("(changed_xid, id) > ({}, {})", after.transaction, after.row_id)
        page = CHANGED.format(rules.table, wanted.where, wanted.value(MOST_CHANGED))
        rows = await pooled.fetch(page, *wanted.values)
    is_full = len(rows) == MOST_CHANGED
    last = ChangePosition(rows[-1]["changed_xid"], rows[-1]["id"]) if is_full else None
    versions = {row["id"]: row["version"] for row in rows}
    return ChangePage(versions, ChangePosition(running_from), last)


async def read_timeline() -> str | None:
    """The timeline of the server. Another one is that of a standby that took over."""
    timeline: str | None = await fetch_value(TIMELINE)
    return timeline


async def recent_changes(
    scope: Scope, kind: bytes, after: ChangePosition | float
) -> Sequence[UUID]:
    rules = CHANGE_KINDS[kind]
    wanted = _within(rules, [scope])
    wanted.add(rules.changed)
    wanted.add("changed_xid < pg_snapshot_xmax(pg_current_snapshot())::text::int8")
    if isinstance(after, ChangePosition):
        wanted.add("changed_xid >= {}", after.transaction)
    else:
        # Not clock_timestamp(): PostgreSQL cannot look up a volatile value in an index.
        wanted.add("updated_at > statement_timestamp() - make_interval(secs => {})", after)
    rows = await fetch(
        RECENTLY_CHANGED.format(rules.table, wanted.where, wanted.value(MOST_RECENT)),
        *wanted.values,
    )
    return [row["id"] for row in reversed(rows)]


async def _snapshot(pooled: Connection, kind: bytes | None) -> tuple[int, int]:
    """The first transaction whose changes are not all shown yet, and the end of all that began."""
    [(running_from, end)] = await pooled.fetch(SNAPSHOT)
    hidden = CHANGE_KINDS[kind].hidden if kind else None
    if hidden is not None:
        running_from = min(running_from, await pooled.fetchval(hidden) or running_from)
    return running_from, end


def _within(kind: ChangeKind, scopes: Collection[Scope]) -> Filter:
    """Rows that any of these scopes may see."""
    wanted = Filter()
    wanted.add(kind.when)
    if Everything() not in scopes:
        own = [scope.client_id for scope in scopes if isinstance(scope, OfClient)]
        wanted.add("client_id = ANY({}::uuid[])", [] if kind.for_admins else own)
    return wanted


# Versions count every change of a holding. The other values that a figure shows are added.
FINGERPRINTS = f"""
SELECT 'a', account.id, concat_ws(' ', version + departed_version, held,
    client.rate_per_unit_usd, client.low_balance_threshold, client.group_id,
    client_group.name, client_group.rate_per_unit_usd)
FROM account
LEFT JOIN client ON client.account_id = account.id
LEFT JOIN client_group ON client_group.account_id = account.id
WHERE account.id = ANY($1::uuid[])
UNION ALL
SELECT 'b', parent_id, concat_ws(' ', count(*), sum(version + departed_version)) FROM account
WHERE parent_id = ANY($2::uuid[]) GROUP BY parent_id
UNION ALL
SELECT 'p', upstream.id, concat_ws(' ', nodes.versions, open.attempts, open.until,
    reading_raw, read_at, read_failed_at, price, unit, paused_at, stopped_at,
    -- Some alarms begin when time passes: the figures are read again four times a minute.
    floor(extract(epoch FROM clock_timestamp()) / 15))
FROM provider_account AS upstream
CROSS JOIN LATERAL (
    SELECT sum(version + departed_version) AS versions FROM account
    WHERE account.provider_account_id = upstream.id
) AS nodes
CROSS JOIN LATERAL (
    SELECT count(*) AS attempts, max(lease_until) AS until FROM attempt
    WHERE attempt.provider_account_id = upstream.id AND ended_at IS NULL
) AS open
WHERE upstream.id = ANY($3::uuid[])
UNION ALL
SELECT 's', counted.id, counted::text FROM ({counts_of("$4", "$9")}) AS counted
UNION ALL
SELECT 'f', client_id, last_feed::text FROM client_feed WHERE client_id = ANY($5::uuid[])
UNION ALL
SELECT 'r', id, concat_ws(' ', sends_checked, finished_at) FROM reconciliation
WHERE id = ANY($6::uuid[])
UNION ALL
SELECT 'l', id, concat_ws(' ', state, checked_at, checked_at < clock_timestamp() - interval '60 s')
FROM ledger_audit WHERE id = ANY($7::uuid[])
UNION ALL
SELECT 'h', endpoint.id, concat_ws(' ', failing_since, paused_at, url, events, description,
    (SELECT string_agg(concat_ws(' ', id, status, attempts), ' ') FROM (
        SELECT id, status, attempts FROM hook_delivery
        WHERE endpoint_id = endpoint.id ORDER BY id DESC LIMIT 25) AS newest))
FROM hook_endpoint AS endpoint WHERE endpoint.id = ANY($8::uuid[])
"""  # noqa: S608 - a statement of our own
KINDS = (
    hints.ACCOUNT,
    hints.BELOW,
    hints.POOL,
    hints.SEND,
    hints.FEED,
    hints.RECONCILIATION,
    hints.AUDIT,
    hints.HOOK,
)


async def fingerprints(topics: Collection[Topic]) -> dict[Topic, str]:
    """A text for each topic, which differs after each change."""
    ids = [[id_of(topic) for topic in topics if topic[:1] == kind] for kind in KINDS]
    first_message_id = first_of_sends(ids[KINDS.index(hints.SEND)])
    rows = await fetch(FINGERPRINTS, *ids, first_message_id)
    return {row[0].encode() + row[1].bytes: row[2] for row in rows}
