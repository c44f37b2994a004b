"""Front ends that watch while faults happen: `messageUpdated`, `sendProgress`, `inboundMessage`.

At the end, each front end must have received the final status of every message that changed since
its first event, also over quick reconnects. Each send that it follows must have ended with the
right counts. Each inbound message must have come once and in order, over all reconnects.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import orjson

from domain import ids
from domain.errors import TryAgain
from domain.ids import Kind
from domain.transactions import Disconnected
from tests import db
from tests.faults.load import Clients
from tests.faults.watchers import LISTENING, LOST, PAUSE_SECONDS, Listen, events_of, ignore

MESSAGES = {"query": "subscription { messageUpdated { id status } }"}
NEWEST_SEND = {"query": "{ sends(first: 1) { nodes { id } } }"}
PROGRESS = """
subscription ($id: ID!) { sendProgress(sendId: $id) { accepted finished counts {
  queued submitting sent delivered undelivered rejected unknown cancelled } } }
"""
INBOUND = "subscription ($since: ID) { inboundMessage(since: $since) { id text } }"
FEED = """
SELECT text FROM inbound
WHERE client_id = $1 AND feed >= (SELECT feed FROM inbound WHERE client_id = $1 AND text = $2)
ORDER BY feed
"""
SILENCE_SECONDS = 15.0
"""Longer than the time between two signs of life of a stream. Nothing may change for that long."""

QUICK_SECONDS = 2.5
"""A stream begins with the changes of the last five seconds; the rest is for a slow machine."""

REST_SECONDS = 30.0
NEXT_SEND_SECONDS = 1.0

# Changes of transactions that had not started when the stream delivered its first event.
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS id"
CHANGED = """
SELECT message.id, message.status FROM message JOIN client ON client.id = message.client_id
WHERE client.account_id = $1 AND message.changed_xid >= $2 AND message.version > 0
"""


@dataclass(eq=False)
class MessageWatcher:
    """The stream `messageUpdated`. `since`: it must miss no transaction from this one on."""

    urls: Sequence[str]
    token: str
    account_id: UUID
    listen: Listen
    since: int | None = None
    received: dict[UUID, str] = field(default_factory=dict)
    received_at: float = -math.inf

    async def watch(self) -> None:
        """Listens until it is cancelled, and connects again after each loss."""
        async with _session(self.token) as session:
            for url in itertools.cycle(self.urls):
                try:
                    async for event in self.listen(session, url, MESSAGES, self.connected):
                        await self.receive(orjson.loads(event))
                except (*LOST, TryAgain, Disconnected):
                    await asyncio.sleep(PAUSE_SECONDS)

    def forget(self) -> None:
        """Checks only what comes from the next event on."""
        self.since = None
        self.received.clear()

    def connected(self) -> None:
        """Forgets all after a long pause: a front end reads its list again then."""
        if time.monotonic() - self.received_at > QUICK_SECONDS:
            self.forget()

    async def receive(self, event: Mapping[str, Any]) -> None:
        if "errors" in event:
            return  # the database is unavailable: the stream ends and is started again
        message = event["data"]["messageUpdated"]
        self.received[ids.decode(Kind.MESSAGE, message["id"])] = message["status"]
        self.received_at = time.monotonic()
        if self.since is None:
            self.since = (await db.fetch(NEXT_TRANSACTION))[0]["id"]

    async def missed(self) -> list[str]:
        """What differs from the database now."""
        if self.since is None:
            return []
        rows = await db.fetch(CHANGED, self.account_id, self.since)
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
    followed: str | None = None
    defects: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Follows the newest send until it is finished, then the next one, until cancelled."""
        async with _session(self.token) as session:
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


@dataclass(eq=False)
class _Feed:
    """One `inboundMessage` stream. After a loss, it continues after its last message."""

    urls: Sequence[str]
    token: str
    client_id: UUID
    listen: Listen
    last_id: str | None = None
    received: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Listens until it is cancelled, and connects again after each loss."""
        async with _session(self.token) as session:
            for url in itertools.cycle(self.urls):
                question = {"query": INBOUND, "variables": {"since": self.last_id}}
                try:
                    async for event in self.listen(session, url, question, ignore):
                        self._receive(orjson.loads(event))
                except LOST:
                    await asyncio.sleep(PAUSE_SECONDS)

    def _receive(self, event: Mapping[str, Any]) -> None:
        if "errors" in event:
            return  # the database is unavailable: the stream ends and is started again
        message = event["data"]["inboundMessage"]
        self.last_id = message["id"]
        self.received.append(message["text"])

    async def missed(self) -> list[str]:
        """How what was received differs from the feed, since the first message."""
        if not self.received:
            return []
        feed = [row["text"] for row in await db.fetch(FEED, self.client_id, self.received[0])]
        if feed == self.received:
            return []
        lost, extra = set(feed) - set(self.received), len(self.received) - len(set(self.received))
        return [
            f"inboundMessage: {len(self.received)} received of {len(feed)};"
            f" missing: {sorted(lost)[:3]}; {extra} twice"
        ]


class StatusWatchers:
    """All watchers of statuses, from `start` to `close`."""

    def __init__(self, servers: Sequence[str], clients: Clients) -> None:
        urls = [f"{server}/graphql" for server in servers]
        pairs = list(zip(clients.rich, clients.accounts, strict=True))
        turned = itertools.cycle([urls[first:] + urls[:first] for first in range(len(urls))])
        self._messages = [
            MessageWatcher(next(turned), token, account_id, LISTENING[place % 2])
            for place, (token, account_id) in enumerate(pairs)
        ]
        self._progress = [_Progress(next(turned), token) for token, _ in pairs]
        self._feeds = [
            _Feed(next(turned), token, client_id, LISTENING[1 - place % 2])
            for place, (token, (_, client_id)) in enumerate(
                zip(clients.rich, clients.receivers, strict=True)
            )
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to watch."""
        watching = [each.watch() for each in self._messages]
        watching += [each.watch() for each in self._progress]
        watching += [each.watch() for each in self._feeds]
        self._tasks = [asyncio.create_task(each, name="status watcher") for each in watching]

    async def close(self) -> None:
        """Stops watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self) -> None:
        """Checks only what comes from now on."""
        for each in self._messages:
            each.forget()

    async def receive(self) -> list[str]:
        """Waits until each stream of messages has received something. Returns what is wrong.

        A stream without an event would prove nothing at the end.
        """
        give_up_at = time.monotonic() + REST_SECONDS
        while silent := sum(each.since is None for each in self._messages):
            if time.monotonic() > give_up_at:
                return [f"messageUpdated: {silent} streams receive nothing"]
            await asyncio.sleep(PAUSE_SECONDS)
        return []

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
        missed += [defect for each in self._feeds for defect in await each.missed()]
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


def _session(token: str) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_SECONDS)
    return aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}, timeout=timeout)
