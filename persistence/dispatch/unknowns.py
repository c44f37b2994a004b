"""UNKNOWN messages, for a person who settles them, and for questions to their provider.

Raw SQL, because each query joins up to five tables and must start from the partial index of
UNKNOWN messages, which are few among millions.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.dispatch.messages import (
    LostCall,
    UnknownAttempt,
    UnknownFilter,
    UnknownKey,
    UnknownMessage,
    UnknownTotal,
)
from domain.errors import NotFound
from domain.identity.access import Scope
from persistence.database import Connection, fetch
from persistence.identity.models import Client
from persistence.long_reads import long_read
from persistence.rows import only_client_of
from persistence.sending.models import Send

_IS_WANTED = """
message.status = 'UNKNOWN'
  AND ($1::uuid IS NULL OR message.send_id = $1)
  AND ($2::uuid IS NULL OR message.client_id = $2)
  AND ($3::timestamptz IS NULL OR attempt.started_at < $3)
"""
MATCHING = f"""
FROM message
JOIN attempt ON attempt.id = message.attempt_id
JOIN provider_account ON provider_account.id = message.provider_account_id
WHERE {_IS_WANTED}
"""
TOTALS = f"""
SELECT provider_account.unit, count(*), sum(message.price)::int8
{MATCHING} AND ($4::uuid IS NULL OR message.client_id = $4)
GROUP BY provider_account.unit ORDER BY provider_account.unit
"""
# In the order of the index of UNKNOWN messages of each account: a page neither sorts all of them
# nor reads others. `$8`: the client of the scope.
_NEXT = f"""
FROM provider_account AS upstream CROSS JOIN LATERAL (
    SELECT message.*, started_at, attempt.messages, detail
    FROM message JOIN attempt ON attempt.id = message.attempt_id
    WHERE message.provider_account_id = upstream.id AND {_IS_WANTED}
      AND message.updated_at >= CASE WHEN upstream.id = $4 THEN $5::timestamptz ELSE '-infinity' END
      AND (upstream.id <> $4 OR (message.updated_at, message.id) > ($5, $6))
      AND ($8::uuid IS NULL OR message.client_id = $8)
    ORDER BY message.updated_at, message.id LIMIT $7
) AS next
{{joins}} WHERE upstream.id >= $4
ORDER BY upstream.id, next.updated_at, next.id LIMIT $7
"""  # noqa: S608 - text of our own
_JOINS = "JOIN send ON send.id = next.send_id JOIN client ON client.id = next.client_id"
NEXT_TO_SETTLE = f"""
SELECT next.id, upstream.id, next.updated_at, next.attempt_id, upstream.unit
{_NEXT.format(joins="")}"""
NEXT_TO_EXPORT = f"""
SELECT next.id, upstream.id, next.updated_at, next.attempt_id, upstream.unit, next.send_id,
       next.client_id, client.name, upstream.provider, next.number, coalesce(next.text, send.text),
       next.price, next.created_at, next.started_at, next.messages, next.detail
{_NEXT.format(joins=_JOINS)}"""

ACCOUNTS_WITH_LOST = """
SELECT id FROM provider_account WHERE EXISTS (
    SELECT FROM message
    WHERE provider_account_id = provider_account.id AND status = 'UNKNOWN'
      AND updated_at > statement_timestamp() - make_interval(secs => $1))
"""
# A message that has a reference is asked for by it. OFFSET 0: a join would read all attempts of the
# time. The minute: another process may have used the former values of the account for a moment.
LOST_CALLS = """
SELECT attempt.id, array_agg(message.id ORDER BY message.id),
       array_agg(message.number ORDER BY message.id),
       has_key IS TRUE AND attempt.started_at > coalesce(
           greatest(upstream.credentials_set_at, upstream.restored_at) + interval '1 minute',
           '-infinity')
FROM attempt JOIN message ON message.attempt_id = attempt.id
JOIN provider_account AS upstream ON upstream.id = attempt.provider_account_id
WHERE attempt.id = ANY (ARRAY(
    SELECT attempt_id FROM message CROSS JOIN LATERAL (
        SELECT started_at FROM attempt WHERE attempt.id = message.attempt_id OFFSET 0
    ) AS attempt
    WHERE message.provider_account_id = $1 AND status = 'UNKNOWN' AND reference IS NULL
      AND updated_at > statement_timestamp() - make_interval(secs => $2)
      AND started_at > statement_timestamp() - make_interval(secs => $2)
      AND attempt_id <> ALL ($3::uuid[])
    ORDER BY updated_at LIMIT $4))
  AND message.status = 'UNKNOWN' AND reference IS NULL
GROUP BY attempt.id, upstream.id
"""


async def check_filter(wanted: UnknownFilter) -> None:
    if wanted.send_id and not await Send.filter(id=wanted.send_id).exists():
        raise NotFound("send")
    if wanted.client_id and not await Client.filter(id=wanted.client_id).exists():
        raise NotFound("client")


async def find_unknown_totals(scope: Scope, wanted: UnknownFilter) -> list[UnknownTotal]:
    rows = await fetch(TOTALS, *_matching(wanted), only_client_of(scope, "message"))
    return [UnknownTotal(*row) for row in rows]


async def find_unknowns(
    tx: Connection, wanted: UnknownFilter, *, after: UnknownKey, most: int
) -> list[UnknownAttempt]:
    rows = await tx.fetch(NEXT_TO_SETTLE, *_matching(wanted), *after, most, None)
    return [UnknownAttempt(*row) for row in rows]


async def list_unknowns(
    scope: Scope, wanted: UnknownFilter, *, after: UnknownKey, most: int
) -> list[UnknownMessage]:
    given = (*_matching(wanted), *after, most, only_client_of(scope, "message"))
    # Never from a replica: a person decides by this list which messages are given back.
    rows = await long_read(lambda held: held.fetch(NEXT_TO_EXPORT, *given), may_lag=False)
    return [UnknownMessage(*row) for row in rows]


async def accounts_with_lost(*, age_seconds: float) -> list[UUID]:
    return [row[0] for row in await fetch(ACCOUNTS_WITH_LOST, age_seconds)]


async def lost_calls(
    provider_account_id: UUID, *, age_seconds: float, without: Sequence[UUID], most: int
) -> list[LostCall]:
    given = provider_account_id, age_seconds, list(without), most
    return [LostCall(*row) for row in await fetch(LOST_CALLS, *given)]


def _matching(wanted: UnknownFilter) -> tuple[object, object, object]:
    return wanted.send_id, wanted.client_id, wanted.attempted_before
