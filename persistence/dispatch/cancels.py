"""Cancels of large sends that are not finished yet. SQL: SKIP LOCKED, and PostgreSQL's clock."""

from __future__ import annotations

from uuid import UUID

from persistence.database import Connection, fetch_row

KEEP = """
INSERT INTO unfinished_cancel (send_id, actor_id, seen_at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (send_id) DO UPDATE SET seen_at = excluded.seen_at
"""
END = "DELETE FROM unfinished_cancel WHERE send_id = $1"
CLAIM = """
UPDATE unfinished_cancel SET seen_at = clock_timestamp()
WHERE send_id = (
    SELECT send_id FROM unfinished_cancel
    WHERE seen_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY seen_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING send_id, actor_id
"""


async def keep_cancel(tx: Connection, send_id: UUID, actor_id: UUID) -> None:
    await tx.execute(KEEP, send_id, actor_id)


async def end_cancel(tx: Connection, send_id: UUID) -> None:
    await tx.execute(END, send_id)


async def claim_cancel(*, age_seconds: float) -> tuple[UUID, UUID] | None:
    row = await fetch_row(CLAIM, age_seconds)
    return None if row is None else (row[0], row[1])
