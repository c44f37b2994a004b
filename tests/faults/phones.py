"""Phones that answer: the provider's calls to the webhook, repeated until they get a 200.

Some are repeated after that, too. Each message has its own text, which identifies it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from uuid import UUID

import aiohttp

from tests import db
from tests.faults.load import Clients

PATH = "/webhooks/extreme"
SECRET = "a webhook's secret of the fault rig"
CALLS_PER_SECOND = 3.0
REPEATED_EVERY = 5
PHONES = [f"+12025550{place}" for place in range(120, 160)]

PAUSE_SECONDS = 0.2
LOST = (aiohttp.ClientError, OSError, TimeoutError)
MOST_REPORTED = 5

KEPT = "SELECT text, client_id FROM inbound WHERE text = ANY($1::text[])"
# A reader that continues after a number must not miss a lower number that is committed later.
GAPS = """
SELECT client_id FROM inbound GROUP BY client_id
HAVING count(*) <> max(feed) OR count(DISTINCT feed) <> count(*)
"""


class Phones:
    """Calls at a steady rate, from `start` to `stop`, to servers that may be restarted."""

    def __init__(
        self, servers: Sequence[str], clients: Clients, *, patience_seconds: float, seed: int
    ) -> None:
        self._urls = [f"{server}{PATH}" for server in servers]
        self._receivers = clients.receivers
        self._timeout = aiohttp.ClientTimeout(total=patience_seconds)
        self._chance = Random(seed)
        self._refused: Counter[int] = Counter()
        self.answered: dict[str, UUID] = {}
        """Texts that were answered 200, and whose they are."""
        self._unseen: set[str] = set()
        self._open: set[asyncio.Task[None]] = set()
        self._pacing: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def start(self) -> None:
        """Starts to call."""
        self._session = aiohttp.ClientSession(
            headers={"x-webhook-secret": SECRET},
            connector=aiohttp.TCPConnector(force_close=True),
            timeout=self._timeout,
        )
        self._pacing = asyncio.create_task(self._keep_calling(), name="phones")

    async def stop(self) -> None:
        """Starts no new call. Returns when each one is answered."""
        if self._pacing is not None:
            self._pacing.cancel()
            await asyncio.gather(self._pacing, return_exceptions=True)
        await asyncio.gather(*self._open)

    async def close(self) -> None:
        """Gives up all open calls."""
        for task in [*self._open, *([self._pacing] if self._pacing else [])]:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def note(self, text: str, client_id: UUID) -> None:
        """Notes that the call with this text was answered with 200."""
        self.answered[text] = client_id
        self._unseen.add(text)

    @property
    def unseen(self) -> frozenset[str]:
        """Texts that were answered with 200 and were not found in an inbox yet."""
        return frozenset(self._unseen)

    async def missing(self, among: frozenset[str]) -> list[str]:
        """Those of the texts that are in no inbox."""
        rows = await db.fetch(KEPT, list(self._unseen))
        self._unseen -= {row["text"] for row in rows}
        return sorted(self._unseen & among)

    async def broken(self) -> list[str]:
        """Messages in a wrong inbox, or twice in one; feeds with gaps; calls that were refused."""
        rows = await db.fetch(KEPT, list(self.answered))
        times = Counter(row["text"] for row in rows)
        found = [f"{text}: {count} times" for text, count in times.items() if count > 1]
        found += [
            f"{row['text']}: with the wrong client"
            for row in rows
            if row["client_id"] != self.answered[row["text"]]
        ]
        found += [f"the feed of {row['client_id']} has gaps" for row in await db.fetch(GAPS)]
        found += [f"{count} calls were answered {code}" for code, count in self._refused.items()]
        self._refused.clear()
        return [f"inbound: {each}" for each in found[:MOST_REPORTED]]

    async def _keep_calling(self) -> None:
        began, count = time.monotonic(), 0
        while True:
            count += 1
            await asyncio.sleep(max(0.0, began + count / CALLS_PER_SECOND - time.monotonic()))
            task = asyncio.create_task(self._call(count))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _call(self, count: int) -> None:
        receiver, client_id = self._chance.choice(self._receivers)
        text = f"Message {count} of the phones"
        call = {
            "from": self._chance.choice(PHONES),
            "message": text,
            "status": "received",
            "receiver": receiver,
            "usedmodem": "1",
            "port": "1",
            "messageId": f"{count:024x}",
        }
        while not await self._try(call):  # noqa: ASYNC110 - another program changes it
            await asyncio.sleep(PAUSE_SECONDS)
        self.note(text, client_id)
        if count % REPEATED_EVERY == 0:
            await self._try(call)

    async def _try(self, call: dict[str, str]) -> bool:
        assert self._session is not None
        url = self._chance.choice(self._urls)
        try:
            async with self._session.post(url, json=call) as response:
                if response.status not in (200, 503):
                    self._refused[response.status] += 1
                return response.status == 200
        except LOST:
            return False
