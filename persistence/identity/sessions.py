"""Sign-ins, refresh tokens and API keys in SQL: behind `domain.identity.ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.identity.ports import ApiKey, Login
from domain.ids import new_id
from persistence.database import connection
from persistence.identity.tenants import note_access_changes

if TYPE_CHECKING:
    from persistence.database import Connection

FIND_LOGIN = """
SELECT id, password_hash FROM app_user WHERE lower(email) = lower($1) AND NOT disabled
"""
# The row is held until the commit: a password that changes meanwhile ends this session too.
CONFIRM_LOGIN = """
SELECT true FROM app_user WHERE id = $1 AND password_hash = $2 AND NOT disabled FOR SHARE
"""
BEGIN_SESSION = "INSERT INTO session (id, user_id) VALUES ($1, $2)"
ADD_LINK = """
INSERT INTO refresh_token (id, session_id, token_hash, expires_at)
VALUES ($1, $2, $3, clock_timestamp() + make_interval(days => $4))
"""
# Of two that use one token together, the second waits for the first and then finds it used.
USE_LINK = """
UPDATE refresh_token SET used_at = clock_timestamp()
FROM session JOIN app_user ON app_user.id = session.user_id
WHERE token_hash = $1 AND used_at IS NULL AND expires_at > clock_timestamp()
  AND session.id = session_id AND session.revoked_at IS NULL AND NOT app_user.disabled
RETURNING app_user.id, session.id
"""
FIND_SESSION = "SELECT session_id FROM refresh_token WHERE token_hash = $1"
END_SESSION = """
UPDATE session SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL
"""

KEY_COLUMNS = "id, name, prefix, created_at, last_used_at"
LIST_KEYS = f"""
SELECT {KEY_COLUMNS} FROM api_key WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id DESC
"""  # noqa: S608 - columns of our own
LOCK_USER = "SELECT 1 FROM app_user WHERE id = $1 FOR NO KEY UPDATE"
COUNT_KEYS = "SELECT count(*) FROM api_key WHERE user_id = $1 AND revoked_at IS NULL"
WRITE_KEY = f"""
INSERT INTO api_key (id, user_id, name, prefix, secret_hash) VALUES ($1, $2, $3, $4, $5)
RETURNING {KEY_COLUMNS}
"""  # noqa: S608 - columns of our own
REVOKE_KEY = f"""
UPDATE api_key SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)
RETURNING {KEY_COLUMNS}
"""  # noqa: S608 - columns of our own


async def find_login(email: str) -> Login | None:
    """The user of that email, in any case, unless disabled."""
    async with connection() as pooled:
        row = await pooled.fetchrow(FIND_LOGIN, email)
    return None if row is None else Login(*row)


async def begin_session(tx: Connection, login: Login, session_id: UUID) -> bool:
    """Begins it; False where the user was disabled or the password changed in between."""
    if not await tx.fetchval(CONFIRM_LOGIN, login.user_id, login.password_hash):
        return False
    await tx.execute(BEGIN_SESSION, session_id, login.user_id)
    return True


async def write_refresh_token(
    tx: Connection, session_id: UUID, token_hash: bytes, *, lifetime_days: int
) -> None:
    """Adds a link to a session's chain."""
    await tx.execute(ADD_LINK, new_id(), session_id, token_hash, lifetime_days)


async def use_refresh_token(tx: Connection, token_hash: bytes) -> tuple[UUID, UUID] | None:
    """Uses it up: its user and session; None where it is not valid (any more)."""
    row = await tx.fetchrow(USE_LINK, token_hash)
    return None if row is None else (row[0], row[1])


async def find_session(tx: Connection, token_hash: bytes) -> UUID | None:
    """The session of a refresh token, used or not."""
    found: UUID | None = await tx.fetchval(FIND_SESSION, token_hash)
    return found


async def end_session(tx: Connection, session_id: UUID) -> None:
    """Ends it, if it has not ended, and notes the change."""
    await tx.execute(END_SESSION, session_id)
    await note_access_changes(tx, [session_id])


async def list_api_keys(user_id: UUID) -> list[ApiKey]:
    """The user's keys that are not revoked, newest first."""
    async with connection() as pooled:
        return [ApiKey(*row) for row in await pooled.fetch(LIST_KEYS, user_id)]


async def write_api_key(
    tx: Connection,
    *,
    user_id: UUID,
    name: str,
    prefix: str,
    secret_hash: bytes,
    most: int,
) -> ApiKey | None:
    """Adds a key, unless the user has that many. One at a time: the user's row is locked."""
    await tx.execute(LOCK_USER, user_id)
    if await tx.fetchval(COUNT_KEYS, user_id) >= most:
        return None
    row = await tx.fetchrow(WRITE_KEY, new_id(), user_id, name, prefix, secret_hash)
    assert row is not None
    return ApiKey(*row)


async def revoke_api_key(tx: Connection, key_id: UUID, *, user_id: UUID | None) -> ApiKey | None:
    """Revokes it (if it is this user's, where one is named) and notes the change."""
    row = await tx.fetchrow(REVOKE_KEY, key_id, user_id)
    if row is None:
        return None
    await note_access_changes(tx, [key_id])
    return ApiKey(*row)
