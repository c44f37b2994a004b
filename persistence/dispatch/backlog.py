"""What waits, counted by partial indexes that hold nothing but what waits."""

from __future__ import annotations

from domain.dispatch.ports import Backlog
from persistence.database import connection

# 0.1 s for 400,000 that are queued.
WAITING = """
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8,
       (SELECT count(*) FROM message WHERE status = 'UNKNOWN'),
       (SELECT count(*) FROM webhook_event WHERE due_at IS NOT NULL)
FROM message WHERE status = 'QUEUED'
"""
PAUSED = "SELECT id, paused_at IS NOT NULL FROM provider_account"


async def read_backlog() -> Backlog:
    """What waits now, over all processes and all tenants. Raises TryAgain."""
    async with connection() as pooled:
        row = await pooled.fetchrow(WAITING)
        paused = {each[0]: each[1] for each in await pooled.fetch(PAUSED)}
    assert row is not None
    return Backlog(row[0], max(row[1], 0.0), row[2], row[3], paused)
