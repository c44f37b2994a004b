"""Front ends that watch messages and sends while faults happen: `messageUpdated`, `sendProgress`.

At rest, each must have received the final status of every message that changed since its stream
started, and each send that it follows must have ended with the right counts.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import orjson

from domain.errors import TryAgain
from domain.transactions import Disconnected
from resolvers import ids
from resolvers.ids import Kind
from tests import worlds
from tests.faults.load import Clients
from tests.faults.watchers import LOST, PAUSE_SECONDS, events_of

MESSAGES = {"query": "subscription { messageUpdated { id status } }"}
NEWEST_SEND = {"query": "{ sends(first: 1) { nodes { id } } }"}
PROGRESS = """
subscription ($id: ID!) { sendProgress(sendId: $id) { accepted finished counts {
  queued submitting sent delivered undelivered rejected unknown cancelled } } }
"""
REST_SECONDS = 30.0
NEXT_SEND_SECONDS = 1.0

# Changes of transactions that had not started when the stream delivered its first event.
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS id"
CHANGED = """
SELECT message.id, message.status FROM message JOIN client ON client.id = message.client_id
WHERE client.account_id = $1 AND message.changed_xid >= $2 AND message.version > 0
"""


@dataclass(eq=False)
class _Messages:
    """One `messageUpdated` stream. `since`: the transaction from which it must miss nothing."""

    urls: Sequence[str]
    token: str
    account_id: UUID
    silence_seconds: float
    since: int | None = None
    received: dict[UUID, str] = field(default_factory=dict)

    async def watch(self) -> None:
        """Listens until it is cancelled, and connects again after each loss."""
        async with _session(self.token, self.silence_seconds) as session:
            for url in itertools.cycle(self.urls):
                self.since = None
                self.received.clear()
                try:
                    async for event in events_of(session, url, MESSAGES):
                        await self._receive(orjson.loads(event))
                except (*LOST, TryAgain, Disconnected):
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _receive(self, event: Mapping[str, Any]) -> None:
        if "errors" in event:
            return  # the database is away: the stream ends and is started again
        message = event["data"]["messageUpdated"]
        self.received[ids.decode(Kind.MESSAGE, message["id"])] = message["status"]
        if self.since is None:
            self.since = (await worlds.fetch(NEXT_TRANSACTION))[0]["id"]

    async def missed(self) -> list[str]:
        """What differs from the database now."""
        if self.since is None:
            return []
        rows = await worlds.fetch(CHANGED, self.account_id, self.since)
        return [
            f"messageUpdated: a message is {row['status']}, received {self.received.get(row['id'])}"
            for row in rows
            if self.received.get(row["id"]) != row["status"]
        ]


@dataclass(eq=False)
class _Progress:
    """Follows one send after the other until each is finished."""

    urls: Sequence[str]
    token: str
    silence_seconds: float
    followed: str | None = None
    defects: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Follows the newest send, and then the newest again, until it is cancelled."""
        async with _session(self.token, self.silence_seconds) as session:
            for url in itertools.cycle(self.urls):
                try:
                    self.followed = self.followed or await _newest_send(session, url)
                    if self.followed is not None:
                        await self._follow(session, url, self.followed)
                except LOST:
                    pass
                await asyncio.sleep(NEXT_SEND_SECONDS)

    async def _follow(self, session: aiohttp.ClientSession, url: str, send_id: str) -> None:
        last: Mapping[str, Any] | None = None
        question = {"query": PROGRESS, "variables": {"id": send_id}}
        async for event in events_of(session, url, question):
            last = (orjson.loads(event).get("data") or {}).get("sendProgress")
        if last is None or not last["finished"]:
            return  # the stream was lost: follow the same send again
        if sum(last["counts"].values()) != last["accepted"]:
            self.defects.append(f"sendProgress: a finished send has the counts {last}")
        self.followed = None


class StatusWatchers:
    """All of them, from `start` to `close`."""

    def __init__(self, servers: Sequence[str], clients: Clients, *, silence_seconds: float) -> None:
        urls = [f"{server}/graphql" for server in servers]
        pairs = list(zip(clients.rich, clients.accounts, strict=True))
        turned = itertools.cycle([urls[first:] + urls[:first] for first in range(len(urls))])
        self._messages = [
            _Messages(next(turned), token, account_id, silence_seconds)
            for token, account_id in pairs
        ]
        self._progress = [_Progress(next(turned), token, silence_seconds) for token, _ in pairs]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to watch."""
        watching = [each.watch() for each in self._messages]
        watching += [each.watch() for each in self._progress]
        self._tasks = [asyncio.create_task(each, name="status watcher") for each in watching]

    async def close(self) -> None:
        """Stops watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def broken_at_rest(self) -> list[str]:
        """What is wrong when nothing changes any more, after some time to catch up."""
        give_up_at = time.monotonic() + REST_SECONDS
        found = await self._behind()
        while found and time.monotonic() < give_up_at:
            await asyncio.sleep(PAUSE_SECONDS)
            found = await self._behind()
        defects = [defect for each in self._progress for defect in each.defects]
        ended = [f"watching ended: {each.exception()!r}" for each in self._tasks if each.done()]
        return [*found[:5], *defects, *ended]

    async def _behind(self) -> list[str]:
        missed = [defect for each in self._messages for defect in await each.missed()]
        return missed + [
            f"sendProgress: {each.followed} is not finished"
            for each in self._progress
            if each.followed is not None
        ]


async def _newest_send(session: aiohttp.ClientSession, url: str) -> str | None:
    async with session.post(url, json=NEWEST_SEND) as response:
        answer = await response.json(content_type=None)
        nodes = (answer.get("data") or {}).get("sends", {}).get("nodes", [])
        return str(nodes[0]["id"]) if nodes else None


def _session(token: str, silence_seconds: float) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=silence_seconds)
    return aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}, timeout=timeout)
