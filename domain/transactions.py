"""Transactions of the operations, and what they raise if the database is unavailable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias

from domain.errors import OutcomeUnknown, Refusal, TryAgain

Transaction: TypeAlias = Any
"""An open transaction. Only persistence knows what it is."""


class Disconnected(Exception):
    """The connection to the database was lost before COMMIT: nothing was kept."""


class CommitLost(Disconnected):
    """The connection was lost during COMMIT: the transaction may have been kept.

    Repeat the transaction in such a way that it finds what a kept one has written.
    """


class LockTimeout(Exception):
    """Another transaction has held a lock for longer than this one may wait. Nothing was kept."""


class Transactional(Protocol):
    """A store that opens transactions."""

    def transaction(self, *, keeps_plans: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """READ COMMITTED. Raises Disconnected, or CommitLost.

        `keeps_plans`: for transactions on the path of every message.
        """


@asynccontextmanager
async def changing(store: Transactional, *, repeatable: bool = False) -> AsyncIterator[Transaction]:
    """A transaction for a change that has no idempotency key.

    Raises TryAgain if the database is unavailable. If it became unavailable during COMMIT, raises
    OutcomeUnknown, or TryAgain if the change is `repeatable`: doing it twice has the same effect as
    once.
    """
    try:
        async with store.transaction() as tx:
            yield tx
    except CommitLost as lost:
        raise (TryAgain if repeatable else OutcomeUnknown) from lost
    except Disconnected as gone:
        raise TryAgain from gone


def reason_of(failure: BaseException) -> str:
    """What the database or the network said, after a colon, such as that a disk is full."""
    while isinstance(failure, (Disconnected, Refusal)):
        if failure.__cause__ is None:
            return ""
        failure = failure.__cause__
    first_line, _, _ = str(failure).partition("\n")
    return f": {first_line or 'it does not answer'}"
