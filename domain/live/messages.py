"""Messages whose status changes, read once for all who watch any of them.

A hint names the messages, and their rows are read: what is told is each one's newest state, in the
order of the changes. What changed without a hint is found by its time, once a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from domain.access import Everything, OfClient, Scope
from domain.live import hints
from domain.live.hints import Topic, id_of
from domain.live.streams import Spawn, Stream
from domain.live.watching import Form, Item, MessageChanges, Reader
from domain.loops import pause_after, tell_failure
from domain.ports.live import LiveStore
from domain.sending import Message

OVERLAP_SECONDS = 3.0
"""How far back each look by time goes again: most transactions are committed by then."""

LONG_OVERLAP_SECONDS = 20.0
"""The same where hints were lost: none takes longer from writing a message to the commit."""

MOST_IDS = 2_000
MOST_REMEMBERED = 50_000

log = logging.getLogger("ibiki.live")


class MessageFeed:
    """What tells streams of messages, for one process."""

    def __init__(self, store: LiveStore, spawn: Spawn) -> None:
        self._store = store
        self._spawn = spawn
        self._streams: dict[Scope, set[MessageStream]] = {}
        self._ids: set[UUID] = set()
        self._lost = False
        self._read_at: datetime | None = None
        self._told: OrderedDict[UUID, datetime] = OrderedDict()
        self._turn = asyncio.Lock()
        self._running = False
        self._never = asyncio.Event()

    def stream(
        self, watch: MessageChanges, form: Form, forget: Callable[[], None]
    ) -> MessageStream:
        """A stream of the messages that are watched."""
        return MessageStream(self, watch, form, forget, self._spawn)

    def hinted(self, topics: Collection[Topic]) -> None:
        """Some of these may be messages that somebody watches."""
        if not self._streams:
            return
        for topic in topics:
            kind = topic[:1]
            if kind == hints.MESSAGE:
                self._ids.add(id_of(topic))
            elif kind == hints.MESSAGES or topic == hints.EVERYTHING:
                self._lost = True
        if len(self._ids) > MOST_IDS:
            self._ids.clear()
            self._lost = True
        if (self._ids or self._lost) and not self._running:
            self._running = True
            self._spawn(self._run())

    async def look(self) -> None:
        """Tells what has changed without a hint."""
        if self._streams:
            async with self._turn:
                await self._read_by_time(OVERLAP_SECONDS)

    def watch(self, stream: MessageStream) -> None:
        """The stream is told from now on."""
        self._streams.setdefault(stream.watch.scope, set()).add(stream)

    def leave(self, stream: MessageStream) -> None:
        """The stream is told nothing more."""
        streams = self._streams.get(stream.watch.scope, set())
        streams.discard(stream)
        if not streams:
            self._streams.pop(stream.watch.scope, None)
        if not self._streams:
            self._read_at = None
            self._told.clear()

    async def _run(self) -> None:
        failures = 0
        try:
            while (self._ids or self._lost) and self._streams:
                ids, lost = self._ids, self._lost
                self._ids, self._lost = set(), False
                began = time.monotonic()
                try:
                    async with self._turn:
                        await self._read(ids, lost=lost)
                    failures = 0
                except Exception as failure:  # noqa: BLE001 - a feed outlives any failure
                    failures += 1
                    self._lost = True
                    tell_failure(log, "reading messages", failure, failures)
                    await pause_after(failures, self._never)
                await asyncio.sleep(time.monotonic() - began)
        finally:
            self._running = False

    async def _read(self, ids: Collection[UUID], *, lost: bool) -> None:
        if lost:
            await self._read_by_time(LONG_OVERLAP_SECONDS)
        elif ids:
            await self._tell(await self._store.find_changed_messages(list(self._streams), ids))

    async def _read_by_time(self, overlap_seconds: float) -> None:
        while True:
            found = await self._store.read_changed_messages(
                list(self._streams), since=self._read_at, overlap_seconds=overlap_seconds
            )
            await self._tell(found.messages)
            if not found.more:
                self._read_at = found.read_at
                return
            self._read_at, overlap_seconds = found.messages[-1].updated_at, 0.0

    async def _tell(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if self._is_news(message):
                for stream in self._streams_of(message):
                    await stream.tell(message)
                await asyncio.sleep(0)

    def _streams_of(self, message: Message) -> list[MessageStream]:
        within = (Everything(), OfClient(message.client_id))
        watching = [each for scope in within for each in self._streams.get(scope, ())]
        return [each for each in watching if each.watch.send_id in (None, message.send_id)]

    def _is_news(self, message: Message) -> bool:
        told_at = self._told.get(message.id)
        if told_at is not None and told_at >= message.updated_at:
            return False
        self._told[message.id] = message.updated_at
        self._told.move_to_end(message.id)
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
        return True


class MessageStream(Stream):
    """Messages of a scope, for one document and viewpoint."""

    def __init__(
        self,
        feed: MessageFeed,
        watch: MessageChanges,
        form: Form,
        forget: Callable[[], None],
        spawn: Spawn,
    ) -> None:
        super().__init__(form, forget, spawn)
        self.watch = watch
        self._feed = feed
        self._begun: dict[Reader, dict[UUID, datetime]] = {}
        self._owed: dict[UUID, Message] = {}
        self._turn = asyncio.Lock()

    def join(self, reader: Reader) -> None:
        """The reader is told from now on, first what stands at the beginning."""
        self._feed.watch(self)
        super().join(reader)

    def leave(self, reader: Reader) -> None:
        """The reader is told nothing more."""
        self._begun.pop(reader, None)
        super().leave(reader)

    def close(self) -> None:
        """Nobody reads it any more."""
        self._feed.leave(self)
        super().close()

    async def round(self) -> None:
        """Tells those who have joined what stands at the beginning, and what came since."""
        async with self._turn:
            joining = self.waiting()
            messages = await self.watch.begin()
            owed, self._owed = self._owed, {}
            begun = {message.id: message.updated_at for message in messages}
            self._begun |= {reader: begun for reader in joining if reader in self.readers}
            self.count_as_told(joining)
            for message in messages:
                await self._offer(message, joining)
            for message in owed.values():
                await self._offer(message, self._not_begun_with(message, joining))

    async def tell(self, message: Message) -> None:
        """A message has changed."""
        async with self._turn:
            told = [reader for reader, was_told in self.readers.items() if was_told]
            if len(told) < len(self.readers):
                self._owed[message.id] = message
            await self._offer(message, self._not_begun_with(message, told))

    def _not_begun_with(self, message: Message, readers: Iterable[Reader]) -> list[Reader]:
        """Without those who were told this very state when they joined."""
        return [
            reader
            for reader in readers
            if (begun_at := self._begun.get(reader, {}).get(message.id)) is None
            or begun_at < message.updated_at
        ]

    async def _offer(self, message: Message, readers: Sequence[Reader]) -> None:
        if readers:
            await self.offer(Item(await self.form.told(message), key=message.id), readers)
