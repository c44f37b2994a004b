"""A provider that responds at once or after a fixed time, and needs almost no CPU itself.

It has the formats of ExtremeSMS (`providers.extreme`), on a bare asyncio protocol.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson

from providers.simulator import extreme

BALANCE = 1_000_000_000


class Provider:
    """What it has accepted: the number of messages, and the times of the last and of each text."""

    def __init__(self) -> None:
        self.taken = 0
        self.calls: Counter[str] = Counter()
        self.last_at = 0.0
        self.seen_at: dict[str, float] = {}
        self.port = 0

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process that sends to it."""
        url = f"http://127.0.0.1:{self.port}"
        return {"EXTREME_API_URL": url, "EXTREME_API_KEY": "benchmark"}

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """The response to one call."""
        answer = orjson.dumps(self._taken((method, path), body))
        return (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(answer), answer)
        )

    def _taken(self, call: tuple[str, str], body: bytes) -> dict[str, object]:
        if call not in extreme.SENDS:
            return extreme.balance_response(BALANCE)
        request = extreme.parse_send(call, body)
        self.last_at = time.perf_counter()
        self.calls[call[1]] += 1
        self.taken += len(request.messages)
        self.seen_at.setdefault(request.messages[0].text, self.last_at)
        return extreme.send_response(
            call, [extreme.new_id() for _ in request.messages], request.messages
        )

    async def has_taken(self, count: int, *, within_seconds: float) -> None:
        """Returns when it has accepted this many messages in all."""
        async with asyncio.timeout(within_seconds):
            while self.taken < count:  # noqa: ASYNC110 - other processes send them
                await asyncio.sleep(0.005)


@asynccontextmanager
async def answering(*, after_seconds: float = 0.0) -> AsyncIterator[Provider]:
    """A provider on a free port. Each answer comes `after_seconds`."""
    provider = Provider()
    async with listening(provider.answer, after_seconds=after_seconds) as provider.port:
        yield provider


Answer = Callable[[str, str, bytes], bytes | None]
"""The response to a request with this method, path and body. None: there is no response."""


@asynccontextmanager
async def listening(answer: Answer, *, after_seconds: float = 0.0) -> AsyncIterator[int]:
    """An HTTP server in this process. Yields its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(answer, after_seconds), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, answer: Answer, after_seconds: float) -> None:
        self._answer = answer
        self._after_seconds = after_seconds
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        _, found, rest = head.lower().partition(b"content-length:")
        length = int(rest.split(b"\r\n", 1)[0]) if found else 0
        if len(body) < length:
            return
        self._buffer = body[length:]
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        response = self._answer(method, path, body[:length])
        if response is None:
            return
        if self._after_seconds:
            asyncio.get_running_loop().call_later(
                self._after_seconds, self._transport.write, response
            )
        else:
            self._transport.write(response)
