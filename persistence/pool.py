"""Connections of the pool: how long to wait for one, which of them work, and Tortoise's clients.

PostgreSQL's own `statement_timeout` does not help if PostgreSQL is stopped or out of reach. So this
process measures the time itself. A statement that is too slow costs its caller the statement. Only
a connection that does not answer any more is dropped.

A queryset uses the same connections as the set-based SQL. Tortoise's own client waits for a
connection without a limit, and its own transactions lose pooled connections. Exceptions of asyncpg
are raised as they are, as in the set-based SQL: catch `asyncpg.UniqueViolationError`, not
`tortoise.exceptions.IntegrityError`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper

from domain.errors import TryAgain

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

ANSWER_SECONDS = 10.0
"""How long one statement may take, unless the caller gives a longer time."""

PROOF_SECONDS = 1.0
"""How long a connection may take to show that it works: to end a statement, or to answer one.

Longer if the server is slow: see `Silence.proof_seconds`.
"""

PROOF_TRIES = 5
"""How many connections a caller tries that do not answer, before PostgreSQL counts as away."""

# What asyncpg and the system raise if PostgreSQL is away, restarting, silent or out of resources,
# if it cancelled the statement, or if it closed the connection.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is not, or not yet, the primary
    asyncpg.QueryCanceledError,  # by a timeout of its own, or because its clock was set
    asyncpg.DeadlockDetectedError,  # it was rolled back: the same transaction succeeds if repeated
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection was lost between two statements
    ConnectionError,
    TimeoutError,
    OSError,
)


_log = logging.getLogger(__name__)


class Silence:
    """Whether a connection of the pool has stopped answering, and which others have proved since.

    After the first such connection, each connection must answer once before it is used again.
    After the second in a row, the connections that are not in use are all replaced: the server or
    the network is the cause, and to try them one by one would take a second each.
    """

    def __init__(self) -> None:
        self.answer_seconds = ANSWER_SECONDS
        self._since: float | None = None
        self._count = 0
        self._proof_took_seconds = 0.0
        self._proved: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def reset(self, answer_seconds: float) -> None:
        """A new pool: nothing is known about it."""
        self.answer_seconds = answer_seconds
        self._since = None
        self._count = 0
        self._proof_took_seconds = 0.0
        self._proved.clear()

    @property
    def connection_seconds(self) -> float:
        """How long to wait for a connection.

        Shorter during a silence: the later callers should not all wait as long as the first. It
        grows with the silence, so that a server that is only slow has the time to answer.
        """
        return self.answer_seconds if self._since is None else self.proof_seconds

    @property
    def proof_seconds(self) -> float:
        """How long a connection may take to show that it works.

        A server whose answers take longer than PROOF_SECONDS is slow, and not away. So the time
        grows with the silence, and is at least twice the time that the last proof took.
        """
        silent_seconds = 0.0 if self._since is None else time.monotonic() - self._since
        longest = max(PROOF_SECONDS, silent_seconds / 4, 2 * self._proof_took_seconds)
        return min(longest, self.answer_seconds)

    def must_prove(self, held: Connection) -> bool:
        """Whether the connection has not answered since the last one that stopped."""
        return self._count > 0 and self._proved.get(_raw(held)) != self._count

    def answered(self, seconds: float) -> None:
        """A connection has shown that it works, in so much time."""
        self._proof_took_seconds = seconds

    def proved(self, held: Connection) -> None:
        """The connection has answered, and may be used."""
        self._since = None
        self._proved[_raw(held)] = self._count

    async def found(self, pool: Pool) -> None:
        """A connection did not answer."""
        self._count += 1
        if self._since is None:
            self._since = time.monotonic()
        else:
            await pool.expire_connections()


silence = Silence()


@asynccontextmanager
async def acquired(
    pool: Pool, *, unavailable: type[Exception], silence: Silence = silence
) -> AsyncIterator[Connection]:
    """A connection of the pool. Raises `unavailable` if PostgreSQL is away.

    The connection is released at the end. A mistake in the use of asyncpg is raised as it is.
    `silence`: what is known about the server of this pool.
    """
    try:
        held = await _acquire(pool, silence)
    except AWAY as away:
        raise unavailable from away
    try:
        yield held
    except AWAY as away:
        if isinstance(away, TimeoutError) and not await _answers(held, silence):
            await silence.found(pool)
        if isinstance(away, asyncpg.InterfaceError) and not _is_closed(held):
            raise
        if isinstance(away, asyncpg.DeadlockDetectedError):
            _log.error("PostgreSQL has ended a deadlock: this transaction was rolled back")
        if isinstance(away, asyncpg.ReadOnlySQLTransactionError):
            terminate(held)  # the next connection may reach the primary
        raise unavailable from away
    finally:
        # A connection that PostgreSQL closed raises here as well; the pool replaces it.
        with suppress(*AWAY):
            await pool.release(held, timeout=PROOF_SECONDS)


async def _acquire(pool: Pool, silence: Silence) -> Connection:
    for _ in range(PROOF_TRIES):
        held = await pool.acquire(timeout=silence.connection_seconds)
        if not silence.must_prove(held):
            return held
        if await _answers(held, silence):
            silence.proved(held)
            return held
        await silence.found(pool)
        with suppress(*AWAY):
            await pool.release(held, timeout=PROOF_SECONDS)
    raise ConnectionError(f"{PROOF_TRIES} connections in a row do not answer")


async def _answers(held: Connection, silence: Silence) -> bool:
    """Whether the connection answers. It is closed if it does not.

    asyncpg first waits until the server has ended the statement that was cancelled.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(silence.proof_seconds):
            await held.execute("SELECT 1")
    except asyncio.CancelledError:
        terminate(held)
        raise
    except AWAY:
        terminate(held)
        return False
    silence.answered(time.monotonic() - began)
    return True


def terminate(held: Connection) -> None:
    """Closes the connection without a word to PostgreSQL, which rolls back what is open."""
    with suppress(*AWAY):
        held.terminate()


def _is_closed(held: Connection) -> bool:
    try:
        return held.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already


def _raw(held: Connection) -> object:
    return held._con  # type: ignore[attr-defined]  # the proxy is a new object at each acquire


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
