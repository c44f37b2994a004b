"""A websocket connection for `ibiki.live.sockets`, without ASGI where ASGI costs too much.

uvicorn 0.54 uses a coroutine, an event and an encoder for each message. A balance that a thousand
sockets watch is one frame that is written a thousand times. docs/decisions/0022 has the figures.
"""

from __future__ import annotations

import socket
import struct
from asyncio import BaseTransport
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "ibiki.connection"
"""Extension of a WebSocket's scope: its `WebSocketConnection`."""

ABORT = "ibiki.abort"
"""Extension of a request's scope: a function that cuts its connection."""

WHOLE = "ibiki.whole"
"""Extension of a request's scope: true if its whole body has arrived."""

STREAMS = "is_stream"
"""State of a request: true for a stream, which the server must end when it stops."""

TOO_SLOW = 4499
"""A code that we define. Clients of graphql-transport-ws connect again after it."""

KERNEL_BYTES = 64 * 1024
WAITING_BYTES = 32 * 1024
LINGER_SECONDS = 5.0
"""How long the client may take to answer a close."""

_TEXT = 0x81
"""FIN and the opcode of a text frame (RFC 6455 §5.2). A server's frames are not masked."""


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A connection that is written to directly, and says when it takes more."""

    on_writable: Callable[[], None] | None = None
    on_full: Callable[[], None] | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        # A server that stops adds this header to its answers. A handshake must not have it.
        self.default_headers = [each for each in self.default_headers if each[0] != b"connection"]
        self.transport.set_write_buffer_limits(high=WAITING_BYTES)
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            # A newer balance cannot replace one in the kernel's buffer, so the buffer is small.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        # A refused handshake is complete. Otherwise uvicorn would log an error for each.
        self.handshake_complete |= self.close_sent

    @property
    def is_open(self) -> bool:
        """Whether the connection is open."""
        return not (self.close_sent or self.disconnected)

    @property
    def can_write(self) -> bool:
        """Whether the connection takes another message."""
        return self.writable.is_set() and not self.close_sent and not self.disconnected

    def write_text(self, body: bytes) -> None:
        """Sends one UTF-8 text message. It waits in memory if `can_write` is false."""
        if self.is_open:
            self.transport.write(_head(len(body)) + body)

    def close(self, code: int, reason: str) -> None:
        """Closes the connection. The client has five seconds to answer."""
        if not self.is_open:
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.on_full is not None:
            self.on_full()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.on_writable is not None:
            self.on_writable()

    def keepalive_timeout(self) -> None:
        """Closes with a code after which a client that wakes up connects again."""
        self.pong_timer = None
        self.pending_ping_payload = None
        self.close(TOO_SLOW, "No answer to a ping")


def _head(length: int) -> bytes:
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65_536:
        return struct.pack("!BBH", _TEXT, 126, length)
    return struct.pack("!BBQ", _TEXT, 127, length)
