"""A stream: something watched by many subscribers, read and rendered once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from domain.live.hints import Topic
from domain.live.ports import Change
from domain.live.subscriptions import ChangeWatch, Item, Renderer, StateWatch, Subscriber
from domain.loops import backoff_seconds
from domain.transactions import UNAVAILABLE

OFFERS_AT_ONCE = 100
"""Subscribers that are served, or items that are rendered, before other tasks of the process get
their turn."""

LONGEST_REST_SECONDS = 1.0

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Starts a task outside the context of any request."""


class Stream:
    """The part that all streams share: subscribers, and a task that runs while there is work.

    A stream rests after each run in proportion to what the run cost: however often something
    changes, one stream takes only a part of the process and of the database.
    """

    def __init__(self, renderer: Renderer, forget: Callable[[], None], spawn: Spawn) -> None:
        self.renderer = renderer
        self.subscribers: dict[Subscriber, bool] = {}
        """Whether each has received its first items."""
        self.read_seconds = 0.0
        """How long the last read took."""
        self._forget = forget
        self._spawn = spawn
        self._dirty = False
        self._hinted = False
        self._running = False
        self._rest_until = 0.0

    def join(self, subscriber: Subscriber) -> None:
        """Adds a subscriber: it receives the current state, then every change."""
        self.subscribers[subscriber] = False
        self.wake()

    def leave(self, subscriber: Subscriber) -> None:
        """Removes a subscriber."""
        if self.subscribers.pop(subscriber, None) is not None and not self.subscribers:
            self.close()

    def wake(self, *, hinted: bool = True) -> None:
        """Runs the stream: something may have changed.

        `hinted`: False if polling found the change. A hint has usually come first, so that nothing
        is new. The stream does not rest after such a run, because a rest would delay the next
        change, and polls are rare.
        """
        self._dirty = True
        self._hinted |= hinted
        if not self._running:
            self._running = True
            self._spawn(self._run())

    def close(self) -> None:
        """Ends the stream after its last subscriber has left."""
        self._forget()

    def end(self, subscribers: Iterable[Subscriber], errors: bytes | None = None) -> None:
        """Ends these subscriptions."""
        for subscriber in list(subscribers):
            if self.subscribers.pop(subscriber, None) is not None:
                subscriber.end(errors)
        if not self.subscribers:
            self.close()

    async def offer(self, item: Item, subscribers: Iterable[Subscriber]) -> None:
        """Offers an item to subscribers, and lets other tasks run in between."""
        for count, subscriber in enumerate(subscribers, 1):
            if subscriber in self.subscribers:
                subscriber.offer(item)
            if count % OFFERS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def new_subscribers(self) -> list[Subscriber]:
        """The subscribers that have not received their first items."""
        return [each for each, has_started in self.subscribers.items() if not has_started]

    def started_subscribers(self) -> list[Subscriber]:
        """The subscribers that have received their first items."""
        return [each for each, has_started in self.subscribers.items() if has_started]

    def mark_started(self, subscribers: Iterable[Subscriber]) -> None:
        """Notes that these receive every change from now on."""
        for subscriber in subscribers:
            if subscriber in self.subscribers:
                self.subscribers[subscriber] = True

    async def run_once(self) -> None:
        """Reads once and delivers what is new."""
        raise NotImplementedError

    async def _run(self) -> None:
        failures = 0
        try:
            while self._dirty and self.subscribers:
                await asyncio.sleep(max(0.0, self._rest_until - time.monotonic()))
                hinted, self._dirty, self._hinted = self._hinted, False, False
                began = time.monotonic()
                try:
                    await self.run_once()
                    failures = 0
                except UNAVAILABLE:
                    failures += 1
                    self._dirty = True
                except Exception as failure:  # noqa: BLE001 - sent; a defect is also logged
                    self.end(self.subscribers, self.renderer.render_failure(failure))
                if hinted or failures:
                    now = time.monotonic()
                    self._rest_until = now + _rest(now - began, self.read_seconds, failures)
        finally:
            self._running = False


class Topics(Protocol):
    """Where a stream registers the topics that wake it."""

    def watch_topics(self, stream: Stream, before: frozenset[Topic], now: frozenset[Topic]) -> None:
        """Wakes the stream for the topics in `now`, and no longer for the others of `before`."""


