"""The queue in SQL: who waits, what may leave, and the mark: behind `domain.dispatch.ports`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from domain.dispatch.calls import Call, Queued
from domain.dispatch.fairness import Quota, Waiting
from domain.dispatch.ports import Allowance
from domain.dispatch.settlement import Upstream
from domain.live import hints
from persistence.database import connection
from persistence.live.hints import note
from persistence.sql import columns

if TYPE_CHECKING:
    from persistence.database import Connection

PACE_BURST_SECONDS = 0.1
"""How far ahead of its rate an account may be: what makes calls of several messages possible."""

# The order of the whole index: planned as its first entry, never as a look through the table,
# however many messages were queued when the statistics were made.
ACCOUNTS_WITH_QUEUE = """
SELECT provider_account.id FROM provider_account CROSS JOIN LATERAL (
    SELECT FROM message
    WHERE provider_account_id = provider_account.id AND status = 'QUEUED'
    ORDER BY priority, client_id, due_at, message.id LIMIT 1
) AS first
"""

# A loose index scan: one probe of message_queue a tenant, however many messages each has. The
# first branch stands behind the tenant served last, the second begins again at the start.
TENANTS_WAITING = """
SELECT turn.priority, waiting.client_id
FROM unnest($2::int2[], $3::uuid[]) WITH ORDINALITY AS turn (priority, last, place)
CROSS JOIN LATERAL (
    (WITH RECURSIVE tenant AS (
        (SELECT client_id, due_at FROM message
         WHERE provider_account_id = $1 AND status = 'QUEUED' AND priority = turn.priority
           AND client_id > turn.last
         ORDER BY client_id, due_at LIMIT 1)
        UNION ALL
        SELECT next.client_id, next.due_at FROM tenant CROSS JOIN LATERAL (
            SELECT client_id, due_at FROM message
            WHERE provider_account_id = $1 AND status = 'QUEUED' AND priority = turn.priority
              AND client_id > tenant.client_id
            ORDER BY client_id, due_at LIMIT 1) AS next)
    SELECT client_id, 1 AS lap FROM tenant WHERE due_at <= clock_timestamp() LIMIT $4)
    UNION ALL
    (WITH RECURSIVE tenant AS (
        (SELECT client_id, due_at FROM message
         WHERE provider_account_id = $1 AND status = 'QUEUED' AND priority = turn.priority
           AND client_id <= turn.last
         ORDER BY client_id, due_at LIMIT 1)
        UNION ALL
        SELECT next.client_id, next.due_at FROM tenant CROSS JOIN LATERAL (
            SELECT client_id, due_at FROM message
            WHERE provider_account_id = $1 AND status = 'QUEUED' AND priority = turn.priority
              AND client_id > tenant.client_id AND client_id <= turn.last
            ORDER BY client_id, due_at LIMIT 1) AS next)
    SELECT client_id, 2 FROM tenant WHERE due_at <= clock_timestamp() LIMIT $4)
    ORDER BY lap, client_id LIMIT $4
) AS waiting
ORDER BY turn.place, waiting.lap, waiting.client_id
"""

# The time of the statement does not change during it, so that it bounds the index scan.
PICK = """
SELECT picked.id, picked.send_id, picked.client_id, picked.priority, picked.number,
       coalesce(picked.text, send.text), picked.alone, send.modem, send.port
FROM unnest($2::int2[], $3::uuid[], $4::int4[])
    WITH ORDINALITY AS quota (priority, client_id, messages, place)
CROSS JOIN LATERAL (
    SELECT id, send_id, client_id, priority, number, text, alone, due_at FROM message
    WHERE provider_account_id = $1 AND status = 'QUEUED' AND priority = quota.priority
      AND client_id = quota.client_id AND due_at <= statement_timestamp()
    ORDER BY due_at, id LIMIT quota.messages
    FOR UPDATE SKIP LOCKED
) AS picked
JOIN send ON send.id = picked.send_id
ORDER BY quota.place, picked.due_at, picked.id
"""

# GCRA: `next_at` is the moment at which the account is back at its rate. The row's lock is what
# makes the rate exact over all dispatchers.
OPEN_PACE = """
INSERT INTO provider_pace (provider_account_id, next_at) VALUES ($1, clock_timestamp())
ON CONFLICT DO NOTHING
"""
TAKE_PACE = """
SELECT greatest(extract(epoch FROM next_at - clock_timestamp()), 0)::float8
FROM provider_pace WHERE provider_account_id = $1 FOR UPDATE
"""
KEEP_PACE = """
UPDATE provider_pace
SET next_at = greatest(next_at, clock_timestamp()) + make_interval(secs => $2::float8 / $3)
WHERE provider_account_id = $1
"""

# Attempts and marks are one statement; the rows are locked by the pick before it.
MARK = """
WITH made AS (
    INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages,
                         started_at, lease_until)
    SELECT id, $1, $2, $3, messages,
           clock_timestamp(), clock_timestamp() + make_interval(secs => $4)
    FROM unnest($5::uuid[], $6::int4[]) AS new (id, messages)
)
UPDATE message
SET status = 'SUBMITTING', attempt_id = marked.attempt_id, waiting_for = NULL,
    attempts = least(message.attempts + 1, 32767), updated_at = clock_timestamp()
