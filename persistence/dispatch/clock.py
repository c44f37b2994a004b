"""PostgreSQL's clock, and the rows that are dated in the future after it was set back."""

from __future__ import annotations

from persistence.database import connection

READ = "SELECT extract(epoch FROM clock_timestamp())::float8"

# What was written in the future was written by a clock that has gone back since. It keeps the wait
# that it was given, counted from now. Whoever holds a row is not waited for.
MESSAGES = """
WITH ahead AS (
    SELECT id FROM message
    WHERE status = 'QUEUED' AND due_at > clock_timestamp() + make_interval(secs => $1)
      AND updated_at > clock_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE message
SET due_at = clock_timestamp() + greatest(due_at - updated_at, interval '0'),
    updated_at = clock_timestamp()
FROM ahead WHERE message.id = ahead.id
"""
ATTEMPTS = """
WITH ahead AS (
    SELECT id FROM attempt
    WHERE ended_at IS NULL AND started_at > clock_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE attempt
SET started_at = clock_timestamp(), lease_until = clock_timestamp() + (lease_until - started_at)
FROM ahead WHERE attempt.id = ahead.id
"""
EVENTS = """
WITH ahead AS (
    SELECT id FROM webhook_event
    WHERE due_at > clock_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE webhook_event SET due_at = clock_timestamp() FROM ahead WHERE webhook_event.id = ahead.id
"""
MANY = (MESSAGES, ATTEMPTS, EVENTS)

# A row for each provider account or so; what is cut short here is only done once more, or sooner.
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
    """Seconds since 1970, as PostgreSQL's clock says."""
    async with connection() as pooled:
        return float(await pooled.fetchval(READ))


async def redate(*, slack_seconds: float, reading_seconds: float, most: int) -> bool:
    """What is dated further ahead than so much is dated anew, from now.

    `reading_seconds`: how long a reading may hold an account. True where there may be more.
    """
    more = False
    async with connection() as pooled:
        for statement in FEW:
            await pooled.execute(statement, slack_seconds)
        await pooled.execute(READINGS, reading_seconds)
        for statement in MANY:
            dated = await pooled.execute(statement, slack_seconds, most)
            more = more or dated == f"UPDATE {most}"
    return more
