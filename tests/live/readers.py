"""Readers, forms and stores for tests of the hub: small, and without a network or a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from domain.errors import TryAgain
from domain.identity.access import Scope
from domain.inbox.conversations import Conversation, InboundMessage
from domain.inbox.webhooks import WebhookEvent
from domain.live.hints import Topic
from domain.live.ports import Changed
from domain.live.watching import Item, Place
from domain.sending.sends import Message

NOON = datetime.fromisoformat("2026-11-20T12:00:00Z")


@dataclass(eq=False)
class Ears:
    """A reader that keeps what it is told."""

    told: list[Any] = field(default_factory=list)
    ended: list[Any] = field(default_factory=list)
    place: Place | None = None
    on_room: Callable[[], None] | None = None
    room: int | None = None
    """How much more of a feed it takes; None for any."""

    @property
    def has_room(self) -> bool:
        return self.room != 0

    def offer(self, item: Item) -> None:
        self.told.append(orjson.loads(item.body))
        if item.place is not None:
            self.place = item.place
            if self.room is not None:
                self.room -= 1

    def make_room(self, items: int) -> None:
        """Takes so many more."""
        self.room = items
        if self.on_room is not None:
            self.on_room()

    def end(self, errors: bytes | None = None) -> None:
        self.ended.append(None if errors is None else orjson.loads(errors))

    async def hears(self, *values: Any) -> None:
        """Waits until it has been told these, and nothing else."""
        async with asyncio.timeout(5):
            while len(self.told) < len(values):  # noqa: ASYNC110 - as long as it takes
                await asyncio.sleep(0.001)
        assert self.told == list(values)


@dataclass
class Words:
    """Tells a value as it is, and counts how often it is asked to.

    `away`: how often it still finds the store away before it can.
    """

    executions: int = 0
    away: int = 0

    async def told(self, value: Any) -> bytes:
        self.executions += 1
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise TryAgain
        if isinstance(value, InboundMessage):
            return orjson.dumps(value.feed)
        if isinstance(value, Message):
            return orjson.dumps([str(value.id), value.status])
        return orjson.dumps(value)

    def failed(self, failure: Exception) -> bytes:
        return orjson.dumps([str(failure)])


@dataclass
class FakeStore:
    """What is watched, as a test says; `away`: raised by every read while it is set."""

    prints: dict[Topic, str] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    now: datetime = NOON
    away: Exception | None = None
    failures: int = 0
    reads_by_time: int = 0
    reads_by_id: int = 0

    async def fingerprints(self, topics: Collection[Topic]) -> dict[Topic, str]:
        self._fail()
        return {topic: self.prints[topic] for topic in topics if topic in self.prints}

    async def find_changed_messages(
        self, scopes: Collection[Scope], ids: Collection[UUID]
    ) -> Sequence[Message]:
        self._fail()
        self.reads_by_id += 1
        found = [self.messages[each] for each in ids if each in self.messages]
        return sorted(found, key=lambda each: each.updated_at)

    async def read_changed_messages(
        self, scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
    ) -> Changed[Message]:
        self._fail()
        self.reads_by_time += 1
        found = sorted(self.messages.values(), key=lambda each: each.updated_at)
        return Changed(found, self.now)

    async def find_changed_conversations(
        self, scopes: Collection[Scope], ids: Collection[UUID]
    ) -> Sequence[Conversation]:
        return []

    async def read_changed_conversations(
        self, scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
    ) -> Changed[Conversation]:
        return Changed([], self.now)

    async def find_changed_events(
        self, scopes: Collection[Scope], ids: Collection[UUID]
    ) -> Sequence[WebhookEvent]:
        return []

    async def read_changed_events(
        self, scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
    ) -> Changed[WebhookEvent]:
        return Changed([], self.now)

    def _fail(self) -> None:
        if self.away is not None:
            self.failures += 1
            raise self.away
