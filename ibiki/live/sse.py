"""GraphQL as server-sent events, for clients that cannot use a WebSocket.

The "distinct connections mode" of the graphql-sse library (its PROTOCOL.md, read 2026-11): one
request, one operation, answered by `next` events and one `complete`. A comment every 12 s keeps the
connection alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Send

from domain.errors import TryAgain
from domain.identity.access import Actor
from domain.live.subscriptions import FeedPosition, Item, PendingItems
from domain.loops import end_task
from ibiki.http.graphql_http import EventRequest, check_method
from ibiki.http.requests import EVENT_STREAM, RequestRefused
from ibiki.http.websocket import ABORT, STREAMS
from ibiki.live.rights import Holder, NotAdmitted
from ibiki.live.subscribing import Live, join
from schema.engine import Engine, NotExecuted, Operation

KEEP_ALIVE_SECONDS = 12.0
SEND_SECONDS = 10.0
KEEP_ALIVE = b":\n"  # fetch-event-source takes a blank line for an event
COMPLETE = b"event: complete\ndata:\n\n"
_SEPARATORS = [
    ("\x85".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
]
HEADERS = [(b"content-type", EVENT_STREAM), (b"x-accel-buffering", b"no")]


@dataclass(frozen=True, slots=True)
class ServerSentEvents:
    """Answers requests for text/event-stream."""

    engine: Engine
    live: Live

    async def __call__(self, request: EventRequest, receive: Receive, send: Send) -> None:
        """Answers until the operation is complete or either side disconnects."""
        events = EventStream()
        try:
            operation = self.engine.find(
                request.parameters.query, request.parameters.operation_name
            )
        except NotExecuted as rejected:
            events.end(self._errors(rejected, request))
        else:
            check_method(operation, request.scope["method"])
            if operation.kind != "subscription":
                await self._execute(operation, request, events)
            else:
                await self._watch(operation, request, events, receive, send)
                return
        await events.write(request, receive, send)

    async def _execute(
        self, operation: Operation, request: EventRequest, events: EventStream
    ) -> None:
        answer = await self.engine.execute(operation, request.parameters.variables, request.context)
        events.offer(Item(orjson.dumps(answer.body)))
        events.end()

    async def _watch(
        self,
        operation: Operation,
        request: EventRequest,
        events: EventStream,
        receive: Receive,
        send: Send,
    ) -> None:
        holder = await self._admit(request.credential, events)
        with ExitStack() as stack:
            stack.callback(holder.leave)
            installation = request.context.installation
            try:
                stop = await join(
                    self.live,
                    self.engine,
                    installation,
                    request.parameters,
                    operation,
                    holder.actor,
                    events,
                )
            except NotExecuted as rejected:
                events.end(self._errors(rejected, request))
            else:
                stack.callback(stop)
            await events.write(request, receive, send)

    async def _admit(self, credential: str | None, events: EventStream) -> Holder:
        try:
            holder = await self.live.rights.admit(credential, events)
        except (NotAdmitted, TryAgain):
            raise RequestRefused(503, "Try again in a moment.", retry_after_seconds=1) from None
        if holder is None:  # not signed in: the field itself answers UNAUTHENTICATED
            return await self._admit(None, events)
        return holder

    def _errors(self, rejected: NotExecuted, request: EventRequest) -> bytes:
        answer = self.engine.rejection(rejected.errors, request.context.request_id)
        return orjson.dumps(answer.errors)


class EventStream:
    """The events of one connection that wait to be written."""

    def __init__(self) -> None:
        self._pending = PendingItems()
        self._woken = asyncio.Event()
        self._final_event: bytes | None = None
        self.position: FeedPosition | None = None
        self.on_capacity: Callable[[], None] | None = None

    @property
    def has_capacity(self) -> bool:
        """Whether it takes more of a feed."""
        return self._pending.has_capacity

    def offer(self, item: Item) -> None:
        """Adds an event, to be written as soon as the connection takes it."""
        if not self._pending.put(item):
            self._cut()
        self._woken.set()

    def end(self, errors: bytes | None = None) -> None:
        """Ends the stream, after everything that waits is written, with errors if it failed."""
        if errors is not None:
            self._pending.put(Item(b'{"errors":%b}' % errors, key="errors"))
        self._final_event = COMPLETE
        self._woken.set()

    def rights_changed(self, actor: Actor) -> None:
        """Cuts the connection: the client reconnects and gets its new rights."""
        self._cut()

    def rights_ended(self, reason: str) -> None:
        """Cuts the connection: the client reconnects with a new token."""
        self._cut()

    def connect_again(self, reason: str) -> None:
        """Cuts the connection: the client reconnects, and begins with the present state."""
        self._cut()

    async def write(self, request: EventRequest, receive: Receive, send: Send) -> None:
        """Writes events until the stream has ended or the client has disconnected."""
        request.scope["state"][STREAMS] = True
        gone = asyncio.create_task(_until_gone(receive, self._cut))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            while self._pending or self._final_event is None:
                await self._send(send, request, self._next() or await self._wait())
            await self._send(send, request, self._final_event, more=False)
        finally:
            await end_task(gone)

    def _next(self) -> bytes:
        item = self._pending.take()
        if item and not self._pending and self.on_capacity is not None:
            self.on_capacity()
        return b"event: next\ndata: %b\n\n" % _in_one_line(item.body) if item else b""

    async def _wait(self) -> bytes:
        """Waits for an event. Returns the comment that keeps the connection alive if none comes."""
        self._woken.clear()
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return KEEP_ALIVE
        return b""

    async def _send(
        self, send: Send, request: EventRequest, body: bytes, *, more: bool = True
    ) -> None:
        if more and not body:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError:
            self._cut()
            request.scope["extensions"][ABORT]()

    def _cut(self) -> None:
        """Ends the stream without `complete`, so that the client reconnects."""
        self._pending = PendingItems()
        self._final_event = b""
        self._woken.set()


def _in_one_line(body: bytes) -> bytes:
    """The JSON without U+0085, U+2028 and U+2029: sseclient and aiosseclient end a line there."""
    for separator, escaped in _SEPARATORS:
        body = body.replace(separator, escaped)
    return body


async def _until_gone(receive: Receive, cut: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    cut()
