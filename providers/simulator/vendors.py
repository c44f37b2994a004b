"""What the simulated vendors have in common: faults, magic numbers, the log and the webhook calls.

A vendor's own module has its formats: how it reads a call, how it answers, and how it calls back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson

from providers.simulator.behaviours import (
    BEHAVIOURS,
    FAILED,
    MAGIC_NUMBERS,
    Behaviour,
    Callback,
    CountedCalls,
    behaviour_of,
)
from providers.simulator.calls import PendingCallback, PlannedResponse, WebhookCall
from providers.simulator.faults import Faults
from providers.simulator.formats import Endpoint, RequestedMessage
from providers.simulator.request_log import REMEMBERED_IDS, LoggedMessage, RequestLog

Response = tuple[int, dict[str, object] | bytes]
"""The HTTP status and the body of an answer."""

DELIVERED: Final = "delivered"


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A call as it came. The names of the headers are compared without regard to case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for. `problem`: the kind of its refusal if it is not right.

    `reference`: the message whose status it asks for. `own_ids`: the IDs that the caller chose.
    `logged`: what else the log keeps of the call.
    """

    messages: tuple[RequestedMessage, ...] = ()
    problem: str | None = None
    reference: str | None = None
    report_url: str | None = None
    sender: str = ""
    own_ids: tuple[str, ...] = ()
    endpoint: Endpoint = ("", "")
    modem: str | None = None
    port: str | None = None
    logged: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """An accepted message, as its webhook calls name it."""

    id: str
    message: RequestedMessage
    asked: Asked = field(default_factory=Asked)


class SimulatedVendor(ABC):
    """An account at one vendor. It shares the log, the balance and the faults with the others."""

    provider: str

    def __init__(self, log: RequestLog, faults: Faults) -> None:
        self.log = log
        self.faults = faults
        self._counted = CountedCalls()
        self._failed: OrderedDict[str, None] = OrderedDict()

    @abstractmethod
    def owns(self, path: str) -> bool:
        """Whether a path is one of this vendor's."""

    @abstractmethod
    def read(self, call: ReceivedCall) -> Asked:
        """What a call asks for. Never raises."""

    @abstractmethod
    def new_id(self) -> str:
        """An ID in the form of this vendor."""

    @abstractmethod
    def answer(self, asked: Asked, ids: list[str | None]) -> Response:
        """The answer to a call that was accepted. One ID per message, None for a refused one."""

    @abstractmethod
    def refusal(self, kind: str) -> Response | None:
        """How this vendor refuses; None if it has no form of its own for this kind."""

    @abstractmethod
    def report(self, sent: Sent, word: str, url: str, secret: str | None) -> WebhookCall:
        """The delivery report on a message. `url`: of the configured webhook."""

    @abstractmethod
    def inbound(
        self, sender: str, text: str, receiver: str, url: str, secret: str | None
    ) -> WebhookCall:
        """The call for a message from a phone."""

    def reply(self, sent: Sent, url: str, secret: str | None) -> WebhookCall:
        """The call for a reply to a message, with the same text."""
        phone, text = sent.message.recipient, sent.message.text
        return self.inbound(phone, text, sent.asked.sender, url, secret)

    def refuses_alone(self, asked: Asked, message: RequestedMessage) -> bool:
        """Whether a message of a call is refused while the others are accepted."""
        return False

    def status_word(self, reference: str) -> str | None:
        """`delivered` or `failed`; None if the message is not known."""
        if reference not in self.log.accepted_at:
            return None
        return FAILED if reference in self._failed else DELIVERED

    def receive(self, call: ReceivedCall) -> PlannedResponse:
        """The response to a call. The call is in the log before anything is sent back."""
        asked = self.read(call)
        behaviour = behaviour_of(
            self.faults.next_for(call.path),
            asked.problem,
            lambda: self._magic(asked),
            lambda: self._count_accepted(asked) <= self.log.balance,
        )
        ids = self._ids(asked, behaviour)
        status, body = self._planned(asked, behaviour, ids)
        logged = {"method": call.method, "path": call.path, "provider": self.provider}
        self.log.add_request(
            {**logged, "behaviour": behaviour.kind, "status": status, **asked.logged},
            [
                LoggedMessage(
                    recipient=each.recipient, text=each.text, took=own is not None, id=own
                )
                for each, own in zip(asked.messages, ids, strict=True)
            ],
        )
        as_bytes = body if isinstance(body, bytes) else orjson.dumps(body)
        callbacks = tuple(self._callbacks(asked, ids))
        return PlannedResponse(behaviour, status, as_bytes, callbacks)

    def _magic(self, asked: Asked) -> Behaviour:
        """The behaviour of the whole call: that of the first magic number among its recipients.

        A number that only causes callbacks concerns its own message. It names the behaviour of the
        call if no other number does.
        """
        name = "accept"
        for message in asked.messages:
            magic = MAGIC_NUMBERS.get(message.recipient)
            if magic is None or self.refuses_alone(asked, message):
                continue
            if BEHAVIOURS[magic.kind].callbacks:
                name = magic.kind
            elif self._counted.refuses(magic):
                return BEHAVIOURS[magic.kind]
        return BEHAVIOURS[name]

    def _count_accepted(self, asked: Asked) -> int:
        return sum(not self.refuses_alone(asked, message) for message in asked.messages)

    def _ids(self, asked: Asked, behaviour: Behaviour) -> list[str | None]:
        own = iter(asked.own_ids)
        return [
            (next(own, None) or self.new_id())
            if behaviour.accepts and not self.refuses_alone(asked, message)
            else None
            for message in asked.messages
        ]

    def _planned(
        self, asked: Asked, behaviour: Behaviour, ids: list[str | None]
    ) -> tuple[int | None, dict[str, object] | bytes]:
        if behaviour.ending in ("hang", "reset"):
            return None, b""
        refused = None if behaviour.accepts else self.refusal(behaviour.kind)
        if refused is not None:
            return refused
        if behaviour.status is not None:
            return behaviour.status, behaviour.body
        return self.answer(asked, ids)

    def _callbacks(self, asked: Asked, ids: list[str | None]) -> Iterator[PendingCallback]:
        for message, own_id in zip(asked.messages, ids, strict=True):
            magic = MAGIC_NUMBERS.get(message.recipient)
            for callback in BEHAVIOURS[magic.kind].callbacks if magic and own_id else ():
                assert own_id is not None
                if callback.report_status == FAILED:
                    self._failed[own_id] = None
                    while len(self._failed) > REMEMBERED_IDS:
                        self._failed.popitem(last=False)
                yield self._pending(callback, Sent(own_id, message, asked))

    def _pending(self, callback: Callback, sent: Sent) -> PendingCallback:
        def make(url: str, secret: str | None) -> WebhookCall:
            if callback.report_status is not None:
                return self.report(sent, callback.report_status, url, secret)
            return self.reply(sent, url, secret)

        return PendingCallback(callback, make, self.provider)
