"""A client's feed of inbound messages, delivered to each subscriber in order, each message once.

Messages are read from the table by their feed number, never from a hint, so that a subscriber that
is slow or was disconnected misses none. Subscribers at the same position share one read and one
execution.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from domain.inbox.messages import InboundMessage
from domain.live import hints
from domain.live.streams import OFFERS_AT_ONCE, HintedStream
from domain.live.subscriptions import FeedPosition, FeedWatch, Item, Renderer, Subscriber

PAGE = 50
RUN_SECONDS = 0.05
"""How long one run continues with subscribers that are behind. Each run rests in proportion."""


class FeedStream(HintedStream):
    """The feed of one client, for one document and viewpoint."""

    def __init__(self, watch: FeedWatch, renderer: Renderer, **parts: Any) -> None:
        """`parts`: see `HintedStream`."""
        super().__init__(renderer, **parts)
        self._watch = watch
        self._offered: dict[Subscriber, int] = {}
        """The last number that each subscriber was offered."""
        self.watch_topics(frozenset({hints.FEED + watch.client_id.bytes}))

    def join(self, subscriber: Subscriber) -> None:
        """Adds a subscriber: it receives everything after its position."""
        assert subscriber.position is not None
        self._offered[subscriber] = subscriber.position.number
        subscriber.on_capacity = self.wake
        super().join(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        if self._offered.pop(subscriber, None) is not None:
            subscriber.on_capacity = None
        super().leave(subscriber)

    def end(self, subscribers: Iterable[Subscriber], errors: bytes | None = None) -> None:
        ending = list(subscribers)
        for each in ending:
            self._offered.pop(each, None)
        super().end(ending, errors)

    async def run_once(self) -> None:
        """Delivers a page to the subscribers in front, then to the others, furthest behind first.

        New messages are delivered in between, so that a subscriber far behind delays no other. The
        one furthest behind receives a page in every run.
        """
        self.read_seconds = 0.0
        ends_at = time.monotonic() + RUN_SECONDS
        numbers = self._numbers_with_capacity()
        more = await self._deliver_after(numbers[-1]) if numbers else False
        for count, number in enumerate(numbers[:-1]):
            if count and time.monotonic() > ends_at:
                more = True
                break
            if self._dirty and (front := self._numbers_with_capacity()):
                # Something new. Others that woke the stream are served in the next run.
                self._dirty, more = False, True
                await self._deliver_after(front[-1])
            if self._between(number, number + 1):
                more |= await self._deliver_after(number)
        if more:
            self.wake()

    def _numbers_with_capacity(self) -> list[int]:
        """The different positions of the subscribers that take more, the largest last."""
        return sorted({number for each, number in self._offered.items() if each.has_capacity})

    async def _deliver_after(self, number: int) -> bool:
        """Delivers the messages after a number. Returns whether there may be more."""
        messages = await self._read(number)
        for message in messages:
            if not self._between(number, message.feed):
                return True
            await self._deliver(message, after=number)
            number = message.feed
        return len(messages) == PAGE

    async def _deliver(self, message: InboundMessage, *, after: int) -> None:
        position = FeedPosition(message.client_id, message.feed)
        body = await self.renderer.render(message)
        item = Item(body, key=message.feed, position=position)
        for count, subscriber in enumerate(self._between(after, message.feed), 1):
            # Check again: it may have left or joined elsewhere while others were served.
            if after <= self._offered.get(subscriber, -1) < message.feed:
                self._offered[subscriber] = message.feed
                subscriber.offer(item)
            if count % OFFERS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _between(self, first: int, end: int) -> list[Subscriber]:
        """The subscribers at a number from `first` to before `end` that take more."""
        return [
            each
            for each, offered in self._offered.items()
            if first <= offered < end and each.has_capacity
        ]

    async def _read(self, number: int) -> list[InboundMessage]:
        async with self._reads:
            began = time.monotonic()
            messages = list(await self._watch.read(number, PAGE))
            self.read_seconds += time.monotonic() - began
        return messages
