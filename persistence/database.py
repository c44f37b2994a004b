"""Connections to PostgreSQL: one pool for Tortoise querysets and for set-based SQL.

How to use it:

    User.filter(disabled=False)                 on a pooled connection of its own; raises TryAgain
    async with connection() as pooled:          several statements on one connection
        await pooled.fetch(SQL, ...)
        await User.all().using_db(orm(pooled))
    async with transaction() as tx:             one transaction for SQL and querysets alike
        await tx.execute(SQL, ...)
        await User.filter(id=user_id).using_db(orm(tx)).update(disabled=True)
        await User.create(using_db=orm(tx), ...)

A function that writes takes `tx` as its first argument and passes it on with `orm(tx)`. A function
that reads inside and outside a transaction takes `tx: Connection | None`: `orm(None)` is the pool.
A queryset without `using_db` also joins the transaction of its task.

Never use Tortoise's `in_transaction()` (or `get_or_create`, which uses it): if PostgreSQL goes away
in BEGIN or in the release, it leaks connections and leaves a dead one in its context variable. See
docs/decisions/0092.
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
from tortoise.connection import get_connections

from domain.errors import TryAgain
from domain.transactions import CommitLost, Disconnected, LockTimeout
from persistence.live.hints import PublishAfterwards
from persistence.servers import AWAY

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

STATEMENT_TIMEOUT_SECONDS = 60
NEVER_SECONDS = 1e9
"""asyncpg has no word for "no time limit" if its pool has one."""

ANSWER_SECONDS = 10.0
"""How long one statement may take, unless the caller gives a longer time."""

PROOF_SECONDS = 1.0
"""How long a connection may take to show that it works. See `Silence.proof_seconds`."""

PROOF_TRIES = 5
"""How many connections a caller tries that do not answer, before PostgreSQL counts as away."""

BEGIN = "BEGIN;"
# Kept plans are made for any values. A range of IDs may be a month or a moment: PostgreSQL takes it
# for a few rows, and would read all messages of the month by their key and sort them. The indexes
# of these statements have their order.
KEEP_PLANS = (
    f"{BEGIN} SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off;"
    " SET LOCAL enable_sort = off;"
)

_log = logging.getLogger(__name__)


@asynccontextmanager
async def connection(tx: Connection | None = None) -> AsyncIterator[Connection]:
    """A pooled connection outside any transaction: each statement commits by itself.

    `tx`: the connection of an open transaction, to read in it instead. Raises TryAgain if
    PostgreSQL is away.
    """
    if tx is not None:
        yield tx
        return
    async with acquired(pooled_client().pool, unavailable=TryAgain) as held:
        yield held


@asynccontextmanager
async def connection_with_plans() -> AsyncIterator[Connection]:
    """A pooled connection for reads whose plans are kept: see `transaction`. Raises TryAgain."""
    async with (
        acquired(pooled_client().pool, unavailable=TryAgain) as held,
        _begun(held, KEEP_PLANS),
    ):
        yield held


@asynccontextmanager
async def transaction(*, keeps_plans: bool = False) -> AsyncIterator[Connection]:
    """A READ COMMITTED transaction: commits at the end, rolls back on an exception.

    `keeps_plans`: PostgreSQL plans each of its statements once, for any values. For statements that
    run very often and need the same plan for all values, but where PostgreSQL would plan again each
    time: it compares estimates, and planning for one message takes longer than the work. A kept
    plan of a table with months opens only those that its parameters lead to.

    Never nest it, and never hold it during a call to a provider or to the bus. Raises Disconnected
    if PostgreSQL goes away, CommitLost if it does so during COMMIT, and LockTimeout if the
    transaction has set a `lock_timeout` that is over.
    """
    client = pooled_client()
    committing = False
    try:
        async with acquired(client.pool, unavailable=Disconnected) as held:
            with PublishAfterwards(held):
                async with _begun(held, KEEP_PLANS if keeps_plans else BEGIN):
                    token = get_connections().set("default", HeldClient(client, held))
                    try:
                        yield held
                    finally:
                        get_connections().reset(token)
                    committing = True
    except asyncpg.LockNotAvailableError as locked:
        raise LockTimeout from locked
    except Disconnected as gone:
        if committing:
            raise CommitLost from gone
        raise


def orm(held: Connection | None) -> PooledClient | HeldClient:
    """The client for `using_db`: runs a queryset on this connection; None is the pool."""
    if held is None:
        return pooled_client()
    current = get_connections().get("default")
    if isinstance(current, HeldClient):
        if not current.holds(held):
            raise RuntimeError("this connection is not the one of the open transaction")
        return current
    return HeldClient(pooled_client(), held)


@asynccontextmanager
async def _begun(held: Connection, begin: str) -> AsyncIterator[None]:
    """BEGIN, then COMMIT or ROLLBACK. An exception of the body is raised as it is."""
    try:
        await held.execute(begin)
        yield
    except BaseException:
        await _undo(held)
        raise
    await _commit(held)


async def _commit(held: Connection) -> None:
    """COMMIT, which is never cancelled: if it takes too long, the connection is closed.

    PostgreSQL may be waiting for its standby. If that wait is cancelled, the transaction stays on
    this server alone and others see it, although a failover would lose it. asyncpg cancels a
    statement that is too slow, or whose caller is cancelled. After a close, PostgreSQL goes on
    waiting, and nobody sees the transaction before the standby has it.
    """
    committing = asyncio.ensure_future(held.execute("COMMIT;", timeout=NEVER_SECONDS))
    try:
        # Not wait_for(), which in Python 3.11 loses a cancellation that comes with the answer.
        async with asyncio.timeout(silence.answer_seconds):
            await asyncio.shield(committing)
    finally:
        if not committing.done():
            terminate(held)
            await asyncio.wait([committing])
            committing.exception()  # asyncio logs an exception that nobody has looked at


async def _undo(held: Connection) -> None:
    """Rolls back. If that fails, closes the connection: then PostgreSQL rolls back.

    The caller should see the exception that caused the rollback, not one of the connection.
    """
    try:
        async with asyncio.timeout(silence.proof_seconds):
            await held.execute("ROLLBACK;")
    except AWAY:
        terminate(held)
    except BaseException:
        # Cancelled once more: the pool must not get a connection with an open transaction.
        terminate(held)
        raise


def pooled_client() -> PooledClient:
    """The client of this process. Raises RuntimeError in a transaction."""
    client = get_connections().get("default")
    if isinstance(client, HeldClient):
        raise RuntimeError("a transaction is open already: pass its connection on")
    assert isinstance(client, PooledClient)
    return client


class Silence:
    """Whether a connection of the pool has stopped answering, and which others have proved since.

    After the first such connection, each connection must answer once before it is used again.
    After the second in a row, the connections that are not in use are all replaced: the server or
    the network is the cause, and to try them one by one would take a second each.
    """

    def __init__(self) -> None:
        self.reset(ANSWER_SECONDS)

    def reset(self, answer_seconds: float) -> None:
        """A new pool: nothing is known about it."""
        self.answer_seconds = answer_seconds
        self._since: float | None = None
        self._count = 0
        self._proof_took_seconds = 0.0
        self._proved: WeakKeyDictionary[object, int] = WeakKeyDictionary()

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
    PostgreSQL's own `statement_timeout` does not help if PostgreSQL is stopped or out of reach, so
    this process measures the time. A slow statement fails; its connection is dropped only if it
    does not answer. `silence`: what is known about the server of this pool.
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
    """Raises asyncpg's exceptions as they are, as the set-based SQL does."""

    async def _translate_exceptions(self, func: Call[Answer], *args: Any, **kwargs: Any) -> Answer:
        return await func(self, *args, **kwargs)


class PooledClient(_Untranslated):
    """Runs each statement on a pooled connection of its own. Raises TryAgain if PostgreSQL is away.

    Tortoise makes it: see `persistence.opening.tortoise_config`.
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
        raise RuntimeError("use transaction() instead of Tortoise's own")


class HeldClient(_Untranslated, TransactionWrapper):
    """Runs all statements on one connection that the caller holds."""

    def __init__(self, client: PooledClient, held: Connection) -> None:
        super().__init__(client)
        self._connection = cast(Any, held)

    def holds(self, held: Connection) -> bool:
        """Whether this is its connection."""
        return cast(Any, self._connection) is held


client_class = PooledClient
