"""A server that keeps every request, so that ours can be compared with those of a vendor's SDK."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.servers import serving


@dataclass
class Recorded:
    """One request: its path with the query, the headers that matter, and its body as it is read."""

    method: str
    path: str
    headers: dict[str, str | None]
    body: Any


@dataclass
class Recorder:
    """The requests that the server received."""

    base_url: str
    requests: list[Recorded] = field(default_factory=list)

    def taken(self) -> list[Recorded]:
        """The requests so far. The next ones start a new list."""
        taken, self.requests = self.requests, []
        return taken


@asynccontextmanager
async def recorder(
    *headers: str, status: int = 200, answer: object = None
) -> AsyncIterator[Recorder]:
    """A recorder on this machine that keeps these headers, and answers this JSON."""

    async def keep(request: web.Request) -> web.Response:
        kept = {name: request.headers.get(name) for name in headers}
        body = _read(request.content_type, await request.text())
        here.requests.append(Recorded(request.method, request.path_qs, kept, body))
        return web.json_response(answer, status=status)

    async with serving(keep) as base_url:
        here = Recorder(base_url)
        yield here


def _read(content_type: str, text: str) -> Any:
    """JSON, or the fields of a form without their order. None if there is no body."""
    if content_type == "application/x-www-form-urlencoded":
        return sorted(parse_qsl(text, keep_blank_values=True, strict_parsing=True))
    return json.loads(text) if text else None
