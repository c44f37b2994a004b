"""Transactions of the operations, and what they raise and log if the database is unavailable."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, Self, TypeAlias
from weakref import WeakSet

from domain.errors import OutcomeUnknown, ProviderUnavailable, Refusal, TryAgain

Transaction: TypeAlias = Any
"""An open transaction. Only persistence knows what it is."""

_log = logging.getLogger(__name__)


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


UNAVAILABLE = (Disconnected, TryAgain, OutcomeUnknown)
"""The errors that mean that the database is unavailable."""


class Outage:
    """An outage of the database: one line in the log when it begins, and one when it is over.

    Each process has more than twenty tasks that notice it.
    """

    def __init__(self) -> None:
        self._waiting: WeakSet[Failures] = WeakSet()  # a task that was cancelled is gone
        self._began = 0.0

    def add(self, task: Failures, failure: BaseException) -> None:
        """The task waits for the database."""
        if not self._waiting:
            self._began = time.monotonic()
            reason = reason_of(failure)
            _log.warning("the database is unavailable%s (noticed by: %s)", reason, task.name)
        self._waiting.add(task)

    def remove(self, task: Failures, *, answers: bool = True) -> None:
        """The task waits no longer. `answers`: because the database answers."""
        if task not in self._waiting:
            return
        self._waiting.discard(task)
        if answers and not self._waiting:
            _log.info("the database answers again, after %.0f s", time.monotonic() - self._began)


OUTAGE = Outage()
"""That of this process."""


class Failures:
    """The failures in a row of one task. An outage is logged once, anything else each time.

    `with` calls `stop` when the task ends, however it ends.
    """

    def __init__(self, log: logging.Logger, name: str) -> None:
        self.name = name
        self.count = 0
        self._log = log
        self._reported = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add(self, failure: BaseException) -> None:
        """A step has failed."""
        self.count += 1
        if isinstance(failure, UNAVAILABLE):
            OUTAGE.add(self, failure)
            return
        OUTAGE.remove(self)
        if not isinstance(failure, ProviderUnavailable):
            self._log.error("%s failed", self.name, exc_info=failure)
        elif not self._reported:
            self._log.warning("%s waits: %s", self.name, failure.for_operator)
        self._reported = True

    def end(self) -> None:
        """A step has succeeded. Called on the path of every message: almost always after none."""
        if not self.count:
            return
        OUTAGE.remove(self)
        if self._reported:
            self._log.info("%s continues", self.name)
        self.count, self._reported = 0, False

    def stop(self) -> None:
        """The task has ended."""
        OUTAGE.remove(self, answers=False)
