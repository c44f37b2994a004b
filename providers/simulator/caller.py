"""What the simulator says by itself: delivery reports, and phones that answer.

It calls a webhook as a provider does: with the secret, again and again until it is taken, and with
what comes late, twice or before the answer where a number asks for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import orjson

from domain.backoff import backoff_seconds
from providers.simulator import formats
from providers.simulator.desk import Told

MODEM: Final = "simulated-modem"
PORT: Final = "1"
TRIES: Final = 8
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 32.0
CALL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Whom to call. `url` is asked for each time: the other side may be started again elsewhere."""

    url: Callable[[], str | None] = lambda: None
    secret: str | None = field(default=None, repr=False)


class Caller:
    """Calls the webhook, now or later, for as long as the simulator runs."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def tell(self, told: Iterable[Told]) -> None:
        """Tells what is early at once, and sees to it that the rest is told in its time."""
        for each in told:
            if each.telling.early:
                await self.call(_body(each))
                continue
            task = asyncio.create_task(self._tell_later(each))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def call(self, body: dict[str, object]) -> int | None:
        """The status that one call was answered with; None where there was no answer."""
        url = self._webhook.url()
        if url is None:
            return None
        headers = {"Content-Type": "application/json"}
        if self._webhook.secret is not None:
            headers["X-Webhook-Secret"] = self._webhook.secret
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            async with self._session.post(url, data=orjson.dumps(body), headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def close(self) -> None:
        """Says nothing more."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _tell_later(self, told: Told) -> None:
        await asyncio.sleep(told.telling.seconds)
        body = _body(told)
        for failures in range(1, TRIES + 1):
            status = await self.call(body)
            if status is not None and status < 500 and status != 429:
                return
            await asyncio.sleep(
                backoff_seconds(
                    failures,
                    first_seconds=FIRST_PAUSE_SECONDS,
                    longest_seconds=LONGEST_PAUSE_SECONDS,
                )
            )


def _body(told: Told) -> dict[str, object]:
    if told.telling.word is not None:
        return formats.report_body(told.message_id, told.message.recipient, told.telling.word)
    return formats.inbound_body(
        told.message.recipient,
        told.message.text,
        modem=told.modem or MODEM,
        port=told.port or PORT,
    )
