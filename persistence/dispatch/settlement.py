"""Settlement: the transitions of messages that are read first, the sweep, and cancels.

Raw SQL: set-based statements that lock and change hundreds of rows in one round trip. All messages
of a refused bulk pass them. Most accepted messages do not: see `recording`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from domain.dispatch.messages import (
    CancellableSend,
    LockedMessage,
    LockedProviderAccount,
    Refund,
    Transition,
)
from domain.errors import NotFound
from domain.identity.access import Scope
from domain.ids import first_id_at
from domain.live import hints
from domain.sending.messages import LATER, PRIORITY, MessageStatus, SendKind
from persistence.database import (
    STATEMENT_TIMEOUT_SECONDS,
    Connection,
    columns,
    ends_of,
    fetch,
    fetch_row,
    note,
)
from persistence.rows import only_client_of
from persistence.sending.messages import first_of_sends
from persistence.sending.of_send import by_index, last_of, next_in_range
from persistence.sending.parts import OVERDUE_IN_PARTS, PAST_IN_PARTS, QUEUED_APART, QUEUED_IN_PART
from persistence.sending.tallies import has_status

# A reply waits for the account that it answers through: another one does not know its line.
REPLIES = PRIORITY[SendKind.REPLY]

# The age of a scheduled message counts from its time. greatest() ignores NULL.
AGE = """
extract(epoch FROM clock_timestamp() - greatest(message.created_at, message.send_at))::float8
"""
UNDECIDED_COLUMNS = f"""
message.id, message.send_id, message.status, message.attempt_id, attempt.epoch, message.attempts,
message.alone, {AGE}, message.price, send.account_id, send.rate_usd, home.account_id,
CASE WHEN route.id IS NULL THEN 0
     WHEN message.provider_account_id = route.provider_account_id THEN route.cost
     ELSE route.fallback_cost END,
CASE WHEN message.provider_account_id = route.provider_account_id AND message.priority <> {REPLIES}
     THEN route.fallback_account_id END,
message.route_charged
"""
OF_MESSAGES = """
FROM message JOIN send ON send.id = message.send_id
LEFT JOIN provider_route AS route ON route.id = message.route_id
LEFT JOIN provider_account AS home ON home.id = route.pool_id
"""
# A queued message has no attempt.
QUEUED_COLUMNS = UNDECIDED_COLUMNS.replace(
    "message.attempt_id, attempt.epoch", "NULL::uuid, NULL::int8"
)

# In ID order, like cancelling: otherwise the two could deadlock. OFFSET 0: a join would compare
# each message with each attempt.
LOCK_UNDECIDED = f"""
SELECT {UNDECIDED_COLUMNS}
{OF_MESSAGES}
CROSS JOIN LATERAL (
    SELECT epoch FROM attempt
    WHERE attempt.id = message.attempt_id AND attempt.id BETWEEN $2 AND $3 OFFSET 0
) AS attempt
WHERE message.attempt_id = ANY($1::uuid[]) AND message.status IN ('SUBMITTING', 'UNKNOWN') {{among}}
ORDER BY message.id FOR UPDATE OF message
"""  # noqa: S608 - columns of our own
LOCK_UNDECIDED_AMONG = LOCK_UNDECIDED.format(
    among="AND message.id = ANY($4::uuid[]) AND message.id BETWEEN $5 AND $6"
)
LOCK_UNDECIDED = LOCK_UNDECIDED.format(among="")

# Each message finds its new values by its place among the IDs, which are sorted. A join compares
# each with each, because PostgreSQL expects one row of messages newer than its statistics.
WRITE_TRANSITIONS = """
UPDATE message
SET (status, attempt_id, reference, failure, waiting_for, due_at, alone, in_reading,
     provider_account_id, route_charged, updated_at) = (
    SELECT coalesce(($2::text[])[place], $13),
           CASE WHEN coalesce(($2::text[])[place], $13) = 'QUEUED' THEN NULL
                ELSE message.attempt_id END,
           coalesce(($3::text[])[place], message.reference),
           ($4::text[])[place],
           ($5::text[])[place],
           coalesce(statement_timestamp() + make_interval(secs => ($6::float8[])[place]),
                    message.due_at),
           message.alone OR coalesce(($7::bool[])[place], false),
           message.in_reading OR coalesce(($8::bool[])[place], false),
           coalesce(($9::uuid[])[place], message.provider_account_id),
           ($10::int8[])[place],
           clock_timestamp()
    FROM (SELECT width_bucket(message.id, $1::uuid[]) AS place OFFSET 0) AS of_message
)
WHERE message.id = ANY($1) AND message.id BETWEEN $11 AND $12
"""

PAUSE = """
UPDATE provider_account
SET paused_at = coalesce(paused_at, clock_timestamp()), pause_reason = $2,
    probe_at = CASE WHEN paused_at IS NULL THEN clock_timestamp() + make_interval(secs => $3)
               ELSE probe_at END
