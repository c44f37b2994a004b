"""The webhook calls of the simulator: delivery reports, and messages from phones.

It calls as a provider does: with the secret, and again until the call is accepted. Some magic
numbers make a call come late, twice or before the response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

import aiohttp

from domain.loops import backoff_seconds
from providers.simulator.calls import MakeCall, PendingCallback

TRIES: Final = 8
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 32.0
CALL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """The address of the receiver. `url` is called for each request: the port may change."""

    url: Callable[[], str | None] = lambda: None
    secret: str | None = field(default=None, repr=False)


class WebhookCaller:
    """Calls the webhook, at once or later, for as long as the simulator runs."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, callbacks: Iterable[PendingCallback]) -> None:
        """Makes the calls that come before the response, and starts a task for each other one."""
        for pending in callbacks:
            if pending.callback.before_response:
                await self.call(pending.make, pending.provider)
                continue
            task = asyncio.create_task(self._call_later(pending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def call(self, make: MakeCall, provider: str = "extreme") -> int | None:
        """Makes one call. Returns its HTTP status, None if there was no response.

        The configured URL is that of ExtremeSMS. Other providers call the same host.
        """
        url = self._webhook.url()
        if url is None:
            return None
        if provider != "extreme":
            url = urljoin(url, f"/webhooks/{provider}")
        made = make(url, self._webhook.secret)
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.post(
                made.url, data=made.body, headers=made.headers
            ) as response:
                return response.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def close(self) -> None:
        """Cancels all pending calls."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _call_later(self, pending: PendingCallback) -> None:
        await asyncio.sleep(pending.callback.delay_seconds)
        for failures in range(1, TRIES + 1):
            status = await self.call(pending.make, pending.provider)
            if status is not None and status < 500 and status != 429:
                return
            await asyncio.sleep(
                backoff_seconds(
                    failures,
                    first_seconds=FIRST_PAUSE_SECONDS,
                    longest_seconds=LONGEST_PAUSE_SECONDS,
                )
            )
