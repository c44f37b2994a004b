"""A backend for broadcaster that outlives whatever carries it.

It opens its carrier again when it is lost, or says nothing any more, and then says EVERYTHING:
what was missed meanwhile is read by whoever watches it. What waits is bounded the same way.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from broadcaster import BroadcastBackend, Event

from domain.backoff import backoff_seconds
from domain.live.hints import EVERYTHING, packed

BEAT = "-"
BEAT_SECONDS = 3.0
OPEN_SECONDS = 5.0
MOST_WAITING = 1_000
ALL = next(packed([EVERYTHING]))

log = logging.getLogger("ibiki.bus")


class Carrier(Protocol):
    """What brings texts from one process to all others, as long as nothing is cut."""

    async def open(
        self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Hears the channel from here on, and says once when that has ended."""
        ...

    async def send(self, channel: str, text: str) -> None:
        """Everybody who hears the channel is told, this process too."""
        ...

    async def close(self) -> None:
        """Hears nothing more. May be opened again."""
        ...


class LocalCarrier:
    """Carries within one process; all that share one hear each other."""

    def __init__(self) -> None:
        self._heard: Callable[[str], None] | None = None

    async def open(
        self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Hears from here on. Is never lost."""
        self._heard = heard

    async def send(self, channel: str, text: str) -> None:
        """This process is told."""
        if self._heard is not None:
            self._heard(text)

    async def close(self) -> None:
        """Hears nothing more."""
        self._heard = None


class Backend(BroadcastBackend):
    """The six methods that broadcaster asks for, over one carrier and one channel."""

    def __init__(self, carrier: Carrier, *, beat_seconds: float = BEAT_SECONDS) -> None:
        self._carrier = carrier
        self._beat_seconds = beat_seconds
        self._channel: str | None = None
        self._events: deque[str] = deque()
        self._arrived = asyncio.Event()
        self._lost = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._alive = asyncio.Event()
        self._is_open = False
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether texts reach others at this moment, as far as is known."""
        return self._is_open

    async def connect(self) -> None:
        """Begins to keep the carrier open, whether or not it can be opened now."""
        self._task = asyncio.create_task(self._keep_open(), name="bus")

    async def disconnect(self) -> None:
        """Ends it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._carrier.close()

    async def subscribe(self, channel: str) -> None:
        """The one channel that is heard. Returns at once."""
        self._channel = channel
        self._subscribed.set()

    async def unsubscribe(self, channel: str) -> None:
        """Nobody listens any more; it goes with the connection."""

    async def publish(self, channel: str, message: str) -> None:
        """Tells everybody. Raises ConnectionError where that cannot be done now."""
        if not self._is_open:
            raise ConnectionError("the bus is away")
        try:
            async with self._sending, asyncio.timeout(OPEN_SECONDS):
                await self._carrier.send(channel, message)
        except Exception as failure:
            self._lost.set()
            raise ConnectionError("the bus went away") from failure

    async def next_published(self) -> Event:
        """What was said next."""
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        return Event(self._channel or "", self._events.popleft())

    async def _keep_open(self) -> None:
        await self._subscribed.wait()
        failures = 0
        while True:
            try:
                await self._stay_open()
                failures = 0
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is tried again
                if failures == 0:
                    log.warning("the bus is away: %s", str(failure) or type(failure).__name__)
                failures += 1
            finally:
                self._is_open = False
                with suppress(Exception):
                    await self._carrier.close()
            # The wait is spread, so that processes do not open their connections all at once.
            await asyncio.sleep(backoff_seconds(failures + 1) * random.uniform(0.5, 1))  # noqa: S311 - keeps no secret

    async def _stay_open(self) -> None:
        """Returns when it was open and is lost. Raises where it could not be opened."""
        self._lost.clear()
        async with asyncio.timeout(OPEN_SECONDS):
            await self._carrier.open(self._channel or "", self._hear, self._lost.set)
        self._is_open = True
        self._put(ALL)
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat_seconds):
                    await self._lost.wait()
                    return
            if not await self._beats():
                log.warning("the bus says nothing any more: it is opened anew")
                return

    async def _beats(self) -> bool:
        """Whether what is said here is heard here."""
        self._alive.clear()
        with suppress(ConnectionError, TimeoutError):
            await self.publish(self._channel or "", BEAT)
            async with asyncio.timeout(self._beat_seconds):
                await self._alive.wait()
        return self._alive.is_set()

    def _hear(self, text: str) -> None:
        self._alive.set()
        if text != BEAT:
            self._put(text)

    def _put(self, text: str) -> None:
        if len(self._events) >= MOST_WAITING:
            self._events.clear()
            text = ALL
        self._events.append(text)
        self._arrived.set()