class HintedStream(Stream):
    """A stream that hints about its topics wake. `reads`: limits the reads of all such streams."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        forget: Callable[[], None],
        spawn: Spawn,
        registry: Topics,
        reads: asyncio.Semaphore,
    ) -> None:
        super().__init__(renderer, forget, spawn)
        self._registry = registry
        self._reads = reads
        self._topics: frozenset[Topic] = frozenset()

    def watch_topics(self, topics: frozenset[Topic]) -> None:
        """From now on, hints about these topics wake the stream."""
        self._registry.watch_topics(self, self._topics, topics)
        self._topics = topics

    def close(self) -> None:
        """Ends the stream: no topic wakes it any more."""
        self.watch_topics(frozenset())
        super().close()


class StateStream(HintedStream):
    """One state. A subscriber never receives an older version after a newer one, or one twice."""

    def __init__(self, watch: StateWatch[Any], renderer: Renderer, **parts: Any) -> None:
        """`parts`: see `HintedStream`."""
        super().__init__(renderer, **parts)
        self._watch = watch
        self._version = 0
        self._is_doubtful = False
        self._body: bytes | None = None

    async def run_once(self) -> None:
        """Reads the state, and offers it to all subscribers that do not have it."""
        joining = self.new_subscribers()
        async with self._reads:
            began = time.monotonic()
            value = await self._read()
            self.read_seconds = time.monotonic() - began
        version, body = self._watch.version_of(value), await self.renderer.render(value)
        if version < self._version and not self._is_doubtful:
            # It may be an older snapshot. Read again, and use the second answer.
            self._is_doubtful = True
            self.wake()
            return
        self._is_doubtful = False
        started = [] if body == self._body else self.started_subscribers()
        self._version, self._body = version, body
        self.mark_started(joining)
        await self.offer(Item(body), [*joining, *started])
        if self._watch.is_last is not None and self._watch.is_last(value):
            self.end(self.started_subscribers())

    async def _read(self) -> Any:
        """The state. Reads it again if it depends on a topic that was not watched before."""
        value = await self._watch.read()
        while self.subscribers and (topics := self._watch.topics_of(value)) != self._topics:
            self.watch_topics(topics)
            value = await self._watch.read()
        return value


class Tracker(Protocol):
    """Reads the changes of one kind, and passes them to the streams that are added to it."""

    def add(self, stream: ChangeStream) -> None:
        """Delivers changes to the stream from now on."""

    def remove(self, stream: ChangeStream) -> None:
        """Delivers nothing more to the stream."""

    async def read_first(self, watch: ChangeWatch, since: float) -> Sequence[Change]:
        """What a new subscriber receives first.

        `since`: when it began to wait, by `time.monotonic`. Changes that are committed after this
        read has begun are passed to the stream.
        """


class ChangeStream(Stream):
    """Changes within a scope, for one document and viewpoint."""

    def __init__(
        self,
        tracker: Tracker,
        watch: ChangeWatch,
        renderer: Renderer,
        forget: Callable[[], None],
        spawn: Spawn,
    ) -> None:
        super().__init__(renderer, forget, spawn)
        self.watch = watch
        self._tracker = tracker
        self._joined_at: dict[Subscriber, float] = {}
        """When each subscriber began to wait for its first items, by `time.monotonic`."""
        self._first_versions: dict[Subscriber, dict[UUID, int]] = {}
        """The versions that each subscriber received when it joined."""
        self._held: dict[UUID, Change] = {}
        """Changes that arrived while a subscriber waited for its first items."""
        self._delivering = asyncio.Lock()

    def join(self, subscriber: Subscriber) -> None:
        """Adds a subscriber: it receives the first items, then every change."""
        self._joined_at[subscriber] = time.monotonic()
        self._tracker.add(self)
        super().join(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        self._joined_at.pop(subscriber, None)
        self._first_versions.pop(subscriber, None)
        super().leave(subscriber)

    def close(self) -> None:
        self._tracker.remove(self)
        super().close()

    async def run_once(self) -> None:
        """Delivers the first items to new subscribers, and the changes since they joined."""
        async with self._delivering:
            joining = self.new_subscribers()
            now = time.monotonic()
            since = min((self._joined_at.get(each, now) for each in joining), default=now)
            first = await self._tracker.read_first(self.watch, since)
            # Render everything before anything is delivered: if the database is unavailable, the
            # whole run is repeated, and no subscriber receives half of it.
            first_items = await self._first_items(first)
            held = list(self._held.values())
            held_items = await self._first_items(held)
            self._held.clear()
            versions = {change.item.id: change.version for change in first}
            self._first_versions |= {
                subscriber: versions for subscriber in joining if subscriber in self.subscribers
            }
            self.mark_started(joining)
            for item in first_items:
                await self.offer(item, joining)
            for change, item in zip(held, held_items, strict=True):
                await self.offer(item, self._without_those_who_have(change, joining))

    async def deliver(self, change: Change) -> None:
        """Delivers a change to all subscribers that have started."""
        async with self._delivering:
            started = self.started_subscribers()
            if len(started) < len(self.subscribers):
                self._held[change.item.id] = change
            subscribers = self._without_those_who_have(change, started)
            if not subscribers:
                return
            try:
                await self.offer(await self._item(change), subscribers)
            except UNAVAILABLE:
                self._start_again(change, started)

    def _without_those_who_have(
        self, change: Change, subscribers: Sequence[Subscriber]
    ) -> list[Subscriber]:
        """The subscribers that did not receive this version, or a newer one, when they joined."""
        return [
            each
            for each in subscribers
            if self._first_versions.get(each, {}).get(change.item.id, -1) < change.version
        ]

    def _start_again(self, change: Change, subscribers: Iterable[Subscriber]) -> None:
        """Treats these as new subscribers: the change cannot be rendered now."""
        self._held[change.item.id] = change
        for each in subscribers:
            if each in self.subscribers:
                self.subscribers[each] = False
                self._joined_at[each] = time.monotonic()
        self.wake()

    async def _first_items(self, changes: Iterable[Change]) -> list[Item]:
        items = []
        for count, change in enumerate(changes, 1):
            body = await self.renderer.render(change.item)
            items.append(Item(body, key=change.item.id, is_first=True))
            if count % OFFERS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return items

    async def _item(self, change: Change) -> Item:
        return Item(await self.renderer.render(change.item), key=change.item.id)


def _rest(took_seconds: float, read_seconds: float, failures: int) -> float:
    """Seconds to rest: a stream takes at most half of the process and a fifth of the database."""
    if failures:
        return backoff_seconds(failures)
    return min(max(took_seconds, 4 * read_seconds), LONGEST_REST_SECONDS)
