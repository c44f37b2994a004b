"""Who a credential stands for, and who to ask about again, in SQL: what the actor cache reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from domain.identity.access import Actor, Payer, Role
from domain.identity.ports import AccessChange
from persistence.database import IDLE_IN_TRANSACTION_TIMEOUT_SECONDS, connection

if TYPE_CHECKING:
    from asyncpg import Record

OVERLAP_SECONDS = IDLE_IN_TRANSACTION_TIMEOUT_SECONDS + 5
"""How far reading changes goes back again: nobody takes longer from writing one to the commit."""

KEPT_DAYS = 7
"""Longer than any process lives on without reading changes."""

ACTOR = """
SELECT credential.id AS credential_id, app_user.id AS user_id, role, client.id AS client_id,
       coalesce(app_user.group_id, client.group_id) AS group_id, client.status AS client_status,
       client.account_id, upstream.id AS provider_account_id, upstream.price, upstream.unit,
       coalesce(client.rate_per_unit_usd, client_group.rate_per_unit_usd) AS rate_usd
FROM {credentials} AS credential
JOIN app_user ON app_user.id = credential.user_id AND NOT disabled
LEFT JOIN client ON client.id = app_user.client_id
LEFT JOIN client_group ON client_group.id = client.group_id
LEFT JOIN account ON account.id = client.account_id
LEFT JOIN provider_account AS upstream ON upstream.id = account.provider_account_id
WHERE credential.{key} = $1 AND revoked_at IS NULL
"""
ACTOR_OF_SESSION = ACTOR.format(credentials="session", key="id") + "AND app_user.id = $2"
ACTOR_OF_KEY = ACTOR.format(credentials="api_key", key="secret_hash")

NOW = "SELECT clock_timestamp()"
ACCESS_CHANGES = """
SELECT id, subject_id FROM access_change
WHERE created_at > $1::timestamptz - make_interval(secs => $2)
"""
# At most one write a key and minute, whatever number of processes it is used at.
NOTE_KEYS_USED = """
UPDATE api_key SET last_used_at = date_trunc('minute', clock_timestamp())
WHERE id = ANY($1::uuid[])
  AND (last_used_at IS NULL OR last_used_at < date_trunc('minute', clock_timestamp()))
"""
# The time of the statement: PostgreSQL looks nothing volatile up in an index. An array of ids: for
# as many in a subquery it would rather read the whole table.
PURGE_CHANGES = """
DELETE FROM access_change WHERE id = ANY (ARRAY(
    SELECT id FROM access_change
    WHERE created_at < statement_timestamp() - make_interval(days => $1)
    ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""
PURGE_REFRESH_TOKENS = """
DELETE FROM refresh_token WHERE id = ANY (ARRAY(
    SELECT id FROM refresh_token
    WHERE expires_at < statement_timestamp() - make_interval(days => $1)
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
RETURNING session_id
"""
# By itself, behind the commit of the tokens: of two who remove the last ones, the later sees it.
# OFFSET has each session looked up, where else all tokens would be read to compare.
PURGE_SESSIONS = """
DELETE FROM session
WHERE id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM refresh_token WHERE session_id = session.id OFFSET 0)
"""


async def find_actor_of_session(session_id: UUID, user_id: UUID) -> Actor | None:
    """Who is asking, None where the session has ended or the user is disabled."""
    async with connection() as pooled:
        row = await pooled.fetchrow(ACTOR_OF_SESSION, session_id, user_id)
    return None if row is None else _actor(row)


async def find_actor_of_key(secret_hash: bytes) -> Actor | None:
    """Who is asking, None where the key is revoked or unknown or the user disabled."""
    async with connection() as pooled:
        row = await pooled.fetchrow(ACTOR_OF_KEY, secret_hash)
    return None if row is None else _actor(row)


async def access_changes(since: datetime | None) -> tuple[datetime, Sequence[AccessChange]]:
    """The store's time, and the changes made after `since`, and some from before it again."""
    async with connection() as pooled:
        # Taken before the read: what is committed between the two is read again next time.
        now: datetime = await pooled.fetchval(NOW)
        if since is None:
            return now, ()
        rows = await pooled.fetch(ACCESS_CHANGES, since, OVERLAP_SECONDS)
    return now, [AccessChange(*row) for row in rows]


async def note_keys_used(key_ids: Sequence[UUID]) -> None:
    """Notes that the keys were used in this minute."""
    async with connection() as pooled:
        await pooled.execute(NOTE_KEYS_USED, list(key_ids))


async def purge_changes(*, most: int) -> int:
    """Changes of access that every process has read are gone, at most so many. How many."""
    async with connection() as pooled:
        done = await pooled.execute(PURGE_CHANGES, KEPT_DAYS, most)
    return int(done.split()[-1])


async def purge_sign_ins(*, most: int) -> int:
    """Refresh tokens that ended long ago are gone, at most so many, and sessions with their last.

    Returns how many tokens.
    """
    async with connection() as pooled:
        rows = await pooled.fetch(PURGE_REFRESH_TOKENS, KEPT_DAYS, most)
        if rows:
            await pooled.execute(PURGE_SESSIONS, list({row[0] for row in rows}))
    return len(rows)


def _actor(row: Record) -> Actor:
    return Actor(
        user_id=row["user_id"],
        role=Role(row["role"]),
        credential_id=row["credential_id"],
        client_id=row["client_id"],
        group_id=row["group_id"],
        client_status=row["client_status"],
        payer=_payer(row),
    )


def _payer(row: Record) -> Payer | None:
    if row["provider_account_id"] is None:
        return None
    rate_usd: Decimal | None = row["rate_usd"]
    return Payer(
        client_id=row["client_id"],
        account_id=row["account_id"],
        provider_account_id=row["provider_account_id"],
        price=row["price"],
        unit=row["unit"],
        rate_usd=rate_usd,
    )
