"""Transactions of the operations that a person asks for one at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias

from domain.errors import TryAgain

Transaction: TypeAlias = Any
"""An open transaction. Opaque here: only persistence looks inside."""


class Disconnected(Exception):
    """The database went away; whether the last commit was kept is not known.

    Repeat the whole transaction as "insert or find".
    """


class Transactional(Protocol):
    """A store that opens transactions."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """READ COMMITTED. Raises Disconnected where the database is away."""
        ...


@asynccontextmanager
async def changing(store: Transactional) -> AsyncIterator[Transaction]:
    """A transaction for a change that a person may repeat.

    Raises TryAgain where the database is away.
    """
    try:
        async with store.transaction() as tx:
            yield tx
    except Disconnected as gone:
        raise TryAgain from gone
