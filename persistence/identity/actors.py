"""The actor of a credential, and the changes that make a cached actor out of date.

SQL, because one statement reads an actor from six tables for every credential that is not cached,
and because Tortoise has no snapshots and no SKIP LOCKED with LIMIT in a DELETE.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import orjson
from asyncpg import Record
from tortoise.expressions import Q, RawSQL

from domain.identity.access import Actor, Payer, Role
from domain.identity.quiet_hours import QuietHours
from domain.ids import new_id
from persistence.database import Connection, connection, execute, fetch_row, orm
from persistence.identity.models import AccessChange, ApiKey
from persistence.rows import object_of

KEPT_DAYS = 7
"""Longer than any process runs without reading changes."""

ACTOR = """
SELECT credential.id AS credential_id, app_user.id AS user_id, role, client.id AS client_id,
       coalesce(app_user.group_id, client.group_id) AS group_id, client.status AS client_status,
       client.account_id, upstream.id AS provider_account_id, upstream.price, upstream.unit,
       coalesce(client.rate_per_unit_usd, client_group.rate_per_unit_usd) AS rate_usd,
       upstream.owner_client_id IS NOT NULL AND (upstream.read_at IS NULL
           OR upstream.credentials_set_at > upstream.read_at) AS is_unread,
       client.quiet_hours
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

# A new snapshot, and the changes that were committed after the given one, which the last read has
# returned: each change is read once, however late its commit is. A time or a sequence number is
# taken before the commit, so it cannot do that. Without a snapshot the condition is NULL, and no
# change is returned. The first comparison uses an index: older transactions were all visible. The
# last one leaves out rows that were restored from another server, with IDs that this one has not
# reached.
ACCESS_CHANGES = """
SELECT pg_current_snapshot()::text,
       ARRAY(SELECT DISTINCT subject_id FROM access_change
             WHERE transaction_id >= pg_snapshot_xmin($1::text::pg_snapshot)::text::bigint
               AND NOT pg_visible_in_snapshot(transaction_id::text::xid8, $1::text::pg_snapshot)
               AND pg_visible_in_snapshot(transaction_id::text::xid8, pg_current_snapshot()))
"""
# The time of the statement, not clock_timestamp(): PostgreSQL does not look up a volatile value in
# an index. An array of IDs: for as many IDs in a subquery it would read the whole table.
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
# A separate statement, after the commit of the deleted tokens: if two processes delete the last
# tokens of a session, the later one sees that none is left. OFFSET 0 makes PostgreSQL look up each
# session in the index instead of comparing with all tokens.
PURGE_SESSIONS = """
DELETE FROM session
WHERE id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM refresh_token WHERE session_id = session.id OFFSET 0)
"""


async def find_actor_of_session(session_id: UUID, user_id: UUID) -> Actor | None:
    row = await fetch_row(ACTOR_OF_SESSION, session_id, user_id)
    return None if row is None else _actor(row)


async def find_actor_of_key(secret_hash: bytes) -> Actor | None:
    row = await fetch_row(ACTOR_OF_KEY, secret_hash)
    return None if row is None else _actor(row)


async def note_access_changes(tx: Connection, subject_ids: Sequence[UUID]) -> None:
    changes = [AccessChange(id=new_id(), subject_id=each) for each in subject_ids]
    await AccessChange.bulk_create(changes, using_db=orm(tx))


async def read_access_changes(since: str | None) -> tuple[str, Collection[UUID]]:
    row = await fetch_row(ACCESS_CHANGES, since)
    assert row is not None
    return row[0], row[1]


async def note_keys_used(key_ids: Sequence[UUID]) -> None:
    # At most one write for each key and minute, even if many processes use the key.
    minute = RawSQL("date_trunc('minute', clock_timestamp())")
    not_noted = Q(last_used_at__isnull=True) | Q(last_used_at__lt=minute)
    await ApiKey.filter(not_noted, id__in=key_ids).update(last_used_at=minute)


async def purge_changes(*, most: int) -> int:
    done = await execute(PURGE_CHANGES, KEPT_DAYS, most)
    return int(done.split()[-1])


async def purge_sign_ins(*, most: int) -> int:
    """Returns the number of tokens."""
    async with connection() as pooled:
        rows = await pooled.fetch(PURGE_REFRESH_TOKENS, KEPT_DAYS, most)
        if rows:
            await pooled.execute(PURGE_SESSIONS, list({row[0] for row in rows}))
    return len(rows)


def _actor(row: Record) -> Actor:
    role, payer = Role(row["role"]), _payer(row)
    return object_of(Actor, row, role=role, payer=payer, expires_at=None)


def _payer(row: Record) -> Payer | None:
    if row["provider_account_id"] is None:
        return None
    stored = row["quiet_hours"]
    quiet_hours = QuietHours(**orjson.loads(stored)) if stored else None
    return object_of(Payer, row, is_unread=row["is_unread"] or False, quiet_hours=quiet_hours)
