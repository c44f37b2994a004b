"""A uvicorn server on loopback, of an installation that only has users."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from domain.errors import TryAgain
from domain.identity.access import Actor, Role
from domain.identity.directory import User
from domain.installation import RequestLimits
from ibiki.observability.metrics import Metrics
from ibiki.web_app import AppParts, build_app
from tests.clocks import PATIENCE_SECONDS
from tests.schema.fakes import FakeDirectory, actor_with, installation_with
from tests.servers import serving_app

ADMIN = actor_with(Role.ADMIN)
USER = User(ADMIN.user_id, "ada@ibiki.test", Role.ADMIN, None, None, False, datetime.now(UTC))
SIGNED_IN = {"authorization": "Bearer good"}
VIEWER = "{ viewer { email } }"
VIEWER_ANSWER = {"data": {"viewer": {"email": "ada@ibiki.test"}}}


@dataclass
class FakeAuthenticator:
    """Knows one credential. `unavailable`: its store is unavailable."""

    unavailable: bool = False

    async def actor_for(self, credential: str) -> Actor | None:
        if self.unavailable:
            raise TryAgain
        return ADMIN if credential == "good" else None


@dataclass
class RunningServer:
    """A running server, and the parts that a test may change."""

    url: str
    http: httpx.AsyncClient
    authenticator: FakeAuthenticator = field(default_factory=FakeAuthenticator)
    directory: FakeDirectory = field(default_factory=FakeDirectory)
    metrics: Metrics = field(default_factory=Metrics)
    unready: str | None = None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        port = httpx.URL(self.url).port
        assert port is not None
        return port

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        """Posts JSON to /graphql as the admin."""
        return await self.http.post("/graphql", json=body, headers={**SIGNED_IN, **headers})

    async def ask(self, query: str, **variables: Any) -> Any:
        """The body of the response."""
        return (await self.post({"query": query, "variables": variables})).json()

    async def raw(self, *parts: bytes, pause_seconds: float = 0.0) -> bytes:
        """The bytes that answer these parts until the connection is closed, after at most 30 s."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = asyncio.create_task(_all_of(reader))
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
        except ConnectionError:
            pass
        try:
            return await asyncio.wait_for(answer, PATIENCE_SECONDS)
        finally:
            writer.close()


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    answered = bytearray()
    with suppress(ConnectionError):
        while chunk := await reader.read(65_536):
            answered += chunk
    return bytes(answered)


@asynccontextmanager
async def running_server(**parts: Any) -> AsyncIterator[RunningServer]:
    """Runs a server with these parts of `AppParts` changed."""
    directory = FakeDirectory(users={USER.id: USER})
    async with httpx.AsyncClient(timeout=60) as http:
        made = RunningServer(url="", http=http, directory=directory)

        async def is_ready() -> str | None:
            return made.unready

        app = build_app(
            AppParts(
                installation=installation_with(directory=directory, limits=RequestLimits()),
                authenticator=made.authenticator,
                metrics=made.metrics,
                is_ready=is_ready,
                **parts,
            )
        )
        async with serving_app(app) as made.url:
            http.base_url = httpx.URL(made.url)
            yield made
