"""uvicorn, with limits on what a connection may use.

It adds limits that uvicorn 0.54 lacks: the time and size of a request's head, and the time that a
connection stays open for a body that is not read, or for a response that the caller does not read.
Other upgrades than WebSockets are ignored: httptools 0.9 would lose the body of such a request.

A connection whose next request cannot be parsed is closed after the answer to the previous one.
uvicorn would send its refusal before that answer, so a caller would take it for the answer to its
send.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import TimerHandle
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ibiki.http.requests import JSON, body_at
from ibiki.http.websocket import ABORT, STREAMS, WHOLE, WebSocketConnection

HEAD_SECONDS = 10.0
HEAD_BYTES = 64 * 1024
LINGER_SECONDS = 5.0
UNREAD_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 30
SHUTDOWN_SECONDS = 10
SOCKET_BYTES = 64 * 1024
CLOSE = (b"connection", b"close")


def server_for(app: ASGIApp, *, trusted_proxies: Sequence[str] = ()) -> uvicorn.Server:
    """A server. Its `serve()` takes the listeners, and ends after the caller sets `should_exit`.

    `trusted_proxies`: addresses whose X-Forwarded-For is trusted.
    """
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws=WebSocketConnection,
        ws_max_size=SOCKET_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=10.0,
        ws_ping_timeout=10.0,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return _ServerWithoutSignals(config)


def close_after_answers(web: uvicorn.Server) -> None:
    """Each answer closes its connection from now on, so that callers connect to another process."""
    web.config.encoded_headers.append(CLOSE)
    web.server_state.default_headers = [*web.server_state.default_headers, CLOSE]


@asynccontextmanager
async def serving_at(listener: socket.socket, app: ASGIApp) -> AsyncIterator[None]:
    """Serves the app on the listener while the block runs."""
    server = server_for(app)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                await task
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 with limits before a request is complete and after its response."""

    _timer: TimerHandle | None = None
    _unread_timer: TimerHandle | None = None
    _head_bytes = 0
    _in_head = True
    _received = b""
    _again = b""
    url = b""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._close_after(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_unread_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        while data:
            if self._in_head:
                self._head_bytes += len(data)
            self._received, self._again = data, b""
            super().data_received(data)
            data = self._again
        if self._in_head and self._head_bytes > HEAD_BYTES:
            self._refuse_head()
        elif self._in_head and self._head_bytes and self._timer is None:
            self._close_after(HEAD_SECONDS)  # only if a head arrives in parts

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {ABORT: self.transport.abort}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        extensions: Any = self.scope["extensions"]
        extensions[WHOLE] = True
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head:
            self._close_after(LINGER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_unread_timer()
        super().resume_writing()

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _should_upgrade(self) -> bool:
        return bool(self.scope["method"] != "CONNECT")

    def handle_websocket_upgrade(self) -> None:
        """Answers any request for an upgrade, while uvicorn handles the exception of the parser.

        The JDK's client asks for HTTP/2 in this way in each request to an http URL. The parser
        takes what follows the head for another protocol: the head is parsed again without it.
        """
        if self._get_upgrade() == b"websocket":
            super().handle_websocket_upgrade()
            return
        upgrade: Any = sys.exception()
        rest = self._received[upgrade.args[0] :]
        method, version = self.scope["method"].encode(), self.scope["http_version"].encode()
        headers = [b"%b: %b" % each for each in self.headers if each[0] != b"upgrade"]
        head = b"%b %b HTTP/%b" % (method, self.url, version)
        self._again = b"\r\n".join([head, *headers, b"", rest])

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if cycle.waiting_for_100_continue:
            app = partial(_closing_without_body, cycle, app)
        if cycle.scope["http_version"] == "1.0":
            app = partial(_without_chunks, cycle, app)
        super()._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        super().shutdown()
        scope: Any = self.scope  # None before the first request
        if scope is not None and scope["state"].get(STREAMS):
            self.transport.close()  # a stream does not end by itself

    def send_400_response(self, msg: str) -> None:
        self._refuse(
            b"400 Bad Request", "This is not a valid HTTP/1.1 request. Correct the client."
        )

    def _refuse_head(self) -> None:
        self._refuse(
            b"431 Request Header Fields Too Large",
            f"The URL and the headers are larger than the limit of {HEAD_BYTES} bytes.",
        )

    def _refuse(self, status: bytes, message: str) -> None:
        if self._end_after_answer():
            return
        path = self.url.decode("latin-1").partition("?")[0]
        body = body_at(path, int(status[:3]), message, code="BAD_USER_INPUT")
        self.transport.write(
            b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (status, JSON, len(body), body)
        )
        self.transport.close()

    def _close_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        if not self._end_after_answer():
            self.transport.close()

    def _end_after_answer(self) -> bool:
        """Whether a complete request is not answered yet. Then its answer ends the connection."""
        cycle: Any = self.cycle  # None before the first request
        if cycle is None or cycle.response_complete or (cycle.more_body and not self.pipeline):
            return False
        cycle.keep_alive = False
        return True

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _closing_without_body(
    cycle: Any, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answers a request with `Expect: 100-continue`.

    If the body was not read, the caller may leave it out. Its next request would be taken for the
    body, so the answer closes the connection.
    """

    async def sender(message: Message) -> None:
        if cycle.waiting_for_100_continue:
            cycle.keep_alive = False
        await send(message)

    await app(scope, receive, sender)


async def _without_chunks(
    cycle: Any, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answers a request of HTTP/1.0, which has no chunks: the connection ends after the answer."""
    cycle.chunked_encoding = False

    async def sender(message: Message) -> None:
        cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    await app(scope, receive, sender)


class _ServerWithoutSignals(uvicorn.Server):
    """A server that installs no signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
