"""The plain API and the JSON API of EgoSMS.

Sources: the vendor's documents of the plain API; for the JSON API, what the vendor's Python SDK
(PyPI `comms-sdk` 1.1.0) sends and accepts, 2026-11. The path of the configured address decides
which of the two an account uses.

The plain API has the password in the query of its URL: no URL of it may reach a log or an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode, urlsplit

from domain.errors import ProviderUnavailable
from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed
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
from providers.config import ProviderConfig
from providers.replies import (
    asked_to_wait,
    balance_of,
    field_of,
    json_object,
    reading_of,
    reference_of,
    webhook_fields,
)
from providers.transport import Adapter, Answer, Exchange, OneByOne, Transport, unavailable

# --- Constants

PLAIN_URL: Final = "https://www.egosms.co/api/v1/plain/?"
JSON_PATH: Final = "/api/v1/json/"
MOST_NUMBERS: Final = 1_000
LONGEST_SENDER: Final = 11
PRIORITY: Final = "1"  # "0" is the most urgent and "4" the least; the SDK's default
WALLETS: Final = ("Local", "International")  # the vendor keeps two balances

# The plain API answers this, in any case, if it took the message. The second text is the older one.
TAKEN: Final = ("ok", "sent")
# What refusals of the account begin with, in lower case. They say nothing about the message.
REFUSES_ACCOUNT: Final = {
    "wrong username or password": "The account's user name or password was refused.",
    "invalid credentials": "The account's user name or password was refused.",
    "that user does not exist": "The account does not exist or is not active.",
    "money not enough": "The account has no money left.",
    "insufficient balance": "The account has no money left.",
    "one of the values is empty": "The account's settings are incomplete.",
}
# What an HTTP status says about the account. The body does not matter.
REFUSING_STATUSES: Final = {
    401: "The account's user name or password was refused.",
    402: "The account has no money left.",
    403: "The account is not allowed to send.",
}
REJECTED: Final = "The network refused this message."
# One line of two words or more: no markup, no JSON, not only digits.
SENTENCE: Final = re.compile(r"(?=.*[a-z])(?=.*\S \S)[^<>{}\[\]\x00-\x1f\x7f]{3,200}")
# Words of a success. A sentence with one of them, and without a "not", is no refusal.
SUCCESS: Final = re.compile(
    r"(?!.*\b(not|no|cannot|unable|fail\w*|error|invalid|denied|refused|rejected)\b)"
    r".*\b(ok|sent|success\w*|accepted|queued|submitted|received|process(ed|ing)|scheduled|pending"
    r"|delivered)\b.*"
)
UNREADABLE: Final = "The SMS network did not report a balance that can be read."

# "Success" was seen; the others are assumed. A status that is not listed changes nothing.
STATUSES: Final = {
    "success": ReportedStatus.DELIVERED,
    "delivered": ReportedStatus.DELIVERED,
    "failed": ReportedStatus.FAILED,
    "undelivered": ReportedStatus.FAILED,
    "expired": ReportedStatus.FAILED,
}


# --- The table of replies


def _of_transport(exchange: Exchange) -> Answer | Outcome:
    """The answer, or the outcome if there is none or its HTTP status decides alone."""
    if not isinstance(exchange, Answer):
        return exchange
    if exchange.status in REFUSING_STATUSES and not _claims_success(exchange.body):
        return NotSent(REFUSING_STATUSES[exchange.status], refuses_account=True)
    if exchange.status == 429 and not _claims_success(exchange.body):
        return asked_to_wait(exchange.headers)
    return exchange


def _claims_success(body: bytes) -> bool:
    fields = json_object(body)
    return _words(body) in TAKEN or _status(fields) == "ok" or _code(fields) is not None


def _words(body: bytes) -> str:
    """A body in lower case, without blanks and quotes around it and a full stop at its end."""
    return _text(body).strip('"').lower().rstrip(".")


def _text(body: bytes) -> str:
    """The text of a body, without blanks around it and a byte order mark."""
    return body.decode("utf-8-sig", errors="replace").strip()


def _account_refusal(words: str) -> NotSent | None:
    for beginning, reason in REFUSES_ACCOUNT.items():
        if words.startswith(beginning):
            return NotSent(reason, refuses_account=True)
    return None


def _plain_outcome(exchange: Exchange) -> Outcome:
    answer = _of_transport(exchange)
    if not isinstance(answer, Answer):
        return answer
    words = _words(answer.body)
    if not 200 <= answer.status < 300:
        return Unknown(f"The answer (HTTP {answer.status}) does not say whether it was taken.")
    if words in TAKEN:
        return Accepted(None)
    if refusal := _account_refusal(words):
        return refusal
    if SENTENCE.fullmatch(words) and not SUCCESS.fullmatch(words):
        return Rejected(REJECTED)
    return Unknown("The answer does not say whether it was taken.")


def _json_outcome(exchange: Exchange) -> Outcome:
    """The outcome of a whole call. The vendor always answers with HTTP 200."""
    answer = _of_transport(exchange)
    if not isinstance(answer, Answer):
        return answer
    fields = json_object(answer.body)
    status, words = _status(fields), fields.get("Message")
    if status == "ok" and 200 <= answer.status < 300:
        return Accepted(_code(fields))
    if status != "failed" or not isinstance(words, str) or _code(fields) is not None:
        return Unknown(f"The answer (HTTP {answer.status}) does not say whether it was taken.")
    if answer.status == 503:
        return asked_to_wait(answer.headers)
    if not 200 <= answer.status < 300 and answer.status != 400:
        return Unknown(f"The answer (HTTP {answer.status}) does not say whether it was taken.")
    words = words.strip().lower()
    if refusal := _account_refusal(words):
        return refusal
    if SUCCESS.fullmatch(words):
        return Unknown("The answer contradicts itself.")
    return Rejected(REJECTED)


def _status(fields: Mapping[str, object]) -> str:
    status = fields.get("Status")
    return status.strip().lower() if isinstance(status, str) else ""


def _code(fields: Mapping[str, object]) -> str | None:
    return reference_of(fields.get("MsgFollowUpUniqueCode"))


def _balance_answer(exchange: Exchange) -> Answer:
    """Raises ProviderUnavailable if there is no answer that can hold a balance."""
    answer = _of_transport(exchange)
    if isinstance(answer, NotSent) and answer.refuses_account:
        raise ProviderUnavailable(_refused(answer))
    if not isinstance(answer, Answer):
        raise unavailable(exchange)
    if not 200 <= answer.status < 300:
        raise unavailable(answer, UNREADABLE)
    return answer


def _unreadable(words: str) -> ProviderUnavailable:
    refusal = _account_refusal(words)
    return ProviderUnavailable(_refused(refusal) if refusal else UNREADABLE)


def _refused(refusal: NotSent) -> str:
    return f"The SMS network refused the account. {refusal.reason}"


# --- Send, send many, balance


def open_egosms(config: ProviderConfig) -> EgoSMSJson | EgoSMSPlain:
    """An account at the API that the address names: JSON if `json` is in its path, else plain."""
    return EgoSMSJson(config) if is_json(config.base_url) else EgoSMSPlain(config)


def is_json(base_url: str) -> bool:
    """Whether an address is one of the JSON API."""
    return "json" in urlsplit(base_url).path.lower().split("/")


class _Account(Adapter):
    """What the accounts of both APIs have. Raises ValueError with a sentence for the operator."""

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        if config.credentials is None:
            raise ValueError("An EgoSMS account needs a user name and a password.")
        if len(config.sender or "") > LONGEST_SENDER:
            raise ValueError(f"sender can have at most {LONGEST_SENDER} characters.")
        address = urlsplit(config.base_url)
        self._credentials = config.credentials
        self._sender = config.sender
        # The path is kept as it was given, with or without its last slash.
        self._path = address.path or "/"
        origin = replace(config, base_url=f"{address.scheme}://{address.netloc}")
        self._transport = transport or origin.transport()


class EgoSMSPlain(_Account, OneByOne):
    """One account at the plain API: one number in each call, and no references."""

    async def send(self, message: OutgoingMessage) -> Outcome:
        """The outcome of one message."""
        fields = {"number": _digits(message.number), "message": message.text}
        return _plain_outcome(await self._get({**fields, "sender": self._sender or ""}))

    async def balance(self) -> Reading:
        """The balance now. Raises ProviderUnavailable, in our words."""
        answer = _balance_answer(await self._get({"method": "Balance"}))
        reading = balance_of(_text(answer.body))
        if reading is None:
            raise _unreadable(_words(answer.body))
        return reading

    async def _get(self, fields: Mapping[str, str]) -> Exchange:
        own = {"username": self._credentials.username, "password": self._credentials.password}
        method = {"method": fields["method"]} if "method" in fields else {}
        query = urlencode({**method, **own, **fields})
        return await self._transport.request("GET", f"{self._path}?{query}", headers={})


class EgoSMSJson(_Account):
    """One account at the JSON API. One code refers to all messages of a call."""

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        super().__init__(config, transport)
        self._wallet = config.wallet or WALLETS[0]
        if self._wallet not in WALLETS:
            raise ValueError(f"wallet must be {' or '.join(WALLETS)}.")
        self.largest_batch = min(config.largest_batch, MOST_NUMBERS)

    async def send(self, message: OutgoingMessage) -> Outcome:
        """The outcome of one message."""
        return _json_outcome(await self._send([message]))

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """One outcome for each message, in order. Raises ValueError for too many.

        A call must not name a number twice. The second message to a number is NotSent, and is
        retried in a separate call.
        """
        if len(messages) > self.largest_batch:
            raise ValueError(f"At most {self.largest_batch} messages fit into one call.")
        if len(messages) < 2:
            return [await self.send(message) for message in messages]
        first: dict[str, OutgoingMessage] = {}
        for message in messages:
            first.setdefault(message.number, message)
        outcome = _json_outcome(await self._send(list(first.values())))
        if isinstance(outcome, Rejected):
            outcome = NotSent("A call for many was refused as a whole.", alone=True)
        twice = NotSent("The number was in the call already.", alone=True)
        return [outcome if first[each.number] is each else twice for each in messages]

    async def balance(self) -> Reading:
        """The balance now. Raises ProviderUnavailable, in our words."""
        answer = _balance_answer(await self._post("Balance", None))
        fields = json_object(answer.body)
        reading = reading_of(answer.body, "Balance") if _status(fields) == "ok" else None
        if reading is None:
            words = fields.get("Message") if _status(fields) == "failed" else None
            raise _unreadable(words.strip().lower() if isinstance(words, str) else "")
        return reading

    async def _send(self, messages: Sequence[OutgoingMessage]) -> Exchange:
        return await self._post(
            "SendSms",
            [
                {
                    "number": _digits(message.number),
                    "message": message.text,
                    "senderid": self._sender,
                    "priority": PRIORITY,
                }
                for message in messages
            ],
        )

    async def _post(self, method: str, messages: Sequence[Mapping[str, object]] | None) -> Exchange:
        own = {"username": self._credentials.username, "password": self._credentials.password}
        shape = {
            "method": method,
            "userdata": own,
            "msgdata": messages,
            "walletType": self._wallet,
        }
        headers = {"Content-Type": "application/json", "Accept": "*/*"}
        body = json.dumps(shape).encode()
        return await self._transport.request("POST", self._path, headers=headers, body=body)


def _digits(number: str) -> str:
    """This provider writes numbers without the plus."""
    return number.removeprefix("+")


# --- Report parsing


def parse_webhook(body: bytes) -> Parsed:
    """Parses a delivery report. One code covers a batch; the number identifies the message."""
    fields = webhook_fields(body)
    code = reference_of(fields.get("MsgFollowUpUniqueCode"))
    number = field_of(fields, "number")
    status = field_of(fields, "Status")
    if code is None:
        return Malformed("`MsgFollowUpUniqueCode` is missing: the code of the message.")
    if number is None:
        return Malformed("`number` is missing: the recipient of the message.")
    if status is None:
        return Malformed("`Status` is missing: the status of the message.")
    return DeliveryReport(code, status, STATUSES.get(status.strip().lower()), number)