WHERE id = $1
"""
RESUME = """
UPDATE provider_account SET paused_at = NULL, pause_reason = NULL, probe_at = NULL WHERE id = $1
"""

# ORDER BY makes PostgreSQL use the partial index of open attempts, so it reads no ended ones.
LOCK_EXPIRED = """
SELECT id FROM attempt
WHERE provider_account_id = $1 AND ended_at IS NULL AND lease_until < clock_timestamp()
ORDER BY provider_account_id, lease_until LIMIT $2 FOR UPDATE SKIP LOCKED
"""
ACCOUNTS_WITH_EXPIRED = """
SELECT DISTINCT provider_account_id FROM attempt
WHERE ended_at IS NULL AND lease_until < clock_timestamp()
"""

# A UUIDv7 begins with its time, so comparing IDs avoids reading newer rows. ORDER BY makes
# PostgreSQL use the partial index of the queue, so it reads only queued messages. The priority
# excludes those whose time has not come: there may be a million of them.
LOCK_OVERDUE = f"""
SELECT {QUEUED_COLUMNS} {OF_MESSAGES}
WHERE message.provider_account_id = $1 AND {QUEUED_APART} AND message.id < $2
  AND message.priority < {LATER}
  AND greatest(message.created_at, message.send_at)
    < clock_timestamp() - make_interval(secs => $3)
  AND (message.attempts > 0 OR EXISTS (
      SELECT FROM provider_account WHERE id = $1
      AND paused_at < clock_timestamp() - make_interval(secs => $3)))
ORDER BY message.priority, message.client_id, message.due_at, message.id
LIMIT $4 FOR UPDATE OF message SKIP LOCKED
"""  # noqa: S608 - columns of our own

# A period is forgotten when it has ended and nothing waits, so that the index stays small.
FORGET_VALIDITY = f"""
UPDATE send SET expires_at = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM send
    WHERE expires_at <= statement_timestamp()
      AND NOT {has_status("send.id", MessageStatus.QUEUED, MessageStatus.SUBMITTING)}
    ORDER BY expires_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED))
