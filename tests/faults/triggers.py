"""Triggers on PostgreSQL's wire: something happens at a named step of a transaction.

PostgreSQL 18, "Frontend/Backend Protocol", 54.7: a statement without arguments is a `Q` message;
any other is sent once under a name (`P`), and from then on only its name is sent (`B`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.conditions import Direction
from tests.faults.proxy import ConnectionCut, Interceptor

COMMIT = "COMMIT"


class Moment(StrEnum):
    """How far a statement gets."""

    BEFORE = "BEFORE"
    """The server has not received it."""
    AFTER = "AFTER"
    """The server has done it, and its caller has not received the answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """A point of a transaction.

    `statement`: the text of the code, or COMMIT. `within`: only in a transaction that has run this
    statement before.
    """

    name: str
    statement: str
    moment: Moment
    within: str | None = None


@dataclass
class StatementTrigger:
    """Acts when a connection of one proxy reaches a step of a transaction."""

    _step: Step | None = None
    _act: Callable[[], None] | None = None
    _cuts: bool = True
    _reached: asyncio.Event = field(default_factory=asyncio.Event)

    def act_at(self, step: Step, act: Callable[[], None], *, cuts: bool = True) -> asyncio.Event:
        """Calls `act` once, when a connection reaches the step, and then sets the event.

        `cuts`: that connection then ends.
        """
        self._step, self._act, self._cuts = step, act, cuts
        self._reached = asyncio.Event()
        return self._reached

    def remove(self) -> None:
        """Removes the trigger."""
        self._step = None

    def interceptor(self) -> Interceptor:
        """An interceptor for one connection."""
        return _StatementInterceptor(self)

    def step_of(self, statement: str, before: list[str]) -> Step | None:
        """The step, if this statement of a transaction is at it. None if not."""
        step = self._step
        if step is None or not _is(statement, step.statement):
            return None
        if step.within is not None and not any(_is(each, step.within) for each in before):
            return None
        return step

    def reach(self, step: Step) -> None:
        """Acts, unless another connection has reached the step first."""
        if self._step is not step:
            return
        self._step = None
        if self._act is not None:
            self._act()
        self._reached.set()
        if self._cuts:
            raise ConnectionCut


@dataclass
class ByteTrigger:
    """Acts on the first bytes that go one way. They are not passed on."""

    _direction: Direction | None = None
    _act: Callable[[], None] | None = None
    _reached: asyncio.Event = field(default_factory=asyncio.Event)

    def act_at(self, direction: Direction, act: Callable[[], None]) -> asyncio.Event:
        """Calls `act` once, when bytes go that way, and then sets the event."""
        self._direction, self._act, self._reached = direction, act, asyncio.Event()
        return self._reached

    def remove(self) -> None:
        """Removes the trigger."""
        self._direction = None

    def interceptor(self) -> Interceptor:
        """An interceptor for one connection."""
        return _ByteInterceptor(self)

    def seen(self, direction: Direction) -> None:
        """Called when bytes go that way."""
        if self._direction is not direction or self._act is None:
            return
        self._direction = None
        self._act()
        self._reached.set()
        raise ConnectionCut


@dataclass
class _ByteInterceptor(Interceptor):
    _trigger: ByteTrigger

    async def up(self, chunk: bytes) -> bytes:
        self._trigger.seen(Direction.UP)
        return chunk

    async def down(self, chunk: bytes) -> bytes:
        self._trigger.seen(Direction.DOWN)
        return chunk


class _StatementInterceptor(Interceptor):
    """Follows the statements of one connection."""

    def __init__(self, trigger: StatementTrigger) -> None:
        self._trigger = trigger
        self._messages = Messages()
        self._names: dict[bytes, str] = {}
        self._before: list[str] | None = None
        self._due: Step | None = None

    async def up(self, chunk: bytes) -> bytes:
        passed = bytearray()
        for message in self._messages.of(chunk):
            statement = self._statement(message)
            if statement is not None:
                self._follow(statement)
            passed += message
        return bytes(passed)

    async def down(self, chunk: bytes) -> bytes:
        if self._due is not None:
            due, self._due = self._due, None
            self._trigger.reach(due)
        return chunk

    def _follow(self, statement: str) -> None:
        if _is(statement, "BEGIN"):
            self._before = []
        step = self._trigger.step_of(statement, self._before or [])
        if step is not None and step.moment is Moment.BEFORE:
            self._trigger.reach(step)
        self._due = step
        if _is(statement, COMMIT) or _is(statement, "ROLLBACK"):
            self._before = None
        elif self._before is not None:
            self._before.append(statement)

    def _statement(self, message: bytes) -> str | None:
        """The statement that this message executes. None if it executes none."""
        kind, body = message[:1], message[5:]
        match kind:
            case b"Q":
                return body.rstrip(b"\0").decode()
            case b"P":
                name, statement, *_ = body.split(b"\0")
                self._names[name] = statement.decode()
            case b"B":
                return self._names.get(body.split(b"\0")[1])
        return None


class Messages:
    """Puts chunks together to whole messages. The first message of a connection has no kind."""

    def __init__(self) -> None:
        self._kind_bytes = 0
        self._pending = bytearray()

    def of(self, chunk: bytes) -> Iterator[bytes]:
        """The messages that are complete with this chunk."""
        self._pending += chunk
        while len(self._pending) >= self._kind_bytes + 4:
            length = int.from_bytes(self._pending[self._kind_bytes : self._kind_bytes + 4], "big")
            end = self._kind_bytes + length
            if len(self._pending) < end:
                return
            message = bytes(self._pending[:end])
            del self._pending[:end]
            self._kind_bytes = 1
            yield message


def _is(statement: str, wanted: str) -> bool:
    """Whether the statement is the wanted one, or begins with the wanted word."""
    return statement.strip().startswith(wanted.strip())
