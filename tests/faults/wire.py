"""Listens in on PostgreSQL's wire, so that something can happen at a named step of a transaction.

PostgreSQL 18, "Frontend/Backend Protocol", 54.7: a statement without arguments is a `Q` message;
any other is sent once under a name (`P`), and from then on only its name is sent (`B`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.conditions import Way
from tests.faults.proxy import CutByTap, Tap

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

    `statement`: as it stands in the code, or COMMIT. `within`: only in a transaction that has said
    this before.
    """

    name: str
    statement: str
    moment: Moment
    within: str | None = None


@dataclass
class Wire:
    """What is lain in wait for on all connections of one proxy."""

    _step: Step | None = None
    _strike: Callable[[], None] | None = None
    _cuts: bool = True
    _struck: asyncio.Event = field(default_factory=asyncio.Event)

    def lie_in_wait(
        self, step: Step, strike: Callable[[], None], *, cuts: bool = True
    ) -> asyncio.Event:
        """Calls `strike` once, when a connection comes to the step; the event is set then.

        That connection ends there, unless it is not cut.
        """
        self._step, self._strike, self._cuts = step, strike, cuts
        self._struck = asyncio.Event()
        return self._struck

    def give_up(self) -> None:
        """Lies in wait no longer."""
        self._step = None

    def tap(self) -> Tap:
        """Ears for one connection."""
        return _Ears(self)

    def meant(self, statement: str, said: list[str]) -> Step | None:
        """The step that this statement of a transaction is; None where it is let through."""
        step = self._step
        if step is None or not _is(statement, step.statement):
            return None
        if step.within is not None and not any(_is(each, step.within) for each in said):
            return None
        return step

    def strike(self, step: Step) -> None:
        """Strikes, unless another connection has come to the step first."""
        if self._step is not step:
            return
        self._step = None
        if self._strike is not None:
            self._strike()
        self._struck.set()
        if self._cuts:
            raise CutByTap


@dataclass
class Snare:
    """Strikes at the first bytes that go one way, whatever they say; they get no further."""

    _way: Way | None = None
    _strike: Callable[[], None] | None = None
    _struck: asyncio.Event = field(default_factory=asyncio.Event)

    def lie_in_wait(self, way: Way, strike: Callable[[], None]) -> asyncio.Event:
        """Calls `strike` once, when bytes go that way; the event is set then."""
        self._way, self._strike, self._struck = way, strike, asyncio.Event()
        return self._struck

    def give_up(self) -> None:
        """Lies in wait no longer."""
        self._way = None

    def tap(self) -> Tap:
        """Eyes for one connection."""
        return _Eyes(self)

    def seen(self, way: Way) -> None:
        """Bytes go that way."""
        if self._way is not way or self._strike is None:
            return
        self._way = None
        self._strike()
        self._struck.set()
        raise CutByTap


@dataclass
class _Eyes(Tap):
    _snare: Snare

    async def up(self, chunk: bytes) -> bytes:
        self._snare.seen(Way.UP)
        return chunk

    async def down(self, chunk: bytes) -> bytes:
        self._snare.seen(Way.DOWN)
        return chunk


class _Ears(Tap):
    """Follows the conversation of one connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._messages = _Messages()
        self._names: dict[bytes, str] = {}
        self._said: list[str] | None = None
        self._due: Step | None = None

    async def up(self, chunk: bytes) -> bytes:
        passed = bytearray()
        for message in self._messages.of(chunk):
            statement = self._statement(message)
            if statement is not None:
                self._hear(statement)
            passed += message
        return bytes(passed)

    async def down(self, chunk: bytes) -> bytes:
        if self._due is not None:
            due, self._due = self._due, None
            self._wire.strike(due)
        return chunk

    def _hear(self, statement: str) -> None:
        if _is(statement, "BEGIN"):
            self._said = []
        step = self._wire.meant(statement, self._said or [])
        if step is not None and step.moment is Moment.BEFORE:
            self._wire.strike(step)
        self._due = step
        if _is(statement, COMMIT) or _is(statement, "ROLLBACK"):
            self._said = None
        elif self._said is not None:
            self._said.append(statement)

    def _statement(self, message: bytes) -> str | None:
        """The statement that this message has executed; None where it is another message."""
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


class _Messages:
    """Whole messages out of chunks, the first one without a kind; the rest of one is waited for."""

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
    """Whether it is this statement: that of the code, or one that begins with the word."""
    return statement.strip().startswith(wanted.strip())
