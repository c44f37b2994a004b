"""Connections to PostgreSQL: one pool, shared by Tortoise and by the hot paths' set-based SQL.

`transaction()` replaces Tortoise's own `in_transaction()`, which leaks connections and leaves its
context variable pointing at a dead one when PostgreSQL goes away in BEGIN or in the release.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from tortoise import Tortoise
from tortoise import models as tortoise_models
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.connection import get_connections
from tortoise.migrations.api import migrate as apply_migrations

from domain.errors import TryAgain
from domain.transactions import Disconnected
from persistence.live.hints import ToldAfterwards
from persistence.patience import ANSWER_SECONDS, Patience

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy
    from asyncpg.transaction import Transaction

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

STATEMENT_TIMEOUT_SECONDS = 60
IDLE_IN_TRANSACTION_TIMEOUT_SECONDS = 5
"""How long a program that stands still may keep others waiting for what it has locked."""

LETTING_GO_SECONDS = 1.0
"""How long a connection may take to come to rest before it is given up for a new one."""

# PostgreSQL waits for the rest of a message without any timeout of its own, locks in hand: where
# our machine has vanished in the middle of one, it learns of that within 11 s, and not 2 hours.
KEPT_ALIVE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

MIGRATION_LOCK = 0x1B1C1

# Tortoise 1.1.9 parses the source of each model for comments that describe columns. We have none,
# and it takes a tenth of each start.
tortoise_models._get_comments = lambda cls: {}

# What asyncpg and the system raise when PostgreSQL is away, restarting, silent or out of room,
# broke off what it was asked, or cut the connection.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,
    asyncpg.QueryCanceledError,  # by a timeout of its own: its clock may have been set, too
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that dies between two statements
    ConnectionError,
    TimeoutError,
    OSError,
)


async def connect(
    url: str,
    *,
    pool_size: int = 20,
    application_name: str = "ibiki",
    answer_seconds: float = ANSWER_SECONDS,
) -> None:
    """Opens the pool of this process. The caller closes it with `disconnect`.

    `answer_seconds`: for one statement, and for a connection to do it on.
    """
    config = tortoise_config(
        url,
        pool_size=pool_size,
        application_name=application_name,
        answer_seconds=answer_seconds,
    )
    _patience.begin(answer_seconds)
    await Tortoise.init(
        config=config,
        use_tz=True,
        timezone="UTC",
        _enable_global_fallback=True,
    )
    client = _client()
    if client._pool is None:
        await client.create_connection(with_db=True)


async def disconnect() -> None:
    """Closes the pool of this process."""
    await Tortoise.close_connections()


@asynccontextmanager
async def connection() -> AsyncIterator[Connection]:
    """A pooled connection outside any transaction: each statement commits by itself."""
    async with _acquired(gone=TryAgain) as held:
        yield held


@asynccontextmanager
async def transaction() -> AsyncIterator[Connection]:
    """A READ COMMITTED transaction: committed at the end, rolled back by an exception.

    ORM calls inside join it. Never nested, and never held over a call to a provider or the bus.
    Raises Disconnected where PostgreSQL goes away: whether a commit was kept is then not known.
    """
    async with _acquired(gone=Disconnected) as held:
        with ToldAfterwards(held):
            async with _begun(held):
                with _OrmJoins(held):
                    yield held


async def migrate(url: str) -> None:
    """Brings the database to the newest migration, one process at a time.

    Tortoise takes no lock of its own while it migrates: an advisory lock stands around it.
    """
    guard = await asyncpg.connect(**credentials(url))
    try:
        await guard.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        await apply_migrations(config=tortoise_config(url, pool_size=2, application_name="migrate"))
    finally:
        await Tortoise.close_connections()
        await guard.close()


def tortoise_config(
    url: str, *, pool_size: int, application_name: str, answer_seconds: float | None = None
) -> dict[str, Any]:
    """Tortoise's configuration for a `postgresql://` URL; `?host=` may name a socket's folder.

    `answer_seconds`: None waits for each statement as long as it takes.
    """
    server_settings = {
        "application_name": application_name,
        "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_SECONDS}s",
        **KEPT_ALIVE,
        "timezone": "UTC",
        "jit": "off",
    }
    return {
        "connections": {
            "default": {
                "engine": "tortoise.backends.asyncpg",
                "credentials": {
                    **credentials(url),
                    # One at once, to see whether it can be had; no fewest that asyncpg keeps up by
                    # itself: while it tries to, a place of the pool is taken.
                    "init_size": 1,
                    "minsize": 0,
                    "maxsize": pool_size,
                    "command_timeout": answer_seconds,
                    "timeout": answer_seconds or ANSWER_SECONDS,
                    "server_settings": server_settings,
                    "reset": _keep,
                },
            }
        },
        "apps": {
            "ibiki": {
                "models": [
                    "persistence.models",
                    "persistence.models_two_way",
                    "persistence.models_uploads",
                ],
                "migrations": "persistence.migrations",
                "default_connection": "default",
            }
        },
    }


def credentials(url: str) -> dict[str, Any]:
    """What `asyncpg.connect` is told for such a URL."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return {
        "host": options.pop("host", None) or parts.hostname or "localhost",
        "port": int(options.pop("port", None) or parts.port or 5432),
        "user": unquote(parts.username or "") or options.pop("user", None) or "postgres",
        "password": unquote(parts.password or "") or None,
        "database": unquote(parts.path.lstrip("/")) or "ibiki",
        **({"ssl": options["sslmode"]} if "sslmode" in options else {}),
    }


