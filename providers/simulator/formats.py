"""The requests and responses of the simulator: the formats of ExtremeSMS (`providers.extreme`)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

Endpoint = tuple[str, str]  # method and path

SEND_ONE: Final = ("POST", "/api/v2/sms/sendsingle")
SEND_ONE_TEXT: Final = ("POST", "/api/v2/sms/sendbulk")
SEND_MANY_TEXTS: Final = ("POST", "/api/v2/sms/sendbulkmulti")
SENDS: Final = (SEND_ONE, SEND_ONE_TEXT, SEND_MANY_TEXTS)
BALANCE: Final = ("GET", "/api/v2/account/balance")
STATUS_PATH: Final = "/api/v2/sms/status/"

NO_SUCH_MESSAGE: Final[dict[str, object]] = {"success": False, "error": "Message not found"}
NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST_TEXT: Final = 5000
MODEM: Final = "simulated-modem"
PORT: Final = "1"


@dataclass(frozen=True, slots=True)
class RequestedMessage:
    """A message in a request. A value that is not a text becomes an empty one."""

    recipient: str
    text: str


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A parsed send request. `problem`: the kind of refusal if the body is not valid."""

    messages: tuple[RequestedMessage, ...]
    modem: str | None = None
    port: str | None = None
    problem: str | None = None


def parse_send(endpoint: Endpoint, body: bytes) -> SendRequest:
    """Parses a send request. Never raises: an unreadable body has no messages."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return SendRequest((), problem="invalid_params")
    if endpoint == SEND_ONE and isinstance(fields, dict):
        pair = (fields.get("recipient"), fields.get("message"))
        return _checked([pair], modem=fields.get("usemodem"), port=fields.get("port"))
    if endpoint == SEND_ONE_TEXT and isinstance(fields, dict):
        numbers = fields.get("recipients")
        text = fields.get("content")
        return _checked([(one, text) for one in numbers] if isinstance(numbers, list) else [])
    if endpoint == SEND_MANY_TEXTS and isinstance(fields, list):
        return _checked([_pair(item) for item in fields])
    return SendRequest((), problem="invalid_params")


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


def status_response(message_id: str, accepted_at: str, status: str) -> dict[str, object]:
    """The response to a query for the status of a message."""
    return {
        "success": True,
        "messageId": message_id,
        "status": status,
        "deliveredAt": accepted_at if status == "delivered" else None,
    }


def report_body(message_id: str, recipient: str, status: str) -> dict[str, object]:
    """A delivery report. Its form is assumed: no report of this provider has been seen."""
    return {
        "messageId": message_id,
        "recipient": recipient,
        "status": status,
        "deliveredAt": _now() if status == "delivered" else None,
    }


def inbound_body(
    sender: str, text: str, *, modem: str, port: str, receiver: str | None = None
) -> dict[str, object]:
    """The webhook body for a message from a phone."""
    return {
        "from": sender,
        "firstname": None,
        "lastname": None,
        "business": None,
        "message": text,
        "status": "received",
        "matchedBlockWord": None,
        "receiver": receiver,
        "usedmodem": modem,
        "port": port,
        "timestamp": _now(),
        "messageId": new_id(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pair(item: object) -> tuple[object, object]:
    return (item.get("recipient"), item.get("content")) if isinstance(item, dict) else (None, None)


def _checked(
    pairs: list[tuple[object, object]], *, modem: object = None, port: object = None
) -> SendRequest:
    messages = tuple(RequestedMessage(_text(recipient), _text(text)) for recipient, text in pairs)
    return SendRequest(messages, _text(modem) or None, _text(port) or None, _problem(messages))


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
