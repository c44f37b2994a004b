"""A websocket connection for `ibiki.live.sockets`, without ASGI where ASGI costs too much.

uvicorn 0.54 takes a coroutine, an event and an encoder's state for each message; a balance that a
thousand sockets watch is one frame written a thousand times. docs/decisions/0022 has the figures.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from asyncio import BaseTransport

EXTENSION = "ibiki.wire"
"""In a websocket's scope: its `Wire`."""

ABORT = "ibiki.abort"
"""In the scope of a request: what cuts its connection."""

WHOLE = "ibiki.whole"
"""In the scope of a request: all of its body is here, and nothing is waited for to read it."""

ANSWER = "ibiki.answer"
"""In the scope of a request: `Answer`, where a whole response can be written at once."""

STREAMS = "is_stream"
"""In the state of a request: it lasts as long as somebody reads it, and the server runs."""

TOO_SLOW = 4499
"""Ours: clients of graphql-transport-ws connect again after it."""

KERNEL_BYTES = 64 * 1024
WAITING_BYTES = 32 * 1024
LINGER_SECONDS = 5.0
"""How long the other side may take to answer a close."""

_TEXT = 0x81
"""FIN and the opcode of a text frame (RFC 6455 §5.2). A server's frames are not masked."""


Answer = Callable[[Any, int, Sequence[tuple[bytes, bytes]], bytes], bool]
"""Writes status, headers and body to the request of a scope. False where ASGI is to send them."""


class Wire(WebSocketsSansIOProtocol):
    """A connection that can be written to at once, and says when it can again."""

    on_writable: Callable[[], None] | None = None
    on_full: Callable[[], None] | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=WAITING_BYTES)
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            # What waits in the kernel is old by the time it is read: newest wins only before it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self
        await super().run_asgi()

    @property
    def is_open(self) -> bool:
        """Whether anything written may still arrive."""
        return not (self.close_sent or self.disconnected)

    @property
    def can_write(self) -> bool:
        """Whether there is room for another message."""
        return self.writable.is_set() and not self.close_sent and not self.disconnected

    def write_text(self, body: bytes) -> None:
        """Sends one text message, in UTF-8. Beyond `can_write` it waits in memory."""
        if self.is_open:
            self.transport.write(_head(len(body)) + body)

    def close(self, code: int, reason: str) -> None:
        """Closes at once for this side; the other has a moment to answer."""
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
        """Nobody answers: said with a code after which a client that wakes up connects again."""
        self.pong_timer = None
        self.pending_ping_payload = None
        self.close(TOO_SLOW, "No answer to a ping")


def _head(length: int) -> bytes:
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65_536:
        return struct.pack("!BBH", _TEXT, 126, length)
    return struct.pack("!BBQ", _TEXT, 127, length)
