"""Users. SQL for the look-up of `viewer`, which very many requests make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import asyncpg
from tortoise.expressions import Q, Value
from tortoise.functions import Lower
from tortoise.queryset import QuerySet

from domain.errors import InvalidInput
from domain.identity.access import Everything, Role
from domain.identity.directory import ALL_USERS, TextKey, User, UserFilter, UserOrder
from domain.pages import Page, Window
from persistence.database import Connection, fetch_row, orm
from persistence.identity import models
from persistence.pages import list_page, order_columns
from persistence.rows import columns_of, object_of

FIND = f"SELECT {columns_of(User)} FROM app_user WHERE id = $1"  # noqa: S608 - columns of our own
# As `users_with_email`, for many.
FIND_BY_EMAIL = """
SELECT given.email, app_user.id
FROM unnest($1::text[]) AS given (email)
JOIN app_user ON lower(app_user.email) = lower(given.email)
"""


async def find_user(user_id: UUID, *, tx: Connection | None = None) -> User | None:
    row = await fetch_row(FIND, user_id, tx=tx)
    return None if row is None else object_of(User, row, role=Role(row["role"]))


async def find_user_by_email(email: str) -> User | None:
    """The user with that email, ignoring case, disabled or not."""
    row = await users_with_email(email).first()
    return None if row is None else _user(row)


def users_with_email(email: str) -> QuerySet[models.User]:
    """The user with that email, ignoring case.

    PostgreSQL lowers both sides, because the unique index uses its rules for letters.
    """
    lowered: Any = Value(email)
    return models.User.annotate(lowered=Lower("email")).filter(lowered=Lower(lowered))


async def find_users_by_email(
    _scope: Everything, emails: Sequence[str], *, tx: Connection | None = None
) -> dict[str, User]:
    client = orm(tx)
    _, found = await client.execute_query(FIND_BY_EMAIL, [list(emails)])
    users = await models.User.filter(id__in=[row["id"] for row in found]).using_db(client)
    by_id = {user.id: _user(user) for user in users}
    return {row["email"]: by_id[row["id"]] for row in found}


async def list_users(
    window: Window[TextKey],
    *,
    filter: UserFilter = ALL_USERS,
    order: UserOrder = UserOrder.NEWEST,
) -> Page[User]:
    query = models.User.annotate(lowered=Lower("email"))
    given = {
        "email__icontains": filter.search,
        "client_id": filter.client_id,
        "group_id": filter.group_id,
        "role": None if filter.role is None else filter.role.value,
        "disabled": filter.disabled,
    }
    query = query.filter(**{name: value for name, value in given.items() if value is not None})
    columns, key_of = order_columns(order.value)
    page = await list_page(query, window.with_keys(key_of), order=columns, count=True)
    return page.with_items([_user(row) for row in page.items])


async def add_user(tx: Connection, user: User, *, password_hash: str) -> None:
    try:
        await models.User.create(using_db=orm(tx), **asdict(user), password_hash=password_hash)
    except asyncpg.UniqueViolationError:
        raise InvalidInput("Another user has this email. Use another one.", field="email") from None


async def update_user(tx: Connection, user: User, *, password_hash: str | None = None) -> None:
    password = {} if password_hash is None else {"password_hash": password_hash}
    await (
        models.User.filter(id=user.id)
        .using_db(orm(tx))
        .update(
            role=user.role.value,
            client_id=user.client_id,
            group_id=user.group_id,
            disabled=user.disabled,
            **password,
        )
    )


async def active_admins(tx: Connection) -> set[UUID]:
    admins = models.User.filter(role=Role.ADMIN.value, disabled=False).using_db(orm(tx))
    return {row.id for row in await admins}


async def release_supervisors(
    tx: Connection, client_id: UUID, *, outside_group_id: UUID | None
) -> None:
    # A supervisor always has a group.
    others = Q() if outside_group_id is None else ~Q(group_id=outside_group_id)
    supervisors = models.User.filter(others, client_id=client_id, role=Role.SUPERVISOR.value)
    await supervisors.using_db(orm(tx)).update(client_id=None)


def _user(row: models.User) -> User:
    return object_of(User, row, role=Role(row.role))
