"""Adding and changing users. A new password or role, or disabling a user, ends its sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Actor, Role
from domain.identity.actors import check_credential
from domain.identity.clients import existing_client
from domain.identity.directory import KEEP, Keep, User, Value, email_of, kept, password_of
from domain.identity.ports import IdentityStore, Passwords
from domain.ids import new_id
from domain.transactions import Transaction, changing


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """The requested fields of a new user."""

    email: str
    password: str
    role: Role
    client_id: UUID | None = None
    group_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """The requested changes of a user. None clears a field."""

    password: str | Keep | None = KEEP
    role: Role | Keep | None = KEEP
    client_id: UUID | Keep | None = KEEP
    group_id: UUID | Keep | None = KEEP
    disabled: bool | Keep | None = KEEP


async def create_user(
    store: IdentityStore, passwords: Passwords, new: NewUser, *, by: Actor | None = None
) -> User:
    """Adds a user. `by`: the actor; None for the command line.

    Raises InvalidInput, NotFound if the client or group does not exist, or Unauthenticated.
    """
    user = user_of(new.email, new.role, client_id=new.client_id, group_id=new.group_id)
    password_hash = await passwords.hash(password_of(new.password))
    async with changing(store) as tx:
        await store.lock_identities(tx)
        await check_credential(store, tx, by)
        await _check_references(store, tx, user)
        await store.add_user(tx, user, password_hash=password_hash)
    return user


def user_of(
    email: str, role: Role, *, client_id: UUID | None = None, group_id: UUID | None = None
) -> User:
    """The requested user, with a new ID. Raises InvalidInput."""
    user = User(
        id=new_id(),
        email=email_of(email),
        role=role,
        client_id=client_id,
        group_id=group_id,
        disabled=False,
        created_at=datetime.now(UTC),
    )
    check_role_fits(user)
    return user


async def create_admin(
    store: IdentityStore, passwords: Passwords, *, email: str, password: str
) -> User:
    """Adds an admin. Raises InvalidInput."""
    return await create_user(
        store, passwords, NewUser(email=email, password=password, role=Role.ADMIN)
    )


async def update_user(
    store: IdentityStore,
    passwords: Passwords,
    user_id: UUID,
    change: UserChange,
    *,
    by: Actor | None = None,
) -> User:
    """Changes a user. A new password or role, or disabling, ends all sessions of the user.

    `by`: the actor; None for the command line. Raises NotFound, Unauthenticated, or InvalidInput:
    also if no active admin would be left.
    """
    password_hash = None
    if not isinstance(change.password, Keep):
        password_hash = await passwords.hash(password_of(change.password))
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        await check_credential(store, tx, by)
        before = await store.find_user(user_id, tx=tx)
        if before is None:
            raise NotFound("user")
        user = changed_user(before, change)
        await _check_references(store, tx, user)
        await _check_admin_left(store, tx, user)
        await store.update_user(tx, user, password_hash=password_hash)
        if password_hash or user.role is not before.role or user.disabled:
            await store.end_sessions_of(tx, user.id)
        await store.note_access_changes(tx, [user.id])
    return user


def changed_user(user: User, change: UserChange) -> User:
    """The user after the change.

    A new role clears the client or group that it cannot have. Raises InvalidInput if the change
    itself sets that client or group.
    """
    role = _given(kept(change.role, user.role), field="role")
    disabled = _given(kept(change.disabled, user.disabled), field="disabled")
    client_id = kept(change.client_id, None if role is Role.ADMIN else user.client_id)
    group_id = kept(change.group_id, user.group_id if role is Role.SUPERVISOR else None)
    changed = replace(user, role=role, disabled=disabled, client_id=client_id, group_id=group_id)
    check_role_fits(changed)
    return changed


def check_role_fits(user: User) -> None:
    """Raises InvalidInput if the role does not fit the client and the group of the user."""
    match user.role:
        case Role.ADMIN if user.client_id is not None:
            raise InvalidInput("An admin cannot have a client.", field="clientId")
        case Role.SUPERVISOR if user.group_id is None:
            raise InvalidInput("A supervisor needs a group.", field="groupId")
        case Role.CLIENT if user.client_id is None:
            raise InvalidInput("A user with the role CLIENT needs a client.", field="clientId")
        case Role.ADMIN | Role.CLIENT if user.group_id is not None:
            raise InvalidInput("Only a supervisor can have a group.", field="groupId")
        case _:
            pass


async def _check_references(store: IdentityStore, tx: Transaction, user: User) -> None:
    """Checks that client and group exist, and that a supervisor's client is in its group."""
    if user.group_id and not await store.find_groups([user.group_id], tx=tx):
        raise NotFound("group")
    if user.client_id is None:
        return
    client = await existing_client(store, tx, user.client_id)
    if user.role is Role.SUPERVISOR and client.group_id != user.group_id:
        raise InvalidInput(
            "A supervisor can only be given a client of its group.", field="clientId"
        )


async def _check_admin_left(store: IdentityStore, tx: Transaction, user: User) -> None:
    if user.role is Role.ADMIN and not user.disabled:
        return
    if await store.active_admins(tx) == {user.id}:
        raise InvalidInput(
            "This is the last active admin. Add another admin first.",
            field="disabled" if user.disabled else "role",
        )


def _given(value: Value | None, *, field: str) -> Value:
    if value is None:
        raise InvalidInput(f"{field} cannot be cleared. Leave it out to keep it.", field=field)
    return value
