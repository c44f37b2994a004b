"""What waits, for /metrics. Raw SQL: sums over counters, and scans of partial indexes."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from domain.dispatch.messages import Backlog
from domain.sending.messages import LATER
from persistence.database import connection, fetch
from persistence.ledger.platform import ALL_OPEN_SENDS, FIRST_OF_TENANTS, MAY_SEND
from persistence.ledger.singles import SINGLES_WAITING
from persistence.partitions import count_misplaced

# Messages come from counters and sums. The first message that is due takes one look-up for each
# tenant and priority. OFFSET 0: only for the oldest ones, whether the client may send is read.
WAITING = f"""
WITH later AS (
    SELECT count(*) AS messages FROM message
    WHERE status = 'QUEUED' AND priority >= {LATER} AND due_at > statement_timestamp()
), first AS (
    SELECT min(due_at) AS due_at FROM provider_account AS upstream
    CROSS JOIN LATERAL (
        {FIRST_OF_TENANTS.format("true")}
        SELECT due_at FROM (SELECT * FROM tenant ORDER BY due_at OFFSET 0) AS oldest
        WHERE {MAY_SEND.format("oldest.client_id")} LIMIT 1) AS each
)
SELECT (
           (SELECT coalesce(sum(single.messages), 0) FROM provider_account AS upstream
            CROSS JOIN LATERAL ({SINGLES_WAITING.format("upstream.id")}) AS single)
           + (SELECT coalesce(sum(each.queued), 0) FROM {ALL_OPEN_SENDS}) - later.messages
       )::int8,
       coalesce(extract(epoch FROM clock_timestamp() - first.due_at), 0)::float8,
       (SELECT count(*) FROM message WHERE status = 'UNKNOWN'),
       (SELECT count(*) FROM webhook_event WHERE due_at IS NOT NULL),
       (SELECT count(*) FROM webhook_event WHERE opt_out_pending),
       later.messages,
       (SELECT count(*) FROM hook_delivery WHERE status = 'PENDING'),
       (SELECT count(*) FROM hook_endpoint WHERE failing_since < clock_timestamp() - interval '24 h'
            AND deleted_at IS NULL AND NOT is_callback)
FROM later, first
"""  # noqa: S608 - numbers of our own
PAUSED = "SELECT id, paused_at IS NOT NULL FROM provider_account"


async def read_backlog() -> Backlog:
    """What waits now, over all processes and all tenants. Raises TryAgain."""
    async with connection() as pooled:
        row = await pooled.fetchrow(WAITING)
        misplaced = await count_misplaced(pooled)
    assert row is not None
    return replace(Backlog(row[0], max(row[1], 0.0), *row[2:]), misplaced=misplaced)


async def paused_accounts() -> dict[UUID, bool]:
    return {row[0]: row[1] for row in await fetch(PAUSED)}
