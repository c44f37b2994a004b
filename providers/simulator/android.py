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
from providers.simulator.calls import WebhookCall
from providers.simulator.formats import LONGEST_TEXT, NUMBER, RequestedMessage
from providers.simulator.vendors import Asked, ReceivedCall, Response, Sent, SimulatedVendor

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

    def read(self, call: ReceivedCall) -> Asked:
        pair = base64.b64encode(f"{OWN.username}:{OWN.password}".encode()).decode()
        if call.headers.get("Authorization") != f"Basic {pair}":
            return Asked(problem="bad_key")
        match call.method, call.path.removeprefix(CLOUD).split("/")[1:]:
            case "POST", ["message" | "messages"]:
                return self._read_message(call.body)
            case "GET", ["message" | "messages", own_id]:
                known = self.status_word(own_id) is not None
                return Asked(reference=own_id, problem=None if known else "not_found")
        return Asked(problem="not_found")

    def answer(self, asked: Asked, ids: list[str | None], kind: str) -> Response:
        if asked.reference is not None:
            word = self.status_word(asked.reference)
            return 200, _state(asked.reference, "Failed" if word == FAILED else "Delivered", "")
        return 202, _state(str(ids[0]), "Pending", asked.messages[0].recipient)

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

    def _read_message(self, body: bytes) -> Asked:
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            asked = None
        match asked:
            case {"phoneNumbers": [str(number)], "textMessage": {"text": str(text)}}:
                own_id = asked.get("id")
            case _:
                return Asked(problem="invalid_params")
        if not NUMBER.fullmatch(number):
            return Asked(problem="invalid_recipient")
        usable = own_id is None or (isinstance(own_id, str) and 0 < len(own_id) <= LONGEST_ID)
        if not usable or not 0 < len(text) <= LONGEST_TEXT:
            return Asked(problem="invalid_params")
        problem = "duplicate" if own_id in self.log.accepted_at else None
        return Asked(
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
