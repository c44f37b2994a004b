"""A proxy that harms what passes it: late, cut off, reset, half closed or swallowed, by a seed.

It stands on loopback or behind a Unix socket, in front of anything that is spoken to in streams:
PostgreSQL, Redis, a provider, the API. What it does is its `weather`; a change of it is felt at
once, by connections that are open too.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from typing import TypeAlias

from tests.faults.conditions import FAIR, Conditions, End, Way

CHUNK_BYTES = 64 * 1024
LINGER_SECONDS = 0.2
RESET_AT_ONCE = struct.pack("ii", 1, 0)

Address: TypeAlias = "tuple[str, int] | Path"
"""A host and a port, or a Unix socket's path."""


class Tap:
    """Sees what one connection carries, chunk by chunk, and may hold it back or replace it."""

    async def up(self, chunk: bytes) -> bytes:
        """What goes on to the far end."""
        return chunk

    async def down(self, chunk: bytes) -> bytes:
        """What goes on to the caller."""
        return chunk


class CutByTap(Exception):
    """Raised in a tap: the connection ends here, in order, at both sides."""


class FaultProxy:
    """One listening address in front of one far end."""

    def __init__(
        self,
        far_end: Address,
        *,
        seed: int = 0,
        tap: Callable[[], Tap] = Tap,
        keepalive_seconds: float = inf,
    ) -> None:
        """`keepalive_seconds`: when TCP itself would find out that a connection is lost."""
        self.far_end = far_end
        self.keepalive_seconds = keepalive_seconds
        self.address: Address = Path()
        self.chance = Random(seed)
        self.taken = 0
        self._new_tap = tap
        self._weather = FAIR
        self._changed = asyncio.Event()
        self._open: dict[_Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    @property
    def conditions(self) -> Conditions:
        """What it does to connections now."""
        return self._weather

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._weather = conditions
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        assert isinstance(self.address, tuple)
        return self.address[1]

    @property
    def open_connections(self) -> int:
        """Connections that have not ended yet."""
        return len(self._open)

    def end_all(self, end: End = End.RESET) -> int:
        """Ends every open connection so; how many they were."""
        ended = list(self._open)
        for connection in ended:
            connection.end(end, Way.DOWN)
        return len(ended)

    async def changed(self) -> None:
        """Returns when the weather has changed."""
        await self._changed.wait()

    async def listen(self, address: Address) -> None:
        """Begins to take connections; port 0 takes any that is free."""
        if isinstance(address, Path):
            self._server = await asyncio.start_unix_server(self._take, address)
            self.address = address
        else:
            self._server = await asyncio.start_server(self._take, *address)
            self.address = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Takes no more, and lets go of what is open."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.taken += 1
        connection = _Connection(self, _Side(reader, writer), self._new_tap())
        self._open[connection] = task
        try:
            await connection.run()
        except asyncio.CancelledError:
            return  # by `close`: the stream server logs a cancelled callback as an error
        finally:
            self._open.pop(connection, None)
            await connection.drop()


@asynccontextmanager
async def proxying(
    far_end: Address,
    *,
    at: Address = ("127.0.0.1", 0),
    seed: int = 0,
    tap: Callable[[], Tap] = Tap,
    keepalive_seconds: float = inf,
) -> AsyncIterator[FaultProxy]:
    """A proxy in front of `far_end` for as long as the block lasts."""
    proxy = FaultProxy(far_end, seed=seed, tap=tap, keepalive_seconds=keepalive_seconds)
    await proxy.listen(at)
    try:
        yield proxy
    finally:
        await proxy.close()


@dataclass(eq=False)
class _Side:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        line = self.writer.get_extra_info("socket")
        if line is not None and line.family != socket.AF_UNIX:
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        self.writer.transport.abort()

    def end_writing(self) -> None:
        with suppress(OSError, RuntimeError):
            self.writer.write_eof()

    async def gone(self) -> None:
        """Closed, whether or not the peer has taken what was written."""
        self.writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self.writer.wait_closed()
        self.writer.transport.abort()


@dataclass(eq=False)
class _Connection:
    """One caller, its connection to the far end, and what the weather does to both."""

    proxy: FaultProxy
    caller: _Side
    tap: Tap
    far: _Side | None = None
    _weather: Conditions | None = None
    _suffers: bool = False
    _left_bytes: int = 0
    _deaf: set[Way] = field(default_factory=set)
    _lost: bool = False

    async def run(self) -> None:
        """Carries bytes both ways until either side is gone."""
        if self._now().refuses:
            self.caller.reset()
            return
        if self._now().black_hole:
            self._lose()
            await self._swallow(self.caller.reader)
            return
        try:
            self.far = await _connect(self.proxy.far_end)
        except OSError:
            self.caller.reset()
            return
        await self._carry_both(self.far)

    async def _carry_both(self, far: _Side) -> None:
        ways = [
            asyncio.create_task(self._carry(Way.UP, self.caller, far)),
            asyncio.create_task(self._carry(Way.DOWN, far, self.caller)),
        ]
        try:
            await asyncio.gather(*ways)
        except (OSError, CutByTap) as broken:
            # A side that broke off is not made to look as if it had ended in order.
            self.end(End.CLOSE if isinstance(broken, CutByTap) else End.RESET, Way.DOWN)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(self, way: Way, source: _Side, target: _Side) -> None:
        while chunk := await source.reader.read(CHUNK_BYTES):
            chunk = await (self.tap.up(chunk) if way is Way.UP else self.tap.down(chunk))
            await self._pass_on(chunk, way, target)
        if way not in self._deaf and not self._lost:
            target.end_writing()

    async def _pass_on(self, chunk: bytes, way: Way, target: _Side) -> None:
        conditions = self._now()
        while conditions.stalls:
            await self.proxy.changed()
            conditions = self._now()
        if conditions.late_seconds or conditions.jitter_seconds:
            jitter = self.proxy.chance.random() * conditions.jitter_seconds
            await asyncio.sleep(conditions.late_seconds + jitter)
        if conditions.black_hole:
            self._lose()
        if self._lost or way in self._deaf:
            return
        if conditions.cut is not None and conditions.cut.way is way:
            fits, self._left_bytes = self._left_bytes, max(self._left_bytes - len(chunk), 0)
            if fits < len(chunk):
                target.writer.write(chunk[:fits])
                await target.writer.drain()
                self.end(conditions.cut.end, way)
                return
        target.writer.write(chunk)
        await target.writer.drain()

    def end(self, end: End, way: Way) -> None:
        """Ends the connection so; `way` is the one that is closed by half."""
        sides = [side for side in (self.caller, self.far) if side is not None]
        if end is End.SWALLOWED:
            self._lose()
            return
        if end is End.HALF:
            self._deaf.add(way)
            (sides[0] if way is Way.DOWN else sides[-1]).end_writing()
            return
        self._deaf.update(Way)
        for side in sides:
            side.reset() if end is End.RESET else side.close()

    def _lose(self) -> None:
        """Nothing passes any more, without an error until keepalive fails."""
        if self._lost:
            return
        self._lost = True
        if self.proxy.keepalive_seconds < inf:
            loop = asyncio.get_running_loop()
            loop.call_later(self.proxy.keepalive_seconds, self.end, End.RESET, Way.DOWN)

    async def drop(self) -> None:
        """Lets go of both sides."""
        for side in (self.caller, self.far):
            if side is not None:
                await side.gone()

    def _now(self) -> Conditions:
        """The weather as this connection feels it; what is drawn, is drawn once for each."""
        conditions = self.proxy.conditions
        if conditions is not self._weather:
            self._weather = conditions
            self._suffers = self.proxy.chance.random() < conditions.share
            if conditions.cut is not None:
                self._left_bytes = self.proxy.chance.choice(conditions.cut.after_bytes)
        return conditions if self._suffers else FAIR

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while await reader.read(CHUNK_BYTES):
                pass


async def _connect(address: Address) -> _Side:
    if isinstance(address, Path):
        return _Side(*await asyncio.open_unix_connection(address))
    return _Side(*await asyncio.open_connection(*address))
