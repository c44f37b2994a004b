"""Users, groups and clients in SQL, as they are read: behind `domain.identity.ports`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from domain.identity.access import Everything, OfClient, OfGroup, Role, Scope
from domain.identity.records import Client, ClientStatus, Group, User
from domain.pages import Page, Window
from persistence.database import connection
from persistence.pages import Filter, matching, read_page

if TYPE_CHECKING:
    from asyncpg import Record

    from persistence.database import Connection

USER_COLUMNS = "id, email, role, client_id, group_id, disabled, created_at"
GROUP_COLUMNS = "id, name, rate_per_unit_usd, account_id"
CLIENT_COLUMNS = """
id, name, business, status, group_id, account_id, rate_per_unit_usd, created_at,
ARRAY(SELECT number FROM assigned_number WHERE client_id = client.id ORDER BY number) AS numbers
"""

FIND_USER = f"SELECT {USER_COLUMNS} FROM app_user WHERE id = $1"  # noqa: S608 - columns of ours
FIND_USER_OF_EMAIL = f"SELECT {USER_COLUMNS} FROM app_user WHERE lower(email) = lower($1)"  # noqa: S608
FIND_GROUPS = f"SELECT {GROUP_COLUMNS} FROM client_group WHERE id = ANY($1::uuid[])"  # noqa: S608
FIND_CLIENTS = f"""
SELECT {CLIENT_COLUMNS} FROM client
WHERE id = ANY($1::uuid[])
  AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR group_id = $3)
"""  # noqa: S608 - columns of our own

LIST_USERS = f"SELECT {USER_COLUMNS} FROM app_user {{page}}"  # noqa: S608 - columns of our own
LIST_GROUPS = f"SELECT {GROUP_COLUMNS} FROM client_group ORDER BY lower(name), id"  # noqa: S608
LIST_CLIENTS = f"SELECT {CLIENT_COLUMNS} FROM client {{page}}"  # noqa: S608 - columns of our own


async def find_user(user_id: UUID, *, tx: Connection | None = None) -> User | None:
    """A user, whoever asks: for the user itself, and for the admin."""
    rows = await _fetch(tx, FIND_USER, user_id)
    return _user(rows[0]) if rows else None


async def find_user_by_email(email: str) -> User | None:
    """The user of that email, in any case, disabled or not."""
    rows = await _fetch(None, FIND_USER_OF_EMAIL, email)
    return _user(rows[0]) if rows else None


async def find_clients(
    scope: Scope, ids: Sequence[UUID], *, tx: Connection | None = None
) -> dict[UUID, Client]:
    """Those of the clients that lie within the scope."""
    client_id = scope.client_id if isinstance(scope, OfClient) else None
    group_id = scope.group_id if isinstance(scope, OfGroup) else None
    rows = await _fetch(tx, FIND_CLIENTS, list(ids), client_id, group_id)
    return {row["id"]: _client(row) for row in rows}


async def find_groups(ids: Sequence[UUID], *, tx: Connection | None = None) -> dict[UUID, Group]:
    """Groups by id, whoever asks: for those that the actor was led to by what it may see."""
    rows = await _fetch(tx, FIND_GROUPS, list(ids))
    return {row["id"]: Group(**row) for row in rows}


async def list_groups() -> list[Group]:
    """All groups, by name."""
    return [Group(**row) for row in await _fetch(None, LIST_GROUPS)]


async def list_clients(
    scope: Scope,
    window: Window[UUID],
    *,
    search: str | None = None,
    group_id: UUID | None = None,
) -> Page[Client]:
    """Clients, newest first. `search`: a part of the name, in any case."""
    wanted = Filter()
    match scope:
        case Everything():
            pass
        case OfGroup(own_group_id):
            wanted.add("group_id = {}", own_group_id)
        case OfClient(client_id):
            wanted.add("id = {}", client_id)
    if group_id is not None:
        wanted.add("group_id = {}", group_id)
    if search is not None:
        wanted.add("name ILIKE {}", matching(search))
    total = await _count("client", wanted)
    return replace(await read_page(LIST_CLIENTS, wanted, window, _client), total=total)


async def list_users(window: Window[UUID], *, client_id: UUID | None = None) -> Page[User]:
    """Users, newest first."""
    wanted = Filter()
    if client_id is not None:
        wanted.add("client_id = {}", client_id)
    total = await _count("app_user", wanted)
    return replace(await read_page(LIST_USERS, wanted, window, _user), total=total)


async def _count(table: str, wanted: Filter) -> int:
    statement = f"SELECT count(*)::int8 FROM {table} {wanted.where}"  # noqa: S608 - tables of ours
    return int((await _fetch(None, statement, *wanted.values))[0][0])


async def _fetch(tx: Connection | None, statement: str, *values: Any) -> list[Record]:
    if tx is not None:
        return await tx.fetch(statement, *values)
    async with connection() as pooled:
        return await pooled.fetch(statement, *values)


def _user(row: Record) -> User:
    return User(**dict(row) | {"role": Role(row["role"])})


def _client(row: Record) -> Client:
    read = dict(row)
    numbers, status = read.pop("numbers"), ClientStatus(read.pop("status").upper())
    return Client(**read, status=status, assigned_numbers=numbers)
