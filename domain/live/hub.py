"""The hub: one execution for all subscribers that watch the same thing with the same rights.

A hint wakes the streams of its topic: they read, render once and offer the result to every
subscriber. A subscriber is registered before its first state is read, so that no change is lost in
between. The hub also polls, so that a lost hint delays a change by about a second only.

Messages, conversations and webhook events that change are read once for all subscribers. A hint
names what has changed, and its rows are read by ID. Each subscriber receives the newest state of
each thing, never an older state after a newer one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable, Sequence
from contextvars import Context, copy_context
from typing import Any
from uuid import UUID

from domain.identity.access import Everything, OfClient, Scope
from domain.live import hints
from domain.live.feed import FeedStream
from domain.live.hints import EVERYTHING, Topic, id_of
from domain.live.ports import Change, ChangePosition, LiveStore
from domain.live.streams import ChangeStream, Spawn, StateStream, Stream
from domain.live.subscriptions import (
    ChangeWatch,
    FeedPosition,
    FeedWatch,
    Renderer,
    Subscriber,
    Watch,
)
from domain.loops import Loop, backoff_seconds
from domain.transactions import Failures

POLL_SECONDS = 0.75
LARGEST_SHARE_OF_POLLING = 0.05
LONGEST_REST_SECONDS = 30.0
"""The longest rest after a look. A look that waited for the database, or was suspended with the
process, would cause a longer one."""

READS_AT_ONCE = 6

MANY = {hints.MESSAGE: hints.MESSAGES}
"""By the kind: the kind of the topics that announce many changes at once, without their IDs."""

MOST_IDS = 2_000
"""Hints of more rows than this are dropped: reading on from the last position is cheaper."""

MOST_READ = 1_000
"""Rows that are read together when many have changed. Hints are read in between."""

MOST_REMEMBERED = 50_000

RECENT_SECONDS = 6.0
"""A subscription first delivers what was shown in the last five seconds, so that a front end misses
none between its query and its subscription. An undecided event is shown a second after its commit.
"""

LONGEST_COMMIT_SECONDS = 10.0
"""A process that has just started has noted no position, so it compares `updated_at`. That is older
than the commit, by seconds if the disk or the network is slow, so it looks back further by this."""

MOST_POSITIONS = 100
"""How many positions are remembered. One is noted with each look."""

log = logging.getLogger("ibiki.live")


class Hub:
    """All streams of one process. Start it at boot: a task inherits the context of its creator."""

    def __init__(self, store: LiveStore, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._store = store
        self._streams: dict[Hashable, Stream] = {}
        self._by_topic: dict[Topic, set[Stream]] = {}
        self._fingerprints: dict[Topic, str] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._positions = RecentPositions(store)
        self._trackers = {
            kind: ChangeTracker(store, kind, self._positions, self.spawn)
            for kind in (hints.MESSAGE, hints.CONVERSATION, hints.EVENT)
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._context: Context | None = None
        self._look_again_at = 0.0
        self._poll = Loop("looking for changes", self._look, every_seconds=poll_seconds)

    @property
    def count(self) -> int:
        """The number of streams."""
        return len(self._streams)

    def start(self) -> None:
        """Starts to look for changes."""
        self._context = copy_context()
        self._poll.start()

    async def stop(self) -> None:
        """Stops: nothing more is delivered."""
        await self._poll.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def join(
        self,
        key: Hashable,
        renderer: Renderer,
        subscriber: Subscriber,
        open_: Callable[[], Awaitable[Watch]],
    ) -> Callable[[], None]:
        """Adds a subscriber. Returns the function that removes it.

        `key`: equal for equal subscriptions with equal rights, and for no others; the positions in
        a feed may differ. `open_` finds what is watched if nobody watches it yet, and the position
        of a feed's subscriber. Raises what `open_` raises.
        """
        stream = self._streams.get(key)
        if stream is None or isinstance(stream, FeedStream):
            watch = await open_()
            stream = self._streams.get(key) or self._add(key, watch, renderer)
            _set_position(subscriber, watch)
        stream.join(subscriber)
        joined = stream
        return lambda: joined.leave(subscriber)

    def hinted(self, topics: Collection[Topic]) -> None:
        """Wakes the streams of these topics."""
        watched = self._by_topic if EVERYTHING in topics else topics
        for topic in list(watched):
            self._wake(topic, hinted=True)
        for tracker in self._trackers.values():
            tracker.hinted(topics)

    def forget_positions(self) -> None:
        """Forgets what was read from a database server: another one has taken over."""
        self._positions.forget()
        for tracker in self._trackers.values():
            tracker.forget()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts a task in the context of the boot: a task inherits the context of its creator."""
        task = asyncio.get_running_loop().create_task(work, context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def watch_topics(self, stream: Stream, before: frozenset[Topic], now: frozenset[Topic]) -> None:
        """Wakes the stream for the topics in `now`, and no longer for the others of `before`."""
        for topic in before - now:
            watching = self._by_topic[topic]
            watching.discard(stream)
            if not watching:
                del self._by_topic[topic]
        for topic in now - before:
            self._by_topic.setdefault(topic, set()).add(stream)

    def _add(self, key: Hashable, watch: Watch, renderer: Renderer) -> Stream:
        def forget() -> None:
            if self._streams.get(key) is stream:
                del self._streams[key]

        stream: Stream
        if isinstance(watch, ChangeWatch):
            stream = self._trackers[watch.kind].stream(watch, renderer, forget)
        else:
            kind: Any = FeedStream if isinstance(watch, FeedWatch) else StateStream
            stream = kind(
                watch, renderer, forget=forget, spawn=self.spawn, registry=self, reads=self._reads
            )
        self._streams[key] = stream
        return stream

    def _wake(self, topic: Topic, *, hinted: bool) -> None:
        for stream in self._by_topic.get(topic, ()):
            stream.wake(hinted=hinted)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a stream failed", exc_info=task.exception())

    async def _look(self) -> bool:
        """Finds changes without a hint. Rests long enough to take a small share of the time."""
        began = time.monotonic()
        if began < self._look_again_at:
            return False
        trackers = self._trackers.values()
        looks = [self._positions.note(), self._compare(), *(each.look() for each in trackers)]
        # A look that fails or takes too long does not stop the others.
        looked = await asyncio.gather(*looks, return_exceptions=True)
        failures = [each for each in looked if each is not None]
        seconds = (time.monotonic() - began) / LARGEST_SHARE_OF_POLLING
        self._look_again_at = began + min(seconds, LONGEST_REST_SECONDS)
        if failures:
            raise failures[0]
        return False

    async def _compare(self) -> None:
        topics = list(self._by_topic)
        if not topics:
            return
        found = await self._store.fingerprints(topics)
        known = self._fingerprints
        self._fingerprints = {topic: found.get(topic, "") for topic in topics}
        for topic, fingerprint in self._fingerprints.items():
            if known.get(topic) != fingerprint:
                self._wake(topic, hinted=False)


class RecentPositions:
    """Positions of the last minute: what was committed since a time is after one of them."""

    def __init__(self, store: LiveStore) -> None:
        self._store = store
        self._noted: deque[tuple[float, ChangePosition]] = deque(maxlen=MOST_POSITIONS)
        """When each was read at the latest, by `time.monotonic`."""

    async def note(self) -> None:
        """Notes the present position."""
        position = await self._store.position()
        self._noted.append((time.monotonic(), position))

    def forget(self) -> None:
        """Forgets all positions."""
        self._noted.clear()

    def before(self, moment: float) -> ChangePosition | None:
        """The last position noted before a moment, by `time.monotonic`. None if there is none."""
        for noted_at, position in reversed(self._noted):
            if noted_at <= moment:
                return position
        return None


class ChangeTracker:
    """Finds the changes of one kind and passes them to streams, for one process."""

    def __init__(
        self, store: LiveStore, kind: bytes, positions: RecentPositions, spawn: Spawn
    ) -> None:
        self._store = store
        self._kind = kind
        self._positions = positions
        self._spawn = spawn
        self._streams: dict[Scope, set[ChangeStream]] = {}
        self._hinted_ids: set[UUID] = set()
        self._hints_lost = False
        self._position: ChangePosition | None = None
        self._delivered: OrderedDict[UUID, int] = OrderedDict()
        """The version of each thing that was delivered last."""
        self._reading = asyncio.Lock()
        self._locating = asyncio.Lock()
        self._running = False

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
            elif kind == MANY.get(self._kind) or topic == EVERYTHING:
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

    async def read_first(self, watch: ChangeWatch, since: float) -> Sequence[Change]:
        """What a new subscriber receives first. `since`: when it joined, by `time.monotonic`."""
        await self._find_position()
        seconds = time.monotonic() - since + RECENT_SECONDS + LONGEST_COMMIT_SECONDS
        ids = await watch.read_first(self._positions.before(since - RECENT_SECONDS) or seconds)
        changes: list[Change] = []
        for start in range(0, len(ids), MOST_READ):
            some = ids[start : start + MOST_READ]
            changes += await self._store.find_changes([watch.scope], self._kind, some)
        return changes

    def forget(self) -> None:
        """Starts again: the versions and positions are those of another database server."""
        self._position = None
        self._delivered.clear()

    def add(self, stream: ChangeStream) -> None:
        if not self._streams:
            self.forget()
        self._streams.setdefault(stream.watch.scope, set()).add(stream)

    def remove(self, stream: ChangeStream) -> None:
        streams = self._streams.get(stream.watch.scope, set())
        streams.discard(stream)
        if not streams:
            self._streams.pop(stream.watch.scope, None)

    async def _find_position(self) -> None:
        async with self._locating:
            if self._position is None:
                self._position = await self._store.position(self._kind)

    async def _run(self) -> None:
        failures = Failures(log, "reading changes")
        try:
            while (self._hinted_ids or self._hints_lost) and self._streams:
                ids, lost = self._hinted_ids, self._hints_lost
                self._hinted_ids, self._hints_lost = set(), False
                began = time.monotonic()
                try:
                    async with self._reading:
                        await self._read(ids, lost=lost)
                    failures.end()
                except Exception as failure:  # noqa: BLE001 - a tracker survives every failure
                    failures.add(failure)
                    self._hints_lost = True
                    await asyncio.sleep(backoff_seconds(failures.count))
                # Rest as long as the read took: reading takes half of the time at most.
                await asyncio.sleep(time.monotonic() - began)
        finally:
            failures.stop()
            self._running = False

    async def _read(self, ids: Collection[UUID], *, lost: bool) -> None:
        if ids:
            await self._read_ids(ids)
        if lost:
            await self._read_on()

    async def _read_on(self) -> None:
        await self._find_position()
        after, complete_to = self._position, None
        while after is not None and self._streams:
            page = await self._store.read_changes(list(self._streams), self._kind, after)
            # That of the first page: transactions that ran then may commit before a later page.
            complete_to = complete_to or page.complete_to
            new = [each for each, version in page.versions.items() if self._is_new(each, version)]
            for start in range(0, len(new), MOST_READ):
                # What was hinted meanwhile does not wait for all of these: they may be a million.
                hinted, self._hinted_ids = self._hinted_ids, set()
                await self._read_ids([*hinted, *new[start : start + MOST_READ]])
            after = page.last
        if self._streams:
            self._position = complete_to

    async def _read_ids(self, ids: Collection[UUID]) -> None:
        changes = await self._store.find_changes(list(self._streams), self._kind, ids)
        for change in changes:
            if self._is_new(change.item.id, change.version):
                self._remember(change)
                for stream in self._streams_of(change):
                    await stream.deliver(change)
                await asyncio.sleep(0)

    def _streams_of(self, change: Change) -> list[ChangeStream]:
        scopes: list[Scope] = [Everything()]
        if change.item.client_id is not None:
            scopes.append(OfClient(change.item.client_id))
        streams = [each for scope in scopes for each in self._streams.get(scope, ())]
        return [each for each in streams if each.watch.covers(change.item)]

    def _is_new(self, id: UUID, version: int) -> bool:
        delivered = self._delivered.get(id)
        return delivered is None or delivered < version

    def _remember(self, change: Change) -> None:
        self._delivered[change.item.id] = change.version
        self._delivered.move_to_end(change.item.id)
        if len(self._delivered) > MOST_REMEMBERED:
            self._delivered.popitem(last=False)


def _set_position(subscriber: Subscriber, watch: Watch) -> None:
    """Sets where a feed's subscriber starts, unless it has a position in the same feed."""
    if isinstance(watch, FeedWatch) and (
        subscriber.position is None or subscriber.position.client_id != watch.client_id
    ):
        subscriber.position = FeedPosition(watch.client_id, watch.after)
