"""Messages, conversations and webhook events that change, read once for all subscribers.

A hint names what has changed, and its rows are read by ID. Changes whose hint was lost are found
by reading on from the last position, once a second. Each subscriber receives the newest state of
each thing, never an older state after a newer one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from uuid import UUID

from domain.identity.access import Everything, OfClient, Scope
from domain.live.hints import EVERYTHING, Topic, id_of
from domain.live.ports import Change, LiveStore, Position
from domain.live.streams import Spawn, Stream
from domain.live.subscriptions import ChangeWatch, Item, Renderer, Subscriber
from domain.loops import AWAY, log_failure, pause_after

MOST_IDS = 2_000
"""Hints of more rows than this are dropped: reading on from the last position is cheaper."""

MOST_REMEMBERED = 50_000

log = logging.getLogger("ibiki.live")


class ChangeTracker:
    """Finds the changes of one kind and passes them to streams, for one process.

    `many`: the kind of the topics that announce many changes at once, without their IDs.
    """

    def __init__(
        self, store: LiveStore, kind: bytes, spawn: Spawn, *, many: bytes | None = None
    ) -> None:
        self._store = store
        self._kind = kind
        self._many = many
        self._spawn = spawn
        self._streams: dict[Scope, set[ChangeStream]] = {}
        self._hinted_ids: set[UUID] = set()
        self._hints_lost = False
        self._position: Position | None = None
        self._delivered: OrderedDict[UUID, int] = OrderedDict()
        """The version of each thing that was delivered last."""
        self._reading = asyncio.Lock()
        self._locating = asyncio.Lock()
        self._running = False
        self._never = asyncio.Event()

    def stream(
        self, watch: ChangeWatch, renderer: Renderer, forget: Callable[[], None]
    ) -> ChangeStream:
        """A stream of the changes that are watched."""
        return ChangeStream(self, watch, renderer, forget, self._spawn)

    def hinted(self, topics: Collection[Topic]) -> None:
        """Notes the hints that concern this kind, and starts to read them."""
        if not self._streams:
            return
        for topic in topics:
            kind = topic[:1]
            if kind == self._kind:
                self._hinted_ids.add(id_of(topic))
            elif kind == self._many or topic == EVERYTHING:
                self._hints_lost = True
        if len(self._hinted_ids) > MOST_IDS:
            self._hinted_ids.clear()
            self._hints_lost = True
        if (self._hinted_ids or self._hints_lost) and not self._running:
            self._running = True
            self._spawn(self._run())

    async def look(self) -> None:
        """Delivers the changes whose hint was lost."""
        if self._streams:
            async with self._reading:
                await self._read_on()

    async def find_position(self) -> None:
        """Notes where reading starts. Call it before the first state is read: nothing is missed."""
        async with self._locating:
            if self._position is None:
                self._position = await self._store.position()

    def add(self, stream: ChangeStream) -> None:
        """Delivers changes to the stream from now on."""
        if not self._streams:
            self._position = None
            self._delivered.clear()
        self._streams.setdefault(stream.watch.scope, set()).add(stream)

    def remove(self, stream: ChangeStream) -> None:
        """Delivers nothing more to the stream."""
        streams = self._streams.get(stream.watch.scope, set())
        streams.discard(stream)
        if not streams:
            self._streams.pop(stream.watch.scope, None)

    async def _run(self) -> None:
        failures = 0
        try:
            while (self._hinted_ids or self._hints_lost) and self._streams:
                ids, lost = self._hinted_ids, self._hints_lost
                self._hinted_ids, self._hints_lost = set(), False
                began = time.monotonic()
                try:
                    async with self._reading:
                        await self._read(ids, lost=lost)
                    failures = 0
                except Exception as failure:  # noqa: BLE001 - a tracker survives every failure
                    failures += 1
                    self._hints_lost = True
                    log_failure(log, "reading changes", failure, failures)
                    await pause_after(failures, self._never)
                # Rest as long as the read took: reading takes half of the time at most.
                await asyncio.sleep(time.monotonic() - began)
        finally:
            self._running = False

    async def _read(self, ids: Collection[UUID], *, lost: bool) -> None:
        if lost:
            await self._read_on()
        else:
            await self._deliver(
                await self._store.find_changes(list(self._streams), self._kind, ids)
            )

    async def _read_on(self) -> None:
        await self.find_position()
        after, complete_to = self._position, None
        while after is not None and self._streams:
            page = await self._store.read_changes(list(self._streams), self._kind, after)
            # Of the first page: what was running then may commit rows before a later page.
            complete_to = complete_to or page.complete_to
            await self._deliver(page.changes)
            after = page.last
        if self._streams:
            self._position = complete_to

    async def _deliver(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if self._is_new(change):
                for stream in self._streams_of(change):
                    await stream.deliver(change)
                await asyncio.sleep(0)

    def _streams_of(self, change: Change) -> list[ChangeStream]:
        scopes: list[Scope] = [Everything()]
        if change.item.client_id is not None:
            scopes.append(OfClient(change.item.client_id))
        streams = [each for scope in scopes for each in self._streams.get(scope, ())]
        return [each for each in streams if each.watch.covers(change.item)]

    def _is_new(self, change: Change) -> bool:
        delivered = self._delivered.get(change.item.id)
        if delivered is not None and delivered >= change.version:
            return False
        self._delivered[change.item.id] = change.version
        self._delivered.move_to_end(change.item.id)
        if len(self._delivered) > MOST_REMEMBERED:
            self._delivered.popitem(last=False)
        return True


class ChangeStream(Stream):
    """Changes within a scope, for one document and viewpoint."""

    def __init__(
        self,
        tracker: ChangeTracker,
        watch: ChangeWatch,
        renderer: Renderer,
        forget: Callable[[], None],
        spawn: Spawn,
    ) -> None:
        super().__init__(renderer, forget, spawn)
        self.watch = watch
        self._tracker = tracker
        self._first_versions: dict[Subscriber, dict[UUID, int]] = {}
        """The versions that each subscriber received when it joined."""
        self._held: dict[UUID, Change] = {}
        """Changes that arrived while a subscriber waited for its first items."""
        self._delivering = asyncio.Lock()

    def join(self, subscriber: Subscriber) -> None:
        """Adds a subscriber: it receives the first items, then every change."""
        self._tracker.add(self)
        super().join(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Removes a subscriber."""
        self._first_versions.pop(subscriber, None)
        super().leave(subscriber)

    def close(self) -> None:
        """Ends the stream after its last subscriber has left."""
        self._tracker.remove(self)
        super().close()

    async def run_once(self) -> None:
        """Delivers the first items to new subscribers, and the changes since they joined."""
        async with self._delivering:
            joining = self.new_subscribers()
            await self._tracker.find_position()
            first = await self.watch.read_first()
            # Render everything before anything is delivered: if the database is away, the whole
            # run is repeated, and no subscriber receives half of it.
            first_items = [await self._item(change) for change in first]
            held = [(change, await self._item(change)) for change in self._held.values()]
            self._held.clear()
            versions = {change.item.id: change.version for change in first}
            self._first_versions |= {
                subscriber: versions for subscriber in joining if subscriber in self.subscribers
            }
            self.mark_started(joining)
            for item in first_items:
                await self.offer(item, joining)
            for change, item in held:
                await self.offer(item, self._without_those_who_have(change, joining))

    async def deliver(self, change: Change) -> None:
        """Delivers a change to all subscribers that have started."""
        async with self._delivering:
            started = [each for each, has_started in self.subscribers.items() if has_started]
            if len(started) < len(self.subscribers):
                self._held[change.item.id] = change
            subscribers = self._without_those_who_have(change, started)
            if not subscribers:
                return
            try:
                await self.offer(await self._item(change), subscribers)
            except AWAY:
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
        """Treats these as new subscribers: the change cannot be rendered now. Others go on."""
        self._held[change.item.id] = change
        for each in subscribers:
            if each in self.subscribers:
                self.subscribers[each] = False
        self.wake()

    async def _item(self, change: Change) -> Item:
        return Item(await self.renderer.render(change.item), key=change.item.id)
