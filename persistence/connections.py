"""Connections to PostgreSQL: those of a pool, and one that carries hints between processes.

A connection of the pool that has stopped answering is found and replaced. See `PoolHealth`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias
from weakref import WeakKeyDictionary

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from persistence.servers import UNAVAILABLE, credentials, reach

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

ANSWER_SECONDS = 10.0
"""How long one statement may take, unless the caller gives a longer time."""

PROOF_SECONDS = 1.0
"""How long a connection may take to show that it works. See `PoolHealth.proof_seconds`."""

PROOF_TRIES = 5
"""After this many connections that do not answer, PostgreSQL is unavailable for a caller."""

_log = logging.getLogger(__name__)


class PoolHealth:
    """Whether a connection of the pool has stopped answering, and which others work since then.

    After the first such connection, each connection must answer once before it is used again.
    After the second in a row, all connections that are not in use are replaced: the server or the
    network is the cause, and trying them one by one would take a second each.
    """

    def __init__(self) -> None:
        self.reset(ANSWER_SECONDS)

    def reset(self, answer_seconds: float) -> None:
        """Forgets what was known, for a new pool."""
        self.answer_seconds = answer_seconds
        self._since: float | None = None
        self._count = 0
        self._proof_took_seconds = 0.0
        self._proved: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    @property
    def connection_seconds(self) -> float:
        """How long to wait for a connection.

        Shorter while connections do not answer: the later callers should not all wait as long as
        the first. It grows with that time, so that a server that is only slow can answer.
        """
        return self.answer_seconds if self._since is None else self.proof_seconds

    @property
    def proof_seconds(self) -> float:
        """How long a connection may take to show that it works.

        A server whose answers take longer than PROOF_SECONDS is slow, and not unavailable. So the
        time grows while connections do not answer, and is at least twice the time that the last
        proof took.
        """
        unanswered_seconds = 0.0 if self._since is None else time.monotonic() - self._since
        longest = max(PROOF_SECONDS, unanswered_seconds / 4, 2 * self._proof_took_seconds)
        return min(longest, self.answer_seconds)

    def must_prove(self, held: Connection) -> bool:
        """Whether the connection has not answered since the last one that stopped."""
        return self._count > 0 and self._proved.get(_raw(held)) != self._count

    def answered(self, seconds: float) -> None:
        """A connection has shown that it works, in this much time."""
        self._proof_took_seconds = seconds

    def proved(self, held: Connection) -> None:
        """The connection has answered, and may be used."""
        self._since = None
        self._proved[_raw(held)] = self._count

    async def not_answered(self, pool: Pool) -> None:
        """A connection did not answer."""
        self._count += 1
        if self._since is None:
            self._since = time.monotonic()
        else:
            await pool.expire_connections()


health = PoolHealth()


@asynccontextmanager
async def acquired(
    pool: Pool, *, unavailable: type[Exception], health: PoolHealth = health
) -> AsyncIterator[Connection]:
    """A connection of the pool. Raises `unavailable` if PostgreSQL is unavailable.

    The connection is released at the end. A mistake in the use of asyncpg is raised as it is.
    PostgreSQL's own `statement_timeout` does not help if PostgreSQL is stopped or out of reach, so
    this process measures the time. A slow statement fails; its connection is dropped only if it
    does not answer. `health`: what is known about the server of this pool.
    """
    try:
        held = await _acquire(pool, health)
    except UNAVAILABLE as failure:
        raise unavailable from failure
    try:
        yield held
    except UNAVAILABLE as failure:
        if isinstance(failure, TimeoutError) and not await _answers(held, health):
            await health.not_answered(pool)
        if isinstance(failure, asyncpg.InterfaceError) and not _is_closed(held):
            raise
        if isinstance(failure, asyncpg.DeadlockDetectedError):
            _log.error("PostgreSQL has ended a deadlock: this transaction was rolled back")
        if isinstance(failure, asyncpg.ReadOnlySQLTransactionError):
            terminate(held)  # the next connection may reach the primary
        if isinstance(failure, asyncpg.InternalClientError):
            # Its text names states of asyncpg: "cannot switch to state 15".
            raise unavailable from ConnectionError("the connection was lost")
        raise unavailable from failure
    finally:
        # A connection that PostgreSQL closed raises here as well; the pool replaces it.
        with suppress(*UNAVAILABLE):
            await pool.release(held, timeout=PROOF_SECONDS)


async def _acquire(pool: Pool, health: PoolHealth) -> Connection:
    for _ in range(PROOF_TRIES):
        held = await pool.acquire(timeout=health.connection_seconds)
        if not health.must_prove(held):
            return held
        if await _answers(held, health):
            health.proved(held)
            return held
        await health.not_answered(pool)
        with suppress(*UNAVAILABLE):
            await pool.release(held, timeout=PROOF_SECONDS)
    raise ConnectionError(f"{PROOF_TRIES} connections in a row do not answer")


async def _answers(held: Connection, health: PoolHealth) -> bool:
    """Whether the connection answers. It is closed if it does not.

    asyncpg first waits until the server has ended the statement that was cancelled.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(health.proof_seconds):
            await held.execute("SELECT 1")
    except asyncio.CancelledError:
        terminate(held)
        raise
    except UNAVAILABLE:
        terminate(held)
        return False
    health.answered(time.monotonic() - began)
    return True


def terminate(held: Connection) -> None:
    """Closes the connection without telling PostgreSQL, which rolls back what is open."""
    with suppress(*UNAVAILABLE):
        held.terminate()


def _is_closed(held: Connection) -> bool:
    try:
        return held.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already


def _raw(held: Connection) -> object:
    return held._con  # type: ignore[attr-defined]  # the proxy is a new object at each acquire


CARRIER_SECONDS = 3.0
NOTIFY = "SELECT pg_notify($1, $2)"
SETTINGS = {
    "application_name": "ibiki bus",
    # A crash may lose a hint, never the change itself: readers find the change without it.
    "synchronous_commit": "off",
    "jit": "off",
}


class PostgresCarrier:
    """Publishes and receives hints, by NOTIFY and LISTEN. A text has at most 7,999 bytes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def open(
        self, channel: str, receive: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Receives from the channel from now on. Calls `lost` once if that ends."""
        connection = await reach(
            **credentials(self._url),
            timeout=CARRIER_SECONDS,
            command_timeout=CARRIER_SECONDS,
            server_settings=SETTINGS,
        )
        self._connection = connection
        connection.add_termination_listener(lambda _: lost())
        await connection.add_listener(channel, lambda _c, _p, _channel, text: receive(str(text)))

    async def send(self, channel: str, text: str) -> None:
        """Sends a text to everybody on the channel, this process included. One call at a time."""
        if self._connection is None:
            raise ConnectionError("not open")
        await self._connection.execute(NOTIFY, channel, text)

    async def close(self) -> None:
        """Closes the connection. Nothing more is received."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
