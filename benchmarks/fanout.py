"""A balance that a thousand sockets of one process watch: deliveries, their CPU, delay and memory.

The delay is from the moment that PostgreSQL wrote the transfer, just before its commit, to the
moment that the frame is read here, on the same two cores.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks.databases import (
    Build,
    Database,
    builds,
    cpu_seconds,
    new_database,
    server,
    with_children,
)
from benchmarks.load import request
from benchmarks.measurement import Measurement, compared
from benchmarks.send import SEND
from benchmarks.tenants import tenants_of
from tests import db

SOCKETS = 1_000
SECONDS = 6.0
UPDATES_PER_SECOND = 10
PACED_SECONDS = 20.0
"""The p99 of sixty updates would be the delay of the slowest one."""

UNITS = 10_000_000
PAGE_BYTES = 4096

HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
BALANCE = "subscription { balanceUpdated { version account { balance unit valueUsd } } }"


def main() -> list[Measurement]:
    """Figures at ten updates a second, and without a limit on updates."""
    return compared(builds(), _measured)


def _measured(build: Build) -> list[Measurement]:
    with new_database(build) as database:
        [token] = tenants_of(database, 1, units=UNITS)
        with server(database) as (pid, port):
            return asyncio.run(_measure(database, token, pid, port))


async def _measure(database: Database, token: str, pid: int, port: int) -> list[Measurement]:
    arrived: list[tuple[bytes, float]] = []
    pids = [pid, *with_children(database.postgres_pid)]
    await _updates(port, token, SECONDS, SECONDS)
    before_bytes, before_seconds = _resident(pid), cpu_seconds([pid])
    sockets = await _open(port, token, arrived)
    memory = (_resident(pid) - before_bytes) / SOCKETS
    opening = (cpu_seconds([pid]) - before_seconds) / SOCKETS
    arrived.clear()
    # Otherwise one collection of all modules of this program delays a whole update by 90 to 180 ms.
    gc.freeze()
    idle = await _cpu_of(pids, lambda: asyncio.sleep(SECONDS))
    pause_seconds = 1 / UPDATES_PER_SECOND
    paced = await _cpu_of([pid], lambda: _updates(port, token, pause_seconds, PACED_SECONDS))
    paced_heard, delays = len(arrived), await _delays(database, arrived)
    arrived.clear()
    began = time.perf_counter()
    fast = await _cpu_of([pid], lambda: _updates(port, token, 0.0, SECONDS))
    seconds = time.perf_counter() - began
    for each in sockets:
        each.close()
    return [
        Measurement(f"{SOCKETS} idle sockets, CPU", idle / SECONDS * 1e3, "ms a second"),
        Measurement("memory a socket", memory / 1024, "KiB"),
        Measurement("to open a socket and subscribe: CPU", opening * 1e6, "µs"),
        Measurement("10 updates/s: deliveries", paced_heard / PACED_SECONDS, "a second"),
        Measurement("10 updates/s: CPU", paced / paced_heard * 1e6, "µs a delivery", at_most=25),
        Measurement("10 updates/s: p50 from write to socket", delays[len(delays) // 2], "ms"),
        Measurement(
            "10 updates/s: p99 from write to socket",
            delays[int(len(delays) * 0.99)],
            "ms",
            at_most=30,
        ),
        Measurement("as they come: deliveries", len(arrived) / seconds, "a second"),
        Measurement("as they come: CPU", fast / len(arrived) * 1e6, "µs a delivery"),
    ]


async def _cpu_of(pids: list[int], work: Callable[[], object]) -> float:
    before = cpu_seconds(pids)
    await work()  # type: ignore[misc]
    await asyncio.sleep(0.2)
    return cpu_seconds(pids) - before


async def _open(port: int, token: str, arrived: list[tuple[bytes, float]]) -> list[Listener]:
    loop = asyncio.get_running_loop()
    sockets = []
    for _ in range(SOCKETS):
        _, made = await loop.create_connection(lambda: Listener(token, arrived), "127.0.0.1", port)
        sockets.append(made)
    async with asyncio.timeout(60):
        while len(arrived) < SOCKETS:  # noqa: ASYNC110 - has a time limit
            await asyncio.sleep(0.05)
    return sockets


async def _updates(port: int, token: str, pause_seconds: float, seconds: float) -> None:
    """Sends for so many seconds. Each send changes the balance."""
    until = time.perf_counter() + seconds
    given: dict[str, object] = {"input": {"to": "+12025550100", "text": "Good morning"}}
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began := time.perf_counter()) < until:
        writer.write(request(token, SEND, given))
        while b'"__typename":"Send"' not in await reader.read(65_536):
            pass
        await asyncio.sleep(max(0.0, began + pause_seconds - time.perf_counter()))
    writer.close()


async def _delays(database: Database, arrived: list[tuple[bytes, float]]) -> list[float]:
    """Milliseconds from each transfer to each of its frames, in order."""
    async with db.connected(database.url, pool_size=2):
        rows = await db.fetch(
            "SELECT source_balance AS balance, extract(epoch FROM created_at)::float8 AS at"
            " FROM transfer WHERE kind = 'SEND'"
        )
    written_at = {row["balance"]: row["at"] for row in rows}
    found = []
    for frame, at in arrived:
        delivered = orjson.loads(frame)["payload"]["data"]["balanceUpdated"]["account"]["balance"]
        found.append((at - written_at[delivered]) * 1e3)
    return sorted(found)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


class Listener(asyncio.Protocol):
    """A client on a bare protocol: it subscribes once, and keeps what it receives with the time."""

    def __init__(
        self, token: str, arrived: list[tuple[bytes, float]], query: str = BALANCE
    ) -> None:
        self._token = token
        self._query = query
        self._heard = arrived
        self._buffer = b""
        self._is_open = False

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HANDSHAKE.encode())

    def data_received(self, data: bytes) -> None:
        at = time.time()
        self._buffer += data
        if not self._is_open:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            assert b" 101 " in head, head
            self._is_open, self._buffer = True, rest
            payload = {"Authorization": f"Bearer {self._token}"}
            self._send({"type": "connection_init", "payload": payload})
            self._send({"type": "subscribe", "id": "1", "payload": {"query": self._query}})
        while (frame := self._frame()) is not None:
            opcode, body = frame
            if opcode == 9:
                self._write(0x8A, body)
            elif b'"next"' in body:
                self._heard.append((body, at))

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        start, length = 2, buffer[1]
        if length == 126:
            start, length = 4, int.from_bytes(buffer[2:4], "big")
        if len(buffer) < start + length:
            return None
        self._buffer = buffer[start + length :]
        return buffer[0] & 15, buffer[start : start + length]

    def _send(self, message: dict[str, object]) -> None:
        self._write(0x81, orjson.dumps(message))

    def _write(self, first: int, body: bytes) -> None:
        self._transport.write(frame(first, body))


def frame(first: int, body: bytes) -> bytes:
    """A client's frame: masked, with a mask that changes nothing."""
    length = len(body)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([first]) + size + bytes(4) + body
