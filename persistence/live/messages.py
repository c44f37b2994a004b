"""What has changed, in SQL: behind `domain.live.ports`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from domain.identity.access import Everything, OfClient, Scope
from domain.live import hints
from domain.live.hints import Topic, id_of
from domain.live.ports import Changed
from domain.sending.sends import Message
from persistence.database import connection
from persistence.pages import Filter
from persistence.sending.archive import MESSAGES, message_of
from persistence.sql import first_id_at

if TYPE_CHECKING:
    from persistence.database import Connection

OLDEST = timedelta(hours=25)
"""How old a message may be that is looked at by the time of its change: older ones end."""

MOST_CHANGED = 5_000

# Versions count every change of a holding; beside them stands what else a figure shows.
FINGERPRINTS = """
SELECT 'a', account.id, concat_ws(' ', version + departed_version, held,
    client.rate_per_unit_usd, client.group_id, client_group.name, client_group.rate_per_unit_usd)
FROM account
LEFT JOIN client ON client.account_id = account.id
LEFT JOIN client_group ON client_group.account_id = account.id
WHERE account.id = ANY($1::uuid[])
UNION ALL
SELECT 'b', parent_id, concat_ws(' ', count(*), sum(version + departed_version)) FROM account
WHERE parent_id = ANY($2::uuid[]) GROUP BY parent_id
UNION ALL
SELECT 'p', upstream.id, concat_ws(' ', nodes.versions, open.attempts, open.until,
    reading_raw, read_at, read_failed_at, price, unit)
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
SELECT 's', send_id, string_agg(concat(status, messages), ' ' ORDER BY status) FROM (
    SELECT send_id, status, count(*) AS messages FROM message
    WHERE send_id = ANY($4::uuid[]) GROUP BY send_id, status
) AS tally
GROUP BY send_id
UNION ALL
SELECT 'f', client_id, last_feed::text FROM client_feed WHERE client_id = ANY($5::uuid[])
"""
KINDS = (hints.ACCOUNT, hints.BELOW, hints.POOL, hints.SEND, hints.FEED)

NOW = "SELECT clock_timestamp()"


async def fingerprints(topics: Collection[Topic]) -> dict[Topic, str]:
    """A text for each topic that is another one after each change."""
    ids = [[id_of(topic) for topic in topics if topic[:1] == kind] for kind in KINDS]
    async with connection() as pooled:
        rows = await pooled.fetch(FINGERPRINTS, *ids)
    return {row[0].encode() + row[1].bytes: row[2] for row in rows}


async def find_changed_messages(
    scopes: Collection[Scope], ids: Collection[UUID]
) -> Sequence[Message]:
    """Those of the messages that are within one of the scopes, oldest change first."""
    wanted = within(scopes)
    wanted.add("id = ANY({}::uuid[])", list(ids))
    async with connection() as pooled:
        return await _read(pooled, wanted, most=len(ids))


async def read_changed_messages(
    scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
) -> Changed[Message]:
    """Messages changed since that time of the store's (None: now), and some before it again."""
    wanted = within(scopes)
    # Ids begin with the time at which they were made: an index finds the newest.
    wanted.add("id > {}", first_id_at(datetime.now(UTC) - OLDEST))
    wanted.add("(status <> 'QUEUED' OR attempts > 0)")
    wanted.add(
        "updated_at > coalesce({}, clock_timestamp()) - make_interval(secs => {})",
        since,
        overlap_seconds,
    )
    async with connection() as pooled:
        # Taken before the read: what is committed between the two is read again next time.
        now = await pooled.fetchval(NOW)
        messages = await _read(pooled, wanted, most=MOST_CHANGED)
    return Changed(messages, now, more=len(messages) == MOST_CHANGED)


async def _read(pooled: Connection, wanted: Filter, *, most: int) -> list[Message]:
    limit = wanted.value(most)
    page = f"{wanted.where} ORDER BY updated_at LIMIT {limit}"
    rows = await pooled.fetch(MESSAGES.format(page=page, order="ASC"), *wanted.values)
    return sorted(map(message_of, rows), key=lambda each: (each.updated_at, each.id))


def within(scopes: Collection[Scope]) -> Filter:
    """Rows of what any of these scopes may see."""
    wanted = Filter()
    if Everything() not in scopes:
        own = [scope.client_id for scope in scopes if isinstance(scope, OfClient)]
        wanted.add("client_id = ANY({}::uuid[])", own)
    return wanted
