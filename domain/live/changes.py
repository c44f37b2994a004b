"""Things that change, such as the status of messages, read once for all who watch any of them.

A hint names what has changed, and its rows are read: what is told is each one's newest state, in
the order of the changes. What changed without a hint is found by its time, once a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from domain.identity.access import Everything, OfClient, Scope
from domain.live.hints import EVERYTHING, Topic, id_of
from domain.live.ports import Changed
from domain.live.streams import Spawn, Stream
from domain.live.watching import Changes, Form, Item, Reader
from domain.loops import AWAY, log_failure, pause_after

OVERLAP_SECONDS = 3.0
"""How far back each look by time goes again: most transactions are committed by then."""

LONG_OVERLAP_SECONDS = 20.0
"""The same where hints were lost: none takes longer from writing a row to the commit."""

MOST_IDS = 2_000
MOST_REMEMBERED = 50_000

log = logging.getLogger("ibiki.live.live")


class Changing(Protocol):
    """What has a state, and the time of its last change."""

    @property
    def id(self) -> UUID:
        """Whatever it is."""
        ...

    @property
    def client_id(self) -> UUID | None:
        """Whose it is."""
        ...

    @property
    def updated_at(self) -> datetime:
        """A later one with each change."""
        ...


class ReadChanged(Protocol):
    """Reads what changed since a time of the store's (None: now), and some before it again."""

    async def __call__(
        self, scopes: Collection[Scope], *, since: datetime | None, overlap_seconds: float
    ) -> Changed[Any]:
        """Oldest change first."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where changes of one kind are read. `one`, `many`: the kinds of topics that tell of them."""

    one: bytes
    find: Callable[[Collection[Scope], Collection[UUID]], Awaitable[Sequence[Any]]]
    read: ReadChanged
    many: bytes | None = None


class Lookout:
    """What looks for changes of one kind and tells streams of them, for one process."""

    def __init__(self, source: Source, spawn: Spawn) -> None:
        self._source = source
        self._spawn = spawn
        self._streams: dict[Scope, set[ChangeStream]] = {}
        self._ids: set[UUID] = set()
        self._lost = False
        self._read_at: datetime | None = None
        self._told: OrderedDict[UUID, datetime] = OrderedDict()
        self._turn = asyncio.Lock()
        self._running = False
        self._never = asyncio.Event()

    def stream(self, watch: Changes[Any], form: Form, forget: Callable[[], None]) -> ChangeStream:
        """A stream of the changes that are watched."""
        return ChangeStream(self, watch, form, forget, self._spawn)

    def hinted(self, topics: Collection[Topic]) -> None:
        """Some of these may be of what somebody watches."""
        if not self._streams:
            return
        for topic in topics:
            kind = topic[:1]
            if kind == self._source.one:
                self._ids.add(id_of(topic))
            elif kind == self._source.many or topic == EVERYTHING:
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

    def watch(self, stream: ChangeStream) -> None:
        """The stream is told from now on."""
        self._streams.setdefault(stream.watch.scope, set()).add(stream)

    def leave(self, stream: ChangeStream) -> None:
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
                    log_failure(log, "reading changes", failure, failures)
                    await pause_after(failures, self._never)
                await asyncio.sleep(time.monotonic() - began)
        finally:
            self._running = False

    async def _read(self, ids: Collection[UUID], *, lost: bool) -> None:
        if lost:
            await self._read_by_time(LONG_OVERLAP_SECONDS)
        elif ids:
            await self._tell(await self._source.find(list(self._streams), ids))

    async def _read_by_time(self, overlap_seconds: float) -> None:
        while True:
            found = await self._source.read(
                list(self._streams), since=self._read_at, overlap_seconds=overlap_seconds
            )
            await self._tell(found.items)
            if not found.more:
                self._read_at = found.read_at
                return
            self._read_at, overlap_seconds = found.items[-1].updated_at, 0.0

    async def _tell(self, changed: Sequence[Changing]) -> None:
        for each in changed:
            if self._is_news(each):
                for stream in self._streams_of(each):
                    await stream.tell(each)
                await asyncio.sleep(0)

    def _streams_of(self, changed: Changing) -> list[ChangeStream]:
        scopes: list[Scope] = [Everything()]
        if changed.client_id is not None:
            scopes.append(OfClient(changed.client_id))
        watching = [each for scope in scopes for each in self._streams.get(scope, ())]
        return [each for each in watching if each.watch.covers(changed)]

    def _is_news(self, changed: Changing) -> bool:
        told_at = self._told.get(changed.id)
        if told_at is not None and told_at >= changed.updated_at:
            return False
        self._told[changed.id] = changed.updated_at
        self._told.move_to_end(changed.id)
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)
        return True


class ChangeStream(Stream):
    """Changes within a scope, for one document and viewpoint."""

    def __init__(
        self,
        lookout: Lookout,
        watch: Changes[Any],
        form: Form,
        forget: Callable[[], None],
        spawn: Spawn,
    ) -> None:
        super().__init__(form, forget, spawn)
        self.watch = watch
        self._lookout = lookout
        self._begun: dict[Reader, dict[UUID, datetime]] = {}
        self._owed: dict[UUID, Changing] = {}
        self._turn = asyncio.Lock()

    def join(self, reader: Reader) -> None:
        """The reader is told from now on, first what stands at the beginning."""
        self._lookout.watch(self)
        super().join(reader)

    def leave(self, reader: Reader) -> None:
        """The reader is told nothing more."""
        self._begun.pop(reader, None)
        super().leave(reader)

    def close(self) -> None:
        """Nobody reads it any more."""
        self._lookout.leave(self)
        super().close()

    async def round(self) -> None:
        """Tells those who have joined what stands at the beginning, and what came since."""
        async with self._turn:
            joining = self.waiting()
            first = await self.watch.begin()
            # All of it, before anybody is told any: whoever cannot be told yet begins again.
            beginning = [await self._item(each) for each in first]
            since = [(each, await self._item(each)) for each in self._owed.values()]
            self._owed.clear()
            begun = {each.id: each.updated_at for each in first}
            self._begun |= {reader: begun for reader in joining if reader in self.readers}
            self.count_as_told(joining)
            for item in beginning:
                await self.offer(item, joining)
            for each, item in since:
                await self.offer(item, self._not_begun_with(each, joining))

    async def tell(self, changed: Changing) -> None:
        """Something has changed."""
        async with self._turn:
            told = [reader for reader, was_told in self.readers.items() if was_told]
            if len(told) < len(self.readers):
                self._owed[changed.id] = changed
            readers = self._not_begun_with(changed, told)
            if not readers:
                return
            try:
                await self.offer(await self._item(changed), readers)
            except AWAY:
                self._begin_again(changed, told)

    def _not_begun_with(self, changed: Changing, readers: Iterable[Reader]) -> list[Reader]:
        """Without those who were told this very state when they joined."""
        return [
            reader
            for reader in readers
            if (begun_at := self._begun.get(reader, {}).get(changed.id)) is None
            or begun_at < changed.updated_at
        ]

    def _begin_again(self, changed: Changing, readers: Iterable[Reader]) -> None:
        """It cannot be told now: these are owed it, like who has just joined. Others go on."""
        self._owed[changed.id] = changed
        for reader in readers:
            if reader in self.readers:
                self.readers[reader] = False
        self.wake()

    async def _item(self, changed: Changing) -> Item:
        return Item(await self.form.told(changed), key=changed.id)
