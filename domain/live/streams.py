"""A stream: one watch, read and told once, and all who read it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

from domain.backoff import backoff_seconds
from domain.live.hints import Topic
from domain.live.watching import Form, Item, Present, Reader
from domain.loops import AWAY

OFFERED_AT_A_TIME = 100
"""Readers that are written to before anything else of the process gets its turn."""

LONGEST_REST_SECONDS = 1.0

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs something as nobody's request."""


class Stream:
    """What all streams have in common: readers, and a run that lasts as long as there is work.

    Rests after each round in proportion to what it cost: however often something changes, one
    stream takes no more than a part of the process and of the database.
    """

    def __init__(self, form: Form, forget: Callable[[], None], spawn: Spawn) -> None:
        self.form = form
        self.readers: dict[Reader, bool] = {}
        """Whether it has been told the present already."""
        self._forget = forget
        self._spawn = spawn
        self._dirty = False
        self._running = False
        self._rest_until = 0.0
        self.read_seconds = 0.0
        """How long the last read took."""

    def join(self, reader: Reader) -> None:
        """The reader is told from now on, first the present."""
        self.readers[reader] = False
        self.wake()

    def leave(self, reader: Reader) -> None:
        """The reader is told nothing more."""
        if self.readers.pop(reader, None) is not None and not self.readers:
            self.close()

    def wake(self) -> None:
        """Something may have changed."""
        self._dirty = True
        if not self._running:
            self._running = True
            self._spawn(self._run())

    def close(self) -> None:
        """Nobody reads it any more."""
        self._forget()

    def end(self, readers: Iterable[Reader], errors: bytes | None = None) -> None:
        """These are told that nothing more comes."""
        for reader in list(readers):
            if self.readers.pop(reader, None) is not None:
                reader.end(errors)
        if not self.readers:
            self.close()

    async def offer(self, item: Item, readers: Iterable[Reader]) -> None:
        """Has these told it, and lets others have their turn in between."""
        for count, reader in enumerate(readers, 1):
            if reader in self.readers:
                reader.offer(item)
            if count % OFFERED_AT_A_TIME == 0:
                await asyncio.sleep(0)

    def waiting(self) -> list[Reader]:
        """Those that have not been told the present yet."""
        return [reader for reader, was_told in self.readers.items() if not was_told]

    def count_as_told(self, readers: Iterable[Reader]) -> None:
        """These are told every change from now on."""
        for reader in readers:
            if reader in self.readers:
                self.readers[reader] = True

    async def round(self) -> None:
        """Reads once and tells what is new."""
        raise NotImplementedError

    async def _run(self) -> None:
        failures = 0
        try:
            while self._dirty and self.readers:
                await asyncio.sleep(max(0.0, self._rest_until - time.monotonic()))
                self._dirty = False
                began = time.monotonic()
                try:
                    await self.round()
                    failures = 0
                except AWAY:
                    failures += 1
                    self._dirty = True
                except Exception as failure:  # noqa: BLE001 - told, and logged where it is a defect
                    self.end(self.readers, self.form.failed(failure))
                now = time.monotonic()
                self._rest_until = now + _rest(now - began, self.read_seconds, failures)
        finally:
            self._running = False


class Watching(Protocol):
    """Where a stream says what wakes it."""

    def watch_topics(self, stream: Stream, before: frozenset[Topic], now: frozenset[Topic]) -> None:
        """The stream is woken by these topics from now on, and no longer by those before."""
        ...


class PresentStream(Stream):
    """The state of something. A reader's version never falls, and nobody is told twice the same."""

    def __init__(
        self,
        watch: Present[Any],
        form: Form,
        *,
        forget: Callable[[], None],
        spawn: Spawn,
        watching: Watching,
        reads: asyncio.Semaphore,
    ) -> None:
        super().__init__(form, forget, spawn)
        self._watch = watch
        self._watching = watching
        self._reads = reads
        self._topics: frozenset[Topic] = frozenset()
        self._version = 0
        self._doubted = False
        self._body: bytes | None = None

    def close(self) -> None:
        """Nobody reads it any more: nothing wakes it."""
        self._watching.watch_topics(self, self._topics, frozenset())
        self._topics = frozenset()
        super().close()

    async def round(self) -> None:
        """Reads the state, and offers it to whoever has not been told it."""
        asked = self.waiting()
        async with self._reads:
            began = time.monotonic()
            value = await self._read()
            self.read_seconds = time.monotonic() - began
        version, body = self._watch.version_of(value), await self.form.told(value)
        if version < self._version and not self._doubted:
            self._doubted = self._dirty = True  # an older snapshot? Whoever asks waits for the next
            return
        self._doubted = False
        told = [] if body == self._body else [each for each in self.readers if self.readers[each]]
        self._version, self._body = version, body
        self.count_as_told(asked)
        await self.offer(Item(body), [*asked, *told])
        if self._watch.is_last(value):
            self.end([each for each in self.readers if self.readers[each]])

    async def _read(self) -> Any:
        """The state, read once more where it depends on something that was not watched before."""
        value = await self._watch.read()
        while self.readers and (topics := self._watch.topics_of(value)) != self._topics:
            self._watching.watch_topics(self, self._topics, topics)
            self._topics = topics
            value = await self._watch.read()
        return value


def _rest(took_seconds: float, read_seconds: float, failures: int) -> float:
    """So that telling takes half of this process at most, and reading a fifth of the store."""
    if failures:
        return backoff_seconds(failures)
    return min(max(took_seconds, 4 * read_seconds), LONGEST_REST_SECONDS)
