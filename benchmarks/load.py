"""Requests over HTTP/1.1 at full speed: connections that each wait for one answer at a time.

Written on a bare asyncio protocol, so that the load itself takes little of the machine's time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a load: the number of answers, its seconds, and the seconds of each answer."""

    answers: int
    seconds: float
    latencies: Sequence[float]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The time within which that many of the answers came."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def request(token: str, query: str, variables: dict[str, object] | None = None) -> bytes:
    """A complete GraphQL request."""
    return post(token, "/graphql", {"query": query, "variables": variables or {}})


def post(token: str, path: str, given: object, *, headers: str = "") -> bytes:
    """A complete request: with the bytes of a CSV file, or with anything else as JSON.

    `headers`: further lines, each with its end.
    """
    if isinstance(given, bytes):
        body, kind = given, "text/csv"
    else:
        body, kind = orjson.dumps(given), "application/json"
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n{headers}"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(
    ports: Sequence[int],
    make: Callable[[int], bytes],
    *,
    connections: int,
    seconds: float,
    expect: bytes,
    per_second: float | None = None,
) -> Run:
    """Sends requests for this long over this many connections, distributed over the ports.

    `make`: the next request of a connection, by its number. Every answer must hold `expect`.
    `per_second`: the rate of all connections together. None: each request follows the answer to the
    one before. With a rate, the time of an answer counts from the moment for which its request was
    planned: if the server is slow, the requests that wait for a connection are slow, too.
    """
    until = time.perf_counter() + seconds
    pause = 0.0 if per_second is None else connections / per_second
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    callers: list[_Caller] = []
    for number in range(connections):
        _, caller = await loop.create_connection(
            lambda number=number: _Caller(  # type: ignore[misc]
                number, make, latencies, expect, until=until, pause_seconds=pause
            ),
            "127.0.0.1",
            ports[number % len(ports)],
        )
        callers.append(caller)
    began = time.perf_counter()
    for number, caller in enumerate(callers):
        caller.start(began + pause * number / connections)
    await asyncio.gather(*(caller.done for caller in callers))
    return Run(len(latencies), time.perf_counter() - began, latencies)


def measured(
    cpu: Callable[[], float],
    ports: Sequence[int],
    make: Callable[[int], bytes],
    *,
    connections: int,
    seconds: float,
    expect: bytes,
) -> tuple[Run, float]:
    """The result of a load, and the CPU of each answer in µs. `cpu`: the seconds used so far."""
    before = cpu()
    run = asyncio.run(load(ports, make, connections=connections, seconds=seconds, expect=expect))
    return run, (cpu() - before) / run.answers * 1e6


async def ask_once(port: int, requested: bytes, expect: bytes = b"") -> bytes:
    """The body of the answer to one request. It must hold `expect`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(requested)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    assert expect in body, body[:500]
    return body


class _Caller(asyncio.Protocol):
    def __init__(
        self,
        number: int,
        make: Callable[[int], bytes],
        latencies: list[float],
        expect: bytes,
        *,
        until: float,
        pause_seconds: float,
    ) -> None:
        self._number = number
        self._make = make
        self._until = until
        self._pause_seconds = pause_seconds
        self._latencies = latencies
        self._expect = expect
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def start(self, at: float) -> None:
        """Sends the first request at that time."""
        self._requested_at = at - self._pause_seconds
        self._ask_later()

    def _ask_later(self) -> None:
        """Sends the next request when it is planned."""
        if self._pause_seconds:
            self._requested_at += self._pause_seconds
            wait = max(0.0, self._requested_at - time.perf_counter())
            asyncio.get_running_loop().call_later(wait, self._ask)
        else:
            self._requested_at = time.perf_counter()
            self._ask()

    def _ask(self) -> None:
        if self._requested_at >= self._until:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._transport.write(self._make(self._number))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        start = head.lower().index(b"content-length:") + len(b"content-length:")
        if len(body) < int(head[start:].split(b"\r\n", 1)[0]):
            return
        self._buffer = b""
        if self._expect not in body:
            self.done.set_exception(AssertionError(body[:500]))
            self._transport.close()
            return
        self._latencies.append(time.perf_counter() - self._requested_at)
        self._ask_later()

    def connection_lost(self, failure: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(failure or ConnectionError("closed by the server"))
