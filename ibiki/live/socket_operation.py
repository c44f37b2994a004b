"""One operation of a socket: executed once, or watched until either side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson

from domain.live.subscriptions import FeedPosition, Item, PendingItems
from ibiki.http.graphql_http import Asked
from ibiki.live.live import Question, join
from resolvers.context import Context
from schema.engine import Operation, Rejected

if TYPE_CHECKING:
    from ibiki.live.socket import Socket


class SocketOperation:
    """A reader of a stream, or one answer. What cannot be written waits in its backlog."""

    def __init__(self, socket: Socket, id: str, asked: Asked) -> None:
        self._socket = socket
        self._id = id
        self._asked = asked
        self._prefix = b'{"id":%b,"type":"next","payload":' % orjson.dumps(id)
        self._backlog: PendingItems | None = None
        self._leave: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._mutates = False
        self._watches = False
        self._last_word: bytes | None = None
        self._is_over = False
        self.position: FeedPosition | None = None
        self.on_capacity: Callable[[], None] | None = None

    @property
    def has_capacity(self) -> bool:
        """Whether more of a feed may wait here."""
        return self._backlog is None or self._backlog.has_capacity

    @property
    def waits(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._backlog) or (self._last_word is not None and not self._is_over)

    def start(self) -> None:
        """Begins."""
        self._task = self._socket.spawn(self._run())

    def restart(self) -> None:
        """Begins again with the rights of this moment: nothing that waits was told with them."""
        if self._watches and self._last_word is None and not self._is_over:
            self.stop()
            self._is_over = False
            self.start()

    def stop(self) -> None:
        """Nothing more is sent. A change that was begun is made all the same."""
        self._is_over = True
        self._backlog = None
        if self._leave is not None:
            self._leave()
            self._leave = None
        if self._task is not None and not self._mutates:
            self._task.cancel()

    def offer(self, item: Item) -> None:
        """Written at once where there is room, else as soon as there is."""
        if self._is_over:
            return
        wire = self._socket.wire
        if wire.can_write and not self._backlog:
            self._write(item)
            return
        if self._backlog is None:
            self._backlog = PendingItems()
        if not self._backlog.put(item):
            self._socket.too_slow()

    def end(self, errors: bytes | None = None) -> None:
        """Nothing more comes: said behind what waits."""
        id = orjson.dumps(self._id)
        if errors is None:
            self._last_word = b'{"id":%b,"type":"complete"}' % id
        else:
            self._last_word = b'{"id":%b,"type":"error","payload":%b}' % (id, errors)
        self._leave = None
        if not self._backlog:
            self.write_next()

    def write_next(self) -> None:
        """Writes the next of what waits."""
        item = self._backlog.take() if self._backlog else None
        if item is not None:
            self._write(item)
            if not self._backlog and self.on_capacity is not None:
                self.on_capacity()
        elif self._last_word is not None and not self._is_over:
            self._is_over = True
            self._socket.operations.pop(self._id, None)
            self._socket.wire.write_text(self._last_word)

    def _write(self, item: Item) -> None:
        if item.position is not None:
            self.position = item.position
        self._socket.wire.write_text(self._prefix + item.body + b"}")

    def failed(self, failure: Exception) -> bytes:
        """The errors of something that was raised, as JSON."""
        return orjson.dumps(self._socket.engine.failure(failure, uuid4().hex).errors)

    async def _run(self) -> None:
        engine, asked = self._socket.engine, self._asked
        try:
            operation = engine.find(asked.query, asked.operation_name)
            if operation.kind == "subscription":
                await self._watch(operation)
            else:
                await self._execute(operation)
        except Rejected as rejected:
            self.end(orjson.dumps(engine.rejection(rejected.errors, uuid4().hex).errors))
        except Exception as failure:  # noqa: BLE001 - told masked, and logged
            self.end(self.failed(failure))

    async def _watch(self, operation: Operation) -> None:
        socket, asked = self._socket, self._asked
        self._watches = True
        question = Question(query=asked.query, operation=operation, variables=asked.variables)
        leave = await join(
            socket.live, socket.engine, socket.installation, question, socket.actor, reader=self
        )
        if self._is_over:
            leave()
        elif self._last_word is None:
            self._leave = leave

    async def _execute(self, operation: Operation) -> None:
        socket = self._socket
        self._mutates = operation.kind == "mutation"
        context = Context(socket.installation, socket.actor, socket.address, uuid4().hex)
        answer = await socket.engine.execute(operation, self._asked.variables, context)
        if not answer.executed:
            self.end(orjson.dumps(answer.errors))
            return
        self.offer(Item(orjson.dumps(answer.body)))
        self.end()
