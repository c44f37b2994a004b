"""Statements and transactions, on one pool for Tortoise querysets and for set-based SQL.

How to use it:

    User.filter(disabled=False)                 on its own pooled connection; raises TryAgain
    await fetch(SQL, ...)                       one statement, in the same way
    async with connection() as pooled:          several statements on one connection
        await pooled.fetch(SQL, ...)
        await User.all().using_db(orm(pooled))
    async with transaction() as tx:             one transaction for both SQL and querysets
        await tx.execute(SQL, ...)
        await User.filter(id=user_id).using_db(orm(tx)).update(disabled=True)
        await User.create(using_db=orm(tx), ...)

A function that writes takes `tx` as its first argument and passes it on with `orm(tx)`. A function
that reads inside and outside a transaction takes `tx: Connection | None`: `orm(None)` is the pool.
A queryset without `using_db` also joins the transaction of its task.

Never use Tortoise's `in_transaction()` (or `get_or_create`, which uses it): if PostgreSQL becomes
unavailable in BEGIN or in the release, it leaks connections and leaves a dead one in its context
variable. See docs/decisions/0092.

Hints of changes are noted next to the statements that write the rows, so that no operation can
forget them. They are published after the commit, because a NOTIFY in the transaction makes it ten
times slower.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.connection import get_connections

from domain.errors import TryAgain
from domain.ledger.book import Holding
from domain.live.hints import ACCOUNT, BELOW, POOL, Topic
from domain.transactions import CommitLost, Disconnected, LockTimeout
from persistence.connections import Pool, acquired, health, terminate
from persistence.servers import UNAVAILABLE

Connection: TypeAlias = "PoolConnectionProxy[Record]"

STATEMENT_TIMEOUT_SECONDS = 60
NEVER_SECONDS = 1e9
"""asyncpg has no value for "no time limit" if its pool has one."""

BEGIN = "BEGIN;"
# A kept plan is made for any values. For a range of IDs, PostgreSQL expects few rows, also if it is
# a month: it would read all messages of the month by their key and sort them. So it must use the
# indexes that have the order of these statements.
KEEP_PLANS = (
    f"{BEGIN} SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off;"
    " SET LOCAL enable_sort = off;"
)

Listener = Callable[[Collection[Topic]], None]
"""Receives the topics that changed, right after the commit. It must not block."""

log = logging.getLogger(__name__)
_listeners: list[Listener] = []
_noted: dict[Connection, set[Topic]] = {}


@asynccontextmanager
async def connection(tx: Connection | None = None) -> AsyncIterator[Connection]:
    """A pooled connection outside any transaction: each statement commits by itself.

    `tx`: the connection of an open transaction, to read in it instead. Raises TryAgain if
    PostgreSQL is unavailable.
    """
    if tx is not None:
        yield tx
        return
    async with acquired(pooled_client().pool, unavailable=TryAgain) as held:
        yield held


async def fetch(statement: str, *values: object, tx: Connection | None = None) -> list[Record]:
    """The rows of one statement, on its own pooled connection or in `tx`. Raises TryAgain."""
    async with connection(tx) as held:
        return await held.fetch(statement, *values)


async def fetch_row(statement: str, *values: object, tx: Connection | None = None) -> Record | None:
    """The first row; None if there is none. See `fetch`."""
    async with connection(tx) as held:
        return await held.fetchrow(statement, *values)


async def fetch_value(statement: str, *values: object, tx: Connection | None = None) -> Any:
    """The first value of the first row; None if there is no row. See `fetch`."""
    async with connection(tx) as held:
        return await held.fetchval(statement, *values)


async def execute(statement: str, *values: object) -> str:
    """Runs one statement, which commits by itself. Returns its tag, such as `UPDATE 1`."""
    async with connection() as held:
        return await held.execute(statement, *values)


async def takes_writes() -> bool:
    """Whether the server may be written to: it is neither a standby nor read-only."""
    found: bool = await fetch_value("SELECT NOT current_setting('transaction_read_only')::bool")
    return found


async def fetch_with_plan(held: Connection, statement: str, *values: object) -> list[Record]:
    """The rows of a statement whose plan is kept: see `transaction`. Not in an open transaction."""
    if held.is_in_transaction():
        return await held.fetch(statement, *values)
    async with _begun(held, KEEP_PLANS):
        return await held.fetch(statement, *values)


@asynccontextmanager
async def transaction(*, keeps_plans: bool = False) -> AsyncIterator[Connection]:
    """A READ COMMITTED transaction: commits at the end, rolls back on an exception.

    `keeps_plans`: PostgreSQL plans each of its statements once, for any values. It is for
    statements that run very often, and whose best plan is the same for all values. By its
    estimates, PostgreSQL would plan them again each time, which takes longer than the work for one
    message. A kept plan of a table with months opens only those that its parameters lead to.

    Never nest it, and never hold it during a call to a provider or to the bus. Raises Disconnected
    if PostgreSQL becomes unavailable, CommitLost if it does so during COMMIT, and LockTimeout if
    the transaction has set a `lock_timeout` that is over.
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


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """The columns of the rows, as arrays for `unnest`. There must be at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def milliseconds(seconds: float) -> str:
    """A time as PostgreSQL's settings have it."""
    return f"{int(seconds * 1000)}ms"


