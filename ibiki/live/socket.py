"""One WebSocket: the messages of graphql-transport-ws, with limits.

It follows PROTOCOL.md of the graphql-ws library (read 2026-11) and its close codes. After a passing
problem the socket closes with a code after which clients connect again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import orjson
from starlette.types import Receive

from domain.errors import RateLimited, TryAgain
from domain.identity.access import Actor
from domain.installation import Installation
from domain.live.subscriptions import FeedPosition, Item, PendingItems
from ibiki.http.graphql_http import GraphQLParameters, parameters_of
from ibiki.http.requests import RequestRefused, json_of
from ibiki.http.websocket import TOO_SLOW, WebSocketConnection
from ibiki.live.rights import Holder, NotAdmitted
from ibiki.live.subscribing import Live, join
from resolvers.context import Context
from schema.engine import Engine, NotExecuted, Operation

BAD_REQUEST = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
INIT_TIMEOUT = 4408
ALREADY_THERE = 4409
TOO_MANY = 4429
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

NO_CREDENTIAL = "No valid `Authorization: Bearer …` in the payload of connection_init"
LONGEST_ID = 128
LONGEST_REASON = 123
"""Bytes (RFC 6455 §5.5)."""


class Socket:
    """One connection, from its handshake to its close."""

    def __init__(
        self,
        connection: WebSocketConnection,
        engine: Engine,
        installation: Installation,
        live: Live,
        address: str,
    ) -> None:
        self.connection = connection
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
        connection.on_full, connection.on_writable = self._filled, self._drain

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
        """Closes the socket. A reason that is too long for its frame is cut."""
        self.connection.close(code, reason.encode()[:LONGEST_REASON].decode(errors="ignore"))

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message of the protocol."""
        self.connection.write_text(orjson.dumps(message))

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
        if not self.connection.is_open or self._floods():
            return
        try:
            message = json_of((text or "null").encode(), "A message")
        except RequestRefused as refused:
            self.close(BAD_REQUEST, refused.message)
            return
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
            self.close(FORBIDDEN, NO_CREDENTIAL)
        else:
            self.send({"type": "connection_ack"})

    def _pong(self, message: dict[str, Any]) -> None:
        if self.connection.can_write:
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
        while waiting and self.connection.can_write:
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
        self.connection.on_full = self.connection.on_writable = None
        if self._holder is not None:
            self._holder.leave()
        for operation in self.operations.values():
            operation.stop()
        self.operations.clear()


class SocketOperation:
    """One operation, with the items that the connection cannot take yet."""

    def __init__(self, socket: Socket, id: str, parameters: GraphQLParameters) -> None:
        self._socket = socket
        self._id = id
        self._parameters = parameters
        self._prefix = b'{"id":%b,"type":"next","payload":' % orjson.dumps(id)
        self._pending: PendingItems | None = None
        self._leave: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._mutates = False
        self._is_subscription = False
        self._final_message: bytes | None = None
        self._is_over = False
        self.position: FeedPosition | None = None
        self.on_capacity: Callable[[], None] | None = None

    @property
    def has_capacity(self) -> bool:
        """Whether it takes more of a feed."""
        return self._pending is None or self._pending.has_capacity

    @property
    def waits(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._pending) or (self._final_message is not None and not self._is_over)

    def start(self) -> None:
        """Starts the operation."""
        self._task = self._socket.spawn(self._run())

    def restart(self) -> None:
        """Starts again with the present rights. Drops what was rendered with the old ones."""
        if self._is_subscription and self._final_message is None and not self._is_over:
            self.stop()
            self._is_over = False
            self.start()

    def stop(self) -> None:
        """Sends nothing more. A mutation that has started is still completed."""
        self._is_over = True
        self._pending = None
        if self._leave is not None:
            self._leave()
            self._leave = None
        if self._task is not None and not self._mutates:
            self._task.cancel()

    def offer(self, item: Item) -> None:
        """Writes the item at once if the connection takes it, else later."""
        if self._is_over:
            return
        connection = self._socket.connection
        if connection.can_write and not self._pending:
            self._write(item)
            return
        if self._pending is None:
            self._pending = PendingItems()
        if not self._pending.put(item):
            self._socket.too_slow()

    def end(self, errors: bytes | None = None) -> None:
        """Ends the operation, after everything that waits is written."""
        id = orjson.dumps(self._id)
        if errors is None:
            self._final_message = b'{"id":%b,"type":"complete"}' % id
        else:
            self._final_message = b'{"id":%b,"type":"error","payload":%b}' % (id, errors)
        self._leave = None
        if not self._pending:
            self.write_next()

    def write_next(self) -> None:
        """Writes the item that has waited longest."""
        item = self._pending.take() if self._pending else None
        if item is not None:
            self._write(item)
            if not self._pending and self.on_capacity is not None:
                self.on_capacity()
        elif self._final_message is not None and not self._is_over:
            self._is_over = True
            self._socket.operations.pop(self._id, None)
            self._socket.connection.write_text(self._final_message)

    def _write(self, item: Item) -> None:
        if item.position is not None:
            self.position = item.position
        self._socket.connection.write_text(self._prefix + item.body + b"}")

    def failed(self, failure: Exception) -> bytes:
        """The errors for an exception, as JSON."""
        return orjson.dumps(self._socket.engine.failure(failure, uuid4().hex).errors)

    async def _run(self) -> None:
        engine, parameters = self._socket.engine, self._parameters
        try:
            operation = engine.find(parameters.query, parameters.operation_name)
            if operation.kind == "subscription":
                await self._watch(operation)
            else:
                await self._execute(operation)
        except NotExecuted as rejected:
            self.end(orjson.dumps(engine.rejection(rejected.errors, uuid4().hex).errors))
        except Exception as failure:  # noqa: BLE001 - masked and logged
            self.end(self.failed(failure))

    async def _watch(self, operation: Operation) -> None:
        socket, parameters = self._socket, self._parameters
        self._is_subscription = True
        leave = await join(
            socket.live,
            socket.engine,
            socket.installation,
            parameters,
            operation,
            socket.actor,
            subscriber=self,
        )
        if self._is_over:
            leave()
        elif self._final_message is None:
            self._leave = leave

    async def _execute(self, operation: Operation) -> None:
        socket = self._socket
        self._mutates = operation.kind == "mutation"
        context = Context(socket.installation, socket.actor, socket.address, uuid4().hex)
        answer = await socket.engine.execute(operation, self._parameters.variables, context)
        if not answer.executed:
            self.end(orjson.dumps(answer.errors))
            return
        self.offer(Item(orjson.dumps(answer.body)))
        self.end()


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
