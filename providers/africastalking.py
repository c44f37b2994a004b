"""The SMS API of Africa's Talking, version 1.

Sources: the vendor's documents of delivery reports and notifications, and what the vendor's SDK
(PyPI `africastalking` 2.0.3) sends, 2026-11; the tests compare the requests. The codes of single
recipients are assumed: they were seen in programs of third parties. An account can add to them.

One call sends one text to many numbers. Its answer has an item for each number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from domain.errors import ProviderUnavailable
from domain.inbox.keywords import Keyword
from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage
from domain.provider import (
    Accepted,
    NotSent,
    Outcome,
    OutgoingMessage,
    Reading,
    Rejected,
    ReportedStatus,
    Unknown,
)
from domain.sending.messages import Line
from providers.config import NOT_READABLE, ProviderConfig, in_units
from providers.replies import (
    asked_to_wait,
    balance_of,
    code_of,
    field_of,
    json_object,
    reference_of,
    text_of,
    webhook_fields,
)
from providers.transport import Adapter, Answer, Exchange, Transport, unavailable

# --- Constants

BASE_URL: Final = "https://api.africastalking.com"
MESSAGING: Final = "/version1/messaging"
USER: Final = "/version1/user"

ACCEPTED: Final = frozenset((100, 101, 102))
REJECTED: Final = "The network refused this message."
REFUSES_MESSAGE: Final = {
    403: "The network refused the number as invalid.",
    404: "This number cannot receive text messages.",
    406: "This number has asked not to receive messages.",
    407: "The network cannot reach this number.",
    # The number is on a list of numbers without advertising, or it is night in Nigeria.
    409: "The network does not deliver advertising to this number, or not at this hour.",
    502: REJECTED,
}
REFUSES_SENDER: Final = 402
SENDER_REFUSED: Final = "The account's sender was refused."
NO_MONEY: Final = 405
# The codes by their names, in lower case. They count if an item or an answer has no code.
NAMES: Final = {
    "processed": 100,
    "success": 101,
    "sent": 101,
    "queued": 102,
    "riskhold": 401,
    "invalidsenderid": REFUSES_SENDER,
    "invalidphonenumber": 403,
    "unsupportednumbertype": 404,
    "insufficientbalance": NO_MONEY,
    "userinblacklist": 406,
    "couldnotroute": 407,
    "donotdisturbrejection": 409,
    "internalservererror": 500,
    "gatewayerror": 501,
    "rejectedbygateway": 502,
}
# The HTTP status of an answer whose items were refused by the network's rules for advertising.
CONFLICT: Final = 409
CONTRADICTION: Final = Unknown("The response contradicts itself.")
NONE_SENT: Final = re.compile(r"Sent to 0/[0-9]+\b.*")
REFUSES_ACCOUNT: Final = {
    401: "The account's user name or key was refused.",
    402: "The account has no money left.",
    403: "The account is not allowed to send.",
}
# A refusal in words: one line, no markup, no JSON.
SENTENCE: Final = re.compile(r"[^<>{}\[\]\x00-\x1f\x7f]{3,300}")
CODES: Final = re.compile(r"[0-9]{1,4}(,[0-9]{1,4})*")

STATUSES: Final = {
    "sent": ReportedStatus.TAKEN,
    "submitted": ReportedStatus.TAKEN,
    "buffered": ReportedStatus.TAKEN,
    "success": ReportedStatus.DELIVERED,
    "delivered": ReportedStatus.DELIVERED,
    "failed": ReportedStatus.FAILED,
    "rejected": ReportedStatus.FAILED,
    "expired": ReportedStatus.FAILED,
    "absentsubscriber": ReportedStatus.FAILED,
}
# A line has a modem and a port: here, the port is the number that was texted.
NUMBER_LINE: Final = "number"


# --- The table of replies


class _Replies:
    """The outcomes of items. An account may know further codes."""

    def __init__(self, config: ProviderConfig) -> None:
        self._accepted = ACCEPTED | _codes(config.accepted_codes)
        self._rejected = _codes(config.rejected_codes)

    def outcomes(self, exchange: Exchange, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """One outcome per message, in order. No number occurs twice in `messages`."""
        read = _read(exchange)
        if not isinstance(read, dict):
            return _for_each(read, messages)
        is_refusal = isinstance(exchange, Answer) and exchange.status == CONFLICT
        recipients, words = read.get("Recipients"), read.get("Message")
        items = recipients if isinstance(recipients, list) else []
        if not items:
            return _for_each(CONTRADICTION if is_refusal else _without_items(words), messages)
        outcomes = self._of_items(items, messages)
        if is_refusal:
            outcomes = [_of_refusal(each) for each in outcomes]
        # A sender is registered by country: to the others, the account can send with it.
        works = any(isinstance(each, Accepted) for each in outcomes)
        return [Rejected(REJECTED) if works and _is_sender(each) else each for each in outcomes]

    def _of_items(
        self, items: Sequence[object], messages: Sequence[OutgoingMessage]
    ) -> list[Outcome]:
        if len(messages) == len(items) == 1:
            return [self._outcome(items[0], messages[0])]
        by_number: dict[str, list[object]] = {}
        for item in items:
            by_number.setdefault(_digits(item), []).append(item)
        return [
            self._outcome(found[0], message)
            if len(found := by_number.get(message.number.removeprefix("+"), [])) == 1
            else Unknown("The response does not say whether this message was accepted.")
            for message in messages
        ]

    def _outcome(self, item: object, message: OutgoingMessage) -> Outcome:
        fields = item if isinstance(item, dict) else {}
        code, own_id = _code(fields), reference_of(fields.get("messageId"))
        reference = None if own_id is None or own_id.lower() == "none" else own_id
        if code in self._accepted:
            return Accepted(reference)
        if reference is None and code == NO_MONEY:
            return NotSent(REFUSES_ACCOUNT[402], refuses_account=True)
        if reference is None and code == REFUSES_SENDER and message.port is None:
            return NotSent(SENDER_REFUSED, refuses_account=True)
        is_refusal = code in REFUSES_MESSAGE or code in self._rejected or code == REFUSES_SENDER
        if reference is None and is_refusal:
            return Rejected(REFUSES_MESSAGE.get(code, REJECTED))
        return Unknown(f"Code {code} does not say whether it was accepted.", reference)


def _of_refusal(outcome: Outcome) -> Outcome:
    """The outcome of an item of a refused call."""
    if isinstance(outcome, Rejected):
        return outcome
    reference = outcome.reference if isinstance(outcome, Accepted | Unknown) else None
    return replace(CONTRADICTION, reference=reference)


def _is_sender(outcome: Outcome) -> bool:
    return isinstance(outcome, NotSent) and outcome.reason == SENDER_REFUSED


def _read(exchange: Exchange) -> dict[str, object] | Outcome:
    """What the answer says about the messages, or the outcome of all of them."""
    if not isinstance(exchange, Answer):
        return exchange
    data = json_object(exchange.body).get("SMSMessageData")
    is_expected = 200 <= exchange.status < 300 or exchange.status == CONFLICT
    if is_expected and isinstance(data, dict):
        return data
    if data:
        return CONTRADICTION
    if exchange.status in REFUSES_ACCOUNT:
        return NotSent(REFUSES_ACCOUNT[exchange.status], refuses_account=True)
    if exchange.status == 429:
        return asked_to_wait(exchange.headers)
    words = exchange.body.decode("utf-8", errors="replace").strip()
    if exchange.status == 400 and SENTENCE.fullmatch(words):
        return Rejected(REJECTED)
    return Unknown(f"The response (HTTP {exchange.status}) does not say whether it was accepted.")


def _without_items(words: object) -> Outcome:
    """The outcome of a call whose answer lists no recipient."""
    text = words.strip() if isinstance(words, str) else ""
    code = NAMES.get(text.lower())
    if code == REFUSES_SENDER:
        return NotSent(SENDER_REFUSED, refuses_account=True)
    if code == NO_MONEY:
        return NotSent(REFUSES_ACCOUNT[402], refuses_account=True)
    if NONE_SENT.fullmatch(text):
        return Rejected(REJECTED)
    return Unknown("The response does not say whether the messages were accepted.")


def _for_each(outcome: Outcome, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
    """The same outcome for all. A refused call does not say which message caused it."""
    if isinstance(outcome, Rejected) and len(messages) > 1:
        outcome = NotSent("The network refused the call as a whole.", alone=True)
    return [outcome] * len(messages)


def _code(fields: Mapping[str, object]) -> int:
    """The code of an item: as a number, as text or by its name. 0 if there is none."""
    code, name = code_of(fields.get("statusCode")), fields.get("status")
    if code is not None:
        return code
    return NAMES.get(name.strip().lower(), 0) if isinstance(name, str) else 0


def _codes(text: str | None) -> frozenset[int]:
    """The codes of a list with commas. Raises ValueError with a sentence."""
    compact = (text or "").replace(" ", "")
    if compact and not CODES.fullmatch(compact):
        raise ValueError("Codes are whole numbers with commas, such as 100,101.")
    return frozenset(int(each) for each in compact.split(",") if each)


def _digits(item: object) -> str:
    number = item.get("number") if isinstance(item, dict) else None
    return "".join(filter(str.isdigit, number)) if isinstance(number, str) else ""


# --- Send, send many, balance


class AfricasTalking(Adapter):
    """One account at Africa's Talking. Implements `domain.provider.Provider`."""

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        """Raises ValueError without credentials or the cost of a message, or for wrong codes."""
        if config.credentials is None:
            raise ValueError("An account at Africa's Talking needs its user name and API key.")
        if config.unit_cost is None:
            raise ValueError("An account at Africa's Talking needs the cost of a message.")
        self.largest_batch = config.largest_batch
        self._username = config.credentials.username
        self._headers = {"apiKey": config.credentials.password, "Accept": "application/json"}
        self._sender = config.sender
        self._unit_cost = config.unit_cost
        self._replies = _Replies(config)
        self._transport = transport or config.transport()

    async def send(self, message: OutgoingMessage) -> Outcome:
        [outcome] = await self._send([message])
        return outcome

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """One outcome for each message, in order. Raises ValueError for too many.

        A call has one text, and no number twice. The other messages are not sent, and go in
        separate calls.
        """
        if len(messages) > self.largest_batch:
            raise ValueError(f"At most {self.largest_batch} messages fit into one call.")
        first: dict[str, int] = {}
        for at, message in enumerate(messages):
            if message.text == messages[0].text:
                first.setdefault(message.number, at)
        sent = [messages[at] for at in first.values()]
        left = NotSent("The call had another text, or the same number.", alone=True)
        outcomes: list[Outcome] = [left] * len(messages)
        for at, outcome in zip(first.values(), await self._send(sent), strict=True):
            outcomes[at] = outcome
        return outcomes

    async def balance(self) -> Reading:
        query = urlencode({"username": self._username})
        answer = await self._transport.request("GET", f"{USER}?{query}", headers=self._headers)
        if not isinstance(answer, Answer):
            raise unavailable(answer)
        if answer.status in REFUSES_ACCOUNT:
            raise ProviderUnavailable("The SMS network refused the account: check its key.")
        user = json_object(answer.body).get("UserData")
        text = user.get("balance") if isinstance(user, dict) else None
        currency, _, amount = text.strip().partition(" ") if isinstance(text, str) else ("", "", "")
        if not 200 <= answer.status < 300:
            raise unavailable(answer, NOT_READABLE)
        return in_units(balance_of(amount), currency, self._unit_cost)

    async def _send(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """Sends one text. A reply leaves from the number that was texted."""
        if not messages:
            return []
        form = {
            "username": self._username,
            "to": ",".join(message.number for message in messages),
            "message": messages[0].text,
            "bulkSMSMode": "1",
        }
        if sender := messages[0].port or self._sender:
            form["from"] = sender
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form).encode()
        exchange = await self._transport.request("POST", MESSAGING, headers=headers, body=body)
        return self._replies.outcomes(exchange, messages)


