"""A proxy that injects faults: delays, cut streams, resets, half-closed and silent connections.

It listens on loopback or on a Unix socket, and forwards to any stream server: PostgreSQL, Redis, a
provider, the API. `FaultProxy.conditions` selects the faults. A change applies at once, also to
open connections. Random values come from a seed.
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

from tests.faults.conditions import FAIR, Conditions, Direction, End

CHUNK_BYTES = 64 * 1024
LINGER_SECONDS = 0.2
RESET_AT_ONCE = struct.pack("ii", 1, 0)

Address: TypeAlias = "tuple[str, int] | Path"
"""A host and a port, or a Unix socket's path."""


class Interceptor:
    """Reads the chunks of one connection, and may delay or replace them."""

    async def up(self, chunk: bytes) -> bytes:
        """Returns what is sent to the far end."""
        return chunk

    async def down(self, chunk: bytes) -> bytes:
        """Returns what is sent to the caller."""
        return chunk


class ConnectionCut(Exception):
    """An interceptor raises this to close both sides of the connection normally.

    `rest`: the bytes that are still passed on before.
    """

    def __init__(self, rest: bytes = b"") -> None:
        super().__init__()
        self.rest = rest


class FaultProxy:
    """Listens on one address and forwards to one far end."""

    def __init__(
        self,
        far_end: Address,
        *,
        seed: int = 0,
        interceptor: Callable[[], Interceptor] = Interceptor,
        keepalive_seconds: float = inf,
    ) -> None:
        """`keepalive_seconds`: when a lost connection is reset, as TCP keepalive does."""
        self.far_end = far_end
        self.keepalive_seconds = keepalive_seconds
        self.address: Address = Path()
        self.chance = Random(seed)
        self.taken = 0
        self._new_interceptor = interceptor
        self._conditions = FAIR
        self._changed = asyncio.Event()
        self._open: dict[_Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    @property
    def conditions(self) -> Conditions:
        """The faults that apply now."""
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert isinstance(self.address, tuple)
        return self.address[1]

    @property
    def open_connections(self) -> int:
        """The number of connections that have not ended."""
        return len(self._open)

    def end_all(self, end: End = End.RESET) -> int:
        """Ends every open connection with `end`. Returns their number."""
        ended = list(self._open)
        for connection in ended:
            connection.end(end, Direction.DOWN)
        return len(ended)

    async def changed(self) -> None:
        """Returns after the next change of `conditions`."""
        await self._changed.wait()

    async def listen(self, address: Address) -> None:
        """Starts to accept connections. Port 0 chooses a free port."""
        if isinstance(address, Path):
            self._server = await asyncio.start_unix_server(self._accept, address)
            self.address = address
        else:
            self._server = await asyncio.start_server(self._accept, *address)
            self.address = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Stops accepting and closes all open connections."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.taken += 1
        connection = _Connection(self, _Side(reader, writer), self._new_interceptor())
        self._open[connection] = task
        try:
            await connection.run()
        except asyncio.CancelledError:
            return  # `close` cancelled it: the stream server logs a cancelled callback as an error
        finally:
            self._open.pop(connection, None)
            await connection.drop()


@asynccontextmanager
async def proxying(
    far_end: Address,
    *,
    at: Address = ("127.0.0.1", 0),
    seed: int = 0,
    interceptor: Callable[[], Interceptor] = Interceptor,
    keepalive_seconds: float = inf,
) -> AsyncIterator[FaultProxy]:
    """Runs a proxy in front of `far_end` while the block runs."""
    proxy = FaultProxy(
        far_end, seed=seed, interceptor=interceptor, keepalive_seconds=keepalive_seconds
    )
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
        connected = self.writer.get_extra_info("socket")
        if connected is not None and connected.family != socket.AF_UNIX:
            with suppress(OSError):
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        self.writer.transport.abort()

    def end_writing(self) -> None:
        with suppress(OSError, RuntimeError):
            self.writer.write_eof()

    async def close_now(self) -> None:
        """Closes the side, and aborts it if the peer does not read the rest in time."""
        self.writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self.writer.wait_closed()
        self.writer.transport.abort()


@dataclass(eq=False)
class _Connection:
    """One caller and its connection to the far end, with the faults that apply to both."""

    proxy: FaultProxy
    caller: _Side
    interceptor: Interceptor
    far: _Side | None = None
    _seen: Conditions | None = None
    _affected: bool = False
    _left_bytes: int = 0
    _closed_directions: set[Direction] = field(default_factory=set)
    _lost: bool = False

    async def run(self) -> None:
        """Forwards bytes both ways until either side is closed."""
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
        tasks = [
            asyncio.create_task(self._carry(Direction.UP, self.caller, far)),
            asyncio.create_task(self._carry(Direction.DOWN, far, self.caller)),
        ]
        try:
            await asyncio.gather(*tasks)
        except (OSError, ConnectionCut) as broken:
            # Pass on an abnormal end as a reset: a close would look like a normal end.
            self.end(End.CLOSE if isinstance(broken, ConnectionCut) else End.RESET, Direction.DOWN)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, direction: Direction, source: _Side, target: _Side) -> None:
        while chunk := await source.reader.read(CHUNK_BYTES):
            is_up = direction is Direction.UP
            intercept = self.interceptor.up if is_up else self.interceptor.down
            try:
                chunk = await intercept(chunk)
            except ConnectionCut as cut:
                await self._pass_on(cut.rest, direction, target)
                raise
            await self._pass_on(chunk, direction, target)
        if direction not in self._closed_directions and not self._lost:
            target.end_writing()

    async def _pass_on(self, chunk: bytes, direction: Direction, target: _Side) -> None:
        conditions = self._now()
        while conditions.stalls:
            await self.proxy.changed()
            conditions = self._now()
        if conditions.late_seconds or conditions.jitter_seconds:
            jitter = self.proxy.chance.random() * conditions.jitter_seconds
            await asyncio.sleep(conditions.late_seconds + jitter)
        if conditions.black_hole:
            self._lose()
        if self._lost or direction in self._closed_directions:
            return
        if conditions.cut is not None and conditions.cut.direction is direction:
            fits, self._left_bytes = self._left_bytes, max(self._left_bytes - len(chunk), 0)
            if fits < len(chunk):
                target.writer.write(chunk[:fits])
                await target.writer.drain()
                self.end(conditions.cut.end, direction)
                return
        target.writer.write(chunk)
        await target.writer.drain()

    def end(self, end: End, direction: Direction) -> None:
        """Ends the connection with `end`. End.HALF closes only this direction."""
        sides = [side for side in (self.caller, self.far) if side is not None]
        if end is End.SWALLOWED:
            self._lose()
            return
        if end is End.HALF:
            self._closed_directions.add(direction)
            (sides[0] if direction is Direction.DOWN else sides[-1]).end_writing()
            return
        self._closed_directions.update(Direction)
        for side in sides:
            side.reset() if end is End.RESET else side.close()

    def _lose(self) -> None:
        """Drops all later bytes. The sides see no error until keepalive fails."""
        if self._lost:
            return
        self._lost = True
        if self.proxy.keepalive_seconds < inf:
            loop = asyncio.get_running_loop()
            loop.call_later(self.proxy.keepalive_seconds, self.end, End.RESET, Direction.DOWN)

    async def drop(self) -> None:
        """Closes both sides."""
        for side in (self.caller, self.far):
            if side is not None:
                await side.close_now()

    def _now(self) -> Conditions:
        """The faults of this connection. Random values are drawn once for each `Conditions`."""
        conditions = self.proxy.conditions
        if conditions is not self._seen:
            self._seen = conditions
            self._affected = self.proxy.chance.random() < conditions.share
            if conditions.cut is not None:
                self._left_bytes = self.proxy.chance.choice(conditions.cut.after_bytes)
        return conditions if self._affected else FAIR

    async def _swallow(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while await reader.read(CHUNK_BYTES):
                pass


async def _connect(address: Address) -> _Side:
    if isinstance(address, Path):
        return _Side(*await asyncio.open_unix_connection(address))
    return _Side(*await asyncio.open_connection(*address))
