"""The queue: who waits, which messages may be submitted, the mark, and the outcomes of calls.

Raw SQL, on the path of every message. A claim is four statements: `pick_messages` and `mark_calls`
read and change hundreds of messages in one round trip each. So a message of a bulk takes 133 µs of
CPU, and one that is claimed alone 723 µs (docs/measurements.md). Most accepted messages are
recorded without being read (docs/decisions/0232).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from uuid import UUID

import orjson

from domain.dispatch.messages import (
    EVER_SECONDS,
    AttemptEnd,
    Call,
    LockedProviderAccount,
    Queued,
    QueuePosition,
    Quota,
    Waiting,
)
from domain.errors import NotFound
from domain.identity.quiet_hours import QuietHours
from domain.live import hints
from domain.sending.messages import PRIORITY, SendKind
from persistence.database import (
    Connection,
    columns,
    connection,
    ends_of,
    execute,
    fetch,
    fetch_with_plan,
    note,
)
from persistence.ledger.platform import MAY_SEND
from persistence.sending.parts import QUEUED_APART, SHORTEN, all_in, first_in
from persistence.sql import CHANGED

BULK = PRIORITY[SendKind.BULK]

MOST_DETAIL = 4_000
"""Characters of an attempt's detail that are kept."""

# ORDER BY names the whole index of the queue, so that PostgreSQL reads its first entry. Without it
# the plan could be a scan of the table, depending on the statistics. `due_at`: PostgreSQL skips
# what became due earlier, with one search in the index for each tenant. So it does not visit the
# rows of messages that have left the queue, although an open snapshot keeps their entries.
ACCOUNTS_WITH_QUEUE = f"""
SELECT provider_account.id FROM provider_account CROSS JOIN LATERAL (
    (SELECT FROM message
     WHERE provider_account_id = provider_account.id AND {QUEUED_APART}
       AND due_at >= statement_timestamp() - make_interval(secs => $1)
     ORDER BY priority, client_id, due_at, message.id LIMIT 1)
    UNION ALL
    (SELECT FROM queued_part AS part CROSS JOIN LATERAL ({first_in()}) AS first
     WHERE provider_account_id = provider_account.id
       AND due_at >= statement_timestamp() - make_interval(secs => $1) LIMIT 1)
    LIMIT 1
) AS first
"""  # noqa: S608 - names of our own

# A loose index scan: one look-up in message_queued_apart for each tenant, however many messages
# it has. The first branch begins after the tenant that was served last, the second at the first
# tenant. `due_at`: as above. Messages of clients that may not send stay in the queue.
_QUEUED = f"""
provider_account_id = $1 AND {QUEUED_APART} AND priority = turn.priority
AND due_at >= statement_timestamp() - make_interval(secs => $5)
"""
_LAP = f"""
(WITH RECURSIVE tenant AS (
    (SELECT client_id, due_at, id FROM message WHERE {_QUEUED} AND {{begins}}
     ORDER BY client_id, due_at, id LIMIT 1)
    UNION ALL
    SELECT next.* FROM tenant CROSS JOIN LATERAL (
        SELECT client_id, due_at, id FROM message
        WHERE {_QUEUED} AND client_id > tenant.client_id {{ends}}
        ORDER BY client_id, due_at, id LIMIT 1) AS next)
SELECT tenant.*, {{lap}} AS lap FROM tenant
WHERE due_at <= clock_timestamp() AND {MAY_SEND.format("tenant.client_id")} LIMIT $4)
"""  # noqa: S608 - names of our own
TENANTS_WAITING = f"""
SELECT turn.priority, waiting.client_id, waiting.due_at, waiting.id,
       statement_timestamp() - make_interval(secs => $5)
FROM unnest($2::int2[], $3::uuid[]) WITH ORDINALITY AS turn (priority, last, place)
CROSS JOIN LATERAL (
    {_LAP.format(lap=1, begins="client_id > turn.last", ends="")}
    UNION ALL
    {_LAP.format(lap=2, begins="client_id <= turn.last", ends="AND client_id <= turn.last")}
    ORDER BY lap, client_id LIMIT $4
) AS waiting
ORDER BY turn.place, waiting.lap, waiting.client_id
"""  # noqa: S608 - names of our own
# Also the parts of bulks: for each tenant its first one with messages.
BULK_WAITING = f"""
({TENANTS_WAITING}) UNION ALL (
    SELECT DISTINCT ON (client_id) {BULK}::int2, client_id, due_at, first.id,
           statement_timestamp() - make_interval(secs => $5)
    FROM queued_part AS part CROSS JOIN LATERAL ({first_in()}) AS first
    WHERE provider_account_id = $1 AND due_at >= statement_timestamp() - make_interval(secs => $5)
      AND {MAY_SEND.format("part.client_id")}
    ORDER BY client_id, due_at, last_id)
"""  # noqa: S608 - names of our own