"""  # noqa: S608 - conditions of our own
# A separate statement: a join with messages would read the whole queue, every few seconds.
PAST_VALIDITY = """
SELECT id FROM send WHERE expires_at <= statement_timestamp() ORDER BY expires_at LIMIT $1
"""
LOCK_PAST_VALIDITY = f"""
SELECT {QUEUED_COLUMNS} {OF_MESSAGES}
WHERE send.id = ANY($3::uuid[]) AND message.provider_account_id = $1 AND {QUEUED_APART}
ORDER BY send.expires_at LIMIT $2 FOR UPDATE OF message SKIP LOCKED
"""
_LOCK_IN_PARTS = f"""
SELECT {QUEUED_COLUMNS} {OF_MESSAGES}
WHERE message.id = ANY (ARRAY({{}})) AND {QUEUED_IN_PART}
ORDER BY message.id FOR UPDATE OF message SKIP LOCKED
"""
LOCK_OVERDUE_IN_PARTS = _LOCK_IN_PARTS.format(OVERDUE_IN_PARTS)
LOCK_PAST_VALIDITY_IN_PARTS = _LOCK_IN_PARTS.format(PAST_IN_PARTS)

# In ID order, like all code that locks messages. A claim has locked them before, so it never waits.
LOCK_QUEUED = f"""
SELECT {QUEUED_COLUMNS} {OF_MESSAGES}
WHERE message.id = ANY($1::uuid[]) AND message.id BETWEEN $2 AND $3 AND message.status = 'QUEUED'
ORDER BY message.id FOR UPDATE OF message
"""

FIND_UNSENT = """
SELECT id FROM attempt
WHERE id = ANY($1::uuid[]) AND outcome IN ('NOT_SENT', 'ACCOUNT_REFUSED', 'REJECTED')
"""
FIND_ATTEMPT_OF = "SELECT provider_account_id, attempt_id FROM message WHERE id = $1"

FIND_CANCELLABLE = """
SELECT provider_account_id, account_id, price, rate_usd FROM send
WHERE id = $1 AND ($2::uuid IS NULL OR client_id = $2)
"""

# IS NOT DISTINCT FROM keeps PostgreSQL from reading and sorting the whole index of the queue.
CANCEL_QUEUED = f"""
WITH ranged AS (
    SELECT id FROM message
    WHERE {next_in_range("$1")} AND status IS NOT DISTINCT FROM 'QUEUED'
      AND id >= $4 AND id <= coalesce($2::uuid, {last_of("$1")})
    ORDER BY id LIMIT $3 FOR UPDATE
), indexed AS (
    SELECT id FROM message
    WHERE {by_index("$1", since="$4")} AND status = 'QUEUED' AND ($2::uuid IS NULL OR id = $2)
    ORDER BY id LIMIT $3 FOR UPDATE
), queued AS (
    SELECT id FROM ranged UNION ALL SELECT id FROM indexed ORDER BY id LIMIT $3
), cancelled AS (
    UPDATE message SET status = 'CANCELLED', waiting_for = NULL, updated_at = clock_timestamp()
    WHERE id = ANY (ARRAY(SELECT id FROM queued)) AND id >= $4 RETURNING 1
)
SELECT count(*), (SELECT id FROM queued ORDER BY id DESC LIMIT 1) FROM cancelled
"""  # noqa: S608 - conditions of our own


async def lock_undecided(
    tx: Connection, attempt_ids: Sequence[UUID], *, only: Sequence[UUID] | None = None
) -> list[LockedMessage]:
    given = (list(attempt_ids), *ends_of(attempt_ids))
    if only is None:
        return locked_messages(await tx.fetch(LOCK_UNDECIDED, *given))
    rows = await tx.fetch(LOCK_UNDECIDED_AMONG, *given, list(only), *ends_of(only))
    return locked_messages(rows)


async def write_transitions(tx: Connection, transitions: Sequence[Transition]) -> None:
    usual = transitions[0].status
    rows = sorted((_row(each, usual) for each in transitions), key=itemgetter(0))
    ids, *values = columns(rows)
    # An array costs both sides some tenths of a µs for each value.
    given = [None if column.count(None) == len(column) else column for column in values]
    await tx.execute(WRITE_TRANSITIONS, ids, *given, ids[0], ids[-1], usual.value)
    note(tx, {hints.SEND + each.message.send_id.bytes for each in transitions})
    note(tx, [hints.MESSAGE + each.message.id.bytes for each in transitions])


async def find_unsent(tx: Connection, attempt_ids: Sequence[UUID]) -> set[UUID]:
    return {row[0] for row in await tx.fetch(FIND_UNSENT, list(attempt_ids))}


async def pause_provider_account(
    tx: Connection, account: LockedProviderAccount, reason: str, *, first_seconds: float
) -> None:
    await tx.execute(PAUSE, account.id, reason, first_seconds)


async def resume_provider_account(tx: Connection, account: LockedProviderAccount) -> None:
    await tx.execute(RESUME, account.id)


async def accounts_with_expired() -> list[UUID]:
    return [row[0] for row in await fetch(ACCOUNTS_WITH_EXPIRED)]


async def lock_expired(tx: Connection, provider_account_id: UUID, most: int) -> list[UUID]:
    return [row[0] for row in await tx.fetch(LOCK_EXPIRED, provider_account_id, most)]


async def lock_overdue(
    tx: Connection, provider_account_id: UUID, *, age_seconds: float, most: int
) -> list[LockedMessage]:
    # A second later than needed, because the clock of this machine may be behind that of the
    # database. The statement checks the age itself.
    ids_below = first_id_at(datetime.now(UTC) - timedelta(seconds=age_seconds - 1))
    given = provider_account_id, ids_below, age_seconds
    rows = await tx.fetch(LOCK_OVERDUE, *given, most)
    return locked_messages(rows + await tx.fetch(LOCK_OVERDUE_IN_PARTS, *given, most - len(rows)))


async def lock_past_validity(
    tx: Connection, provider_account_id: UUID, most: int
) -> list[LockedMessage]:
    await tx.execute(FORGET_VALIDITY, most)
    send_ids = [row[0] for row in await tx.fetch(PAST_VALIDITY, most)]
    if not send_ids:
        return []
    rows = await tx.fetch(LOCK_PAST_VALIDITY, provider_account_id, most, send_ids)
    in_parts = provider_account_id, most - len(rows), send_ids
    return locked_messages(rows + await tx.fetch(LOCK_PAST_VALIDITY_IN_PARTS, *in_parts))


async def lock_queued(tx: Connection, ids: Sequence[UUID]) -> list[LockedMessage]:
    return locked_messages(await tx.fetch(LOCK_QUEUED, list(ids), *ends_of(ids)))


async def find_attempt_of(tx: Connection, message_id: UUID) -> tuple[UUID, UUID | None]:
    row = await tx.fetchrow(FIND_ATTEMPT_OF, message_id)
    if row is None:
        raise NotFound("message")
    return row[0], row[1]


async def find_cancellable(scope: Scope, send_id: UUID) -> CancellableSend:
    row = await fetch_row(FIND_CANCELLABLE, send_id, only_client_of(scope, "send"))
    if row is None:
        raise NotFound("send")
    refund = Refund(send_id, payer_account_id=row[1], count=0, price=row[2], rate_usd=row[3])
    return CancellableSend(send_id, row[0], refund)


async def cancel_queued(
    tx: Connection,
    send_id: UUID,
    *,
    most: int,
    only: UUID | None = None,
    after: UUID | None = None,
) -> tuple[int, UUID | None]:
    first = only or (UUID(int=after.int + 1) if after else first_of_sends([send_id]))
    given = (send_id, only, most, first)
    # Longer than the usual timeout: a large send has 100,000 messages.
    row = await tx.fetchrow(CANCEL_QUEUED, *given, timeout=STATEMENT_TIMEOUT_SECONDS)
    assert row is not None
    count, last = row
    many = hints.MESSAGES + send_id.bytes
    note(tx, (hints.SEND + send_id.bytes, hints.MESSAGE + last.bytes if count == 1 else many))
    return count, last


def locked_messages(rows: Iterable[Any]) -> list[LockedMessage]:
    """The messages of rows that were read with UNDECIDED_COLUMNS."""
    return [LockedMessage(row[0], row[1], MessageStatus(row[2]), *tuple(row)[3:]) for row in rows]


def _row(transition: Transition, usual: MessageStatus) -> tuple[Any, ...]:
    """The ID and the values of WRITE_TRANSITIONS. None for what is usual."""
    return (
        transition.message.id,
        None if transition.status is usual else transition.status.value,
        transition.reference,
        transition.failure,
        transition.waiting_for,
        transition.due_in_seconds,
        transition.alone or None,
        transition.in_reading or None,
        transition.moves_to,
        transition.route_charged,
    )
