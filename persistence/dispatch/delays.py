"""What delays messages, and what ends that: schedules, quiet hours, rates, pauses, fallbacks.

Raw SQL: each statement changes thousands of messages, or locks a row for a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from domain.dispatch.messages import RateAllowance
from domain.live import hints
from domain.sending.messages import LATER, PRIORITY, SendKind
from persistence.database import Connection, ends_of, execute, note

BURST_SECONDS = 0.1
"""How far ahead of its rate an account may be. Without it, no call could hold several messages."""

# Oldest first. `updated_at` stays: for subscribers, nothing has changed.
RELEASE = f"""
WITH due AS (
    SELECT id FROM message
    WHERE status = 'QUEUED' AND priority >= {LATER} AND due_at <= statement_timestamp()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE message SET priority = priority - {LATER} WHERE id = ANY (ARRAY(SELECT id FROM due))
"""  # noqa: S608 - a number of our own

# A message without an attempt becomes a scheduled one: its age counts from that time. With an
# attempt, its age still counts, so that it is not held night after night but given up in the end.
HOLD = f"""
UPDATE message
SET due_at = held.until, priority = message.priority + {LATER}, updated_at = clock_timestamp(),
    send_at = CASE WHEN message.attempts = 0 THEN held.until ELSE message.send_at END
FROM unnest($1::uuid[], $2::timestamptz[]) AS held (id, until)
WHERE message.id = held.id AND message.id = ANY($1) AND message.id BETWEEN $3 AND $4
"""  # noqa: S608 - a number of our own

# GCRA, a leaky bucket: `next_at` is when the account is back at its rate. The row lock makes the
# limit exact over all dispatchers.
INSERT_RATE = """
INSERT INTO provider_pace (provider_account_id, next_at) VALUES ($1, clock_timestamp())
ON CONFLICT DO NOTHING
"""
LOCK_RATE = """
SELECT greatest(extract(epoch FROM next_at - clock_timestamp()), 0)::float8
FROM provider_pace WHERE provider_account_id = $1 FOR UPDATE
"""
COUNT_AGAINST_RATE = """
UPDATE provider_pace
SET next_at = greatest(next_at, clock_timestamp()) + make_interval(secs => $2::float8 / $3)
WHERE provider_account_id = $1
"""

# QUEUED: this account has certainly not taken the message. A reply waits for the account that it
# answers through: another one does not know its line.
DIVERT = f"""
WITH waiting AS (
    SELECT message.id, route.fallback_account_id
    FROM provider_route AS route JOIN message ON message.route_id = route.id
    WHERE route.provider_account_id = $1 AND route.fallback_account_id IS NOT NULL
      AND message.provider_account_id = $1 AND message.status = 'QUEUED'
      AND message.due_at <= clock_timestamp() AND message.priority <> {PRIORITY[SendKind.REPLY]}
    ORDER BY message.id LIMIT $2 FOR UPDATE OF message SKIP LOCKED
)
UPDATE message SET provider_account_id = fallback_account_id, updated_at = clock_timestamp()
FROM waiting WHERE message.id = waiting.id AND message.id = ANY (ARRAY(SELECT id FROM waiting))
"""  # noqa: S608 - a number of our own

POSTPONE_PROBE = """
UPDATE provider_account
SET probe_at = clock_timestamp()
    + least(greatest(clock_timestamp() - paused_at, make_interval(secs => $2)),
            make_interval(secs => $3))
WHERE id = $1
"""


async def release_scheduled(*, most: int) -> int:
    return int((await execute(RELEASE, most)).split()[-1])


async def hold_messages(tx: Connection, held: Mapping[UUID, datetime]) -> None:
    await tx.execute(HOLD, list(held), list(held.values()), *ends_of(held))
    note(tx, [hints.MESSAGE + each.bytes for each in held])


async def lock_rate(
    tx: Connection, provider_account_id: UUID, rate_per_second: float
) -> RateAllowance:
    ahead_seconds = await tx.fetchval(LOCK_RATE, provider_account_id)
    if ahead_seconds is None:
        await tx.execute(INSERT_RATE, provider_account_id)
        ahead_seconds = await tx.fetchval(LOCK_RATE, provider_account_id)
    room_seconds = BURST_SECONDS - float(ahead_seconds)
    if room_seconds < 0:
        return RateAllowance(messages=0, wait_seconds=-room_seconds)
    return RateAllowance(messages=int(room_seconds * rate_per_second) + 1, wait_seconds=0)


async def count_against_rate(
    tx: Connection, provider_account_id: UUID, rate_per_second: float, messages: int
) -> None:
    await tx.execute(COUNT_AGAINST_RATE, provider_account_id, messages, rate_per_second)


async def divert_queued(provider_account_id: UUID, *, most: int) -> int:
    return int((await execute(DIVERT, provider_account_id, most)).split()[-1])


async def postpone_probe(
    tx: Connection,
    provider_account_id: UUID,
    *,
    first_seconds: float,
    longest_seconds: float,
) -> None:
    await tx.execute(POSTPONE_PROBE, provider_account_id, first_seconds, longest_seconds)
