"""Subscribers to balances during the faults: what they receive, and how soon.

Each client has one stream at each server: server-sent events at the first, a WebSocket at the
second. If a stream ends, it is started again at the other server.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import aiohttp
import orjson

from tests import db
from tests.faults.load import Clients

BALANCE = {"query": "subscription { balanceUpdated { version account { balance } } }"}
STREAM = {"accept": "text/event-stream"}
PAUSE_SECONDS = 0.2
LOST = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
ANSWER_SECONDS = 60.0
MOST_REPORTED = 5

SOCKET = "graphql-transport-ws"
FATAL = frozenset({1002, 1011, 4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500})
"""Codes of a close after which the stock client (graphql-ws) does not connect again."""

CLOSE_SECONDS = 1.0

Listen: TypeAlias = Callable[
    [aiohttp.ClientSession, str, Mapping[str, Any], Callable[[], None]], AsyncIterator[bytes]
]

PRESENT = {"query": "{ balances { version } }"}
# Every balance that an account ever had is the balance after one of its transfers.
UNTRUE = """
SELECT account_id, balance FROM unnest($1::uuid[], $2::int8[]) AS delivered (account_id, balance)
EXCEPT SELECT source_id, source_balance FROM transfer WHERE source_id = ANY($1)
EXCEPT SELECT destination_id, destination_balance FROM transfer WHERE destination_id = ANY($1)
"""


@dataclass(eq=False)
class _Watcher:
    """One stream: the last version that it received, and every balance since the last check.

    `urls`: the servers at which it may be started, its own one first.
    """

    urls: Sequence[str]
    token: str
    account_id: UUID
    silence_seconds: float
    listen: Listen
    version: int = 0
    delivered: set[int] = field(default_factory=set)
    defects: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Listens until cancelled. Starts the stream again if it is silent for too long."""
        headers = STREAM | {"authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=self.silence_seconds)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            for url in itertools.cycle(self.urls):
                try:
                    async for delivered in self.listen(session, url, BALANCE, ignore):
                        self._listen(delivered)
                except LOST:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def ask(self) -> int:
        """The version that the balance has now."""
        headers = {"authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=self.silence_seconds)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.post(self.urls[0], json=PRESENT) as response,
        ):
            answer = await response.json(content_type=None)
            if response.status != 200 or "errors" in answer:
                raise aiohttp.ClientError(f"HTTP {response.status}: {answer}")
            return int(answer["data"]["balances"]["version"])

    def _listen(self, event: bytes) -> None:
        answer = orjson.loads(event)
        if "errors" in answer:
            return  # the database is unavailable: the stream ends and is started again
        delivered = answer["data"]["balanceUpdated"]
        version, balance = int(delivered["version"]), int(delivered["account"]["balance"])
        if version < self.version:
            self.defects.append(f"received version {version} after {self.version}")
        self.version = version
        self.delivered.add(balance)


class Watchers:
    """All watchers of balances, from `start` to `close`."""

    def __init__(self, servers: Sequence[str], clients: Clients, *, silence_seconds: float) -> None:
        urls = [f"{server}/graphql" for server in servers]
        self._all = [
            _Watcher(
                urls[place:] + urls[:place],
                token,
                account_id,
                silence_seconds,
                LISTENING[place % 2],
            )
            for place in range(len(urls))
            for token, account_id in zip(clients.rich, clients.accounts, strict=True)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to watch."""
        self._tasks = [asyncio.create_task(each.watch(), name="watcher") for each in self._all]

    async def close(self) -> None:
        """Stops watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def present(self) -> dict[UUID, int]:
        """The versions that balances have now, by account, from the first server that answers."""
        found: dict[UUID, int] = {}
        async with asyncio.timeout(ANSWER_SECONDS):
            while missing := [each for each in self._all if each.account_id not in found]:
                for watcher in missing:
                    with suppress(*LOST):
                        found[watcher.account_id] = await watcher.ask()
                await asyncio.sleep(0.05)
        return found

    def behind(self, present: dict[UUID, int]) -> int:
        """The number of watchers that have not received these versions, or later ones."""
        return sum(each.version < present[each.account_id] for each in self._all)

    async def broken(self) -> list[str]:
        """Balances that are wrong, or came in a wrong order."""
        found = [f"a watcher {defect}" for each in self._all for defect in each.defects]
        found += [f"watching ended: {each.exception()!r}" for each in self._tasks if each.done()]
        delivered = {(each.account_id, balance) for each in self._all for balance in each.delivered}
        rows = await db.fetch(
            UNTRUE, [each[0] for each in delivered], [each[1] for each in delivered]
        )
        for watcher in self._all:
            watcher.defects.clear()
            watcher.delivered.clear()
        untrue = [f"watchers received {row['balance']}, which no account ever held" for row in rows]
        return [*found, *untrue[:MOST_REPORTED]]


def ignore() -> None:
    """Does nothing when a stream is connected."""


async def events_of(
    session: aiohttp.ClientSession,
    url: str,
    question: Mapping[str, Any],
    connected: Callable[[], None] = ignore,
) -> AsyncIterator[bytes]:
    """The data of the `next` events of one stream. Calls `connected` before the first one."""
    async with session.post(url, json=question, headers=STREAM) as response:
        if response.status != 200:
            raise aiohttp.ClientError(f"HTTP {response.status}")
        connected()
        async for line in response.content:
            if line.startswith(b"data:") and line.strip() != b"data:":
                yield line.removeprefix(b"data:")


async def socket_events_of(
    session: aiohttp.ClientSession,
    url: str,
    question: Mapping[str, Any],
    connected: Callable[[], None],
) -> AsyncIterator[bytes]:
    """The same over a WebSocket. Raises AssertionError if a client would not connect again."""
    silence = aiohttp.ClientWSTimeout(ws_receive=session.timeout.sock_read, ws_close=CLOSE_SECONDS)
    async with session.ws_connect(
        url.replace("http", "ws", 1), protocols=[SOCKET], timeout=silence
    ) as socket:
        payload = {"Authorization": session.headers["authorization"]}
        await socket.send_json({"type": "connection_init", "payload": payload})
        await socket.send_json({"id": "1", "type": "subscribe", "payload": question})
        async for frame in socket:
            message = orjson.loads(frame.data)
            if message["type"] == "connection_ack":
                connected()
            elif message["type"] == "next":
                yield orjson.dumps(message["payload"])
            elif message["type"] == "error":
                raise aiohttp.ClientError("the operation was refused")
            elif message["type"] == "complete":
                return
        assert socket.close_code not in FATAL, f"a socket was closed with {socket.close_code}"


LISTENING: tuple[Listen, Listen] = (events_of, socket_events_of)
