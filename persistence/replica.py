"""The replica of DATABASE_READ_URL: whether it can be used, and how far it is behind.

The lag is measured by positions in the log of changes, not by the time of the last change: on a
quiet server, the last change is old although nothing is missing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
from asyncpg import Record

from domain.loops import end_task
from persistence.connections import Pool, PoolHealth, acquired
from persistence.database import Connection
from persistence.servers import UNAVAILABLE, reach

CHECK_SECONDS = 1.0
POLL_SECONDS = 0.05

ANSWER_SECONDS = 2.0
"""How long one check may take. A replica that needs longer counts as unavailable."""

# The identity: a physical standby has the system identifier and the database OID of its primary.
_IDENTITY = """(SELECT system_identifier FROM pg_control_system()) AS system,
    (SELECT oid FROM pg_database WHERE datname = current_database()) AS database"""
MAIN = f"""
SELECT (pg_current_wal_insert_lsn() - '0/0')::int8 AS position, clock_timestamp() AS now,
    {_IDENTITY}
"""
REPLICA = f"""
SELECT (pg_last_wal_replay_lsn() - '0/0')::int8 AS position, pg_is_in_recovery() AS is_standby,
    pg_last_xact_replay_timestamp() AS replayed_at, {_IDENTITY}
"""

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class ReplicaFailed(Exception):
    """A read failed on the replica. Nothing is wrong with the main database."""

    def __init__(self, *, was_slow: bool) -> None:
        super().__init__()
        self.was_slow = was_slow


class _Unusable(Exception):
    """The replica cannot be used. The message says why."""


class Replica:
    """A standby that is checked every second."""

    def __init__(
        self,
        pool: Pool,
        options: dict[str, Any],
        main_options: dict[str, Any],
        *,
        most_lag_seconds: float,
    ) -> None:
        self._pool = pool
        self._health = PoolHealth()
        self._health.reset(options["timeout"])
        self._most_lag_seconds = most_lag_seconds
        self._itself = _Link(options, REPLICA)
        self._main = _Link(main_options, MAIN)
        self._positions: deque[tuple[float, int]] = deque()
        """When the main database had reached which position; the oldest first."""
        self._lag_seconds: float | None = None
        self._why_not: str | None = "it was not checked yet"
        self._checked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the checks."""
        self._task = asyncio.create_task(self._watch(), name="replica")

    async def stop(self) -> None:
        """Ends the checks and closes all connections."""
        await end_task(self._task)
        self._itself.close()
        self._main.close()
        self._pool.terminate()

    @property
    def lag_seconds(self) -> float | None:
        """How far it is behind, to about a second. None if that is not known."""
        return self._lag_seconds

    @property
    def is_up(self) -> bool:
        """Whether it was usable at the last check."""
        return self._why_not is None

    async def is_usable(self) -> bool:
        """Like `is_up`, but waits for the first check."""
        await self._checked.wait()
        return self.is_up

    async def read(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """The result of a read on the replica. Raises ReplicaFailed.

        PostgreSQL cancels a read on a standby if it needs rows that the main database has removed
        (SQLSTATE 40001), and closes the connection if it is idle in a transaction.
        """
        try:
            async with acquired(
                self._pool, unavailable=_Unusable, health=self._health
            ) as connection:
                return await work(connection)
        except (_Unusable, asyncpg.PostgresError) as failed:
            cause = failed.__cause__ or failed
            _log.info("a read failed on the replica: %s", type(cause).__name__)
            was_slow = isinstance(cause, (TimeoutError, asyncpg.QueryCanceledError))
            raise ReplicaFailed(was_slow=was_slow) from failed

    async def catches_up(self) -> bool:
        """Whether it soon has everything that is committed on the main database now."""
        try:
            async with asyncio.timeout(self._most_lag_seconds):
                wanted = (await self._main.ask())["position"]
                while (await self._itself.ask())["position"] < wanted:  # noqa: ASYNC110 - a server
                    await asyncio.sleep(POLL_SECONDS)
        except (*UNAVAILABLE, asyncpg.PostgresError):
            return False
        return True

    async def _watch(self) -> None:
        while True:
            await self._check()
            self._checked.set()
            await asyncio.sleep(CHECK_SECONDS)

    async def _check(self) -> None:
        try:
            self._lag_seconds = await self._measured()
            why_not = None
            if self._lag_seconds > self._most_lag_seconds:
                why_not = "it is too far behind"
        except _Unusable as unusable:
            self._lag_seconds, why_not = None, str(unusable)
        except (*UNAVAILABLE, asyncpg.PostgresError):
            self._lag_seconds, why_not = None, "it or the main database does not answer"
        if why_not != self._why_not:
            if why_not is None:
                _log.info("the replica of DATABASE_READ_URL is used")
            else:
                _log.warning("the replica of DATABASE_READ_URL is not used: %s", why_not)
        self._why_not = why_not

    async def _measured(self) -> float:
        """The lag in seconds. Raises _Unusable, and what asyncpg raises."""
        main = await self._main.ask()
        self._positions.append((time.monotonic(), main["position"]))
        found = await self._itself.ask()
        if not found["is_standby"]:
            raise _Unusable("it is not a standby")
        if any(main[each] != found[each] for each in ("system", "database")):
            raise _Unusable("it is a standby of another server")
        if found["position"] >= main["position"]:
            return 0.0
        while len(self._positions) > 1 and self._positions[1][1] <= found["position"]:
            self._positions.popleft()
        reached_at, reached = self._positions[0]
        if reached <= found["position"]:
            return time.monotonic() - reached_at
        # It is behind all that was seen here. Its last change is at least as old as the lag.
        if found["replayed_at"] is None:
            raise _Unusable("its lag is not known")
        return float((main["now"] - found["replayed_at"]).total_seconds())


class _Link:
    """One connection for one statement. It is opened again after each failure."""

    def __init__(self, options: dict[str, Any], statement: str) -> None:
        self._options = options
        self._statement = statement
        self._connection: asyncpg.Connection[Record] | None = None
        self._lock = asyncio.Lock()

    async def ask(self) -> Record:
        """The row of the statement. Raises what asyncpg raises."""
        async with self._lock:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    if self._connection is None:
                        self._connection = await reach(**self._options)
                    row = await self._connection.fetchrow(self._statement)
            except BaseException:
                self.close()
                raise
        assert row is not None
        return row

    def close(self) -> None:
        """Closes the connection without telling PostgreSQL."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
