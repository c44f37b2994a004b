"""Making and changing users. What could let somebody stay in ends their sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Everything, Role
from domain.identity.ports import IdentityStore, Passwords
from domain.identity.records import KEEP, Keep, User, Value, email_of, kept, password_of
from domain.ids import new_id
from domain.transactions import Transaction, changing


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user as asked for."""

    email: str
    password: str
    role: Role
    client_id: UUID | None = None
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What is to change about a user. None clears."""

    password: str | Keep | None = KEEP
    role: Role | Keep | None = KEEP
    client_id: UUID | Keep | None = KEEP
    group_id: UUID | Keep | None = KEEP
    disabled: bool | Keep | None = KEEP


async def create_user(store: IdentityStore, passwords: Passwords, new: NewUser) -> User:
    """A new user. Raises InvalidInput, or NotFound for a client or group that is not there."""
    user = User(
        id=new_id(),
        email=email_of(new.email),
        role=new.role,
        client_id=new.client_id,
        group_id=new.group_id,
        disabled=False,
        created_at=datetime.now(UTC),
    )
    check_role_fits(user)
    password_hash = await passwords.hash(password_of(new.password))
    async with changing(store) as tx:
        await store.lock_identities(tx)
        await _check_places(store, tx, user)
        await store.add_user(tx, user, password_hash=password_hash)
    return user


async def create_admin(
    store: IdentityStore, passwords: Passwords, *, email: str, password: str
) -> User:
    """A new admin. Raises InvalidInput."""
    return await create_user(
        store, passwords, NewUser(email=email, password=password, role=Role.ADMIN)
    )


async def update_user(
    store: IdentityStore, passwords: Passwords, user_id: UUID, change: UserChange
) -> User:
    """The user, changed. A new password or role, or being disabled, ends all their sessions.

    Raises NotFound, or InvalidInput, also where no active admin would be left.
    """
    password_hash = None
    if not isinstance(change.password, Keep):
        password_hash = await passwords.hash(password_of(change.password))
    async with changing(store) as tx:
        await store.lock_identities(tx)
        before = await store.find_user(user_id, tx=tx)
        if before is None:
            raise NotFound("user")
        user = changed_user(before, change)
        await _check_places(store, tx, user)
        await _check_admin_left(store, tx, user)
        await store.write_user(tx, user, password_hash=password_hash)
        if password_hash or user.role is not before.role or user.disabled:
            await store.end_sessions_of(tx, user.id)
        await store.note_access_changes(tx, [user.id])
    return user


def changed_user(user: User, change: UserChange) -> User:
    """The user with the change made.

    What a new role cannot have is taken away, unless it is asked for: then InvalidInput says so.
    """
    role = _given(kept(change.role, user.role), field="role")
    disabled = _given(kept(change.disabled, user.disabled), field="disabled")
    client_id = kept(change.client_id, None if role is Role.ADMIN else user.client_id)
    group_id = kept(change.group_id, user.group_id if role is Role.SUPERVISOR else None)
    changed = replace(user, role=role, disabled=disabled, client_id=client_id, group_id=group_id)
    check_role_fits(changed)
    return changed


def check_role_fits(user: User) -> None:
    """Raises InvalidInput where the role lacks what it needs or has what it cannot have."""
    match user.role:
        case Role.ADMIN if user.client_id is not None:
            raise InvalidInput("An admin belongs to no client.", field="clientId")
        case Role.SUPERVISOR if user.group_id is None:
            raise InvalidInput("A supervisor needs a group.", field="groupId")
        case Role.CLIENT if user.client_id is None:
            raise InvalidInput("A client's user needs the client.", field="clientId")
        case Role.ADMIN | Role.CLIENT if user.group_id is not None:
            raise InvalidInput("Only a supervisor is given a group.", field="groupId")
        case _:
            pass


async def _check_places(store: IdentityStore, tx: Transaction, user: User) -> None:
    """The client and the group are there, and a supervisor's client is in the own group."""
    if user.group_id and not await store.find_groups([user.group_id], tx=tx):
        raise NotFound("group")
    if user.client_id is None:
        return
    clients = await store.find_clients(Everything(), [user.client_id], tx=tx)
    if user.client_id not in clients:
        raise NotFound("client")
    if user.role is Role.SUPERVISOR and clients[user.client_id].group_id != user.group_id:
        raise InvalidInput("A supervisor's client is one of the own group.", field="clientId")


async def _check_admin_left(store: IdentityStore, tx: Transaction, user: User) -> None:
    if user.role is Role.ADMIN and not user.disabled:
        return
    if await store.active_admins(tx) == {user.id}:
        raise InvalidInput(
            "This is the last active admin: make another one first.",
            field="disabled" if user.disabled else "role",
        )


def _given(value: Value | None, *, field: str) -> Value:
    if value is None:
        raise InvalidInput(f"{field} cannot be cleared.", field=field)
    return value
