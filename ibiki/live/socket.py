"""One WebSocket: the messages of graphql-transport-ws, with limits.

It follows PROTOCOL.md of the graphql-ws library (read 2026-11) and its close codes. After a passing
problem the socket closes with a code after which clients connect again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import orjson

from domain.errors import RateLimited, TryAgain
from domain.identity.access import Actor
from domain.installation import Installation
from ibiki.http.graphql_http import GraphQLParameters, parameters_of
from ibiki.http.requests import RequestRefused
from ibiki.live.rights import Holder, NotAdmitted
from ibiki.live.subscribing import Live, SocketOperation
from ibiki.live.wire import TOO_SLOW, Wire
from schema.engine import Engine

if TYPE_CHECKING:
    from starlette.types import Receive

BAD_REQUEST = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
INIT_TIMEOUT = 4408
ALREADY_THERE = 4409
TOO_MANY = 4429
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

LONGEST_ID = 128
LONGEST_REASON = 120


class Socket:
    """One connection, from its handshake to its close."""

    def __init__(
        self,
        wire: Wire,
        engine: Engine,
        installation: Installation,
        live: Live,
        address: str,
    ) -> None:
        self.wire = wire
        self.engine = engine
        self.installation = installation
        self.live = live
        self.address = address
        self.operations: dict[str, SocketOperation] = {}
        self._rules = live.rules
        self._has_init = False
        self._holder: Holder | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._messages = 0
        self._tasks: set[asyncio.Task[None]] = set()
        wire.on_full, wire.on_writable = self._filled, self._drain

    @property
    def actor(self) -> Actor | None:
        """The actor with its present rights, None if not signed in."""
        return self._holder.actor if self._holder else None

    async def serve(self, receive: Receive) -> None:
        """Handles messages until either side closes the socket."""
        self._close_in(self._rules.init_seconds, INIT_TIMEOUT, "No connection_init in time")
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                await self._take(message.get("text"))
        finally:
            self._end()

    def close(self, code: int, reason: str) -> None:
        """Closes the socket."""
        self.wire.close(code, reason[:LONGEST_REASON])

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message of the protocol."""
        self.wire.write_text(orjson.dumps(message))

    def too_slow(self) -> None:
        """Closes the socket because too much waits for its reader. The client starts again."""
        self.close(TOO_SLOW, "Reads too slowly")

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task of this socket."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def rights_changed(self, actor: Actor) -> None:
        """Restarts all subscriptions with the new rights."""
        for operation in list(self.operations.values()):
            operation.restart()

    def rights_ended(self, reason: str) -> None:
        """Closes the socket: the client connects again with a new token."""
        self.close(FORBIDDEN, reason)

    def connect_again(self, reason: str) -> None:
        """Closes the socket: the client connects again, and begins with the present state."""
        self.close(SERVICE_RESTART, reason)

    async def _take(self, text: str | None) -> None:
        if not self.wire.is_open or self._floods():
            return
        try:
            message = orjson.loads(text or "")
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            self.close(BAD_REQUEST, "A message is a JSON object, as text")
            return
        kind = message.get("type")
        if kind == "connection_init":
            await self._begin(message.get("payload"))
        elif kind == "ping":
            self._pong(message)
        elif kind == "subscribe":
            self._subscribe(message)
        elif kind == "complete":
            self._complete(message.get("id"))
        elif kind != "pong":
            self.close(BAD_REQUEST, "No such type of message")

    async def _begin(self, payload: Any) -> None:
        if self._has_init:
            self.close(TOO_MANY, "Too many initialisation requests")
            return
        self._has_init = True
        self._stop_timer()
        try:
            credential = credential_of(payload)
            self._holder = await self.live.rights.admit(credential, self)
        except ValueError as wrong:
            self.close(BAD_REQUEST, str(wrong))
            return
        except (NotAdmitted, TryAgain):
            self.close(TRY_AGAIN_LATER, "Try again later")
            return
        if self._holder is None:
            self.close(FORBIDDEN, "The credential in the payload of connection_init is not valid")
        else:
            self.send({"type": "connection_ack"})

    def _pong(self, message: dict[str, Any]) -> None:
        if self.wire.can_write:
            payload = {"payload": message["payload"]} if "payload" in message else {}
            self.send({"type": "pong", **payload})

    def _subscribe(self, message: dict[str, Any]) -> None:
        id, payload = message.get("id"), message.get("payload")
        if self._holder is None:
            self.close(UNAUTHORIZED, "Send connection_init first")
            return
        parameters = _parameters(payload)
        if not (isinstance(id, str) and 0 < len(id) <= LONGEST_ID) or parameters is None:
            self.close(BAD_REQUEST, "A subscribe has an id and a payload with a query")
        elif id in self.operations:
            self.close(ALREADY_THERE, f"Subscriber for {id} already exists")
        else:
            operation = SocketOperation(self, id, parameters)
            self.operations[id] = operation
            if len(self.operations) > self._rules.operations:
                operation.end(operation.failed(RateLimited(1)))
            else:
                operation.start()

    def _complete(self, id: Any) -> None:
        operation = self.operations.pop(id, None) if isinstance(id, str) else None
        if operation is not None:
            operation.stop()

    def _floods(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._messages = second, 0
        self._messages += 1
        if self._messages <= self._rules.messages_per_second:
            return False
        self.close(TOO_MANY, "Too many messages")
        return True

    def _filled(self) -> None:
        self._close_in(self._rules.send_seconds, TOO_SLOW, "Reads too slowly")

    def _drain(self) -> None:
        """Writes what waits, oldest first, one item of each operation in turn."""
        self._stop_timer()
        waiting = [each for each in self.operations.values() if each.waits]
        while waiting and self.wire.can_write:
            for operation in waiting:
                operation.write_next()
            waiting = [each for each in waiting if each.waits]

    def _close_in(self, seconds: float, code: int, reason: str) -> None:
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, lambda: self.close(code, reason))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._stop_timer()
        self.wire.on_full = self.wire.on_writable = None
        if self._holder is not None:
            self._holder.leave()
        for operation in self.operations.values():
            operation.stop()
        self.operations.clear()


def credential_of(payload: Any) -> str | None:
    """The credential of a connection_init, None without one. Raises ValueError."""
    if payload is None:
        return None
    if not isinstance(payload, dict):
        raise ValueError("The payload of a connection_init is an object")
    given = payload.get("Authorization") or payload.get("authorization")
    if given is None:
        return None
    scheme, _, credential = str(given).partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        return ""
    return credential.strip()


def _parameters(payload: Any) -> GraphQLParameters | None:
    try:
        return parameters_of(payload) if isinstance(payload, dict) else None
    except RequestRefused:
        return None
