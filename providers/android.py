"""SMS Gateway for Android: a person's own phone as a provider.

Sources: the published source and documents of the app and of its cloud server (read 2026-11), and
what the client library (PyPI `android-sms-gateway` 4.3) sends. The tests compare the requests.

The phone's local server and the cloud server have the same calls below different addresses. A
message has an ID that we choose, the same for each attempt: a second message with it is refused
with 409. So a repeated call sends nothing twice, and reports on a message whose answer was lost
still find it.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from domain.errors import ProviderUnavailable
from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage
from domain.provider import (
    Accepted,
    NotSent,
    Outcome,
    OutgoingMessage,
    Rejected,
    ReportedStatus,
    Unknown,
)
from domain.sending.messages import Line
from providers.config import ProviderConfig
from providers.replies import (
    Signature,
    SignedCall,
    asked_to_wait,
    attached,
    field_of,
    is_page,
    json_object,
    reference_of,
    text_of,
    webhook_fields,
)
from providers.transport import Answer, Exchange, OneByOne, Transport, unavailable

# --- Constants

BASE_URL: Final = "https://api.sms-gate.app/3rdparty/v1"
MESSAGES: Final = "/messages"
SIM_CARDS: Final = ("1", "2", "3")

REFUSES_ACCOUNT: Final = {
    401: "The account's user name or password was refused.",
    403: "The account is not allowed to send.",
}
# What a 400 says, in lower case, if there is no phone, or not the requested one.
NO_PHONE: Final = ("record not found", "invalid device id", "more than one record", "invalid user")
PHONE_MISSING: Final = "The account has no such phone."
REJECTED: Final = "The network refused this message."
# What a 503 says, in lower case, if too many messages wait for the phone.
QUEUE_FULL: Final = "queue limits exceeded"

# The states of a message. Only one that waits can be cancelled, so no part of it was sent.
STATES: Final = {
    "pending": ReportedStatus.TAKEN,
    "processed": ReportedStatus.TAKEN,
    "sent": ReportedStatus.TAKEN,
    "delivered": ReportedStatus.DELIVERED,
    "failed": ReportedStatus.FAILED,
    "cancelled": ReportedStatus.RETURNED,
}
# The events that are read. `sms:failed` may come after some parts of a text were sent.
REPORTS: Final = {f"sms:{word}": word for word in ("sent", "delivered", "failed", "cancelled")}
RECEIVED: Final = "sms:received"
PICTURES: Final = "mms:downloaded"
OTHER_EVENT: Final = (
    "`event` is not one of those that are read: sms:received, sms:sent, sms:delivered, sms:failed, "
    "sms:cancelled, mms:downloaded."
)

SIGNATURE_HEADER: Final = "x-signature"
TIMESTAMP_HEADER: Final = "x-timestamp"
LONGEST_AGE_SECONDS: Final = 300.0


# --- Request shapes


def _shape(message: OutgoingMessage, sim: str | None) -> dict[str, object]:
    """A message to one number. A reply leaves from the phone and the SIM that received."""
    shape: dict[str, object] = {
        "phoneNumbers": [message.number],
        "textMessage": {"text": message.text},
        "withDeliveryReport": True,
        "isEncrypted": False,
        "priority": 0,
    }
    if message.id:
        shape["id"] = message.id
    if message.modem:
        shape["deviceId"] = message.modem
    number = message.port or sim
    if number in SIM_CARDS:
        shape["simNumber"] = int(number)
    return shape


# --- The table of replies


def _outcome(exchange: Exchange, message: OutgoingMessage) -> Outcome:
    own = message.id or None
    if isinstance(exchange, Unknown):
        return replace(exchange, reference=own)
    if not isinstance(exchange, Answer):
        return exchange
    body = json_object(exchange.body)
    given = reference_of(body.get("id"))
    if 200 <= exchange.status < 300 and given is not None:
        return Accepted(given)
    if given is not None:
        return Unknown("The response contradicts itself.", reference=own)
    words = body.get("message")
    sentence = words.strip().lower() if isinstance(words, str) else None
    return _refusal(exchange, sentence, message)


def _refusal(answer: Answer, sentence: str | None, message: OutgoingMessage) -> Outcome:
    """The outcome of a response that has no ID of a message. `sentence`: what it says."""
    if answer.status in REFUSES_ACCOUNT:
        return NotSent(REFUSES_ACCOUNT[answer.status], refuses_account=True)
    is_full = answer.status == 503 and sentence is not None and sentence.startswith(QUEUE_FULL)
    if answer.status == 429 or is_full:
        return asked_to_wait(answer.headers)
    if answer.status == 409 and sentence is not None and message.id:
        return Accepted(message.id)  # an earlier call was accepted, and its answer was lost
    if answer.status == 400 and sentence is not None:
        if sentence.startswith(NO_PHONE) and not message.modem:
            return NotSent(PHONE_MISSING, refuses_account=True)
        return Rejected(REJECTED)
    reason = f"The response (HTTP {answer.status}) does not say whether it was accepted."
    return Unknown(reason, reference=message.id or None)


# --- Send, send many, status


class Android(OneByOne):
    """One account: a phone, or several at the cloud server. Implements `domain.provider.Provider`.

    It has no balance: its pool is set by hand.
    """

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        """Raises ValueError without credentials, or if `sender` is no SIM card."""
        if config.credentials is None:
            raise ValueError("A phone needs the user name and the password that it shows.")
        if config.sender and config.sender not in SIM_CARDS:
            raise ValueError("sender is the number of a SIM card: 1, 2 or 3.")
        pair = f"{config.credentials.username}:{config.credentials.password}".encode()
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
            "Content-Type": "application/json",
        }
        self._sim = config.sender
        self._transport = transport or config.transport()

    async def send(self, message: OutgoingMessage) -> Outcome:
        body = json.dumps(_shape(message, self._sim)).encode()
        exchange = await self._transport.request("POST", MESSAGES, headers=self._headers, body=body)
        return _outcome(exchange, message)

    async def status(self, reference: str) -> ReportedStatus | None:
        path = f"{MESSAGES}/{quote(reference, safe='')}"
        answer = await self._transport.request("GET", path, headers=self._headers)
        if not isinstance(answer, Answer):
            raise unavailable(answer)
        if answer.status in REFUSES_ACCOUNT:
            raise ProviderUnavailable(REFUSES_ACCOUNT[answer.status])
        if answer.status == 429 or answer.status >= 500 or 300 <= answer.status < 400:
            raise unavailable(answer)
        if is_page(answer.body):
            raise ProviderUnavailable("A page came instead of an answer: check the address.")
        state = json_object(answer.body).get("state")
        known = answer.status == 200 and isinstance(state, str)
        return STATES.get(str(state).strip().lower()) if known else None


# --- Inbound and report parsing


def parse_webhook(body: bytes) -> Parsed:
    """Parses an event: an inbound message, or the new state of a message."""
    fields = webhook_fields(body)
    event, payload = fields.get("event"), fields.get("payload")
    if not isinstance(event, str) or not isinstance(payload, dict):
        return Malformed("`event` and `payload` are missing: this is not an event of a phone.")
    message_id = reference_of(payload.get("messageId"))
    if message_id is None:
        return Malformed("`payload.messageId` is missing: the ID of the message.")
    if event in REPORTS:
        return DeliveryReport(message_id, event, STATES[REPORTS[event]])
    if event not in (RECEIVED, PICTURES):
        return Malformed(OTHER_EVENT)
    text = _text_of_pictures(payload) if event == PICTURES else text_of(payload.get("message"))
    if text is None or (event == RECEIVED and "message" not in payload):
        return Malformed("`payload.message` is missing: the text of the message.")
    return _inbound(message_id, payload, text, field_of(fields, "deviceId"))


def _text_of_pictures(payload: Mapping[str, object]) -> str:
    """The text, else the subject, else how many pictures there are. The app leaves out nulls."""
    files = payload.get("attachments")
    text = text_of(payload.get("body")) or text_of(payload.get("subject"))
    return text or attached(len(files) if isinstance(files, list) else 0)


def shortened(body: bytes) -> bytes:
    """An event without the pictures in it."""
    event = json_object(body)
    payload = event.get("payload")
    files = payload.get("attachments") if isinstance(payload, dict) else None
    if not isinstance(files, list):
        return body
    for each in files:
        if isinstance(each, dict):
            each.pop("data", None)
    return json.dumps(event).encode()


def _inbound(
    message_id: str, payload: Mapping[str, object], text: str, phone: str | None
) -> Parsed:
    sender = field_of(payload, "sender") or field_of(payload, "phoneNumber")
    sim = field_of(payload, "simNumber")
    if sender is None:
        return Malformed("`payload.sender` is missing: the sender of the message.")
    # The ID depends on the content alone. With the time, a repeated text is another message.
    received_at = field_of(payload, "receivedAt") or ""
    return ReceivedMessage(
        sender=sender,
        text=text,
        key=f"{message_id} {received_at}".strip(),
        receiver=field_of(payload, "recipient"),
        line=Line(phone, sim) if phone is not None and sim is not None else None,
        line_repeats=False,
    )


# --- Signatures


def signature_of(body: bytes, timestamp: str, key: str) -> str:
    """The signature of an event: its body and the time, HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(key.encode(), body + timestamp.encode(), sha256).hexdigest()


def _is_signed(call: SignedCall, key: str) -> bool:
    """Whether the call was signed within five minutes. Each repetition is signed again."""
    shown = call.headers.get(SIGNATURE_HEADER, "").strip().lower()
    timestamp = call.headers.get(TIMESTAMP_HEADER, "").strip()
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return False
    age_seconds = abs(datetime.now(UTC).timestamp() - int(timestamp))
    expected = signature_of(call.body, timestamp, key)
    is_own = hmac.compare_digest(expected.encode(), shown.encode())
    return is_own and age_seconds <= LONGEST_AGE_SECONDS


SIGNATURE: Final = Signature(SIGNATURE_HEADER, ("signingKey",), _is_signed)
