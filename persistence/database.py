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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
from tortoise import Tortoise
from tortoise import models as tortoise_models
from tortoise.connection import get_connections

from domain.errors import TryAgain
from domain.transactions import CommitLost, Disconnected, LockTimeout
from persistence import long_reads
from persistence.live.hints import PublishAfterwards
from persistence.pool import (
    ANSWER_SECONDS,
    AWAY,
    HeldClient,
    PooledClient,
    acquired,
    silence,
    terminate,
)
from persistence.servers import credentials, reach

if TYPE_CHECKING:
    from persistence.pool import Connection as Connection

STATEMENT_TIMEOUT_SECONDS = 60
NEVER_SECONDS = 1e9
"""asyncpg has no word for "no time limit" if its pool has one."""

IDLE_IN_TRANSACTION_TIMEOUT_SECONDS = 5
"""How long a program that is suspended in a transaction may keep its locks."""

# PostgreSQL waits without a limit for the rest of a message. If our machine disappears in the
# middle of one, PostgreSQL notices after 11 s, not after 2 hours, and releases the locks.
KEPT_ALIVE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

BEGIN = "BEGIN;"
# Kept plans are made for any values. A range of IDs may be a month or a moment: PostgreSQL takes it
# for a few rows, and would read all messages of the month by their key and sort them. The indexes
# of these statements have their order.
KEEP_PLANS = (
    f"{BEGIN} SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off;"
    " SET LOCAL enable_sort = off;"
)

MODELS = [
    "persistence.identity.models",
    "persistence.ledger.models",
    "persistence.sending.models",
    "persistence.dispatch.models",
    "persistence.inbox.models",
    "persistence.hooks.models",
]

# Tortoise 1.1.9 parses the source of each model for comments that describe columns. We have none,
# and it takes a tenth of the time of each start.
tortoise_models._get_comments = lambda cls: {}


async def connect(
    url: str,
    *,
    pool_size: int = 20,
    application_name: str = "ibiki",
    answer_seconds: float = ANSWER_SECONDS,
    read_url: str | None = None,
    most_lag_seconds: float = long_reads.MOST_LAG_SECONDS,
    transaction_pooler: bool = False,
) -> None:
    """Opens the pools of this process. The caller closes them with `disconnect`.

    `answer_seconds`: the limit for one statement, and for the wait for a connection. `read_url`: a
    replica for long reads, used while it is at most `most_lag_seconds` behind. Nothing fails if the
    replica is away.
    """
    config = tortoise_config(
        url,
        pool_size=pool_size,
        application_name=application_name,
        answer_seconds=answer_seconds,
        transaction_pooler=transaction_pooler,
    )
    silence.reset(answer_seconds)
    await Tortoise.init(
        config=config,
        use_tz=True,
        timezone="UTC",
        _enable_global_fallback=True,
    )
    client = _client()
    if client._pool is None:
        await client.create_connection(with_db=True)
    options = [
        connection_options(
            url, application_name, answer_seconds, transaction_pooler=transaction_pooler
        )
    ]
    if read_url is not None:
        options.append(
            connection_options(
                read_url,
                application_name,
                answer_seconds,
                of_several="any",
                transaction_pooler=transaction_pooler,
            )
        )
    await long_reads.connect(*options, most_lag_seconds=most_lag_seconds)


async def disconnect() -> None:
    """Closes the pools of this process."""
    await long_reads.disconnect()
    await Tortoise.close_connections()


@asynccontextmanager
async def connection(tx: Connection | None = None) -> AsyncIterator[Connection]:
    """A pooled connection outside any transaction: each statement commits by itself.

    `tx`: the connection of an open transaction, to read in it instead. Raises TryAgain if
    PostgreSQL is away.
    """
    if tx is not None:
        yield tx
        return
    async with acquired(_client().pool, unavailable=TryAgain) as held:
        yield held


@asynccontextmanager
async def connection_with_plans() -> AsyncIterator[Connection]:
    """A pooled connection for reads whose plans are kept: see `transaction`. Raises TryAgain."""
    async with acquired(_client().pool, unavailable=TryAgain) as held, _begun(held, KEEP_PLANS):
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
    client = _client()
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
        return _client()
    current = get_connections().get("default")
    if isinstance(current, HeldClient):
        if not current.holds(held):
            raise RuntimeError("this connection is not the one of the open transaction")
        return current
    return HeldClient(_client(), held)


def tortoise_config(
    url: str,
    *,
    pool_size: int,
    application_name: str,
    answer_seconds: float | None = None,
    transaction_pooler: bool = False,
) -> dict[str, Any]:
    """Tortoise's configuration for a `postgresql://` URL; `?host=` may name a socket's folder.

    `answer_seconds`: None means no limit for a statement.
    """
    return {
        "connections": {
            "default": {
                "engine": "persistence.pool",
                "credentials": {
                    **connection_options(
                        url,
                        application_name,
                        answer_seconds,
                        transaction_pooler=transaction_pooler,
                    ),
                    "connect": reach,
                    # One connection at the start, to see whether PostgreSQL can be reached. No
                    # minimum afterwards: a slot of the pool is taken while asyncpg reconnects.
                    "init_size": 1,
                    "minsize": 0,
                    "maxsize": pool_size,
                    "reset": _keep,
                },
            }
        },
        "apps": {
            "ibiki": {
                "models": MODELS,
                "migrations": "persistence.migrations",
                "default_connection": "default",
            }
        },
    }


def connection_options(
    url: str,
    application_name: str,
    answer_seconds: float | None,
    *,
    of_several: str = "read-write",
    transaction_pooler: bool = False,
) -> dict[str, Any]:
    """The arguments of `reach`, with what each of our sessions sets.

    `transaction_pooler`: each transaction has another session. So no statement stays prepared, and
    the role sets the limits: docs/scaling.md.
    """
    if transaction_pooler:
        return {
            **credentials(url, of_several=of_several),
            "command_timeout": answer_seconds,
            "timeout": answer_seconds or ANSWER_SECONDS,
            "statement_cache_size": 0,
            "server_settings": {"application_name": application_name, "timezone": "UTC"},
        }
    return {
        **credentials(url, of_several=of_several),
        "command_timeout": answer_seconds,
        "timeout": answer_seconds or ANSWER_SECONDS,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_SECONDS}s",
            **KEPT_ALIVE,
            "timezone": "UTC",
            "jit": "off",
        },
    }


async def _keep(_connection: object) -> None:
    """Releases a connection as it is: nothing here sets session state, so RESET ALL is a waste."""


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


def _client() -> PooledClient:
    client = get_connections().get("default")
    if isinstance(client, HeldClient):
        raise RuntimeError("a transaction is open already: pass its connection on")
    assert isinstance(client, PooledClient)
    return client
