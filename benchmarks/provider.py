"""A provider that answers at once: what is measured beside it is the dispatcher alone.

It speaks as ExtremeSMS does (`providers.extreme`), on a bare protocol.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from providers.simulator import formats

BALANCE = 1_000_000_000


class Provider:
    """What it has taken: how many messages, when the last of them, and when each text first."""

    def __init__(self) -> None:
        self.taken = 0
        self.calls: Counter[str] = Counter()
        self.last_at = 0.0
        self.seen_at: dict[str, float] = {}
        self.port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: bytes) -> dict[str, object]:
        """What is said to one call."""
        call = (method, path)
        if call not in formats.SENDS:
            return formats.balance_body(BALANCE)
        wanted = formats.read_send(call, body)
        self.last_at = time.perf_counter()
        self.calls[path] += 1
        self.taken += len(wanted.messages)
        self.seen_at.setdefault(wanted.messages[0].text, self.last_at)
        return formats.taken_body(call, [formats.new_id() for _ in wanted.messages], wanted)

    async def has_taken(self, count: int, *, within_seconds: float) -> None:
        """Returns when it has taken so many messages in all."""
        async with asyncio.timeout(within_seconds):
            while self.taken < count:  # noqa: ASYNC110 - what it takes comes from other processes
                await asyncio.sleep(0.005)


@asynccontextmanager
async def answering() -> AsyncIterator[Provider]:
    """A provider on a port of its own, for as long as the block lasts."""
    provider = Provider()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(provider), "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
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
        answer = orjson.dumps(self._provider.answer(method, path, body[:length]))
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(answer), answer)
        )
