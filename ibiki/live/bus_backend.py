"""A backend for broadcaster that reconnects.

It opens its carrier again if the connection is lost or stays silent, and then delivers EVERYTHING:
subscribers read what they missed. If too many hints wait, they become EVERYTHING too.
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

HEARTBEAT = "-"
HEARTBEAT_SECONDS = 3.0
OPEN_SECONDS = 5.0
MOST_WAITING = 1_000
ALL = next(packed([EVERYTHING]))

log = logging.getLogger("ibiki.bus")


class Carrier(Protocol):
    """A connection that carries texts from one process to all others."""

    async def open(
        self, channel: str, receive: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Receives from the channel from now on. Calls `lost` once if that ends."""
        ...

    async def send(self, channel: str, text: str) -> None:
        """Sends a text to everybody on the channel, this process included."""
        ...

    async def close(self) -> None:
        """Receives nothing more. It can be opened again."""
        ...


class LocalCarrier:
    """Carries texts within one process."""

    def __init__(self) -> None:
        self._receive: Callable[[str], None] | None = None

    async def open(
        self, channel: str, receive: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Receives from now on. It is never lost."""
        self._receive = receive

    async def send(self, channel: str, text: str) -> None:
        """Delivers the text to this process."""
        if self._receive is not None:
            self._receive(text)

    async def close(self) -> None:
        """Receives nothing more."""
        self._receive = None


class Backend(BroadcastBackend):
    """The six methods that broadcaster needs, on one carrier and one channel."""

    def __init__(self, carrier: Carrier, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._carrier = carrier
        self._heartbeat_seconds = heartbeat_seconds
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
        """Whether texts reach others now, as far as is known."""
        return self._is_open

    async def connect(self) -> None:
        """Starts to keep the carrier open, even if it cannot be opened now."""
        self._task = asyncio.create_task(self._keep_open(), name="bus")

    async def disconnect(self) -> None:
        """Closes the carrier."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._carrier.close()

    async def subscribe(self, channel: str) -> None:
        """Notes the one channel to receive from. Returns at once."""
        self._channel = channel
        self._subscribed.set()

    async def unsubscribe(self, channel: str) -> None:
        """Does nothing: the subscription ends with the connection."""

    async def publish(self, channel: str, message: str) -> None:
        """Sends a text to everybody. Raises ConnectionError if that is not possible now."""
        if not self._is_open:
            raise ConnectionError("the bus is not connected")
        try:
            async with self._sending, asyncio.timeout(OPEN_SECONDS):
                await self._carrier.send(channel, message)
        except Exception as failure:
            self._lost.set()
            raise ConnectionError("the bus was disconnected") from failure

    async def next_published(self) -> Event:
        """The next text."""
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
            except Exception as failure:  # noqa: BLE001 - every failure is retried
                if failures == 0:
                    log.warning(
                        "the bus is not connected: %s", str(failure) or type(failure).__name__
                    )
                failures += 1
            finally:
                self._is_open = False
                with suppress(Exception):
                    await self._carrier.close()
            # The wait is spread, so that processes do not open their connections all at once.
            await asyncio.sleep(backoff_seconds(failures + 1) * random.uniform(0.5, 1))  # noqa: S311 - keeps no secret

    async def _stay_open(self) -> None:
        """Returns after the connection is lost. Raises if it could not be opened."""
        self._lost.clear()
        async with asyncio.timeout(OPEN_SECONDS):
            await self._carrier.open(self._channel or "", self._on_text, self._lost.set)
        self._is_open = True
        self._put(ALL)
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat_seconds):
                    await self._lost.wait()
                    return
            if not await self._answers():
                log.warning("the bus does not answer: connecting again")
                return

    async def _answers(self) -> bool:
        """Whether a text sent here arrives here."""
        self._alive.clear()
        with suppress(ConnectionError, TimeoutError):
            await self.publish(self._channel or "", HEARTBEAT)
            async with asyncio.timeout(self._heartbeat_seconds):
                await self._alive.wait()
        return self._alive.is_set()

    def _on_text(self, text: str) -> None:
        self._alive.set()
        if text != HEARTBEAT:
            self._put(text)

    def _put(self, text: str) -> None:
        if len(self._events) >= MOST_WAITING:
            self._events.clear()
            text = ALL
        self._events.append(text)
        self._arrived.set()
