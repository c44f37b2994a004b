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

AHEAD = "statement_timestamp() + make_interval(secs => $1)"
"""With clock_timestamp(), PostgreSQL could not use an index, and would read each queued message."""


def _some(table: str, *, ahead: str, changes: str) -> str:
    """Changes rows of a large table. SKIP LOCKED: rows in use are left for the next run."""
    return f"""
    WITH ahead AS (SELECT id FROM {table} WHERE {ahead} LIMIT $2 FOR UPDATE SKIP LOCKED)
    UPDATE {table} SET {changes} WHERE id = ANY (ARRAY(SELECT id FROM ahead))
    """  # noqa: S608 - names of our own


# A row with a future time was written before the clock was set back. Its wait starts again now, but
# a scheduled message is never due before the time that its caller requested. A message in a part
# leaves whatever its time is. `due_at` of a delivery that waits for an earlier one of its subject
# was set after its other times.
MANY = (
    _some(
        "message",
        ahead=f"{QUEUED_APART} AND due_at > {AHEAD} AND updated_at > {AHEAD}",
        changes="""updated_at = clock_timestamp(), due_at = greatest(
            send_at, statement_timestamp() + greatest(due_at - updated_at, interval '0'))""",
    ),
    _some(
        "attempt",
        ahead=f"ended_at IS NULL AND started_at > {AHEAD}",
        changes="""started_at = clock_timestamp(),
            lease_until = clock_timestamp() + (lease_until - started_at)""",
    ),
    _some("webhook_event", ahead=f"due_at > {AHEAD}", changes="due_at = clock_timestamp()"),
    _some(
        "hook_delivery",
        ahead=f"""status = 'PENDING' AND due_at > {AHEAD}
            AND greatest(created_at, attempted_at) > {AHEAD}""",
        changes="""due_at = clock_timestamp()
                + greatest(due_at - greatest(created_at, attempted_at), interval '0'),
            created_at = least(created_at, clock_timestamp()),
            attempted_at = least(attempted_at, clock_timestamp())""",
    ),
)


def _again(table: str, since: str, *, until: str | None = None, only: str = "true") -> str:
    """Sets a time that is in the future to now. `until`: the end of a wait that began then."""
    wait = f", {until} = clock_timestamp() + ({until} - {since})" if until else ""
    return f"""
    UPDATE {table} SET {since} = clock_timestamp(){wait}
    WHERE {only} AND {since} > clock_timestamp() + make_interval(secs => $1)
    """  # noqa: S608 - names of our own


# These tables have few rows. The waits of the first two end: the work is done sooner, which is
# harmless. If a run was killed, it would seem to be alive, and no other could begin. A daily run
# would wait for the day that the wrong clock showed.
FEW = (
    _again("provider_pace", "next_at"),
    _again("status_poll", "claimed_until"),
    _again("provider_account", "paused_at", until="probe_at"),
    _again("send_job", "seen_at", until="claimed_until", only="unwritten > 0"),
    _again("unfinished_cancel", "seen_at"),
    _again("reconciliation", "heartbeat_at", only="finished_at IS NULL"),
    _again("ledger_audit", "checked_at", only="state = 'RUNNING'"),
    _again("scheduled_run", "started_at"),
)

# These two store only when a wait ends. It ends now if it is longer than any wait can be.
READINGS = _again("provider_account", "reading_until")
ENDPOINTS = f"""
UPDATE hook_endpoint
SET lease_until = CASE WHEN lease_until <= clock_timestamp() + make_interval(secs => $1)
                  THEN lease_until END,
    retry_at = CASE WHEN retry_at <= clock_timestamp() + {LONGEST_RETRY} THEN retry_at END
WHERE lease_until > clock_timestamp() + make_interval(secs => $1)
   OR retry_at > clock_timestamp() + {LONGEST_RETRY}
"""  # noqa: S608 - an interval of our own


# PostgreSQL measures its own limits by this clock. A session that waits for a lock when it is set
# back notices a deadlock, a timeout or a lost client only when it has caught up. So this ends
# sessions that began in the future, or take longer than any statement may. Their work is tried
# again.
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
