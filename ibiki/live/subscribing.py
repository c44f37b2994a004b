"""Subscriptions of every kind of connection, and the operations of a socket.

Equal subscriptions with equal rights share a stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from domain.errors import TryAgain
from domain.identity.access import Actor
from domain.installation import Installation
from domain.live.hub import Hub
from domain.live.subscriptions import FeedPosition, Item, PendingItems, Subscriber, Viewpoint, Watch
from ibiki.http.graphql_http import GraphQLParameters
from ibiki.live.rights import Rights
from resolvers.context import Context
from schema.engine import Engine, Operation, Rejected

if TYPE_CHECKING:
    from ibiki.live.socket import Socket


@dataclass(frozen=True, slots=True)
class SocketRules:
    """The limits of one socket. `send_seconds`: how long it may read nothing while data waits."""

    init_seconds: float = 3.0
    send_seconds: float = 10.0
    operations: int = 100
    messages_per_second: int = 1_000


@dataclass(frozen=True, slots=True)
class Live:
    """What the live connections of this process share."""

    hub: Hub
    rights: Rights
    rules: SocketRules = field(default_factory=SocketRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRequest:
    """A subscription as requested: the document, its operation and the variables."""

    query: str
    operation: Operation
    variables: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LiveRenderer:
    """Executes a subscription once per event. `actor`: of a viewpoint."""

    engine: Engine
    installation: Installation
    request: SubscriptionRequest
    actor: Actor | None

    async def render(self, value: Any) -> bytes:
        """The response as JSON. Raises TryAgain if the database is away: it is rendered later."""
        request = self.request
        answer = await self.engine.execute(
            request.operation, request.variables, self.context(), event=value
        )
        if answer.away:
            raise TryAgain
        return orjson.dumps(answer.body)

    def render_failure(self, failure: Exception) -> bytes:
        """The errors as JSON: the message of a refusal, or a masked error."""
        return orjson.dumps(self.engine.failure(failure, uuid4().hex).errors)

    async def watch(self) -> Watch:
        """What the subscription watches. Raises Rejected."""
        request = self.request
        return await self.engine.watch(request.operation, request.variables, self.context())

    def context(self) -> Context:
        """A new context for each event, because loaders cache what they have read."""
        return Context(self.installation, self.actor, address="", request_id=uuid4().hex)


async def join(
    live: Live,
    engine: Engine,
    installation: Installation,
    request: SubscriptionRequest,
    actor: Actor | None,
    subscriber: Subscriber,
) -> Callable[[], None]:
    """Adds a subscriber. Returns the function that removes it. Raises Rejected."""
    viewpoint = Viewpoint.of(actor) if actor else None
    renderer = LiveRenderer(engine, installation, request, viewpoint.actor if viewpoint else None)
    # The position in a feed is the subscriber's own: it does not change what is rendered.
    positions, given = request.operation.start_variables, request.variables or {}
    shared = {name: value for name, value in given.items() if name not in positions}
    variables = orjson.dumps(shared, option=orjson.OPT_SORT_KEYS)
    key = (request.query, request.operation.name, variables, viewpoint)
    return await live.hub.join(key, renderer, subscriber, renderer.watch)


class SocketOperation:
    """One operation. What the connection does not take yet waits here."""

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
        """Sends nothing more. A mutation that has started is completed all the same."""
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
        wire = self._socket.wire
        if wire.can_write and not self._pending:
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
            self._socket.wire.write_text(self._final_message)

    def _write(self, item: Item) -> None:
        if item.position is not None:
            self.position = item.position
        self._socket.wire.write_text(self._prefix + item.body + b"}")

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
        except Rejected as rejected:
            self.end(orjson.dumps(engine.rejection(rejected.errors, uuid4().hex).errors))
        except Exception as failure:  # noqa: BLE001 - masked and logged
            self.end(self.failed(failure))

    async def _watch(self, operation: Operation) -> None:
        socket, parameters = self._socket, self._parameters
        self._is_subscription = True
        request = SubscriptionRequest(
            query=parameters.query, operation=operation, variables=parameters.variables
        )
        leave = await join(
            socket.live, socket.engine, socket.installation, request, socket.actor, subscriber=self
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
