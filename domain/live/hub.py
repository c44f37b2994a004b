"""One execution for all who watch the same with the same rights.

A hint wakes what watches its topic: rows are read again, told once and offered to every reader. A
reader is registered before the state is read that it is told first, so that no change is lost in
between. What is watched is also compared with the store, so that a lost hint costs a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable
from contextvars import Context, copy_context
from typing import Any

from domain.live import hints
from domain.live.changes import Lookout, Source
from domain.live.feeds import FeedStream
from domain.live.hints import EVERYTHING, Topic
from domain.live.ports import LiveStore
from domain.live.streams import PresentStream, Stream
from domain.live.watching import Changes, Feed, Form, Place, Reader, Watch
from domain.loops import Loop

POLL_SECONDS = 0.75
LARGEST_SHARE_OF_POLLING = 0.05
LONGEST_REST_SECONDS = 30.0
"""After a look that failed: it may have cost the store as much as any, or been an outage."""

READS_AT_ONCE = 6

log = logging.getLogger("ibiki.live.live")


class Hub:
    """What is watched in one process. Started at boot, never from inside a request."""

    def __init__(self, store: LiveStore, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._store = store
        self._streams: dict[Hashable, Stream] = {}
        self._by_topic: dict[Topic, set[Stream]] = {}
        self._fingerprints: dict[Topic, str] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._lookouts = {each.one: Lookout(each, self.spawn) for each in _sources(store)}
        self._tasks: set[asyncio.Task[None]] = set()
        self._context: Context | None = None
        self._look_again_at = 0.0
        self._poll = Loop("watching", self._look, every_seconds=poll_seconds)

    @property
    def count(self) -> int:
        """How many different things are watched."""
        return len(self._streams)

    def start(self) -> None:
        """Begins to compare what is watched with the store."""
        self._context = copy_context()
        self._poll.start()

    async def stop(self) -> None:
        """Ends it: nobody is told anything more."""
        await self._poll.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def join(
        self, key: Hashable, form: Form, reader: Reader, open_: Callable[[], Awaitable[Watch]]
    ) -> Callable[[], None]:
        """Has the reader told, first of all the present, until what is returned is called.

        `key`: equal for equal questions with equal rights, and for no others; where in a feed they
        begin may differ. `open_` settles what is watched, where nobody watches it yet, and where a
        reader of a feed begins; what it raises is raised here.
        """
        stream = self._streams.get(key)
        if stream is None or isinstance(stream, FeedStream):
            watch = await open_()
            stream = self._streams.get(key) or self._add(key, watch, form)
            _place(reader, watch)
        stream.join(reader)
        joined = stream
        return lambda: joined.leave(reader)

    def hinted(self, topics: Collection[Topic]) -> None:
        """Something has changed: what watches it is read again."""
        watched = self._by_topic if EVERYTHING in topics else topics
        for topic in list(watched):
            self._wake(topic)
        for lookout in self._lookouts.values():
            lookout.hinted(topics)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it as nobody's request: a task inherits the context of whoever starts it."""
        task = asyncio.get_running_loop().create_task(work, context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def watch_topics(self, stream: Stream, before: frozenset[Topic], now: frozenset[Topic]) -> None:
        """The stream is woken by these topics from now on, and no longer by those before."""
        for topic in before - now:
            watching = self._by_topic[topic]
            watching.discard(stream)
            if not watching:
                del self._by_topic[topic]
        for topic in now - before:
            self._by_topic.setdefault(topic, set()).add(stream)

    def _add(self, key: Hashable, watch: Watch, form: Form) -> Stream:
        def forget() -> None:
            if self._streams.get(key) is stream:
                del self._streams[key]

        stream: Stream
        if isinstance(watch, Changes):
            stream = self._lookouts[watch.kind].stream(watch, form, forget)
        elif isinstance(watch, Feed):
            stream = FeedStream(
                watch, form, forget=forget, spawn=self.spawn, watching=self, reads=self._reads
            )
        else:
            stream = PresentStream(
                watch, form, forget=forget, spawn=self.spawn, watching=self, reads=self._reads
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
        """Finds what has changed without a hint, in a small part of the time."""
        began = time.monotonic()
        if began < self._look_again_at:
            return False
        looks = [self._compare(), *(lookout.look() for lookout in self._lookouts.values())]
        # Each for itself: one that is not answered in time keeps no other from looking.
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


def _sources(store: LiveStore) -> list[Source]:
    return [
        Source(
            hints.MESSAGE,
            store.find_changed_messages,
            store.read_changed_messages,
            many=hints.MESSAGES,
        ),
        Source(
            hints.CONVERSATION,
            store.find_changed_conversations,
            store.read_changed_conversations,
        ),
        Source(hints.EVENT, store.find_changed_events, store.read_changed_events),
    ]


def _place(reader: Reader, watch: Watch) -> None:
    """The reader of a feed stands where it begins, or where it has come to in the same feed."""
    if isinstance(watch, Feed) and (
        reader.place is None or reader.place.client_id != watch.client_id
    ):
        reader.place = Place(watch.client_id, watch.after)
