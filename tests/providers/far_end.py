"""A server made of a plain socket on this machine, which does exactly what a test says."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

RESET_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass
class FarEnd:
    """Reads each whole request, writes `parts` one by one, and ends the connection as `end` says.

    A part that is a number is a pause of that many seconds. `repeat` is written until nobody reads.
    """

    parts: tuple[bytes | float, ...] = ()
    end: Literal["fin", "reset", "hang", "keep"] = "fin"
    repeat: bytes = b""
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    requested: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._answer_all(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.requests.append(await _one_request(reader))
            self.requested.set()
            for part in self.parts:
                if isinstance(part, bytes):
                    writer.write(part)
                    await writer.drain()
                else:
                    await asyncio.sleep(part)
            while self.repeat:
                writer.write(self.repeat)
                await writer.drain()
                await asyncio.sleep(0.01)
            if self.end != "keep":
                break
        if self.end == "hang":
            await self.gone.wait()
        if self.end == "reset":
            line = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
            writer.transport.abort()


async def _one_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


@asynccontextmanager
async def listening(far_end: FarEnd, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[FarEnd]:
    """The server on a separate port. Its connections end with the block."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(far_end.answer(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    far_end.port = server.sockets[0].getsockname()[1]
    try:
        yield far_end
    finally:
        server.close()
        far_end.gone.set()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def unresponsive() -> AsyncIterator[int]:
    """A port that neither accepts nor refuses a connection: its backlog is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    callers = [socket.socket() for _ in range(3)]
    for caller in callers:
        caller.setblocking(False)
        caller.connect_ex(listener.getsockname())
    await asyncio.sleep(0)
    try:
        yield listener.getsockname()[1]
    finally:
        for open_socket in (*callers, listener):
            open_socket.close()


@asynccontextmanager
async def closed() -> AsyncIterator[int]:
    """A port that refuses every connection: it is bound, and nothing listens on it."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    try:
        yield taken.getsockname()[1]
    finally:
        taken.close()
