"""PostgreSQL's clock, and rows whose times are in the future after it was set back.

Raw SQL: the times are compared and shifted by PostgreSQL's own clock, without a round trip a row.
"""

from __future__ import annotations

from persistence.database import STATEMENT_TIMEOUT_SECONDS, connection, fetch_value
from persistence.opening import IDLE_IN_TRANSACTION_TIMEOUT_SECONDS
from persistence.sending.parts import QUEUED_APART

LONGEST_RETRY = "interval '11 minutes'"
"""An endpoint that fails is tried again after ten minutes at the latest."""

READ = "SELECT extract(epoch FROM clock_timestamp())::float8"

# A row with a future time was written before the clock was set back. Its wait starts again now, but
# a scheduled message is never due before the time that its caller requested. SKIP LOCKED: rows in
# use are left for the next run. With clock_timestamp() instead of statement_timestamp(), PostgreSQL
# could not use the index, and would read each queued message. A message in a part leaves whatever
# its time is.
MESSAGES = f"""
WITH ahead AS (
    SELECT id FROM message
    WHERE {QUEUED_APART} AND due_at > statement_timestamp() + make_interval(secs => $1)
      AND updated_at > statement_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE message
SET due_at = greatest(
        send_at, statement_timestamp() + greatest(due_at - updated_at, interval '0')),
    updated_at = clock_timestamp()
WHERE id = ANY (ARRAY(SELECT id FROM ahead))
"""  # noqa: S608 - a condition of our own
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
# `due_at` of a delivery that waits for an earlier one of its subject was set after its other times.
DELIVERIES = """
WITH ahead AS (
    SELECT id FROM hook_delivery
    WHERE status = 'PENDING' AND due_at > statement_timestamp() + make_interval(secs => $1)
      AND greatest(created_at, attempted_at) > statement_timestamp() + make_interval(secs => $1)
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE hook_delivery
SET due_at = clock_timestamp()
        + greatest(due_at - greatest(created_at, attempted_at), interval '0'),
    created_at = least(created_at, clock_timestamp()),
    attempted_at = least(attempted_at, clock_timestamp())
WHERE id = ANY (ARRAY(SELECT id FROM ahead))
"""
MANY = (MESSAGES, ATTEMPTS, EVENTS, DELIVERIES)


def _not_later(table: str, column: str, *, only: str = "true") -> str:
    """Sets a time that is in the future to now."""
    return f"""
    UPDATE {table} SET {column} = clock_timestamp()
    WHERE {only} AND {column} > clock_timestamp() + make_interval(secs => $1)
    """  # noqa: S608 - names of our own


# These tables have few rows. The waits of the first two end: the work is done sooner, which is
# harmless.
PACES = _not_later("provider_pace", "next_at")
POLLS = """
UPDATE status_poll SET claimed_until = NULL
WHERE claimed_until > clock_timestamp() + make_interval(secs => $1)
"""
PAUSES = """
UPDATE provider_account
SET paused_at = clock_timestamp(), probe_at = clock_timestamp() + (probe_at - paused_at)
WHERE paused_at > clock_timestamp() + make_interval(secs => $1)
"""
JOBS = """
UPDATE send_job
SET seen_at = clock_timestamp(), claimed_until = clock_timestamp() + (claimed_until - seen_at)
WHERE unwritten > 0 AND seen_at > clock_timestamp() + make_interval(secs => $1)
"""
CANCELS = _not_later("unfinished_cancel", "seen_at")
# A run that was killed would seem to be alive, and no other could begin. A daily run would wait for
# the day that the wrong clock showed.
RECONCILIATIONS = _not_later("reconciliation", "heartbeat_at", only="finished_at IS NULL")
AUDITS = _not_later("ledger_audit", "checked_at", only="state = 'RUNNING'")
DAILY_RUNS = _not_later("scheduled_run", "started_at")
FEW = (PACES, POLLS, PAUSES, JOBS, CANCELS, RECONCILIATIONS, AUDITS, DAILY_RUNS)

# These two store only when a wait ends. It ends now if it is longer than any wait can be.
READINGS = _not_later("provider_account", "reading_until")
ENDPOINTS = f"""
UPDATE hook_endpoint
SET lease_until = CASE WHEN lease_until <= clock_timestamp() + make_interval(secs => $1)
                  THEN lease_until END,
    retry_at = CASE WHEN retry_at <= clock_timestamp() + {LONGEST_RETRY} THEN retry_at END
WHERE lease_until > clock_timestamp() + make_interval(secs => $1)
   OR retry_at > clock_timestamp() + {LONGEST_RETRY}
"""  # noqa: S608 - an interval of our own


# PostgreSQL measures its own limits by this clock. If a session waits for a lock when the clock is
# set back, it notices a deadlock, its `statement_timeout` or a lost client only when the clock has
# caught up, also if the clock is set right again. So this statement ends sessions that began in the
# future, or take longer than any statement may. Their work is tried again.
END_STUCK = f"""
SELECT count(CASE WHEN state = 'active' THEN pg_cancel_backend(pid)
             ELSE pg_terminate_backend(pid) END)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
  AND application_name ~ '^ibiki (serve|dispatch|up)( |$)'
  AND CASE WHEN state = 'active' AND wait_event_type = 'Lock'
      THEN query_start NOT BETWEEN
          clock_timestamp() - make_interval(secs => {STATEMENT_TIMEOUT_SECONDS} + $2)
          AND clock_timestamp() + make_interval(secs => $1)
      WHEN state LIKE 'idle in transaction%'
      THEN state_change NOT BETWEEN
          clock_timestamp() - make_interval(secs => {IDLE_IN_TRANSACTION_TIMEOUT_SECONDS} + $2)
          AND clock_timestamp() + make_interval(secs => $1)
      END
"""  # noqa: S608 - numbers of our own


async def end_stuck_sessions(*, slack_seconds: float, late_seconds: float) -> int:
    ended: int = await fetch_value(END_STUCK, slack_seconds, late_seconds)
    return ended


async def read_clock() -> float:
    return float(await fetch_value(READ))


async def correct_future_dates(*, slack_seconds: float, reading_seconds: float, most: int) -> bool:
    more = False
    async with connection() as pooled:
        for statement in FEW:
            await pooled.execute(statement, slack_seconds)
        for statement in (READINGS, ENDPOINTS):
            await pooled.execute(statement, reading_seconds)
        for statement in MANY:
            dated = await pooled.execute(statement, slack_seconds, most)
            more = more or dated == f"UPDATE {most}"
    return more
