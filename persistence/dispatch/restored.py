"""The queue of a database that was restored to an earlier time. Raw SQL, like `queue`."""

from __future__ import annotations

from uuid import UUID

from domain.dispatch.messages import Queued
from persistence.database import Connection, execute, fetch_value
from persistence.sending.parts import QUEUED_APART, all_in

# With any priority: held and scheduled messages count if their time has come.
IS_DUE = f"{QUEUED_APART} AND (send_at IS NULL OR send_at <= statement_timestamp())"
COUNT = f"""
SELECT (SELECT count(*) FROM message WHERE {IS_DUE})
     + (SELECT count(*) FROM queued_part AS part CROSS JOIN LATERAL ({all_in("")}) AS each)
     + (SELECT coalesce(sum(unwritten), 0)::int8 FROM send_job WHERE unwritten > 0
        AND coalesce((plan->>'send_at')::timestamptz <= statement_timestamp(), true))
"""  # noqa: S608 - text of our own
_PICKED = "id, send_id, message.client_id, priority, number, '' AS text, alone"
# ORDER BY makes PostgreSQL use the partial index of the queue.
PICK = f"""
SELECT {_PICKED} FROM message
WHERE provider_account_id = $1 AND {IS_DUE}
ORDER BY priority, client_id, due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - text of our own
PICK_IN_PARTS = f"""
SELECT picked.* FROM queued_part AS part CROSS JOIN LATERAL (
    {all_in(_PICKED)} ORDER BY message.id LIMIT $2 FOR UPDATE SKIP LOCKED
) AS picked WHERE part.provider_account_id = $1 LIMIT $2
"""  # noqa: S608 - text of our own
HAS_DISPATCHERS = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name ~ '^ibiki (dispatch|up)( |$)')
"""
# The jobs are locked first, as everywhere: the count reads all of them before the first account.
NOTE_RESTORED = """
WITH job AS (
    UPDATE send_job SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by IS NOT NULL
    RETURNING 1)
UPDATE provider_account SET restored_at = clock_timestamp() WHERE (SELECT count(*) FROM job) >= 0
"""


async def has_dispatchers() -> bool:
    return bool(await fetch_value(HAS_DISPATCHERS))


async def note_restored() -> None:
    await execute(NOTE_RESTORED)


async def count_due() -> int:
    return int(await fetch_value(COUNT))


async def pick_due(tx: Connection, provider_account_id: UUID, *, most: int) -> list[Queued]:
    rows = await tx.fetch(PICK, provider_account_id, most)
    rows += await tx.fetch(PICK_IN_PARTS, provider_account_id, most - len(rows))
    return [Queued(*row) for row in rows]