# statement_timestamp() is constant during the statement, so PostgreSQL can use it to end the index
# scan. clock_timestamp() could not be used for that. A scheduled message is checked for an opt-out
# again: it was queued for long, or written after its number opted out. OFFSET 0: a join would read
# all sends, if its plan was made while there were few.
_PICKED = "id, send_id, client_id, priority, number, text, alone, due_at, send_at"
_APART = f"""
    SELECT {_PICKED} FROM message
    WHERE provider_account_id = $1 AND {QUEUED_APART} AND priority = quota.priority
      AND client_id = quota.client_id AND due_at <= statement_timestamp()
      AND (due_at, id) >= (quota.due_at, quota.id) AND {MAY_SEND.format("quota.client_id")}
    ORDER BY due_at, id LIMIT quota.messages
    FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - names of our own
# From one part after the other, until there are enough.
_IN_PARTS = f"""
    SELECT each.* FROM (
        SELECT first_id, last_id, due_at FROM queued_part
        WHERE provider_account_id = $1 AND client_id = quota.client_id
          AND (due_at, last_id) >= (quota.due_at, quota.id)
          AND {MAY_SEND.format("quota.client_id")}
        ORDER BY due_at, last_id
    ) AS part CROSS JOIN LATERAL (
        {all_in(_PICKED.replace(" due_at", " part.due_at"))}
          AND id >= CASE WHEN part.due_at = quota.due_at THEN quota.id ELSE part.first_id END
        ORDER BY id LIMIT quota.messages
        FOR UPDATE OF message SKIP LOCKED
    ) AS each LIMIT quota.messages
"""  # noqa: S608 - names of our own
_PICK = """
SELECT picked.id, picked.send_id, picked.client_id, picked.priority, picked.number,
       coalesce(picked.text, send.text), picked.alone, send.modem, send.port,
       picked.send_at IS NOT NULL AND EXISTS (
           SELECT FROM opt_out
           WHERE opt_out.client_id = picked.client_id AND opt_out.number = picked.number),
       coalesce(send.expires_at <= statement_timestamp(), false), picked.due_at, send.quiet_hours,
       CASE WHEN send.quiet_hours IS NOT NULL THEN statement_timestamp() END
FROM unnest($2::int2[], $3::uuid[], $4::int4[], $5::timestamptz[], $6::uuid[])
    WITH ORDINALITY AS quota (priority, client_id, messages, due_at, id, place)
CROSS JOIN LATERAL ({}) AS picked
CROSS JOIN LATERAL (
    SELECT text, modem, port, expires_at, quiet_hours FROM send
    WHERE send.id = picked.send_id OFFSET 0
) AS send
ORDER BY quota.place, picked.due_at, picked.id
"""
PICK = _PICK.format(_APART)
PICK_BULK = _PICK.format(f"""
    SELECT * FROM (
        SELECT * FROM ({_APART}) AS apart UNION ALL SELECT * FROM ({_IN_PARTS}) AS in_parts
    ) AS due ORDER BY due_at, id LIMIT quota.messages
""")  # noqa: S608 - names of our own

# Attempts and marks are written by one statement. The pick before it has locked the rows. Each
# message finds its attempt by its place among the IDs, which are sorted: see `settlement`.
# The COMMIT of a mark is always durable, also on the standby if one is synchronous: a mark that a
# crash or a failover could lose would be made again, and the message would be sent twice.
MARK = f"""
WITH made AS (
    INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages,
                         started_at, lease_until, has_key)
    SELECT id, $1, $2, $3, messages,
           clock_timestamp(), clock_timestamp() + make_interval(secs => $4), true
    FROM unnest($5::uuid[], $6::int4[]) AS new (id, messages)
)
UPDATE message
SET status = 'SUBMITTING', attempt_id = ($8::uuid[])[width_bucket(id, $7::uuid[])],
    waiting_for = NULL, attempts = least(attempts + 1, 32767), {CHANGED}
