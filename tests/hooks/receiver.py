"""A receiver of webhooks on this machine, which answers as a test wants it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.clocks import PATIENCE_SECONDS
from tests.servers import serving


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The body as JSON."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


Answer = Callable[[Received], "int | web.StreamResponse"]


@dataclass
class Receiver:
    """`answers`: what each path answers, as a status or a function; 204 if it is not listed."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: dict[str, int | Answer] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self, path: str) -> list[Received]:
        """The requests to a path, in the order of their arrival."""
        return [each for each in self.received if each.path == path]

    async def wait_for(self, path: str, count: int) -> list[Received]:
        """The requests to a path, once there are this many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.at(path)) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.at(path)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Notes a request and answers it."""
        received = Received(request.path, dict(request.headers), await request.read())
        self.received.append(received)
        self._arrived.set()
        if request.path in self.hanging:
            await self.closing.wait()
        listed = self.answers.get(request.path, 204)
        wanted = listed if isinstance(listed, int) else listed(received)
        return web.Response(status=wanted) if isinstance(wanted, int) else wanted


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens while the block runs."""
    receiver = Receiver()
    async with serving(receiver.answer) as receiver.url:
        try:
            yield receiver
        finally:
            receiver.closing.set()
