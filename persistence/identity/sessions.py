"""Sessions, refresh tokens and API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tortoise.expressions import Q, RawSQL
from tortoise.queryset import QuerySet

from domain.identity.access import Actor
from domain.identity.ports import ApiKey, Login, OpenSession, RefreshToken
from domain.ids import new_id
from persistence.database import Connection, orm
from persistence.identity import models
from persistence.identity.actors import note_access_changes
from persistence.identity.users import users_with_email
from persistence.sql import NOW

IS_CURRENT = RawSQL("expires_at > clock_timestamp()")
# Without abs(), after the clock was set back, a token that was used long ago could be used again.
USED_SECONDS_AGO = RawSQL("abs(extract(epoch FROM clock_timestamp() - used_at))::float8")

TOKENS_OF_SESSION = "FROM refresh_token WHERE refresh_token.session_id = session.id"
IS_OPEN = RawSQL(f"EXISTS (SELECT {TOKENS_OF_SESSION} AND expires_at > clock_timestamp())")
REFRESHED_AT = RawSQL(f"(SELECT max(used_at) {TOKENS_OF_SESSION})")
EXPIRES_AT = RawSQL(f"(SELECT max(expires_at) {TOKENS_OF_SESSION})")


async def find_login(email: str) -> Login | None:
    user = await users_with_email(email).filter(disabled=False).first()
    return None if user is None else Login(user.id, user.password_hash)


async def begin_session(tx: Connection, login: Login, session_id: UUID) -> bool:
    if await _user_of(tx, login).select_for_update(no_key=True).first() is None:
        return False
    await models.Session.create(using_db=orm(tx), id=session_id, user_id=login.user_id)
    return True


async def change_password(tx: Connection, login: Login, password_hash: str) -> bool:
    return bool(await _user_of(tx, login).update(password_hash=password_hash))


async def end_session(tx: Connection, session_id: UUID) -> None:
    session = models.Session.filter(id=session_id, revoked_at__isnull=True).using_db(orm(tx))
    await session.update(revoked_at=NOW)
    await note_access_changes(tx, [session_id])


async def has_ended(tx: Connection, actor: Actor) -> bool:
    revoked = {"id": actor.credential_id, "revoked_at__isnull": False}
    changed = Q(disabled=True) | ~Q(role=actor.role)
    ends: list[QuerySet[Any]] = [
        models.Session.filter(**revoked),
        models.ApiKey.filter(**revoked),
        models.User.filter(changed, id=actor.user_id),
    ]
    return any([await each.using_db(orm(tx)).exists() for each in ends])


async def list_sessions(user_id: UUID, *, most: int) -> list[OpenSession]:
    return [_open_session(row) for row in await _open_sessions(user_id).order_by("-id").limit(most)]


async def find_open_session(tx: Connection, user_id: UUID, session_id: UUID) -> OpenSession | None:
    sessions = _open_sessions(user_id).filter(id=session_id).using_db(orm(tx))
    row = await sessions.select_for_update(no_key=True).first()
    return None if row is None else _open_session(row)


async def end_sessions_of(tx: Connection, user_id: UUID, *, except_id: UUID | None = None) -> int:
    sessions = models.Session.filter(user_id=user_id, revoked_at__isnull=True).using_db(orm(tx))
    others = sessions if except_id is None else sessions.exclude(id=except_id)
    return await others.update(revoked_at=NOW)


async def lock_refresh_token(tx: Connection, token_hash: bytes) -> RefreshToken | None:
    token: Any = (
        await models.RefreshToken.filter(token_hash=token_hash)
        .using_db(orm(tx))
        .select_for_update(no_key=True)
        .annotate(is_current=IS_CURRENT, used_seconds_ago=USED_SECONDS_AGO)
        .first()
    )
    if token is None:
        return None
    # Read after the lock: the session may have ended while this transaction waited.
    session = await models.Session.get(id=token.session_id, using_db=orm(tx))
    user = await models.User.get(id=session.user_id, using_db=orm(tx))
    return RefreshToken(
        id=token.id,
        session_id=session.id,
        user_id=user.id,
        is_valid=token.is_current and session.revoked_at is None and not user.disabled,
        used_seconds_ago=token.used_seconds_ago,
        successor_salt=token.successor_salt,
    )


async def mark_refresh_token_used(tx: Connection, token_id: UUID, salt: bytes) -> None:
    token = models.RefreshToken.filter(id=token_id).using_db(orm(tx))
    await token.update(used_at=NOW, successor_salt=salt)


async def add_refresh_token(
    tx: Connection, session_id: UUID, token_hash: bytes, *, lifetime_days: int
) -> None:
    await models.RefreshToken.create(
        using_db=orm(tx),
        id=new_id(),
        session_id=session_id,
        token_hash=token_hash,
        expires_at=datetime.now(UTC) + timedelta(days=lifetime_days),
    )


async def list_api_keys(user_id: UUID) -> list[ApiKey]:
    keys = models.ApiKey.filter(user_id=user_id, revoked_at__isnull=True)
    return [_api_key(row) for row in await keys.order_by("-id")]


async def add_api_key(
    tx: Connection,
    *,
    user_id: UUID,
    name: str,
    prefix: str,
    secret_hash: bytes,
    limit: int,
) -> ApiKey | None:
    # The lock makes requests for keys of one user wait for each other: the count stays right.
    await models.User.filter(id=user_id).using_db(orm(tx)).select_for_update(no_key=True)
    active = models.ApiKey.filter(user_id=user_id, revoked_at__isnull=True).using_db(orm(tx))
    if await active.count() >= limit:
        return None
    row = await models.ApiKey.create(
        using_db=orm(tx),
        id=new_id(),
        user_id=user_id,
        name=name,
        prefix=prefix,
        secret_hash=secret_hash,
    )
    return _api_key(row)


async def revoke_api_key(tx: Connection, key_id: UUID, *, user_id: UUID | None) -> ApiKey | None:
    keys = models.ApiKey.filter(id=key_id).using_db(orm(tx))
    row = await (keys if user_id is None else keys.filter(user_id=user_id)).first()
    if row is None:
        return None
    await keys.filter(revoked_at__isnull=True).update(revoked_at=NOW)
    await note_access_changes(tx, [key_id])
    return _api_key(row)


def _user_of(tx: Connection, login: Login) -> QuerySet[models.User]:
    """The user, if it is not disabled and still has this password."""
    return models.User.filter(
        id=login.user_id, password_hash=login.password_hash, disabled=False
    ).using_db(orm(tx))


def _open_sessions(user_id: UUID) -> QuerySet[models.Session]:
    """The sessions that can still be refreshed, with the times of their tokens."""
    return (
        models.Session.filter(user_id=user_id, revoked_at__isnull=True)
        .annotate(is_open=IS_OPEN, refreshed_at=REFRESHED_AT, expires_at=EXPIRES_AT)
        .filter(is_open=True)
    )


def _open_session(row: Any) -> OpenSession:
    refreshed_at = row.refreshed_at or row.created_at
    return OpenSession(row.id, row.created_at, refreshed_at, row.expires_at)


def _api_key(row: models.ApiKey) -> ApiKey:
    return ApiKey(row.id, row.name, row.prefix, row.created_at, row.last_used_at)
