"""A live server on loopback with a real database, and a client of the plain protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from domain.identity.access import Actor
from domain.identity.actors import OnChange
from domain.installation import Installation
from ibiki.http.middleware import AllowedOrigins
from ibiki.http.monitoring_routes import IsReady
from ibiki.live.rights import ConnectionLimits
from ibiki.live.startup import live_updates
from ibiki.live.subscribing import Live, SocketRules
from ibiki.observability.metrics import Metrics
from ibiki.web_app import AppParts, build_app
from tests.clocks import PATIENCE_SECONDS
from tests.installations import App
from tests.servers import serving_app

PROTOCOL = Subprotocol("graphql-transport-ws")


class LocalCarrier:
    """Carries texts within one process. It is never lost."""

    def __init__(self) -> None:
        self._receive: Callable[[str], None] | None = None

    async def open(
        self, channel: str, receive: Callable[[str], None], lost: Callable[[], None]
    ) -> None:
        self._receive = receive

    async def send(self, channel: str, text: str) -> None:
        if self._receive is not None:
            self._receive(text)

    async def close(self) -> None:
        self._receive = None


class FakeAuthenticator:
    """Knows actors by their credentials, and reports changes of them."""

    def __init__(self, actors: Mapping[str, Actor | None]) -> None:
        self.actors = dict(actors)
        self._listeners: list[OnChange] = []

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor with this credential."""
        return self.actors.get(credential)

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Calls a function after every change."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def change(self, word: str, actor: Actor | None) -> None:
        """Gives the credential to this actor, or to none."""
        before = self.actors[word]
        assert before is not None
        self.actors[word] = actor
        for listener in self._listeners:
            listener(frozenset({before.credential_id}))


WORDS = ("owner", "sibling", "loner", "supervisor", "other_supervisor", "direct", "admin")


def authenticator_of(people: App) -> FakeAuthenticator:
    """The users of an app, by name."""
    return FakeAuthenticator({word: people.actor(word) for word in WORDS})


@dataclass
class Server:
    """Its address, and its live part."""

    url: str
    live: Live
    metrics: Metrics

    @property
    def socket_url(self) -> str:
        """Where websockets are opened."""
        return self.url.replace("http", "ws", 1) + "/graphql"


@asynccontextmanager
async def server(
    installation: Installation,
    authenticator: Any,
    *,
    rules: SocketRules | None = None,
    limits: ConnectionLimits | None = None,
    origins: AllowedOrigins | None = None,
    is_ready: IsReady | None = None,
) -> AsyncIterator[Server]:
    """A separate server, within this process."""
    metrics = Metrics()
    async with live_updates(installation.store, authenticator, LocalCarrier(), limits) as live:
        live = replace(live, rules=rules or SocketRules())
        app = build_app(
            AppParts(
                installation=installation,
                authenticator=authenticator,
                metrics=metrics,
                is_ready=is_ready or _ready,
                origins=origins or AllowedOrigins(),
                live=live,
            )
        )
        async with serving_app(app) as url:
            yield Server(url, live, metrics)


async def _ready() -> str | None:
    return None


class Client:
    """One websocket, message by message."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        """Sends one message."""
        await self.connection.send(json.dumps(message))

    async def begin(self, credential: str | None) -> None:
        """Signs in, and waits for the acknowledgement."""
        payload = {"Authorization": f"Bearer {credential}"} if credential else None
        await self.send(type="connection_init", payload=payload)
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, query: str, *, id: str = "1", **variables: Any) -> None:
        """Begins an operation."""
        payload = {"query": query, "variables": variables}
        await self.send(type="subscribe", id=id, payload=payload)

    async def receive(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(seconds):
            arrived: dict[str, Any] = json.loads(await self.connection.recv())
        return arrived

    async def delivered(self) -> Any:
        """The value of the only field of the next event."""
        message = await self.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        [value] = message["payload"]["data"].values()
        return value

    async def closed(self, seconds: float = PATIENCE_SECONDS) -> int:
        """The code that the server closes with. Messages before it are ignored."""
        async with asyncio.timeout(seconds):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006


@asynccontextmanager
async def client(
    where: Server | str, credential: str | None = None, *, begin: bool = True, **options: Any
) -> AsyncIterator[Client]:
    """A client that has signed in, unless `begin` is false."""
    url = where if isinstance(where, str) else where.socket_url
    options = {"subprotocols": [PROTOCOL], "compression": None, "proxy": None} | options
    async with connect(url, **options) as connection:
        made = Client(connection)
        if begin:
            await made.begin(credential)
        yield made


async def eventually(check: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Returns when the condition is true."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)
