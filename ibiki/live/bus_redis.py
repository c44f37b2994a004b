"""Carries short texts between processes through Redis: PUBLISH and SUBSCRIBE.

Uses the client itself: broadcaster's own backend for Redis delivers nothing with redis-py 8
(seen 2026-11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub


class RedisCarrier:
    """A connection to hear on and one to say on."""

    def __init__(self, url: str, *, timeout_seconds: float = 3.0) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._says: Redis | None = None
        self._hears: Redis | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(
        self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Hears the channel from here on, and says once when that has ended."""
        from redis.asyncio import from_url
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        seconds = self._timeout_seconds
        # Whoever holds a carrier opens it anew: the client is to tell, and not to try by itself.
        never = Retry(NoBackoff(), 0)
        self._says = from_url(
            self._url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=never
        )
        self._hears = from_url(
            self._url, socket_timeout=None, socket_connect_timeout=seconds, retry=never
        )
        await self._says.ping()
        subscription = self._hears.pubsub()
        await subscription.subscribe(channel)
        await subscription.get_message(timeout=seconds)  # that it is subscribed
        self._task = asyncio.create_task(_listen(subscription, heard, lost), name="redis")

    async def send(self, channel: str, text: str) -> None:
        """Everybody who hears the channel is told, this process too."""
        if self._says is None:
            raise ConnectionError("not open")
        await self._says.publish(channel, text)

    async def close(self) -> None:
        """Hears nothing more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for client in (self._says, self._hears):
            if client is not None:
                with suppress(Exception):
                    await client.aclose()
        self._says = self._hears = None


async def _listen(
    subscription: PubSub, heard: Callable[[str], None], lost: Callable[[], None]
) -> None:
    try:
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=None)
            if message is not None and message["type"] == "message":
                heard(message["data"].decode())
    except Exception:  # noqa: BLE001 - whatever it was, nothing is heard any more
        lost()
    finally:
        with suppress(Exception):
            await subscription.aclose()  # type: ignore[no-untyped-call]
