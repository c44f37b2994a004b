"""Many subscribers and slow ones: memory is bounded, and only stalled ones are closed."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import struct
from typing import Any

import pytest

from benchmarks.fanout import HANDSHAKE, Listener, frame
from domain.live.subscriptions import Item, PendingItems
from ibiki.http.websocket import TOO_SLOW, WAITING_BYTES, WebSocketConnection
from ibiki.live.socket import Socket
from ibiki.live.subscribing import SocketRules
from tests.clocks import stopwatch
from tests.live.live_setup import BALANCE, Setup, live_setup
from tests.live.server import Server, client, eventually

SOCKETS = 1_000
CROWD_SECONDS = 90.0
LONG = 20_000
LONG_BALANCE = "subscription { balanceUpdated { account { balance unit } } }"


class SlowClient:
    """A client that has subscribed, and reads nothing until the test lets it."""

    def __init__(
        self, server: Server, query: str = LONG_BALANCE, who: str = "good", **variables: Any
    ) -> None:
        port = int(server.url.rsplit(":", 1)[1])
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(HANDSHAKE.encode())
        assert b" 101 " in self._socket.recv(4_096)
        self._say({"type": "connection_init", "payload": {"Authorization": f"Bearer {who}"}})
        requested = {"query": query, "variables": variables}
        self._say({"type": "subscribe", "id": "1", "payload": requested})

    def read_to_the_end(self) -> bytes:
        """Everything that arrives until the connection is closed."""
        self._socket.settimeout(20)
        parts = []
        try:
            while part := self._socket.recv(65_536):
                parts.append(part)
                if _ends_with_a_close(part):
                    self._socket.sendall(frame(0x88, b""))  # else the server waits for 5 s
        except ConnectionError:
            pass
        self._socket.close()
        return b"".join(parts)

    def _say(self, message: dict[str, Any]) -> None:
        self._socket.sendall(frame(0x81, json.dumps(message).encode()))


def _ends_with_a_close(part: bytes) -> bool:
    at = part.rfind(b"\x88")
    return 0 <= at < len(part) - 1 and part[at + 1] == len(part) - at - 2


def sockets_of(server: Server) -> list[Socket]:
    """The server's side of the open sockets."""
    held = [holder.connected for holder in server.live.rights._holders]
    return [each for each in held if isinstance(each, Socket)]


def waiting_bytes(app: Setup) -> int:
    """The most that waits in this process for one socket."""
    waiting = [each.connection.transport.get_write_buffer_size() for each in sockets_of(app.server)]
    return max(waiting, default=0)


async def test_a_stalled_reader_is_closed_and_harms_no_other() -> None:
    rules = SocketRules(send_seconds=1.0)
    async with live_setup(rules=rules) as app, client(app.server, "other") as other:
        app.store.unit = "x" * LONG
        slow = await asyncio.to_thread(SlowClient, app.server)
        await eventually(lambda: len(sockets_of(app.server)) == 2)
        await other.subscribe(LONG_BALANCE)
        most, balance = 0, 1
        delivered = (await other.delivered())["account"]["balance"]
        while len(sockets_of(app.server)) == 2:
            balance += 1
            app.change(balance)
            while delivered < balance:
                delivered = (await other.delivered())["account"]["balance"]
            most = max(most, waiting_bytes(app))
        assert most <= WAITING_BYTES + 2 * LONG
        ending = await asyncio.to_thread(slow.read_to_the_end)
        assert struct.pack("!BBH", 0x88, 2 + len("Reads too slowly"), TOO_SLOW) in ending
        app.change(balance + 1)
        assert (await other.delivered())["account"]["balance"] == balance + 1


async def test_a_slow_subscriber_receives_the_newest_state() -> None:
    async with live_setup(rules=SocketRules(send_seconds=20)) as app:
        app.store.unit = "x" * LONG
        slow = await asyncio.to_thread(SlowClient, app.server)
        await eventually(lambda: bool(sockets_of(app.server)))
        [held] = sockets_of(app.server)
        await eventually(lambda: bool(held.operations))
        operation = held.operations["1"]
        balance = 1
        while not operation.waits:
            balance += 1
            app.change(balance)
            reads = app.store.reads
            await eventually(lambda reads=reads: app.store.reads > reads)  # type: ignore[misc]
            await asyncio.sleep(0)
        last = balance + 500
        for each in range(balance, last + 1):
            app.change(each)
        reading = asyncio.create_task(asyncio.to_thread(slow.read_to_the_end))
        await eventually(lambda: held.connection.can_write and not operation.waits)
        held.close(1000, "enough")
        arrived = await reading
        assert arrived.count(b'"balance"') < last / 2, "the slow subscriber received the backlog"
        assert b'"balance":%d' % last in arrived


async def test_a_thousand_sockets_receive_a_change_in_time() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * SOCKETS:
        pytest.skip(f"this machine opens {hard} files at most")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    arrived: list[tuple[bytes, float]] = []
    try:
        async with live_setup() as app, asyncio.timeout(CROWD_SECONDS), stopwatch() as watch:
            listeners = await _listen(app, arrived)
            assert app.server.live.hub.count == 1
            for balance in (2, 3):
                arrived.clear()
                reads = app.store.reads
                began = watch.seconds
                app.change(balance)
                await eventually(lambda: len(arrived) == SOCKETS)
                assert watch.seconds - began < 5
                assert app.store.reads - reads <= 2, "all share a few executions"
            for each in listeners:
                each.close()
            await eventually(lambda: app.server.live.hub.count == 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _listen(app: Setup, arrived: list[tuple[bytes, float]]) -> list[Listener]:
    loop = asyncio.get_running_loop()
    port = int(app.server.url.rsplit(":", 1)[1])
    made = []
    for _ in range(SOCKETS):
        _, listener = await loop.create_connection(
            lambda: Listener("good", arrived, BALANCE), "127.0.0.1", port
        )
        made.append(listener)
    await eventually(lambda: len(arrived) == SOCKETS, CROWD_SECONDS)
    return made


def test_a_backlog_keeps_the_newest_of_each_key_and_has_a_limit() -> None:
    backlog = PendingItems(most=2)
    assert backlog.put(Item(b"1", key="a"))
    assert backlog.put(Item(b"2", key="b"))
    assert backlog.put(Item(b"3", key="a"))
    assert backlog.take() == Item(b"2", key="b")
    assert backlog.take() == Item(b"3", key="a")
    assert backlog.take() is None
    assert not backlog
    for key in "abc":
        last = backlog.put(Item(b"", key=key))
    assert not last


def test_the_first_items_of_a_subscriber_do_not_count_as_its_backlog() -> None:
    backlog = PendingItems(most=2)
    for key in range(10):
        assert backlog.put(Item(b"old", key=key, is_first=True))
    assert backlog.put(Item(b"new", key=0)), "a first item was replaced"
    assert backlog.take() == Item(b"old", key=1, is_first=True)
    assert backlog.put(Item(b"new", key="a"))
    assert not backlog.put(Item(b"new", key="b"))


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
async def test_a_message_of_any_length_is_framed_as_it_should_be(length: int) -> None:
    async with live_setup() as app, client(app.server, "good", max_size=None) as reader:
        app.store.unit = "x" * length
        await reader.subscribe(LONG_BALANCE)
        assert len((await reader.delivered())["account"]["unit"]) == length


async def test_a_client_that_does_not_answer_pings_may_reconnect() -> None:
    async with live_setup() as app, client(app.server, "good") as reader:
        [held] = sockets_of(app.server)
        connection: WebSocketConnection = held.connection
        connection.keepalive_timeout()
        assert await reader.closed() == TOO_SLOW