def ends_of(ids: Collection[UUID]) -> tuple[UUID, UUID]:
    """The smallest and the largest ID. Add both to `id = ANY($n)` of a table by month.

    A plan for these IDs skips the other months by `id = ANY($n)`. A kept plan does so only by a
    comparison with each end.
    """
    return min(ids, default=UUID(int=0)), max(ids, default=UUID(int=0))


def note(tx: Connection, topics: Iterable[Topic]) -> None:
    """Notes changes: published after the commit, or at once if no transaction is open."""
    noted = _noted.get(tx)
    if noted is None:
        _publish(set(topics))
    else:
        noted.update(topics)


def topics_of(holding: Holding) -> Iterator[Topic]:
    """The topics of a changed holding."""
    yield ACCOUNT + holding.account_id.bytes
    if holding.parent_id is not None:
        yield BELOW + holding.parent_id.bytes
    yield POOL + holding.provider_account_id.bytes


def listen(listener: Listener) -> Callable[[], None]:
    """Adds a listener to all changes of this process. Returns the function that removes it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


class PublishAfterwards:
    """Wraps a transaction: the hints noted in it are published when it has ended.

    Also if it failed: after a lost connection the commit may have happened, and a needless hint
    costs only one read.
    """

    __slots__ = ("_tx",)

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def __enter__(self) -> None:
        _noted[self._tx] = set()

    def __exit__(self, *_: object) -> None:
        noted = _noted.pop(self._tx)
        if noted:
            _publish(noted)


def _publish(topics: Collection[Topic]) -> None:
    for listener in tuple(_listeners):
        try:
            listener(topics)
        except Exception:
            log.exception("a listener to hints failed")


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
    statement that is too slow, or whose caller is cancelled. After a close, PostgreSQL continues
    waiting, and nobody sees the transaction before the standby has it.
    """
    committing = asyncio.ensure_future(held.execute("COMMIT;", timeout=NEVER_SECONDS))
    try:
        # Not wait_for(), which in Python 3.11 loses a cancellation that comes with the answer.
        async with asyncio.timeout(health.answer_seconds):
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
        async with asyncio.timeout(health.proof_seconds):
            await held.execute("ROLLBACK;")
    except UNAVAILABLE:
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


Answer = TypeVar("Answer")
Call = Callable[..., Coroutine[Any, Any, Answer]]


class _Untranslated(AsyncpgDBClient):
    """Raises asyncpg's exceptions as they are, as the set-based SQL does."""

    async def _translate_exceptions(self, func: Call[Answer], *args: Any, **kwargs: Any) -> Answer:
        return await func(self, *args, **kwargs)


class PooledClient(_Untranslated):
    """Runs each statement on its own pooled connection. Raises TryAgain during an outage.

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
        except UNAVAILABLE:
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