# --- Inbound and report parsing


def parse_webhook(body: bytes) -> Parsed:
    """Parses a webhook call: an inbound message, a delivery report, or an opt-out."""
    fields = webhook_fields(body)
    if "status" in fields:
        return _report(fields)
    if "from" in fields or "text" in fields:
        return _inbound(fields)
    phone = field_of(fields, "phoneNumber")
    if phone is not None and "senderId" in fields:
        # The phone opted out of a named sender, without a text message.
        return ReceivedMessage(
            phone, "STOP", receiver=field_of(fields, "senderId"), keyword=Keyword.STOP
        )
    return Malformed("This is not a message (`from`, `text`), report (`id`, `status`) or opt-out.")


def _report(fields: Mapping[str, object]) -> Parsed:
    own_id, word = reference_of(fields.get("id")), field_of(fields, "status")
    if own_id is None:
        return Malformed("`id` is missing: the ID of the message.")
    if word is None:
        return Malformed("`status` is not a word.")
    reason = field_of(fields, "failureReason")
    shown = f"{word} {reason}" if reason else word
    return DeliveryReport(own_id, shown, STATUSES.get(word.strip().lower()))


def _inbound(fields: Mapping[str, object]) -> Parsed:
    sender, text = field_of(fields, "from"), text_of(fields.get("text"))
    if sender is None:
        return Malformed("`from` is missing: the sender of the message.")
    if "text" not in fields or text is None:
        return Malformed("`text` is missing: the text of the message.")
    receiver = field_of(fields, "to")
    return ReceivedMessage(
        sender=sender,
        text=text,
        key=reference_of(fields.get("id")),
        receiver=receiver,
        line=None if receiver is None else Line(NUMBER_LINE, receiver),
    )
