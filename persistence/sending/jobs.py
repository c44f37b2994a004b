"""Jobs: sends whose messages are written in parts. SQL: counts change with what they count.

A job is locked before everything else that its transaction locks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from persistence.database import Connection

LOCK_JOB = "SELECT unwritten FROM send_job WHERE send_id = $1 FOR UPDATE"

# The counters of the send know all of its messages as QUEUED.
CANCEL_UNWRITTEN = """
WITH ended AS (
    UPDATE send_job
    SET unwritten = 0, cancelled = cancelled + unwritten, plan = NULL, accepted_rows = NULL,
        claimed_by = NULL, claimed_until = NULL, cancelled_at = clock_timestamp(),
        changed_xid = pg_current_xact_id()::text::bigint
    WHERE send_id = $1 AND unwritten > 0
)
INSERT INTO send_tally (send_id, queued, cancelled)
SELECT send_id, -unwritten, unwritten FROM send_job WHERE send_id = $1 AND unwritten > 0
"""


async def lock_unwritten(tx: Connection, send_id: UUID) -> int:
    return await tx.fetchval(LOCK_JOB, send_id) or 0


async def cancel_unwritten(tx: Connection, send_id: UUID) -> None:
    await tx.execute(CANCEL_UNWRITTEN, send_id)
