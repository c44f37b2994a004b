"""PostgreSQL's clock, and rows whose times are in the future after it was set back.

Raw SQL: the times are compared and shifted by PostgreSQL's own clock, without a round trip a row.
"""

from __future__ import annotations

from persistence.database import connection

READ = "SELECT extract(epoch FROM clock_timestamp())::float8"

# A row that was written in the future was written before the clock was set back. Its wait is kept
# and counted from now, but a scheduled message is never due before the time that its caller asked
# for. SKIP LOCKED: never wait for a row that is in use. statement_timestamp() can be compared in an
# index. With clock_timestamp(), PostgreSQL reads each queued message.
MESSAGES = """
WITH ahead AS (
    SELECT id FROM message
    WHERE status = 'QUEUED' AND due_at > statement_timestamp() + make_interval(secs => $1)
      AND updated_at > statement_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE message
SET due_at = greatest(
        send_at, clock_timestamp() + greatest(due_at - updated_at, interval '0')),
    updated_at = clock_timestamp()
WHERE id = ANY (ARRAY(SELECT id FROM ahead))
"""
ATTEMPTS = """
WITH ahead AS (
    SELECT id FROM attempt
    WHERE ended_at IS NULL AND started_at > clock_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE attempt
SET started_at = clock_timestamp(), lease_until = clock_timestamp() + (lease_until - started_at)
WHERE id = ANY (ARRAY(SELECT id FROM ahead))
"""
EVENTS = """
WITH ahead AS (
    SELECT id FROM webhook_event
    WHERE due_at > statement_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE webhook_event SET due_at = clock_timestamp() WHERE id = ANY (ARRAY(SELECT id FROM ahead))
"""
MANY = (MESSAGES, ATTEMPTS, EVENTS)

# These tables have about one row for each provider account. Here a wait simply ends, which is
# harmless: the work is done sooner.
PACES = """
UPDATE provider_pace SET next_at = clock_timestamp()
WHERE next_at > clock_timestamp() + make_interval(secs => $1)
"""
POLLS = """
UPDATE status_poll SET claimed_until = NULL
WHERE claimed_until > clock_timestamp() + make_interval(secs => $1)
"""
PAUSES = """
UPDATE provider_account
SET paused_at = clock_timestamp(), probe_at = clock_timestamp() + (probe_at - paused_at)
WHERE paused_at > clock_timestamp() + make_interval(secs => $1)
"""
READINGS = """
UPDATE provider_account SET reading_until = clock_timestamp()
WHERE reading_until > clock_timestamp() + make_interval(secs => $1)
"""
FEW = (PACES, POLLS, PAUSES)


async def read_clock() -> float:
    async with connection() as pooled:
        return float(await pooled.fetchval(READ))


async def correct_future_dates(*, slack_seconds: float, reading_seconds: float, most: int) -> bool:
    more = False
    async with connection() as pooled:
        for statement in FEW:
            await pooled.execute(statement, slack_seconds)
        await pooled.execute(READINGS, reading_seconds)
        for statement in MANY:
            dated = await pooled.execute(statement, slack_seconds, most)
            more = more or dated == f"UPDATE {most}"
    return more