async def _keep(_connection: object) -> None:
    """Releases a connection as it is: nothing here sets session state, so RESET ALL is a waste."""


_patience = Patience()


@asynccontextmanager
async def _acquired(*, gone: type[Exception]) -> AsyncIterator[Connection]:
    """A connection of the pool's, given back in the end. Raises `gone` when PostgreSQL is away."""
    pool = _pool()
    try:
        held = await pool.acquire(timeout=_patience.connection_seconds)
    except AWAY as away:
        raise gone from away
    _patience.heard()
    try:
        yield held
    except AWAY as away:
        if isinstance(away, TimeoutError):
            await _patience.waited_in_vain(pool)
        if isinstance(away, asyncpg.InterfaceError) and not _is_cut(held):
            raise  # asyncpg was called wrongly: a defect and no outage
        raise gone from away
    finally:
        await _release(pool, held)


@asynccontextmanager
async def _begun(held: Connection) -> AsyncIterator[None]:
    """BEGIN, then COMMIT or ROLLBACK; what was raised within goes on as it was raised."""
    begun = held.transaction()
    await begun.start()
    try:
        yield
    except BaseException:
        await _undo(held, begun)
        raise
    await begun.commit()


async def _undo(held: Connection, begun: Transaction) -> None:
    """Rolls back, or lets go of the connection: PostgreSQL rolls back what that leaves open.

    A caller that went away or was refused is to hear of that, not of the connection.
    """
    try:
        async with asyncio.timeout(LETTING_GO_SECONDS):
            await begun.rollback()
    except AWAY:
        with suppress(*AWAY):
            held.terminate()


def _is_cut(held: Connection) -> bool:
    try:
        return held.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already


async def _release(pool: asyncpg.Pool[asyncpg.Record], held: Connection) -> None:
    # A connection that PostgreSQL cut raises here as well; the pool replaces it either way.
    with suppress(*AWAY):
        await pool.release(held, timeout=LETTING_GO_SECONDS)


class _OrmJoins:
    """Within it, this task's ORM calls run on the connection given."""

    def __init__(self, held: Connection) -> None:
        self._wrapper = TransactionWrapper(_client())
        self._wrapper._connection = cast(Any, held)

    def __enter__(self) -> None:
        self._token = get_connections().set("default", self._wrapper)

    def __exit__(self, *_: object) -> None:
        get_connections().reset(self._token)


def _client() -> AsyncpgDBClient:
    client = get_connections().get("default")
    if isinstance(client, TransactionWrapper):
        raise RuntimeError("a transaction is open already: pass its connection on")
    assert isinstance(client, AsyncpgDBClient)
    return client


def _pool() -> asyncpg.Pool[asyncpg.Record]:
    pool = _client()._pool
    if pool is None:
        raise RuntimeError("not connected: call connect() first")
    return pool
