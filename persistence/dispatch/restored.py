"""The queue of a database that was restored to an earlier time. Raw SQL, like `queue`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.dispatch.messages import Queued
from persistence.database import connection

if TYPE_CHECKING:
    from persistence.database import Connection

# With any priority: held and scheduled messages count if their time has come.
IS_DUE = "status = 'QUEUED' AND (send_at IS NULL OR send_at <= statement_timestamp())"
COUNT = f"SELECT count(*) FROM message WHERE {IS_DUE}"  # noqa: S608 - text of our own
# ORDER BY makes PostgreSQL use the partial index of the queue.
PICK = f"""
SELECT id, send_id, client_id, priority, number, '' AS text, alone FROM message
WHERE provider_account_id = $1 AND {IS_DUE}
ORDER BY priority, client_id, due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - text of our own
HAS_DISPATCHERS = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name IN ('ibiki dispatch', 'ibiki up'))
"""


async def has_dispatchers() -> bool:
    async with connection() as pooled:
        return bool(await pooled.fetchval(HAS_DISPATCHERS))


async def count_due() -> int:
    async with connection() as pooled:
        return int(await pooled.fetchval(COUNT))


async def pick_due(tx: Connection, provider_account_id: UUID, *, most: int) -> list[Queued]:
    return [Queued(*row) for row in await tx.fetch(PICK, provider_account_id, most)]
