"""The endpoint of GraphQL over WebSockets, and the checks before a socket is opened.

It offers only graphql-transport-ws: the older `graphql-ws` lets operations run before the sign-in.
docs/decisions/0022 says why this is not Strawberry's handler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import Gauge
from starlette.types import Receive, Scope, Send

from domain.installation import Installation
from ibiki.http.middleware import AllowedOrigins, has_secret
from ibiki.http.requests import error_body
from ibiki.http.websocket import EXTENSION, WebSocketConnection
from ibiki.live.socket import Socket
from ibiki.live.subscribing import Live
from schema.engine import Engine

PROTOCOL = "graphql-transport-ws"
NOT_ACCEPTABLE = 4406
CODES = {400: "BAD_USER_INPUT", 403: "FORBIDDEN", 503: "RATE_LIMITED"}


@dataclass(frozen=True, slots=True)
class Sockets:
    """The ASGI application behind the WebSocket of /graphql.

    `is_ready`: why the process cannot take work now, None if it can.
    """

    engine: Engine
    installation: Installation
    live: Live
    open_sockets: Gauge
    is_ready: Callable[[], Awaitable[str | None]]
    origins: AllowedOrigins = field(default_factory=AllowedOrigins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one socket until it is closed."""
        await receive()  # websocket.connect
        # Refuse here, not by closing the socket later: some clients (gql on PyPI) connect again
        # after a failed handshake, and not after a close that comes before connection_ack.
        refusal = self._refusal(scope) or await self._outage()
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        connection: WebSocketConnection = scope["extensions"][EXTENSION]
        offered = PROTOCOL in scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL if offered else None})
        if not offered:
            connection.close(NOT_ACCEPTABLE, f"Offer the subprotocol {PROTOCOL}")
            return
        client = scope.get("client")
        address = client[0] if client else ""
        socket = Socket(connection, self.engine, self.installation, self.live, address)
        with self.open_sockets.track_inprogress():
            await socket.serve(receive)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Why no socket is opened: a status and a message."""
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        if origin and not self.origins.allow(origin, host):
            return 403, "Pages of this origin may not call this installation."
        if scope["query_string"] and has_secret(scope["query_string"]):
            return 400, "Do not put a credential into a URL. Send it in connection_init."
        if self.live.rights.is_full:
            return 503, "There are too many connections. Try again later."
        return None

    async def _outage(self) -> tuple[int, str] | None:
        reason = await self.is_ready()
        return (503, f"{reason} Try again later.") if reason else None


async def _refuse(send: Send, status: int, message: str) -> None:
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    body = error_body(message, code=CODES[status])
    await send({"type": "websocket.http.response.body", "body": body})
