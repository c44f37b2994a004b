"""Twilio's Messages resource, API version 2010-04-01, and its webhooks.

Sources: the vendor's documents of the resource, its error codes and its request signatures; what
the vendor's SDK (PyPI `twilio` 9.13) sends and verifies, 2026-11. The tests compare both.

A message is one call. Its answer, its delivery reports and the query of its status name it by the
same ID, so a report needs no number.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

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
    Signature,
    SignedCall,
    WebhookAnswer,
    asked_to_wait,
    attached,
    code_of,
    field_of,
    is_page,
    json_object,
    reading_of,
    reference_of,
    text_of,
    webhook_fields,
)
from providers.transport import Answer, Exchange, OneByOne, Transport, unavailable

# --- Constants

BASE_URL: Final = "https://api.twilio.com"
MESSAGING_SERVICE: Final = re.compile(r"MG[0-9a-fA-F]{32}")

# Error codes that refuse the message: the number, its text, or the opt-out of its phone.
REFUSES_MESSAGE: Final = {
    21211: "The network refused the number as invalid.",
    21214: "The network cannot reach this number.",
    21217: "The network refused the number as invalid.",
    21408: "The network does not send to this country.",
    21602: "The network refused the message as invalid.",
    21604: "The network refused the number as invalid.",
    21608: "The network does not send to this number yet.",
    21610: "This number has asked not to receive messages.",
    21612: "The network cannot reach this number.",
    21614: "This number cannot receive text messages.",
    21617: "The network refused the message as too long.",
    21619: "The network refused the message as invalid.",
    21635: "This number cannot receive text messages.",
}
# Error codes that refuse the sender. If it is that of the account, no message can leave.
REFUSES_SENDER: Final = frozenset(
    (21212, 21601, 21603, 21606, 21607, 21616, 21659, 21660, 21661, 21701, 21703, 21704, 21705)
)
# The same codes refuse a message that a short code sends to another country than its own.
REFUSES_COUNTRY: Final = frozenset((21606, 21659))
SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
REFUSES_ACCOUNT: Final = {
    10001: "The account is not active.",
    20003: "The account's ID or token was refused.",
    20005: "The account is not active.",
    20006: "The account is not allowed to send.",
    20008: "The account is one for tests only.",
    20404: "The account does not exist.",
    21609: "The address for delivery reports was refused.",
    63038: "The account has reached its limit of messages for a day.",
    90010: "The account is not active.",
}
# Error codes that ask to wait: too many calls or messages, a full queue of the sender, maintenance.
WAIT: Final = frozenset((20429, 21611, 21730, 63017))
REFUSING_STATUSES: Final = {
    401: "The account's ID or token was refused.",
    402: "The account has no money left.",
    403: "The account is not allowed to send.",
}
SENDER_REFUSED: Final = "The account's sender was refused."
REJECTED: Final = "The network refused this message."

STATUSES: Final = {
    "accepted": ReportedStatus.TAKEN,
    "scheduled": ReportedStatus.TAKEN,
    "queued": ReportedStatus.TAKEN,
    "sending": ReportedStatus.TAKEN,
    "sent": ReportedStatus.TAKEN,
    "delivered": ReportedStatus.DELIVERED,
    "read": ReportedStatus.DELIVERED,
    "undelivered": ReportedStatus.FAILED,
    "failed": ReportedStatus.FAILED,
    "canceled": ReportedStatus.FAILED,
}
KEYWORDS: Final = {"STOP": Keyword.STOP, "START": Keyword.START}
ATTEMPT: Final = "attempt"
"""The name of our attempt in the query of the URL for reports."""
SIGNATURE_HEADER: Final = "x-twilio-signature"
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

ANSWER: Final = WebhookAnswer("text/xml", b"<Response/>")
"""Instructions that say: do nothing. The vendor reports any other content type as an error."""


# --- Request shapes


def _form(message: OutgoingMessage, sender: str | None, report_url: str | None) -> dict[str, str]:
    """The fields of a message. A reply leaves from the number that was texted.

    The URL for reports names our attempt: reports find the message also if the answer is lost.
    """
    form = {"To": message.number}
    if report_url is not None:
        query = f"?{ATTEMPT}={message.attempt}" if message.attempt else ""
        form["StatusCallback"] = report_url + query
    own = message.port or sender
    if own is not None and MESSAGING_SERVICE.fullmatch(own):
        form["MessagingServiceSid"] = own
    elif own is not None:
        form["From"] = own
    return form | {"Body": message.text}


# --- The table of replies


def _outcome(exchange: Exchange, *, sender: str | None) -> Outcome:
    """The outcome of a message. `sender`: that of the account, None if it has another one."""
    if not isinstance(exchange, Answer):
        return exchange
    body = json_object(exchange.body)
    sid = reference_of(body.get("sid"))
    if 200 <= exchange.status < 300 and sid is not None:
        return Accepted(sid)
    if sid is not None:
        return Unknown("The response contradicts itself.")
    return _refusal(exchange, body, sender)


def _refusal(answer: Answer, body: Mapping[str, object], sender: str | None) -> Outcome:
    """The outcome of a response that has no ID of a message."""
    code = _error_code(answer, body)
    if code in REFUSES_ACCOUNT:
        return NotSent(REFUSES_ACCOUNT[code], refuses_account=True)
    if answer.status == 429 or code in WAIT:
        return asked_to_wait(answer.headers)
    if code in REFUSES_MESSAGE:
        return Rejected(REFUSES_MESSAGE[code])
    if sender is not None and _refuses_sender(code, sender):
        return NotSent(SENDER_REFUSED, refuses_account=True)
    if answer.status in REFUSING_STATUSES:
        return NotSent(REFUSING_STATUSES[answer.status], refuses_account=True)
    if code and answer.status == 400:
        return Rejected(REJECTED)
    return Unknown(f"The response (HTTP {answer.status}) does not say whether it was accepted.")


def _refuses_sender(code: int, sender: str) -> bool:
    """Whether a code says that no message can leave from this sender."""
    is_country = code in REFUSES_COUNTRY and SHORT_CODE.fullmatch(sender) is not None
    return code in REFUSES_SENDER and not is_country


def _error_code(answer: Answer, body: Mapping[str, object]) -> int:
    """The code if the API itself refused the request: a 4xx that its body repeats. Else 0."""
    code, is_own = code_of(body.get("code")), code_of(body.get("status")) == answer.status
    return code or 0 if 400 <= answer.status < 500 and is_own else 0


# --- Send, send many, balance, status


class Twilio(OneByOne):
    """One account at Twilio. Implements `domain.provider.Provider`."""

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        """Raises ValueError without credentials, a sender or the cost of a message."""
        if config.credentials is None:
            raise ValueError("A Twilio account needs its Account SID and its auth token.")
        if not config.sender:
            raise ValueError("A Twilio account needs a sender: a number or a messaging service.")
        if config.unit_cost is None:
            raise ValueError("A Twilio account needs the cost of a message.")
        own = config.credentials
        pair = f"{own.username}:{own.password}".encode()
        self._headers = {
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
            "Accept": "application/json",
        }
        self._path = f"/2010-04-01/Accounts/{quote(own.username, safe='')}"
        self._sender = config.sender
        self._unit_cost = config.unit_cost
        self._report_url = config.report_url
        self._transport = transport or config.transport()

    async def send(self, message: OutgoingMessage) -> Outcome:
        form = _form(message, self._sender, self._report_url)
        exchange = await self._transport.request(
            "POST",
            f"{self._path}/Messages.json",
            headers={**self._headers, "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
        )
        return _outcome(exchange, sender=self._sender if message.port is None else None)

    async def balance(self) -> Reading:
        answer = await self._get("Balance")
        if answer.status != 200:
            raise unavailable(answer, NOT_READABLE)
        currency = json_object(answer.body).get("currency")
        return in_units(reading_of(answer.body, "balance"), currency, self._unit_cost)

    async def status(self, reference: str) -> ReportedStatus | None:
        answer = await self._get(f"Messages/{quote(reference, safe='')}")
        if answer.status == 200 and is_page(answer.body):
            raise unavailable(answer)
        word = json_object(answer.body).get("status")
        known = answer.status == 200 and isinstance(word, str)
        return STATUSES.get(str(word).strip().lower()) if known else None

    async def _get(self, what: str) -> Answer:
        """The answer to a query. Raises ProviderUnavailable if the query fails for now."""
        path = f"{self._path}/{what}.json"
        answer = await self._transport.request("GET", path, headers=self._headers)
        if not isinstance(answer, Answer):
            raise unavailable(answer)
        if answer.status in REFUSING_STATUSES:
            raise ProviderUnavailable("The SMS network refused the account: check its token.")
        if answer.status == 429 or answer.status >= 500 or 300 <= answer.status < 400:
            raise unavailable(answer)
        return answer


# --- Inbound and report parsing


def parse_webhook(body: bytes) -> Parsed:
    """Parses a webhook call: an inbound message, or the new status of a message.

    The query of the URL is behind the fields of the form.
    """
    fields = webhook_fields(body)
    sid = reference_of(fields.get("MessageSid") or fields.get("SmsSid"))
    if sid is None:
        return Malformed("`MessageSid` is missing: the ID of the message.")
    if "MessageStatus" in fields:
        return _report(sid, fields)
    sender, text = field_of(fields, "From"), text_of(fields.get("Body"))
    if sender is None:
        return Malformed("`From` is missing: the sender of the message.")
    if "Body" not in fields or text is None:
        return Malformed("`Body` is missing: the text of the message.")
    receiver, own = field_of(fields, "To"), field_of(fields, "AccountSid")
    return ReceivedMessage(
        sender=sender,
        text=text or attached(code_of(fields.get("NumMedia")) or 0),
        key=sid,
        receiver=receiver,
        # A reply leaves from the number that was texted: see `_form`.
        line=Line(own, receiver) if own is not None and receiver is not None else None,
        keyword=KEYWORDS.get((field_of(fields, "OptOutType") or "").upper()),
        line_repeats=False,
    )


def _report(sid: str, fields: Mapping[str, object]) -> Parsed:
    word = field_of(fields, "MessageStatus")
    if word is None:
        return Malformed("`MessageStatus` is not a word.")
    code = field_of(fields, "ErrorCode")
    shown = f"{word} {code}" if code and code != "0" else word
    meaning = STATUSES.get(word.strip().lower())
    return DeliveryReport(sid, shown, meaning, attempt=reference_of(fields.get(ATTEMPT)))


# --- Signatures


def signature_of(url: str, form: Sequence[tuple[str, str]], auth_token: str) -> str:
    """The signature of a call: its URL and its sorted fields, HMAC-SHA1 in base64."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    mac = hmac.new(auth_token.encode(), signed.encode(errors="surrogateescape"), sha1)
    return base64.b64encode(mac.digest()).decode()


def _is_signed(call: SignedCall, auth_token: str) -> bool:
    """Whether the call is signed, with the port in its URL or without it.

    The vendor signs either form, and its own SDK accepts both.
    """
    shown = call.headers.get(SIGNATURE_HEADER, "").encode()
    try:
        form = parse_qsl(call.body.decode(), keep_blank_values=True, max_num_fields=1_000)
        urls = _with_and_without_port(call.url)
    except ValueError:
        return False
    return any(
        hmac.compare_digest(signature_of(url, form, auth_token).encode(), shown) for url in urls
    )


def _with_and_without_port(url: str) -> list[str]:
    parts = urlsplit(url)
    host = re.sub(r":[0-9]+$", "", parts.netloc)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    return [parts._replace(netloc=each).geturl() for each in (f"{host}:{port}", host)]


SIGNATURE: Final = Signature(SIGNATURE_HEADER, ("password", "signingKey"), _is_signed)
