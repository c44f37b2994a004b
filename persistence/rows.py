"""Rows that a scope covers, and rows as objects of the domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from asyncpg import Record
from tortoise.models import Model
from tortoise.queryset import QuerySet

from domain.errors import NotFound
from domain.identity.access import Everything, OfClient, OfGroup, Scope

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)


def within(scope: Scope, query: QuerySet[Row]) -> QuerySet[Row]:
    """The rows of clients in this scope. The model has a `client_id`."""
    match scope:
        case Everything():
            return query
        case OfClient(client_id):
            return query.filter(client_id=client_id)
        case OfGroup():
            # A supervisor does not read what the clients of the group send.
            return query.filter(id__in=[])


def only_client_of(scope: Scope, what: str) -> UUID | None:
    """The client that a scope is restricted to; None for all. Raises NotFound for a group."""
    match scope:
        case Everything():
            return None
        case OfClient(client_id):
            return client_id
        case OfGroup():
            raise NotFound(what)


def object_of(kind: type[Item], row: Any, /, **others: Any) -> Item:
    """An object of this dataclass or named tuple. `row`: of a statement or of a queryset.

    Each attribute is the column of the same name, except for those in `others`.
    """
    read = row.__getitem__ if isinstance(row, Record) else partial(getattr, row)
    return kind(**{name: read(name) for name in _names_of(kind) if name not in others}, **others)


def columns_of(kind: type[Any]) -> str:
    """The columns that `object_of` needs for a dataclass or named tuple.

    With "*", a prepared statement would fail in a transaction when a later release adds a column.
    """
    return ", ".join(_names_of(kind))


def _names_of(kind: Any) -> Sequence[str]:
    return getattr(kind, "_fields", None) or [each.name for each in fields(kind)]
