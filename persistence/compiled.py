"""Querysets that are compiled once: for look-ups that run for very many requests.

Tortoise builds the SQL of a queryset each time that it runs. For one row by its key, that takes
four times as long as to send the statement and to read the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

from tortoise.models import Model
from tortoise.queryset import QuerySet

from persistence.database import Connection, orm

Row = TypeVar("Row", bound=Model)

MARK = "00000000-0000-4000-8000-00000000dead"
"""Replaces the ID where the queryset is compiled. Tortoise makes a text of it."""


class ById(Generic[Row]):
    """The row that a queryset finds for an ID. `build`: makes the queryset for an ID.

    Its SQL is made once, so `build` must make the same one for each ID.
    """

    def __init__(self, build: Callable[[UUID], QuerySet[Row]]) -> None:
        self._build = build
        self._compiled: tuple[type[Row], str, list[Any]] | None = None

    async def __call__(self, id: UUID, *, tx: Connection | None = None) -> Row | None:
        """The first row; None if there is none. Raises TryAgain."""
        client = orm(tx)
        if self._compiled is None:
            self._compiled = self._compile()
        model, statement, values = self._compiled
        given = [id if value == MARK else value for value in values]
        found = await client.executor_class(model=model, db=client).execute_select(statement, given)
        return found[0] if found else None

    def _compile(self) -> tuple[type[Row], str, list[Any]]:
        query = self._build(UUID(MARK)).limit(1)
        query.sql()  # makes `query.query`
        statement, values = query.query.get_parameterized_sql()
        if MARK not in values:
            raise ValueError("the queryset does not look for the ID")
        return query.model, statement, values
