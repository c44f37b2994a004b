"""What the simulated vendors have in common: faults, magic numbers, the log and the webhook calls.

A vendor's own module has its formats: how it reads a call, how it answers, and how it calls back.
"""

from __future__ import annotations

import logging
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
    MagicNumber,
    behaviour_of,
)
from providers.simulator.calls import (
    Endpoint,
    PendingCallback,
    PlannedResponse,
    RequestedMessage,
    WebhookCall,
)
from providers.simulator.faults import Faults
from providers.simulator.request_log import REMEMBERED_IDS, LoggedMessage, RequestLog

Response = tuple[int, dict[str, object] | bytes]
"""The HTTP status and the body of an answer."""

DELIVERED: Final = "delivered"
UNAVAILABLE: Final = BEHAVIOURS["unavailable"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A call as it came. The names of the headers are compared without regard to case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What a call requests. `problem`: the kind of its refusal if it is not right.

    `reference`: the message whose status it requests. `own_ids`: the IDs that the caller chose.
    `username`: of an account at EgoSMS.
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
    username: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """An accepted message, as its webhook calls name it."""

    id: str
    message: RequestedMessage
    request: Request = field(default_factory=Request)


class SimulatedVendor(ABC):
    """An account at one vendor. It shares the log, the balance and the faults with the others."""

    provider: str
    own_kinds: frozenset[str] = frozenset()
    """Kinds of behaviours with a status that `answer` answers, not the behaviour."""

    def __init__(self, log: RequestLog, faults: Faults) -> None:
        self.log = log
        self.faults = faults
        self._counted = CountedCalls()
        self._failed: OrderedDict[str, None] = OrderedDict()

    @abstractmethod
    def owns(self, path: str) -> bool:
        """Whether a path is one of this vendor's."""

    @abstractmethod
    def read(self, call: ReceivedCall) -> Request:
        """What a call requests. Never raises."""

    @abstractmethod
    def new_id(self) -> str:
        """An ID in the form of this vendor."""

    @abstractmethod
    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        """The answer to a call that was accepted. One ID per message, None for a refused one."""

    @abstractmethod
    def refusal(self, kind: str) -> Response | None:
        """How this vendor refuses; None if it has no form for this kind."""

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
        return self.inbound(phone, text, sent.request.sender, url, secret)

    def refuses_alone(self, request: Request, message: RequestedMessage) -> bool:
        """Whether a message of a call is refused while the others are accepted."""
        return False

    def magic_number(self, recipient: str) -> MagicNumber | None:
        """The magic number that a recipient is."""
        return MAGIC_NUMBERS.get(recipient)

    def can_pay(self, request: Request) -> bool:
        """Whether the balance is enough for the messages that are not refused alone."""
        count = sum(not self.refuses_alone(request, message) for message in request.messages)
        return count <= self.log.balance

    def logged(self, request: Request, ids: list[str | None]) -> Mapping[str, object]:
        """What else the log keeps of a call."""
        return {}

    def status_word(self, reference: str) -> str | None:
        """`delivered` or `failed`; None if the message is not known."""
        if reference not in self.log.accepted_at:
            return None
        return FAILED if reference in self._failed else DELIVERED

    def receive(self, call: ReceivedCall) -> PlannedResponse:
        """The response to a call. The call is in the log before anything is sent back.

        If it cannot be written there, for example to a full disk, it is not accepted.
        """
        request = self.read(call)
        behaviour = behaviour_of(
            self.faults.next_for(call.path),
            request.problem,
            lambda: self._magic(request),
            lambda: self.can_pay(request),
        )
        try:
            return self._answered(call, request, behaviour)
        except OSError as failure:
            _log.error("the simulated provider accepts nothing: %s", failure)
            status, body = self._planned(request, UNAVAILABLE, [])
            return PlannedResponse(UNAVAILABLE, status, _as_bytes(body))

    def _answered(
        self, call: ReceivedCall, request: Request, behaviour: Behaviour
    ) -> PlannedResponse:
        ids = self.ids(request, accepts=behaviour.accepts)
        status, body = self._planned(request, behaviour, ids)
        logged = {"method": call.method, "path": call.path, "provider": self.provider}
        self.log.add_request(
            {**logged, "behaviour": behaviour.kind, "status": status, **self.logged(request, ids)},
            [
                LoggedMessage(
                    recipient=each.recipient, text=each.text, took=own is not None, id=own
                )
                for each, own in zip(request.messages, ids, strict=True)
            ],
        )
        callbacks = tuple(self.callbacks(request, ids))
        return PlannedResponse(behaviour, status, _as_bytes(body), callbacks)

    def _magic(self, request: Request) -> Behaviour:
        """The behaviour of the whole call: that of the first magic number among its recipients.

        A number that only causes callbacks concerns its own message. It names the behaviour of the
        call if no other number does.
        """
        name = "accept"
        for message in request.messages:
            magic = self.magic_number(message.recipient)
            if magic is None or self.refuses_alone(request, message):
                continue
            if BEHAVIOURS[magic.kind].callbacks:
                name = magic.kind
            elif self._counted.refuses(magic):
                return BEHAVIOURS[magic.kind]
        return BEHAVIOURS[name]

    def ids(self, request: Request, *, accepts: bool) -> list[str | None]:
        """The ID of each message of a call, None for a refused one."""
        own = iter(request.own_ids)
        return [
            (next(own, None) or self.new_id())
            if accepts and not self.refuses_alone(request, message)
            else None
            for message in request.messages
        ]

    def _planned(
        self, request: Request, behaviour: Behaviour, ids: list[str | None]
    ) -> tuple[int | None, dict[str, object] | bytes]:
        if behaviour.ending in ("hang", "reset"):
            return None, b""
        refused = None if behaviour.accepts else self.refusal(behaviour.kind)
        if refused is not None:
            return refused
        if behaviour.status is not None and behaviour.kind not in self.own_kinds:
            return behaviour.status, behaviour.body
        return self.answer(request, ids, behaviour.kind)

    def callbacks(self, request: Request, ids: list[str | None]) -> Iterator[PendingCallback]:
        """The webhook calls that follow a call."""
        for message, own_id in zip(request.messages, ids, strict=True):
            magic = self.magic_number(message.recipient)
            for callback in BEHAVIOURS[magic.kind].callbacks if magic and own_id else ():
                assert own_id is not None
                if callback.report_status == FAILED:
                    self._failed[own_id] = None
                    while len(self._failed) > REMEMBERED_IDS:
                        self._failed.popitem(last=False)
                yield self._pending(callback, Sent(own_id, message, request))

    def _pending(self, callback: Callback, sent: Sent) -> PendingCallback:
        def make(url: str, secret: str | None) -> WebhookCall:
            if callback.report_status is not None:
                return self.report(sent, callback.report_status, url, secret)
            return self.reply(sent, url, secret)

        return PendingCallback(callback, make, self.provider)


def _as_bytes(body: dict[str, object] | bytes) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)
