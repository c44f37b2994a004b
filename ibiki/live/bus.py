"""The event bus: it carries hints from each process to all others, never data.

It is `broadcaster` with a backend of ours: one channel, and one subscription per process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from broadcaster import Broadcast

from domain.live.hints import EVERYTHING, Topic, packed, unpacked
from ibiki.live.bus_backend import Backend, Carrier

CHANNEL = "ibiki_hints"
WINDOW_SECONDS = 0.005
MOST_WAITING = 20_000
LAST_WORD_SECONDS = 1.0
"""How long `stop` waits for hints that are not published yet."""

log = logging.getLogger("ibiki.bus")

Receive = Callable[[Collection[Topic]], None]


class Bus:
    """Publishes hints, and receives those of others. Publishing never waits and never fails.

    Hints of a few milliseconds are published together; the first one after a pause goes at once.
    Hints that cannot be published wait. If too many wait, they become EVERYTHING.
    """

    def __init__(self, carrier: Carrier, receive: Receive) -> None:
        self._backend = Backend(carrier)
        self._broadcast = Broadcast(backend=self._backend)
        self._receive = receive
        self._waiting: set[Topic] = set()
        self._publishing = False
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_open(self) -> bool:
        """Whether hints reach other processes now, as far as is known."""
        return self._backend.is_open

    async def start(self) -> None:
        """Starts to publish and receive. Redis or PostgreSQL may be unavailable."""
        await self._broadcast.connect()
        self._tasks = [
            asyncio.create_task(self._run_receiver(), name="bus-receiver"),
            asyncio.create_task(self._run_publisher(), name="bus-publisher"),
        ]

    async def stop(self) -> None:
        """Publishes what waits if that is possible within a second, then stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                while self._waiting or self._publishing:  # noqa: ASYNC110 - bounded, and once
                    await asyncio.sleep(WINDOW_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._broadcast.disconnect()

    def publish(self, topics: Collection[Topic]) -> None:
        """Publishes hints about these topics."""
        self._waiting.update(topics)
        if len(self._waiting) > MOST_WAITING:
            self._waiting = {EVERYTHING}
        self._woken.set()

    async def _run_publisher(self) -> None:
        published_at = 0.0
        while True:
            await self._woken.wait()
            await asyncio.sleep(published_at + WINDOW_SECONDS - time.monotonic())
            self._woken.clear()
            published_at = time.monotonic()
            await self._publish_pending()

    async def _publish_pending(self) -> None:
        """Publishes what waits. What cannot be published waits on."""
        topics, self._waiting = self._waiting, set()
        self._publishing = True
        try:
            for text in packed(topics):
                await self._broadcast.publish(CHANNEL, text)
        except ConnectionError:
            self.publish(topics)
            await asyncio.sleep(0.1)
        finally:
            self._publishing = False

    async def _run_receiver(self) -> None:
        async with self._broadcast.subscribe(CHANNEL) as subscriber:
            while True:
                event = await subscriber.get()
                try:
                    self._receive(unpacked(event.message))
                except Exception:
                    log.exception("a hint could not be processed")
