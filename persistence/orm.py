"""Tortoise's clients over our pool: a queryset uses the same connections as the set-based SQL.

Tortoise's own client waits for a connection without a limit, and its own transactions lose pooled
connections. Exceptions of asyncpg are raised as they are, as in the set-based SQL: catch
`asyncpg.UniqueViolationError`, not `tortoise.exceptions.IntegrityError`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper

from domain.errors import TryAgain
from persistence.pool import AWAY, acquired

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from persistence.pool import Connection, Pool

Answer = TypeVar("Answer")
Call = Callable[..., Coroutine[Any, Any, Answer]]


class _Untranslated(AsyncpgDBClient):
    async def _translate_exceptions(self, func: Call[Answer], *args: Any, **kwargs: Any) -> Answer:
        return await func(self, *args, **kwargs)


class PooledClient(_Untranslated):
    """Runs each statement on a pooled connection of its own. Raises TryAgain if PostgreSQL is away.

    Tortoise makes it: see `persistence.database.tortoise_config`.
    """

    @property
    def pool(self) -> Pool:
        """The pool. Raises RuntimeError before `connect`."""
        if self._pool is None:
            raise RuntimeError("not connected: call connect() first")
        return self._pool

    def acquire_connection(self) -> AbstractAsyncContextManager[Connection]:  # type: ignore[override]
        """A connection of the pool."""
        return acquired(self.pool, unavailable=TryAgain)

    async def _close(self) -> None:
        try:
            await super()._close()
        except AWAY:
            self._pool = None  # asyncpg has dropped its connections

    def _in_transaction(self) -> NoReturn:
        raise RuntimeError("use persistence.database.transaction() instead of Tortoise's own")


class HeldClient(_Untranslated, TransactionWrapper):
    """Runs all statements on one connection that the caller holds."""

    def __init__(self, client: PooledClient, held: Connection) -> None:
        super().__init__(client)
        self._connection = cast(Any, held)

    def holds(self, held: Connection) -> bool:
        """Whether this is its connection."""
        return cast(Any, self._connection) is held


client_class = PooledClient
