"""The hub: one execution for all subscribers that watch the same thing with the same rights.

A hint wakes the streams of its topic: they read, render once and offer the result to every
subscriber. A subscriber is registered before its first state is read, so that no change is lost in
between. The hub also looks for changes without a hint, so that a lost hint costs about a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable
from contextvars import Context, copy_context
from typing import Any

from domain.live import hints
from domain.live.changes import ChangeTracker
from domain.live.feed import FeedStream
from domain.live.hints import EVERYTHING, Topic
from domain.live.ports import LiveStore
from domain.live.streams import StateStream, Stream
from domain.live.subscriptions import (
    ChangeWatch,
    FeedPosition,
    FeedWatch,
    Renderer,
    Subscriber,
    Watch,
)
from domain.loops import Loop

POLL_SECONDS = 0.75
LARGEST_SHARE_OF_POLLING = 0.05
LONGEST_REST_SECONDS = 30.0
"""The longest rest after a look that failed. It may have been slow, or the database away."""

READS_AT_ONCE = 6

log = logging.getLogger("ibiki.live")


class Hub:
    """All streams of one process. Start it at boot: a task inherits the context of its creator."""

    def __init__(self, store: LiveStore, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._store = store
        self._streams: dict[Hashable, Stream] = {}
        self._by_topic: dict[Topic, set[Stream]] = {}
        self._fingerprints: dict[Topic, str] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._trackers = {
            hints.MESSAGE: ChangeTracker(store, hints.MESSAGE, self.spawn, many=hints.MESSAGES),
            hints.CONVERSATION: ChangeTracker(store, hints.CONVERSATION, self.spawn),
            hints.EVENT: ChangeTracker(store, hints.EVENT, self.spawn),
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
        of a feed's subscriber; this raises what it raises.
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
            self._wake(topic)
        for tracker in self._trackers.values():
            tracker.hinted(topics)

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
        elif isinstance(watch, FeedWatch):
            stream = FeedStream(
                watch, renderer, forget=forget, spawn=self.spawn, topics=self, reads=self._reads
            )
        else:
            stream = StateStream(
                watch, renderer, forget=forget, spawn=self.spawn, topics=self, reads=self._reads
            )
        self._streams[key] = stream
        return stream

    def _wake(self, topic: Topic) -> None:
        for stream in self._by_topic.get(topic, ()):
            stream.wake()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a stream failed", exc_info=task.exception())

    async def _look(self) -> bool:
        """Finds changes without a hint. Rests long enough to take a small share of the time."""
        began = time.monotonic()
        if began < self._look_again_at:
            return False
        looks = [self._compare(), *(tracker.look() for tracker in self._trackers.values())]
        # A look that fails or takes too long does not stop the others.
        looked = await asyncio.gather(*looks, return_exceptions=True)
        failures = [each for each in looked if each is not None]
        seconds = (time.monotonic() - began) / LARGEST_SHARE_OF_POLLING
        self._look_again_at = began + (min(seconds, LONGEST_REST_SECONDS) if failures else seconds)
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
                self._wake(topic)


def _set_position(subscriber: Subscriber, watch: Watch) -> None:
    """Sets where a feed's subscriber starts, unless it has a position in the same feed."""
    if isinstance(watch, FeedWatch) and (
        subscriber.position is None or subscriber.position.client_id != watch.client_id
    ):
        subscriber.position = FeedPosition(watch.client_id, watch.after)
