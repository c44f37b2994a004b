"""The simulated account: what it accepts of each call, and how it responds."""

from __future__ import annotations

from collections import OrderedDict
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
    Callback,
    CountedCalls,
    behaviour_of,
)
from providers.simulator.calls import MakeCall, json_call
from providers.simulator.faults import Faults
from providers.simulator.formats import MODEM, PORT, Endpoint, RequestedMessage, SendRequest
from providers.simulator.request_log import REMEMBERED_IDS, LoggedMessage, RequestLog

# In a call with one text for each number, such a message is refused alone.
REFUSED_ALONE: Final = ("invalid_recipient", "invalid_params")


@dataclass(frozen=True, slots=True)
class PendingCallback:
    """A webhook call to be made for an accepted message."""

    callback: Callback
    make: MakeCall
    provider: str = "extreme"


@dataclass(frozen=True, slots=True)
class PlannedResponse:
    """The response to a call. `status` is None if the call gets no response."""

    behaviour: Behaviour
    status: int | None
    body: bytes = b""
    callbacks: tuple[PendingCallback, ...] = ()


class Account:
    """One account: its key, its log and its pending faults."""

    def __init__(self, log: RequestLog, *, api_key: str) -> None:
        self.log = log
        self.faults = Faults()
        self.open_calls = 0
        self._authorization = f"Bearer {api_key}"
        self._counted = CountedCalls()
        self._failed: OrderedDict[str, None] = OrderedDict()

    def receive(self, endpoint: Endpoint, authorization: str, body: bytes) -> PlannedResponse:
        """The response to a call. The call is in the log before anything is sent back."""
        is_send = endpoint in formats.SENDS
        request = formats.parse_send(endpoint, body) if is_send else SendRequest(())
        behaviour = self._behaviour(endpoint, authorization, request)
        ids = self._ids(endpoint, behaviour, request)
        planned = self._planned(endpoint, behaviour, request, ids)
        self.log.add_request(_logged(endpoint, planned, request), _logged_messages(request, ids))
        return replace(planned, callbacks=tuple(self._callbacks(request, ids)))

    def _behaviour(self, endpoint: Endpoint, authorization: str, request: SendRequest) -> Behaviour:
        problem = request.problem
        if not _is_known(endpoint):
            problem = "not_found"
        elif authorization != self._authorization:
            problem = "bad_key"
        return behaviour_of(
            self.faults.next_for(endpoint[1]),
            problem,
            lambda: self._magic(endpoint, request),
            lambda: _count_accepted(endpoint, request) <= self.log.balance,
        )

    def _magic(self, endpoint: Endpoint, request: SendRequest) -> Behaviour:
        """The behaviour of the whole call: that of the first magic number among its recipients.

        A number that only causes callbacks concerns its own message. It names the behaviour of the
        call if no other number does.
        """
        name = "accept"
        for message in request.messages:
            magic = MAGIC_NUMBERS.get(message.recipient)
            if magic is None or _is_refused_alone(endpoint, message):
                continue
            if BEHAVIOURS[magic.kind].callbacks:
                name = magic.kind
                continue
            if self._counted.refuses(magic):
                return BEHAVIOURS[magic.kind]
        return BEHAVIOURS[name]

    def _ids(
        self, endpoint: Endpoint, behaviour: Behaviour, request: SendRequest
    ) -> list[str | None]:
        """One ID per message. None for a message that is not accepted."""
        return [
            formats.new_id()
            if behaviour.accepts and not _is_refused_alone(endpoint, message)
            else None
            for message in request.messages
        ]

    def _planned(
        self,
        endpoint: Endpoint,
        behaviour: Behaviour,
        request: SendRequest,
        ids: list[str | None],
    ) -> PlannedResponse:
        if behaviour.ending in ("hang", "reset"):
            return PlannedResponse(behaviour, None)
        if behaviour.status is not None:
            return PlannedResponse(behaviour, behaviour.status, _as_bytes(behaviour.body))
        status, body = self._usual_response(endpoint, request, ids)
        return PlannedResponse(behaviour, status, _as_bytes(body))

    def _usual_response(
        self, endpoint: Endpoint, request: SendRequest, ids: list[str | None]
    ) -> tuple[int, dict[str, object]]:
        if endpoint in formats.SENDS:
            return 200, formats.send_response(endpoint, ids, request)
        if endpoint == formats.BALANCE:
            return 200, formats.balance_response(self.log.balance)
        message_id = endpoint[1].removeprefix(formats.STATUS_PATH)
        accepted_at = self.log.accepted_at.get(message_id)
        if accepted_at is None:
            return 404, formats.NO_SUCH_MESSAGE
        status = FAILED if message_id in self._failed else "delivered"
        return 200, formats.status_response(message_id, accepted_at, status)

    def _callbacks(self, request: SendRequest, ids: list[str | None]) -> Iterator[PendingCallback]:
        """The webhook calls that the accepted messages cause."""
        for message, message_id in zip(request.messages, ids, strict=True):
            magic = MAGIC_NUMBERS.get(message.recipient)
            if magic is None or message_id is None:
                continue
            for callback in BEHAVIOURS[magic.kind].callbacks:
                if callback.report_status == FAILED:
                    self._failed[message_id] = None
                body = _body(callback, message, message_id, request)
                yield PendingCallback(callback, json_call(body))
        while len(self._failed) > REMEMBERED_IDS:
            self._failed.popitem(last=False)


def _body(
    callback: Callback, message: RequestedMessage, message_id: str, request: SendRequest
) -> dict[str, object]:
    if callback.report_status is not None:
        return formats.report_body(message_id, message.recipient, callback.report_status)
    return formats.inbound_body(
        message.recipient, message.text, modem=request.modem or MODEM, port=request.port or PORT
    )


def _is_known(endpoint: Endpoint) -> bool:
    if endpoint in formats.SENDS or endpoint == formats.BALANCE:
        return True
    return endpoint[0] == "GET" and endpoint[1].startswith(formats.STATUS_PATH)


def _is_refused_alone(endpoint: Endpoint, message: RequestedMessage) -> bool:
    magic = MAGIC_NUMBERS.get(message.recipient)
    return endpoint == formats.SEND_MANY_TEXTS and magic is not None and magic.kind in REFUSED_ALONE


def _count_accepted(endpoint: Endpoint, request: SendRequest) -> int:
    return sum(not _is_refused_alone(endpoint, message) for message in request.messages)


def _as_bytes(body: bytes | dict[str, object]) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)


def _logged(
    endpoint: Endpoint, planned: PlannedResponse, request: SendRequest
) -> dict[str, object]:
    return {
        "method": endpoint[0],
        "path": endpoint[1],
        "behaviour": planned.behaviour.kind,
        "status": planned.status,
        "modem": request.modem,
        "port": request.port,
    }


def _logged_messages(request: SendRequest, ids: list[str | None]) -> list[LoggedMessage]:
    return [
        LoggedMessage(recipient=message.recipient, text=message.text, took=one is not None, id=one)
        for message, one in zip(request.messages, ids, strict=True)
    ]
