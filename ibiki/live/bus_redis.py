"""Carries short texts between processes through Redis: PUBLISH and SUBSCRIBE.

It uses redis-py directly: broadcaster's own Redis backend delivers nothing with redis-py 8 (seen
2026-11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from domain.loops import end_task

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

TIMEOUT_SECONDS = 3.0


class RedisCarrier:
    """One connection to receive and one to publish."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._publisher: Redis | None = None
        self._receiver: Redis | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(
        self, channel: str, receive: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        """Receives from the channel from now on. Calls `lost` once if that ends."""
        from redis.asyncio import from_url
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # The backend reconnects, so the client must report failures and not retry by itself.
        never = Retry(NoBackoff(), 0)
        self._publisher = from_url(
            self._url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=never,
        )
        self._receiver = from_url(
            self._url, socket_timeout=None, socket_connect_timeout=TIMEOUT_SECONDS, retry=never
        )
        await self._publisher.ping()
        subscription = self._receiver.pubsub()
        await subscription.subscribe(channel)
        await subscription.get_message(
            timeout=TIMEOUT_SECONDS
        )  # the confirmation of the subscription
        self._task = asyncio.create_task(_listen(subscription, receive, lost), name="redis")

    async def send(self, channel: str, text: str) -> None:
        """Sends a text to everybody on the channel, this process included."""
        if self._publisher is None:
            raise ConnectionError("not open")
        await self._publisher.publish(channel, text)

    async def close(self) -> None:
        """Receives nothing more."""
        task, self._task = self._task, None
        await end_task(task)
        for client in (self._publisher, self._receiver):
            if client is not None:
                with suppress(Exception):
                    await client.aclose()
        self._publisher = self._receiver = None


async def _listen(
    subscription: PubSub, receive: Callable[[str], None], lost: Callable[[], None]
) -> None:
    try:
        while True:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=None)
            if message is not None and message["type"] == "message":
                receive(message["data"].decode())
    except Exception:  # noqa: BLE001 - after any failure nothing is received
        lost()
    finally:
        with suppress(Exception):
            await subscription.aclose()  # type: ignore[no-untyped-call]
