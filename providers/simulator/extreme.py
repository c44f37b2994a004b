"""The part of ExtremeSMS in the simulator: all its calls, and webhook calls in JSON."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import orjson

from providers.simulator.behaviours import MAGIC_NUMBERS
from providers.simulator.calls import (
    LONGEST_TEXT,
    NUMBER,
    Endpoint,
    RequestedMessage,
    WebhookCall,
    json_call,
)
from providers.simulator.faults import Faults
from providers.simulator.request_log import RequestLog
from providers.simulator.vendors import ReceivedCall, Request, Response, Sent, SimulatedVendor

SEND_ONE: Final = ("POST", "/api/v2/sms/sendsingle")
SEND_ONE_TEXT: Final = ("POST", "/api/v2/sms/sendbulk")
SEND_MANY_TEXTS: Final = ("POST", "/api/v2/sms/sendbulkmulti")
SENDS: Final = (SEND_ONE, SEND_ONE_TEXT, SEND_MANY_TEXTS)
BALANCE: Final = ("GET", "/api/v2/account/balance")
STATUS_PATH: Final = "/api/v2/sms/status/"

NO_SUCH_MESSAGE: Final[dict[str, object]] = {"success": False, "error": "Message not found"}
MODEM: Final = "simulated-modem"
PORT: Final = "1"

# In a call with one text for each number, such a message is refused alone.
REFUSED_ALONE: Final = ("invalid_recipient", "invalid_params")


class SimulatedExtreme(SimulatedVendor):
    """The account at ExtremeSMS. It gets the calls to all paths that no other vendor owns.

    `open_calls`: of all vendors.
    """

    provider = "extreme"

    def __init__(self, log: RequestLog, faults: Faults, *, api_key: str) -> None:
        super().__init__(log, faults)
        self.open_calls = 0
        self._authorization = f"Bearer {api_key}"

    def owns(self, path: str) -> bool:
        return True

    def new_id(self) -> str:
        return new_id()

    def read(self, call: ReceivedCall) -> Request:
        endpoint = (call.method, call.path)
        if endpoint in SENDS:
            request = parse_send(endpoint, call.body)
        elif call.method == "GET" and call.path.startswith(STATUS_PATH):
            request = Request(reference=call.path.removeprefix(STATUS_PATH))
        elif endpoint == BALANCE:
            request = Request()
        else:
            return Request(problem="not_found")
        if call.headers.get("Authorization", "") != self._authorization:
            return replace(request, problem="bad_key")
        return request

    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        if request.endpoint in SENDS:
            return 200, send_response(request.endpoint, ids, request.messages)
        if request.reference is None:
            return 200, balance_response(self.log.balance)
        status = self.status_word(request.reference)
        if status is None:
            return 404, NO_SUCH_MESSAGE
        accepted_at = self.log.accepted_at[request.reference]
        return 200, {
            "success": True,
            "messageId": request.reference,
            "status": status,
            "deliveredAt": accepted_at if status == "delivered" else None,
        }

    def logged(self, request: Request, ids: list[str | None]) -> Mapping[str, object]:
        return {"modem": request.modem, "port": request.port}

    def refusal(self, kind: str) -> Response | None:
        return None

    def refuses_alone(self, request: Request, message: RequestedMessage) -> bool:
        magic = MAGIC_NUMBERS.get(message.recipient)
        is_among_many = request.endpoint == SEND_MANY_TEXTS
        return is_among_many and magic is not None and magic.kind in REFUSED_ALONE

    def report(self, sent: Sent, word: str, url: str, secret: str | None) -> WebhookCall:
        """The delivery report. Its form is assumed: no report of this provider has been seen."""
        body = {
            "messageId": sent.id,
            "recipient": sent.message.recipient,
            "status": word,
            "deliveredAt": _now() if word == "delivered" else None,
        }
        return json_call(url, secret, body)

    def reply(self, sent: Sent, url: str, secret: str | None) -> WebhookCall:
        line = {"modem": sent.request.modem or MODEM, "port": sent.request.port or PORT}
        return self.inbound(sent.message.recipient, sent.message.text, "", url, secret, **line)

    def inbound(
        self,
        sender: str,
        text: str,
        receiver: str,
        url: str,
        secret: str | None,
        modem: str = MODEM,
        port: str = PORT,
    ) -> WebhookCall:
        body = {
            "from": sender,
            "firstname": None,
            "lastname": None,
            "business": None,
            "message": text,
            "status": "received",
            "matchedBlockWord": None,
            "receiver": receiver or None,
            "usedmodem": modem,
            "port": port,
            "timestamp": _now(),
            "messageId": new_id(),
        }
        return json_call(url, secret, body)


def parse_send(endpoint: Endpoint, body: bytes) -> Request:
    """Parses a send request. Never raises: an unreadable body has no messages."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Request(problem="invalid_params")
    if endpoint == SEND_ONE and isinstance(fields, dict):
        pair = (fields.get("recipient"), fields.get("message"))
        request = _checked(endpoint, [pair])
        modem, port = _text(fields.get("usemodem")), _text(fields.get("port"))
        return replace(request, modem=modem or None, port=port or None)
    if endpoint == SEND_ONE_TEXT and isinstance(fields, dict):
        numbers = fields.get("recipients")
        text = fields.get("content")
        pairs = [(one, text) for one in numbers] if isinstance(numbers, list) else []
        return _checked(endpoint, pairs)
    if endpoint == SEND_MANY_TEXTS and isinstance(fields, list):
        return _checked(endpoint, [_pair(item) for item in fields])
    return Request(problem="invalid_params")


def new_id() -> str:
    """An ID in the form of this provider: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def send_response(
    endpoint: Endpoint, ids: list[str | None], messages: Sequence[RequestedMessage]
) -> dict[str, object]:
    """The response to a send call. `ids`: one per message, None for a refused one."""
    accepted = [one for one in ids if one is not None]
    if endpoint == SEND_ONE:
        return {"success": True, "messageId": accepted[0], "status": "queued"}
    if endpoint == SEND_ONE_TEXT:
        return {
            "success": True,
            "messageIds": accepted,
            "totalSent": len(accepted),
            "status": "queued",
        }
    return {
        "success": True,
        "results": [_item(message, one) for message, one in zip(messages, ids, strict=True)],
        "totalSent": len(accepted),
        "totalFailed": len(ids) - len(accepted),
    }


def balance_response(balance: int) -> dict[str, object]:
    """The response to a balance query."""
    return {"success": True, "balance": balance, "currency": "credits"}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pair(item: object) -> tuple[object, object]:
    return (item.get("recipient"), item.get("content")) if isinstance(item, dict) else (None, None)


def _checked(endpoint: Endpoint, pairs: list[tuple[object, object]]) -> Request:
    messages = tuple(RequestedMessage(_text(recipient), _text(text)) for recipient, text in pairs)
    return Request(messages, _problem(messages), endpoint=endpoint)


def _problem(messages: tuple[RequestedMessage, ...]) -> str | None:
    if not messages or not all(0 < len(message.text) <= LONGEST_TEXT for message in messages):
        return "invalid_params"
    if not all(NUMBER.fullmatch(message.recipient) for message in messages):
        return "invalid_recipient"
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _item(message: RequestedMessage, message_id: str | None) -> dict[str, object]:
    if message_id is None:
        return {
            "messageId": None,
            "recipient": message.recipient,
            "status": "failed",
            "error": "Invalid recipient",
        }
    return {"messageId": message_id, "recipient": message.recipient, "status": "queued"}
