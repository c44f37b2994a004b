"""The calls that the simulator understands: the formats of ExtremeSMS (see providers.extreme)."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

Call = tuple[str, str]  # method and path

SEND_ONE: Final = ("POST", "/api/v2/sms/sendsingle")
SEND_ONE_TEXT: Final = ("POST", "/api/v2/sms/sendbulk")
SEND_MANY_TEXTS: Final = ("POST", "/api/v2/sms/sendbulkmulti")
SENDS: Final = (SEND_ONE, SEND_ONE_TEXT, SEND_MANY_TEXTS)
BALANCE: Final = ("GET", "/api/v2/account/balance")
STATUS_PATH: Final = "/api/v2/sms/status/"

NO_SUCH_MESSAGE: Final[dict[str, object]] = {"success": False, "error": "Message not found"}
NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST_TEXT: Final = 5000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message as it was asked for; what is not text is kept as text for the log."""

    recipient: str
    text: str


@dataclass(frozen=True, slots=True)
class SendCall:
    """What a send call asks for. `problem` is the kind of refusal for a body that is not right."""

    messages: tuple[Wanted, ...]
    modem: str | None = None
    port: str | None = None
    problem: str | None = None


def read_send(call: Call, body: bytes) -> SendCall:
    """What the body asks for. Never raises: a body that cannot be read has no messages."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return SendCall((), problem="invalid_params")
    if call == SEND_ONE and isinstance(asked, dict):
        pair = (asked.get("recipient"), asked.get("message"))
        return _checked([pair], modem=asked.get("usemodem"), port=asked.get("port"))
    if call == SEND_ONE_TEXT and isinstance(asked, dict):
        numbers = asked.get("recipients")
        text = asked.get("content")
        return _checked([(one, text) for one in numbers] if isinstance(numbers, list) else [])
    if call == SEND_MANY_TEXTS and isinstance(asked, list):
        return _checked([_pair(item) for item in asked])
    return SendCall((), problem="invalid_params")


def new_id() -> str:
    """An id as this provider gives them: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def taken_body(call: Call, ids: list[str | None], wanted: SendCall) -> dict[str, object]:
    """What is answered to a send call: one id a message, None for one that was refused."""
    taken = [one for one in ids if one is not None]
    if call == SEND_ONE:
        return {"success": True, "messageId": taken[0], "status": "queued"}
    if call == SEND_ONE_TEXT:
        return {
            "success": True,
            "messageIds": taken,
            "totalSent": len(taken),
            "status": "queued",
        }
    return {
        "success": True,
        "results": [_item(message, one) for message, one in zip(wanted.messages, ids, strict=True)],
        "totalSent": len(taken),
        "totalFailed": len(ids) - len(taken),
    }


def balance_body(balance: int) -> dict[str, object]:
    """What is answered to a question for the balance."""
    return {"success": True, "balance": balance, "currency": "credits"}


def status_body(message_id: str, taken_at: str, word: str) -> dict[str, object]:
    """What is answered to a question for a message's status."""
    return {
        "success": True,
        "messageId": message_id,
        "status": word,
        "deliveredAt": taken_at if word == "delivered" else None,
    }


def report_body(message_id: str, recipient: str, word: str) -> dict[str, object]:
    """A delivery report: assumed, for this provider is not known to send any."""
    return {
        "messageId": message_id,
        "recipient": recipient,
        "status": word,
        "deliveredAt": _now() if word == "delivered" else None,
    }


def inbound_body(
    sender: str, text: str, *, modem: str, port: str, receiver: str | None = None
) -> dict[str, object]:
    """A message from a phone, as a webhook is called with it."""
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
) -> SendCall:
    messages = tuple(Wanted(_text(recipient), _text(text)) for recipient, text in pairs)
    return SendCall(messages, _text(modem) or None, _text(port) or None, _problem(messages))


def _problem(messages: tuple[Wanted, ...]) -> str | None:
    if not messages or not all(0 < len(message.text) <= LONGEST_TEXT for message in messages):
        return "invalid_params"
    if not all(NUMBER.fullmatch(message.recipient) for message in messages):
        return "invalid_recipient"
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _item(message: Wanted, message_id: str | None) -> dict[str, object]:
    if message_id is None:
        return {
            "messageId": None,
            "recipient": message.recipient,
            "status": "failed",
            "error": "Invalid recipient",
        }
    return {"messageId": message_id, "recipient": message.recipient, "status": "queued"}