WHERE id = ANY($7) AND id BETWEEN $9 AND $10
  AND (SELECT set_config('synchronous_commit', 'on', true)) IS NOT NULL
"""  # noqa: S608 - columns of our own

PROVIDER_ACCOUNT = """
SELECT id, account_id, epoch, coalesce(reading_until > clock_timestamp(), false),
       paused_at IS NOT NULL, paused_at IS NOT NULL AND probe_at <= clock_timestamp(),
       rate_per_second, stopped_at IS NOT NULL
FROM provider_account WHERE id = $1
"""
SHARE_PROVIDER_ACCOUNT = f"{PROVIDER_ACCOUNT} FOR SHARE"
LOCK_PROVIDER_ACCOUNT = f"{PROVIDER_ACCOUNT} FOR NO KEY UPDATE"

# `persistence.database.ends_of` says why the ends of the IDs are given, too.
LOCK_ATTEMPTS = """
SELECT FROM attempt WHERE id = ANY($1::uuid[]) AND id BETWEEN $2 AND $3 ORDER BY id FOR UPDATE
"""

# All messages of the calls are locked, in ID order, also those that are read afterwards: two
# statements that lock a part each could deadlock with a cancel. Each message finds its values by
# its place among the IDs, which are sorted: see `settlement`.
RECORD_ACCEPTED = f"""
WITH locked AS MATERIALIZED (
    SELECT id, route_id IS NULL AND coalesce(($3::bool[])[width_bucket(id, $1::uuid[])], true)
        AS is_recorded
    FROM message
    WHERE id = ANY($1) AND id BETWEEN $4 AND $5 AND attempt_id = ANY($6::uuid[])
      AND status IN ('SUBMITTING', 'UNKNOWN')
    ORDER BY id FOR UPDATE
), recorded AS (
    UPDATE message
    SET status = 'SENT', failure = NULL, waiting_for = NULL, due_at = NULL, {CHANGED},
        reference = coalesce(($2::text[])[width_bucket(id, $1)], reference)
    WHERE id = ANY (ARRAY(SELECT id FROM locked WHERE is_recorded)) AND id BETWEEN $4 AND $5
    RETURNING send_id
)
SELECT send_id, count(*) FROM recorded GROUP BY send_id
"""  # noqa: S608 - columns of our own

# A late result replaces the outcome that the sweep wrote. The detail is kept and added to.
END_ATTEMPTS = f"""
WITH ended AS (
    UPDATE attempt
    SET ended_at = clock_timestamp(), outcome = done.outcome, dispatcher_id = NULL,
        lease_until = NULL,
        detail = nullif(left(concat_ws(E'\\n', attempt.detail, done.detail), {MOST_DETAIL}), '')
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS done (id, outcome, detail)
    WHERE attempt.id = done.id AND attempt.id = ANY($1) AND attempt.id BETWEEN $4 AND $5
    RETURNING provider_account_id
)
SELECT DISTINCT provider_account_id FROM ended
"""  # noqa: S608 - a number of our own
NOTE_ON_ATTEMPTS = f"""
UPDATE attempt SET detail = left(concat_ws(E'\\n', detail, $2::text), {MOST_DETAIL})
WHERE id = ANY($1::uuid[])
"""  # noqa: S608 - a number of our own


async def accounts_with_queue(*, since_seconds: float = EVER_SECONDS) -> list[UUID]:
    return [row[0] for row in await fetch(ACCOUNTS_WITH_QUEUE, since_seconds)]


async def tenants_waiting(
    provider_account_id: UUID,
    *,
    after: Mapping[int, UUID],
    most: int,
    since_seconds: float = EVER_SECONDS,
) -> list[Waiting]:
    statement = BULK_WAITING if BULK in after else TENANTS_WAITING
    given = provider_account_id, list(after), list(after.values()), most, since_seconds
    async with connection() as pooled:
        rows = await fetch_with_plan(pooled, statement, *given)
    found = [Waiting(row[0], row[1], QueuePosition(row[2], row[3]), row[4]) for row in rows]
    return _in_turn(found, after, most) if BULK in after else found


def _in_turn(found: Iterable[Waiting], after: Mapping[int, UUID], most: int) -> list[Waiting]:
    """Each tenant once, at its first position, in the order of their turns."""
    first: dict[tuple[int, UUID], Waiting] = {}
    for each in sorted(found, key=lambda each: each.position):
        first.setdefault((each.priority, each.client_id), each)
    return [
        tenant
        for priority, last in after.items()
        for tenant in sorted(
            (each for each in first.values() if each.priority == priority),
            key=lambda each: (each.client_id <= last, each.client_id),
        )[:most]
    ]


async def shorten_parts() -> bool:
    await execute(SHORTEN)
    return False


async def pick_messages(
    tx: Connection,
    provider_account_id: UUID,
    quotas: Sequence[Quota],
) -> list[Queued]:
    rows = await tx.fetch(
        PICK_BULK if any(each.priority == BULK for each in quotas) else PICK,
        provider_account_id,
        *columns([_quota_row(quota) for quota in quotas]),
    )
    return [Queued(*[*others, _quiet_hours(stored), at]) for *others, stored, at in rows]


def _quota_row(quota: Quota) -> tuple[object, ...]:
    position = quota.position
    return (
        quota.priority,
        quota.client_id,
        quota.messages,
        position.due_at,
        position.message_id,
    )


async def mark_calls(
    tx: Connection,
    account: LockedProviderAccount,
    calls: Sequence[Call],
    *,
    dispatcher_id: UUID,
    lease_seconds: float,
) -> None:
    messages = [each for call in calls for each in call.messages]
    attempts = {each.id: call.attempt_id for call in calls for each in call.messages}
    ids = sorted(attempts)
    await tx.execute(
        MARK,
        account.id,
        dispatcher_id,
        account.epoch,
        lease_seconds,
        *columns([(call.attempt_id, len(call.messages)) for call in calls]),
        ids,
        [attempts[each] for each in ids],
        ids[0],
        ids[-1],
    )
    note(tx, {hints.SEND + each.send_id.bytes for each in messages})
    note(tx, [hints.MESSAGE + each.id.bytes for each in messages])


async def lock_provider_account(
    tx: Connection, provider_account_id: UUID, *, for_update: bool = False
) -> LockedProviderAccount:
    statement = LOCK_PROVIDER_ACCOUNT if for_update else SHARE_PROVIDER_ACCOUNT
    row = await tx.fetchrow(statement, provider_account_id)
    if row is None:
        raise NotFound("provider account")
    return LockedProviderAccount(*row)


async def lock_attempts(tx: Connection, ids: Sequence[UUID]) -> None:
    await tx.execute(LOCK_ATTEMPTS, list(ids), *ends_of(ids))


async def record_accepted(
    tx: Connection,
    attempt_ids: Sequence[UUID],
    references: Mapping[UUID, str | None],
    others: Collection[UUID],
) -> int:
    ids = sorted([*references, *others])
    rows = await tx.fetch(
        RECORD_ACCEPTED,
        ids,
        [references.get(each) for each in ids],
        [each in references for each in ids] if others else None,
        *ends_of(ids),
        attempt_ids,
    )
    note(tx, [hints.SEND + row[0].bytes for row in rows])
    note(tx, [hints.MESSAGE + each.bytes for each in references])
    return sum(row[1] for row in rows)


async def end_attempts(tx: Connection, ends: Sequence[AttemptEnd]) -> None:
    rows = [(end.attempt_id, end.outcome, end.detail) for end in ends]
    ids = [end.attempt_id for end in ends]
    ended = await tx.fetch(END_ATTEMPTS, *columns(rows), *ends_of(ids))
    note(tx, [hints.POOL + row[0].bytes for row in ended])


async def note_on_attempts(tx: Connection, ids: Sequence[UUID], note: str) -> None:
    await tx.execute(NOTE_ON_ATTEMPTS, list(ids), note)


@lru_cache(maxsize=1_000)
def _quiet_hours(stored: str | None) -> QuietHours | None:
    return None if stored is None else QuietHours(**orjson.loads(stored))
