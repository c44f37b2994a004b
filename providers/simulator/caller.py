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
import orjson

from domain.backoff import backoff_seconds
from providers.simulator import egosms, formats
from providers.simulator.account import PendingCallback

MODEM: Final = "simulated-modem"
PORT: Final = "1"
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
                await self.call(_body(pending), pending.provider)
                continue
            task = asyncio.create_task(self._call_later(pending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def call(self, body: dict[str, object], provider: str = "extreme") -> int | None:
        """Makes one call. Returns its HTTP status, None if there was no response.

        The configured URL is that of ExtremeSMS. Other providers call the same host.
        """
        url = self._webhook.url()
        if url is None:
            return None
        if provider != "extreme":
            url = urljoin(url, f"/webhooks/{provider}")
        headers = {"Content-Type": "application/json"}
        if self._webhook.secret is not None:
            headers["X-Webhook-Secret"] = self._webhook.secret
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.post(
                url, data=orjson.dumps(body), headers=headers
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
        body = _body(pending)
        for failures in range(1, TRIES + 1):
            status = await self.call(body, pending.provider)
            if status is not None and status < 500 and status != 429:
                return
            await asyncio.sleep(
                backoff_seconds(
                    failures,
                    first_seconds=FIRST_PAUSE_SECONDS,
                    longest_seconds=LONGEST_PAUSE_SECONDS,
                )
            )


def _body(pending: PendingCallback) -> dict[str, object]:
    message, report_status = pending.message, pending.callback.report_status
    if report_status is not None and pending.provider == "egosms":
        return egosms.report_body(pending.message_id, message.recipient, report_status)
    if report_status is not None:
        return formats.report_body(pending.message_id, message.recipient, report_status)
    return formats.inbound_body(
        message.recipient, message.text, modem=pending.modem or MODEM, port=pending.port or PORT
    )