FROM unnest($7::uuid[], $8::uuid[]) AS marked (id, attempt_id)
WHERE message.id = marked.id
"""

PUT_OFF_PROBE = """
UPDATE provider_account
SET probe_at = clock_timestamp()
    + least(greatest(clock_timestamp() - paused_at, make_interval(secs => $2)),
            make_interval(secs => $3))
WHERE id = $1
"""


async def accounts_with_queue() -> list[UUID]:
    """Provider accounts that have QUEUED messages, due or not."""
    async with connection() as pooled:
        return [row[0] for row in await pooled.fetch(ACCOUNTS_WITH_QUEUE)]


async def tenants_waiting(
    provider_account_id: UUID, *, after: Mapping[int, UUID], most: int
) -> list[Waiting]:
    """Tenants with messages due, at most so many a priority, nothing locked."""
    async with connection() as pooled:
        rows = await pooled.fetch(
            TENANTS_WAITING, provider_account_id, list(after), list(after.values()), most
        )
    return [Waiting(row[0], row[1]) for row in rows]


async def pick_messages(
    tx: Connection, provider_account_id: UUID, quotas: Sequence[Quota]
) -> list[Queued]:
    """Messages due, locked until the transaction ends: tenant by tenant, oldest first."""
    rows = await tx.fetch(
        PICK,
        provider_account_id,
        *columns([(quota.priority, quota.client_id, quota.messages) for quota in quotas]),
    )
    return [Queued(*row) for row in rows]


async def take_pace(tx: Connection, provider_account_id: UUID, rate_per_second: float) -> Allowance:
    """What may leave now, over all dispatchers: the others wait until the transaction ends."""
    ahead_seconds = await tx.fetchval(TAKE_PACE, provider_account_id)
    if ahead_seconds is None:
        await tx.execute(OPEN_PACE, provider_account_id)
        ahead_seconds = await tx.fetchval(TAKE_PACE, provider_account_id)
    room_seconds = PACE_BURST_SECONDS - float(ahead_seconds)
    if room_seconds < 0:
        return Allowance(messages=0, wait_seconds=-room_seconds)
    return Allowance(messages=int(room_seconds * rate_per_second) + 1, wait_seconds=0)


async def keep_pace(
    tx: Connection, provider_account_id: UUID, rate_per_second: float, messages: int
) -> None:
    """So many have been marked."""
    await tx.execute(KEEP_PACE, provider_account_id, messages, rate_per_second)


async def mark_calls(
    tx: Connection,
    upstream: Upstream,
    calls: Sequence[Call],
    *,
    dispatcher_id: UUID,
    lease_seconds: float,
) -> None:
    """Writes one attempt a call, with the account's epoch; its messages are SUBMITTING."""
    await tx.execute(
        MARK,
        upstream.id,
        dispatcher_id,
        upstream.epoch,
        lease_seconds,
        *columns([(call.attempt_id, len(call.messages)) for call in calls]),
        *columns([(each.id, call.attempt_id) for call in calls for each in call.messages]),
    )
    messages = [each for call in calls for each in call.messages]
    note(tx, {hints.SEND + each.send_id.bytes for each in messages})
    note(tx, [hints.MESSAGE + each.id.bytes for each in messages])


async def put_off_probe(
    tx: Connection, provider_account_id: UUID, *, first_seconds: float, longest: float
) -> None:
    """The next probe is due later: after as long as the account has been paused, in bounds."""
    await tx.execute(PUT_OFF_PROBE, provider_account_id, first_seconds, longest)
