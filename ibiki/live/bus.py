"""The bus: what has changed in one process is told to all, as hints and never as contents.

`broadcaster` with a backend of our own, one channel for each process, subscribed once at the start.
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
"""How long the end waits for what has not been told yet."""

log = logging.getLogger("ibiki.bus")

Heard = Callable[[Collection[Topic]], None]


class Bus:
    """Tells others, and hears them. Whoever tells neither waits nor fails.

    What happens within a few milliseconds is told together; the first after a while at once. What
    cannot be told waits, and becomes EVERYTHING where that is too much.
    """

    def __init__(self, carrier: Carrier, heard: Heard) -> None:
        self._backend = Backend(carrier)
        self._broadcast = Broadcast(backend=self._backend)
        self._heard = heard
        self._waiting: set[Topic] = set()
        self._telling = False
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_open(self) -> bool:
        """Whether what is told reaches others at this moment, as far as is known."""
        return self._backend.is_open

    async def start(self) -> None:
        """Begins to tell and to hear; what carries it may be away."""
        await self._broadcast.connect()
        self._tasks = [
            asyncio.create_task(self._hear(), name="hearing"),
            asyncio.create_task(self._tell(), name="telling"),
        ]

    async def stop(self) -> None:
        """Tells what waits, if that can be done at once, and ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                while self._waiting or self._telling:  # noqa: ASYNC110 - bounded, and once
                    await asyncio.sleep(WINDOW_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._broadcast.disconnect()

    def tell(self, topics: Collection[Topic]) -> None:
        """These have changed."""
        self._waiting.update(topics)
        if len(self._waiting) > MOST_WAITING:
            self._waiting = {EVERYTHING}
        self._woken.set()

    async def _tell(self) -> None:
        told_at = 0.0
        while True:
            await self._woken.wait()
            await asyncio.sleep(told_at + WINDOW_SECONDS - time.monotonic())
            self._woken.clear()
            told_at = time.monotonic()
            await self._publish()

    async def _publish(self) -> None:
        """Tells what waits. What cannot be told goes on waiting."""
        topics, self._waiting = self._waiting, set()
        self._telling = True
        try:
            for text in packed(topics):
                await self._broadcast.publish(CHANNEL, text)
        except ConnectionError:
            self.tell(topics)
            await asyncio.sleep(0.1)
        finally:
            self._telling = False

    async def _hear(self) -> None:
        async with self._broadcast.subscribe(CHANNEL) as subscriber:
            while True:
                event = await subscriber.get()
                try:
                    self._heard(unpacked(event.message))
                except Exception:
                    log.exception("a hint could not be heard")
