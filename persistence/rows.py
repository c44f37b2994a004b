"""Rows as objects of the domain."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any, TypeVar

from asyncpg import Record

Item = TypeVar("Item")


def object_of(kind: type[Item], row: Any, **others: Any) -> Item:
    """An object of this dataclass or named tuple. `row`: of a statement or of a queryset.

    Each attribute is the column of the same name, except for those in `others`.
    """
    known: Any = kind
    names = getattr(kind, "_fields", None) or [each.name for each in fields(known)]
    read = row.__getitem__ if isinstance(row, Record) else partial(getattr, row)
    return kind(**{name: read(name) for name in names if name not in others}, **others)
