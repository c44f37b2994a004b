"""The simulator's decision on each call: what it takes of it and what it answers."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import orjson

from providers.simulator import formats
from providers.simulator.behaviours import (
    BEHAVIOURS,
    FAILED,
    MAGIC_NUMBERS,
    Behaviour,
    MagicNumber,
    Telling,
)
from providers.simulator.book import REMEMBERED_IDS, Book, LoggedMessage
from providers.simulator.faults import Faults
from providers.simulator.formats import Call, SendCall, Wanted

# Numbers that a call with a text each refuses by themselves, without their neighbours.
REFUSED_ALONE: Final = ("invalid_recipient", "invalid_params")


@dataclass(frozen=True, slots=True)
class Told:
    """What a webhook is to be called with, and for which message."""

    telling: Telling
    message: Wanted
    message_id: str
    modem: str | None
    port: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a call is answered; `status` is None where it is not."""

    behaviour: Behaviour
    status: int | None
    body: bytes = b""
    told: tuple[Told, ...] = ()


class Desk:
    """One account: its key, its book and the faults that it has coming."""

    def __init__(self, book: Book, *, api_key: str) -> None:
        self.book = book
        self.faults = Faults()
        self.open_calls = 0
        self._authorization = f"Bearer {api_key}"
        self._refusals: Counter[str] = Counter()
        self._failed: OrderedDict[str, None] = OrderedDict()

    def decide(self, call: Call, authorization: str, body: bytes) -> Verdict:
        """The verdict on a call; it is in the book before anybody is answered."""
        wanted = formats.read_send(call, body) if call in formats.SENDS else SendCall(())
        behaviour = self._behaviour(call, authorization, wanted)
        ids = self._ids(call, behaviour, wanted)
        verdict = self._verdict(call, behaviour, wanted, ids)
        self.book.record(_request(call, verdict, wanted), _messages(wanted, ids))
        told = tuple(_told(wanted, ids))
        for each in told:
            if each.telling.word == FAILED:
                self._failed[each.message_id] = None
        while len(self._failed) > REMEMBERED_IDS:
            self._failed.popitem(last=False)
        return replace(verdict, told=told)

    def _behaviour(self, call: Call, authorization: str, wanted: SendCall) -> Behaviour:
        """Faults first; but one that takes messages takes only what could be taken without it."""
        fault = self.faults.next_for(call[1])
        if fault is not None and not fault.takes:
            return fault
        if not _is_known(call):
            return BEHAVIOURS["not_found"]
        if authorization != self._authorization:
            return BEHAVIOURS["bad_key"]
        if wanted.problem is not None:
            return BEHAVIOURS[wanted.problem]
        behaviour = fault or self._magic(call, wanted)
        if behaviour.takes and _count_taken(call, wanted) > self.book.balance:
            return BEHAVIOURS["no_credits"]
        return behaviour

    def _magic(self, call: Call, wanted: SendCall) -> Behaviour:
        """What the first magic number among the recipients asks for the call as a whole.

        What is told afterwards is of each message, and gives the call its name at most.
        """
        name = "accept"
        for message in wanted.messages:
            magic = MAGIC_NUMBERS.get(message.recipient)
            if magic is None or _is_refused_alone(call, message):
                continue
            if BEHAVIOURS[magic.kind].tells:
                name = magic.kind
                continue
            if self._still_refuses(magic):
                return BEHAVIOURS[magic.kind]
        return BEHAVIOURS[name]

    def _still_refuses(self, magic: MagicNumber) -> bool:
        """False once after every `refusals` calls: the message to such a number gets through."""
        if magic.refusals is None:
            return True
        self._refusals[magic.number] = (self._refusals[magic.number] + 1) % (magic.refusals + 1)
        return self._refusals[magic.number] != 0

    def _ids(self, call: Call, behaviour: Behaviour, wanted: SendCall) -> list[str | None]:
        """An id for each message that is taken, None for each that is not."""
        return [
            formats.new_id() if behaviour.takes and not _is_refused_alone(call, message) else None
            for message in wanted.messages
        ]

    def _verdict(
        self, call: Call, behaviour: Behaviour, wanted: SendCall, ids: list[str | None]
    ) -> Verdict:
        if behaviour.line in ("hangs", "resets"):
            return Verdict(behaviour, None)
        if behaviour.status is not None:
            return Verdict(behaviour, behaviour.status, _as_bytes(behaviour.body))
        if call in formats.SENDS:
            return Verdict(behaviour, 200, _as_bytes(formats.taken_body(call, ids, wanted)))
        if call == formats.BALANCE:
            return Verdict(behaviour, 200, _as_bytes(formats.balance_body(self.book.balance)))
        message_id = call[1].removeprefix(formats.STATUS_PATH)
        taken_at = self.book.taken_at.get(message_id)
        if taken_at is None:
            return Verdict(behaviour, 404, _as_bytes(formats.NO_SUCH_MESSAGE))
        word = FAILED if message_id in self._failed else "delivered"
        return Verdict(behaviour, 200, _as_bytes(formats.status_body(message_id, taken_at, word)))


def _told(wanted: SendCall, ids: list[str | None]) -> Iterator[Told]:
    """What the messages that were taken make the webhook be called with."""
    for message, message_id in zip(wanted.messages, ids, strict=True):
        magic = MAGIC_NUMBERS.get(message.recipient)
        if magic is None or message_id is None:
            continue
        for telling in BEHAVIOURS[magic.kind].tells:
            yield Told(telling, message, message_id, wanted.modem, wanted.port)


def _is_known(call: Call) -> bool:
    if call in formats.SENDS or call == formats.BALANCE:
        return True
    return call[0] == "GET" and call[1].startswith(formats.STATUS_PATH)


def _is_refused_alone(call: Call, message: Wanted) -> bool:
    magic = MAGIC_NUMBERS.get(message.recipient)
    return call == formats.SEND_MANY_TEXTS and magic is not None and magic.kind in REFUSED_ALONE


def _count_taken(call: Call, wanted: SendCall) -> int:
    return sum(not _is_refused_alone(call, message) for message in wanted.messages)


def _as_bytes(body: bytes | dict[str, object]) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)


def _request(call: Call, verdict: Verdict, wanted: SendCall) -> dict[str, object]:
    return {
        "method": call[0],
        "path": call[1],
        "behaviour": verdict.behaviour.kind,
        "status": verdict.status,
        "modem": wanted.modem,
        "port": wanted.port,
    }


def _messages(wanted: SendCall, ids: list[str | None]) -> list[LoggedMessage]:
    return [
        LoggedMessage(recipient=message.recipient, text=message.text, took=one is not None, id=one)
        for message, one in zip(wanted.messages, ids, strict=True)
    ]
