"""Reads that look through many rows: searches, statistics, exports and the audit.

They have their own connections, so that sends never wait for one of them. With
DATABASE_READ_URL they run on a replica. There, they cannot keep the main database from removing
dead rows. If the replica fails, or is too far behind, they run on the main database: see
docs/decisions/0203.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from domain.errors import TryAgain
from persistence.connections import Pool, acquired
from persistence.database import Connection
from persistence.replica import Replica, ReplicaFailed
from persistence.servers import reach

MOST_LAG_SECONDS = 10.0

POOL_SIZE = 6
"""Connections of one process: four searches, an audit and an export."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Opened:
    main: Pool
    replica: Replica | None


@dataclass(slots=True)
class _Steady:
    replica: Replica | None


_opened: _Opened | None = None
_steady: ContextVar[_Steady] = ContextVar("steady reads")


async def connect(
    main: dict[str, Any], replica: dict[str, Any] | None = None, *, most_lag_seconds: float
) -> None:
    """Opens the pools, without a connection. The arguments are those of `asyncpg.connect`."""
    global _opened
    found = None
    if replica is not None:
        found = Replica(await _pool(replica), replica, main, most_lag_seconds=most_lag_seconds)
        found.start()
    _opened = _Opened(await _pool(main), found)


async def disconnect() -> None:
    """Closes the pools."""
    global _opened
    opened, _opened = _opened, None
    if opened is None:
        return
    if opened.replica is not None:
        await opened.replica.stop()
    opened.main.terminate()


def replica() -> Replica | None:
    """The replica, if there is one."""
    return _opened.replica if _opened is not None else None


async def long_read(
    work: Callable[[Connection], Awaitable[Answer]], *, may_lag: bool = True
) -> Answer:
    """The result of a read, on the replica if that is usable. Raises TryAgain.

    If the replica fails, the read runs again on the main database. `may_lag`: whether the rows may
    be some seconds old. If not, this never uses the replica.
    """
    found = replica()
    if may_lag and found is not None and await found.is_usable():
        try:
            return await found.read(work)
        except ReplicaFailed as failed:
            if failed.was_slow and await found.is_usable():
                raise TryAgain from failed  # it would be slow on the main database, too
    return await _on_main(work)


@asynccontextmanager
async def steady_reads() -> AsyncIterator[None]:
    """In the block, `steady_read` sees everything that was committed before the block.

    It uses the replica if that has all of it soon enough, and until a read fails there. After a
    read on the main database, a replica that is behind would contradict it.
    """
    found = replica()
    ready = found is not None and await found.is_usable() and await found.catches_up()
    token = _steady.set(_Steady(found if ready else None))
    try:
        yield
    finally:
        _steady.reset(token)


async def steady_read(work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    """The result of a read within `steady_reads`, or of the main database. Raises TryAgain."""
    steady = _steady.get(None)
    if steady is not None and steady.replica is not None:
        try:
            return await steady.replica.read(work)
        except ReplicaFailed:
            steady.replica = None
    return await _on_main(work)


async def _on_main(work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    if _opened is None:
        raise RuntimeError("not connected: call connect() first")
    async with acquired(_opened.main, unavailable=TryAgain) as held:
        return await work(held)


async def _pool(options: dict[str, Any]) -> Pool:
    options = {**options, "connect": reach}
    return await asyncpg.create_pool(**options, min_size=0, max_size=POOL_SIZE, reset=keep)


async def keep(_connection: object) -> None:
    """Releases a connection as it is: nothing here sets session state, so RESET ALL is a waste."""
