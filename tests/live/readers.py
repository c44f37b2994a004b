"""Readers, forms and stores for tests of the hub: small, and without a network or a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from domain.errors import TryAgain
from domain.identity.access import Scope
from domain.inbox.messages import InboundMessage
from domain.live import hints
from domain.live.hints import Topic
from domain.live.ports import Change, ChangePage, ChangePosition
from domain.live.subscriptions import FeedPosition, Item
from domain.sending.messages import Message
from tests.clocks import PATIENCE_SECONDS

NOON = datetime.fromisoformat("2026-11-20T12:00:00Z")


def change_of(message: Message) -> Change:
    """The message, with the seconds since noon as its version."""
    return Change(int((message.updated_at - NOON).total_seconds()), message)


@dataclass(eq=False)
class FakeSubscriber:
    """A subscriber that keeps what it receives."""

    delivered: list[Any] = field(default_factory=list)
    ended: list[Any] = field(default_factory=list)
    position: FeedPosition | None = None
    on_capacity: Callable[[], None] | None = None
    capacity: int | None = None
    """How much more of a feed it accepts. None: no limit."""

    @property
    def has_capacity(self) -> bool:
        return self.capacity != 0

    def offer(self, item: Item) -> None:
        self.delivered.append(orjson.loads(item.body))
        if item.position is not None:
            self.position = item.position
            if self.capacity is not None:
                self.capacity -= 1

    def add_capacity(self, items: int) -> None:
        """Accepts this many more."""
        self.capacity = items
        if self.on_capacity is not None:
            self.on_capacity()

    def end(self, errors: bytes | None = None) -> None:
        self.ended.append(None if errors is None else orjson.loads(errors))

    async def receives(self, *values: Any) -> None:
        """Waits until it has received exactly these."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.delivered) < len(values):  # noqa: ASYNC110 - as long as it takes
                await asyncio.sleep(0.001)
        assert self.delivered == list(values)


@dataclass
class FakeRenderer:
    """Returns a value as it is, and counts its calls.

    `unavailable`: how many more calls fail because the store is unavailable.
    """

    executions: int = 0
    unavailable: int = 0

    async def render(self, value: Any) -> bytes:
        self.executions += 1
        await asyncio.sleep(0)
        if self.unavailable:
            self.unavailable -= 1
            raise TryAgain
        if isinstance(value, InboundMessage):
            return orjson.dumps(value.feed)
        if isinstance(value, Message):
            return orjson.dumps([str(value.id), value.status])
        return orjson.dumps(value)

    def render_failure(self, failure: Exception) -> bytes:
        return orjson.dumps([str(failure)])


@dataclass
class FakeStore:
    """The watched state, set by a test. `unavailable`: raised by every read while it is set."""

    prints: dict[Topic, str] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    unavailable: Exception | None = None
    failures: int = 0
    xid: int = 1
    positions: int = 0
    reads_by_position: int = 0
    reads_by_id: int = 0

    async def fingerprints(self, topics: Collection[Topic]) -> dict[Topic, str]:
        self._fail()
        return {topic: self.prints[topic] for topic in topics if topic in self.prints}

    async def find_changes(
        self, scopes: Collection[Scope], kind: bytes, ids: Collection[UUID]
    ) -> Sequence[Change]:
        self._fail()
        self.reads_by_id += 1
        return self._changes([self.messages[each] for each in ids if each in self.messages])

    async def read_changes(
        self, scopes: Collection[Scope], kind: bytes, after: ChangePosition
    ) -> ChangePage:
        self._fail()
        self.reads_by_position += 1
        found = self.messages.values() if kind == hints.MESSAGE else ()
        versions = {each.item.id: each.version for each in self._changes(found)}
        return ChangePage(versions, after)

    async def recent_changes(
        self, scope: Scope, kind: bytes, after: ChangePosition | float
    ) -> Sequence[UUID]:
        return []

    async def position(self, kind: bytes | None = None) -> ChangePosition:
        self._fail()
        self.positions += 1
        return ChangePosition(self.xid)

    def _changes(self, messages: Iterable[Message]) -> list[Change]:
        changes = [change_of(each) for each in messages]
        return sorted(changes, key=lambda change: change.version)

    def _fail(self) -> None:
        if self.unavailable is not None:
            self.failures += 1
            raise self.unavailable
