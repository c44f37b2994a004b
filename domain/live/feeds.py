"""A client's feed: to each reader every message behind its place, in order and once.

What is told is read from the table by number, never taken from a hint: a reader who is slow, or
has been away, is told what it has not seen as it makes room for it. Whoever stands at the same
place is told the same execution.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from domain.inbox.conversations import InboundMessage
from domain.live import hints
from domain.live.streams import OFFERED_AT_A_TIME, Spawn, Stream, Watching
from domain.live.watching import Feed, Form, Item, Place, Reader

PAGE = 50
ROUND_SECONDS = 0.05
"""How long a round goes on with those who are behind: each rests in proportion."""


class FeedStream(Stream):
    """What one client has received, for one document and viewpoint."""

    def __init__(
        self,
        watch: Feed,
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
        self._topics = frozenset({hints.FEED + watch.client_id.bytes})
        self._offered: dict[Reader, int] = {}
        """The last number that each reader was offered."""
        watching.watch_topics(self, frozenset(), self._topics)

    def join(self, reader: Reader) -> None:
        """The reader is told all that comes behind its place."""
        assert reader.place is not None
        self._offered[reader] = reader.place.number
        reader.on_room = self.wake
        super().join(reader)

    def leave(self, reader: Reader) -> None:
        """The reader is told nothing more."""
        if self._offered.pop(reader, None) is not None:
            reader.on_room = None
        super().leave(reader)

    def end(self, readers: Iterable[Reader], errors: bytes | None = None) -> None:
        """These are told that nothing more comes."""
        ending = list(readers)
        for each in ending:
            self._offered.pop(each, None)
        super().end(ending, errors)

    def close(self) -> None:
        """Nobody reads it any more: nothing wakes it."""
        self._watching.watch_topics(self, self._topics, frozenset())
        self._topics = frozenset()
        super().close()

    async def round(self) -> None:
        """Tells a page to those in front, then to those behind, the last of them first.

        New messages come between two of those: who is far behind keeps nobody waiting. The last
        of all is told a page in every round.
        """
        self.read_seconds = 0.0
        ends_at = time.monotonic() + ROUND_SECONDS
        able = self._able()
        more = await self._tell_behind(able[-1]) if able else False
        for count, number in enumerate(able[:-1]):
            if count and time.monotonic() > ends_at:
                more = True
                break
            if self._dirty and (front := self._able()):
                self._dirty, more = False, True  # who else woke it is told in the next round
                await self._tell_behind(front[-1])
            if self._between(number, number + 1):
                more |= await self._tell_behind(number)
        self._dirty |= more

    def _able(self) -> list[int]:
        """Where those stand who can be told more, the foremost last."""
        return sorted({number for each, number in self._offered.items() if each.has_room})

    async def _tell_behind(self, number: int) -> bool:
        """Tells what follows a number. Whether there may be more."""
        messages = await self._read(number)
        for message in messages:
            if not self._between(number, message.feed):
                return True
            await self._tell(message, behind=number)
            number = message.feed
        return len(messages) == PAGE

    async def _tell(self, message: InboundMessage, *, behind: int) -> None:
        place = Place(message.client_id, message.feed)
        item = Item(await self.form.told(message), key=message.feed, place=place)
        for count, reader in enumerate(self._between(behind, message.feed), 1):
            # Asked again: it may have left, and joined elsewhere, while others were told.
            if behind <= self._offered.get(reader, -1) < message.feed:
                self._offered[reader] = message.feed
                reader.offer(item)
            if count % OFFERED_AT_A_TIME == 0:
                await asyncio.sleep(0)

    def _between(self, first: int, end: int) -> list[Reader]:
        """Those who stand there, and have room for what is next."""
        return [
            each for each, told in self._offered.items() if first <= told < end and each.has_room
        ]

    async def _read(self, number: int) -> list[InboundMessage]:
        async with self._reads:
            began = time.monotonic()
            messages = list(await self._watch.read(number, PAGE))
            self.read_seconds += time.monotonic() - began
        return messages
