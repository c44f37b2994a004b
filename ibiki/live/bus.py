"""The event bus: it carries hints from each process to all others, never data.

It is `broadcaster` with our own backend, which reconnects: one channel, and one subscription per
process. After a lost or silent connection it delivers EVERYTHING, so that subscribers read what
they missed. If too many hints wait, they become EVERYTHING too.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Protocol

from broadcaster import Broadcast, BroadcastBackend, Event

from domain.live.hints import EVERYTHING, Topic
from domain.loops import backoff_seconds, end_task
from domain.transactions import reason_of

CHANNEL = "ibiki_hints"
TOPIC_BYTES = 17
WINDOW_SECONDS = 0.02
MOST_TOPICS_WAITING = 20_000
MOST_TEXTS_WAITING = 1_000
LAST_WORD_SECONDS = 1.0
"""How long `stop` waits for hints that are not published yet."""

HEARTBEAT = "-"
HEARTBEAT_SECONDS = 3.0
OPEN_SECONDS = 5.0
ALL = b64encode(EVERYTHING).decode()

log = logging.getLogger("ibiki.bus")

Receive = Callable[[Collection[Topic]], None]


class Bus:
    """Publishes hints, and receives those of others. Publishing never waits and never fails.

    Hints of 20 ms are published together; the first one after a pause goes at once.
    Hints that cannot be published wait. If too many wait, they become EVERYTHING.
    """

    def __init__(self, carrier: Carrier, receive: Receive | None) -> None:
        """`receive`: None in a process that only publishes."""
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
        if len(self._waiting) > MOST_TOPICS_WAITING:
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
        """Publishes what waits. What cannot be published now stays in the queue."""
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
                if self._receive is None:
                    continue
                try:
                    self._receive(unpacked(event.message))
                except Exception:
                    log.exception("hints of another process could not be received")


class Carrier(Protocol):
    """A connection that carries texts from one process to all others."""

    async def open(
        self, channel: str, receive: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Receives from the channel from now on. Calls `lost` once if that ends."""

    async def send(self, channel: str, text: str) -> None:
        """Sends a text to everybody on the channel, this process included."""

    async def close(self) -> None:
        """Receives nothing more. It can be opened again."""


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
        self._was_unavailable = False
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
        await end_task(task)
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
                if not self._was_unavailable:
                    log.warning("the bus is not connected%s", reason_of(failure))
                    self._was_unavailable = True
                failures += 1
            finally:
                self._is_open = False
                with suppress(Exception):
                    await self._carrier.close()
            # The wait is random, so that processes do not connect all at once.
            await asyncio.sleep(backoff_seconds(failures + 1) * random.uniform(0.5, 1))  # noqa: S311 - keeps no secret

    async def _stay_open(self) -> None:
        """Returns after the connection is lost. Raises if it could not be opened."""
        self._lost.clear()
        async with asyncio.timeout(OPEN_SECONDS):
            await self._carrier.open(self._channel or "", self._on_text, self._lost.set)
        self._is_open = True
        if self._was_unavailable:
            log.info("the bus is connected again")
            self._was_unavailable = False
        self._put(ALL)
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat_seconds):
                    await self._lost.wait()
                    return
            if not await self._answers():
                log.warning("the bus does not answer: connecting again")
                self._was_unavailable = True
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
        if len(self._events) >= MOST_TEXTS_WAITING:
            self._events.clear()
            text = ALL
        self._events.append(text)
        self._arrived.set()


def packed(topics: Collection[Topic], *, longest: int = 7_000) -> Iterator[str]:
    """Encodes topics as texts of at most this many characters each."""
    joined = b"".join(topics)
    step = longest // 4 * 3 // TOPIC_BYTES * TOPIC_BYTES
    for start in range(0, len(joined), step):
        yield b64encode(joined[start : start + step]).decode()


def unpacked(text: str) -> set[Topic]:
    """Decodes the topics of one text; EVERYTHING if it cannot be decoded."""
    try:
        joined = b64decode(text, validate=True)
    except ValueError:
        return {EVERYTHING}
    if len(joined) % TOPIC_BYTES:
        return {EVERYTHING}
    return {joined[start : start + TOPIC_BYTES] for start in range(0, len(joined), TOPIC_BYTES)}
