"""A simulated phone with SMS Gateway for Android, at the addresses of the cloud and of a phone.

The program's client library works against it. Only what `providers.android` uses is there.
"""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from typing import Final

import orjson

from providers.android import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature_of
from providers.simulator.accounts import SIMULATED_ACCOUNTS, SIMULATED_SENDER
from providers.simulator.behaviours import FAILED
from providers.simulator.calls import LONGEST_TEXT, NUMBER, RequestedMessage, WebhookCall
from providers.simulator.vendors import ReceivedCall, Request, Response, Sent, SimulatedVendor

OWN: Final = SIMULATED_ACCOUNTS["android"]
CLOUD: Final = "/3rdparty/v1"
PHONE: Final = "simulated-phone"
SIM: Final = 1
LONGEST_ID: Final = 36
REFUSALS: Final = {
    "bad_key": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "no_credits": (403, "Forbidden"),
    "invalid_recipient": (400, "failed to enqueue message: invalid phone number"),
    "invalid_params": (400, "Text message is empty"),
    "duplicate": (409, "message with the same ID already exists"),
    "rate_limited": (429, "Too Many Requests"),
    "unavailable": (503, "queue limits exceeded: too many pending messages: 10 / 10"),
    "broken": (500, "failed to handle request"),
    "not_found": (404, "message not found"),
}


class SimulatedAndroid(SimulatedVendor):
    """The account of `SIMULATED_ACCOUNTS`, with one phone."""

    provider = "android"

    def owns(self, path: str) -> bool:
        return path.removeprefix(CLOUD).startswith(("/messages", "/message"))

    def new_id(self) -> str:
        return secrets.token_urlsafe(16)

    def read(self, call: ReceivedCall) -> Request:
        pair = base64.b64encode(f"{OWN.username}:{OWN.password}".encode()).decode()
        if call.headers.get("Authorization") != f"Basic {pair}":
            return Request(problem="bad_key")
        match call.method, call.path.removeprefix(CLOUD).split("/")[1:]:
            case "POST", ["message" | "messages"]:
                return self._read_message(call.body)
            case "GET", ["message" | "messages", own_id]:
                known = self.status_word(own_id) is not None
                return Request(reference=own_id, problem=None if known else "not_found")
        return Request(problem="not_found")

    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        if request.reference is not None:
            word = self.status_word(request.reference)
            return 200, _state(request.reference, "Failed" if word == FAILED else "Delivered", "")
        return 202, _state(str(ids[0]), "Pending", request.messages[0].recipient)

    def refusal(self, kind: str) -> Response | None:
        if kind not in REFUSALS:
            return None
        status, sentence = REFUSALS[kind]
        return status, {"message": sentence}

    def report(self, sent: Sent, word: str, url: str, secret: str | None) -> WebhookCall:
        recipient, time = sent.message.recipient, _now()
        payload = {"messageId": sent.id, "phoneNumber": recipient, "recipient": recipient}
        ending = {"reason": "RESULT_ERROR_GENERIC_FAILURE", "failedAt": time}
        more = ending if word == FAILED else {"deliveredAt": time}
        return _signed(url, f"sms:{word}", payload | {"sender": SIMULATED_SENDER} | more)

    def inbound(
        self, sender: str, text: str, receiver: str, url: str, secret: str | None
    ) -> WebhookCall:
        # The program derives the ID from the content.
        payload = {"messageId": f"{hash((sender, text)) & 0xFFFFFFFF:08x}", "message": text}
        payload |= {"phoneNumber": sender, "sender": sender, "receivedAt": _now()}
        return _signed(url, "sms:received", payload | {"recipient": receiver or SIMULATED_SENDER})

    def _read_message(self, body: bytes) -> Request:
        try:
            request = orjson.loads(body)
        except orjson.JSONDecodeError:
            request = None
        match request:
            case {"phoneNumbers": [str(number)], "textMessage": {"text": str(text)}}:
                own_id = request.get("id")
            case _:
                return Request(problem="invalid_params")
        if not NUMBER.fullmatch(number):
            return Request(problem="invalid_recipient")
        usable = own_id is None or (isinstance(own_id, str) and 0 < len(own_id) <= LONGEST_ID)
        if not usable or not 0 < len(text) <= LONGEST_TEXT:
            return Request(problem="invalid_params")
        problem = "duplicate" if own_id in self.log.accepted_at else None
        return Request(
            (RequestedMessage(number, text),), problem, own_ids=(own_id,) if own_id else ()
        )


def _state(own_id: str, state: str, number: str) -> dict[str, object]:
    recipients = [{"phoneNumber": number, "state": state, "error": None}]
    more = {"deviceId": PHONE, "isHashed": False, "isEncrypted": False, "states": {}}
    return {"id": own_id, "state": state, "recipients": recipients, **more}


def _signed(url: str, event: str, payload: dict[str, str]) -> WebhookCall:
    own = {"id": secrets.token_urlsafe(16), "webhookId": "simulated", "deviceId": PHONE}
    body = orjson.dumps({**own, "event": event, "payload": {**payload, "simNumber": SIM}})
    timestamp = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "Content-Type": "application/json",
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: signature_of(body, timestamp, OWN.password),
    }
    return WebhookCall(url, headers, body)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
