"""An SMS gateway of the operator: Kannel, over the HTTP interface of its smsbox.

Source: bearerbox, smsbox and fakesmsc 1.4.5 of Debian and an SMPP 3.4 network, observed 2026-11.
`tests/kannel/` runs them. docs/providers/kannel.md is for operators.

Kannel returns no ID of a message. The reference is the ID of our attempt, which is in the URL that
Kannel calls with its reports. So a report finds its message also if the answer was lost.

That URL contains our secret: it must not reach a log or an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

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
from domain.sending.text import Encoding, encoding_of
from providers.config import ProviderConfig
from providers.replies import (
    asked_to_wait,
    field_of,
    reference_of,
    short_text_of,
    storable,
)
from providers.transport import Answer, Exchange, OneByOne, Transport

# --- Constants

SEND: Final = "/cgi-bin/sendsms"
WEBHOOK: Final = "/webhooks/kannel/"

# All reports: delivered, failed, buffered, accepted by the network, refused by the network.
ALL_REPORTS: Final = "31"
UCS2: Final = "2"
# Kannel replaces the letters after a percent sign: the type of the report, and its text.
REPORT_QUERY: Final = "status=%d&answer=%A"

ACCEPTED: Final = re.compile(r"[03]: [^\n]*")
"""Accepted for delivery, or queued because no connection to the network is up."""

SIGN_IN_REFUSED: Final = "authorization failed"
NOT_ROUTABLE: Final = "not routable"
BUSY: Final = "temporal failure"
WRONG_PATH: Final = "unknown request"
WRONG_TYPE: Final = ("invalid content-type", "unsupported content-type")
DENIED_NUMBER: Final = "number(s) has/have been denied"
# "Sender missing and no global set, rejected", for example. The field is the first word.
FIELD_REFUSED: Final = re.compile(r"[a-z][a-z ()/'-]{2,80}, rejected")
OUR_FIELDS: Final = ("sender", "dlr-", "account")
"""Fields of a request that our configuration decides, and not the message."""

REJECTED: Final = "The network refused this message."
SETTINGS_REFUSED: Final = NotSent(
    "The gateway refuses the account's settings.", refuses_account=True
)

# The types of reports that say something certain. 4 is "buffered": no verdict. 34 is "expired", if
# the receipt says so in its field message_state.
REPORTS: Final = {
    "1": ReportedStatus.DELIVERED,
    "2": ReportedStatus.FAILED,
    "34": ReportedStatus.FAILED,
    "8": ReportedStatus.TAKEN,
    "16": ReportedStatus.REFUSED,
}
# The state in a delivery receipt of SMPP, which Kannel passes on ("id:… stat:UNDELIV err:…").
STATE: Final = re.compile(r"\bstat:\s*([A-Za-z]{1,10})")
# Kannel reports a receipt as failed if it does not know the state, also if only the case differs
# ("delivrd"), or if the word is not cut to seven letters. UNKNOWN says only that the network does
# not know; after the others, more follows.
REPORTED_AS_FAILED: Final = {
    "DELIVRD": ReportedStatus.DELIVERED,
    "DELIVERED": ReportedStatus.DELIVERED,
    "UNKNOWN": None,
    **dict.fromkeys(("ACCEPTD", "ACCEPTED", "ENROUTE", "BUFFERED", "SCHEDULED")),
    **dict.fromkeys(("PENDING", "SENT", "SUBMITTED")),
}

# Kannel stopped trying. This is no refusal: the network can have taken the message and no answer.
GAVE_UP: Final = "NACK/Retries Exceeded"

# The charsets of inbound texts, and what Python calls them. With mo-recode it is UTF-8.
CHARSETS: Final = {
    "utf-8": "utf-8",
    "utf-16be": "utf-16-be",
    "ucs-2": "utf-16-be",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "windows-1252": "cp1252",
}
# The charset of data that is no text for phones, such as settings. Some networks send texts so.
BINARY: Final = "8-bit"
BINARY_CHARSETS: Final = ("utf-8", "latin-1")
BINARY_SHOWN: Final = "(binary data, not shown here)"

MOST_FIELDS: Final = 20


# --- Request shapes


def _headers(config: ProviderConfig, message: OutgoingMessage) -> dict[str, str]:
    """The headers of one message. A reply leaves through the line that the contact wrote to."""
    assert config.credentials is not None
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "X-Kannel-Username": config.credentials.username,
        "X-Kannel-Password": config.credentials.password,
        "X-Kannel-To": message.number,
    }
    if sender := message.port or config.sender:
        headers["X-Kannel-From"] = sender
    if message.modem:
        headers["X-Kannel-SMSC"] = message.modem
    if encoding_of(message.text) is Encoding.UCS2:
        # Without it, Kannel sends each character outside GSM-7 as a question mark.
        headers["X-Kannel-Coding"] = UCS2
    if config.report_url and message.attempt:
        headers["X-Kannel-DLR-Mask"] = ALL_REPORTS
        headers["X-Kannel-DLR-Url"] = f"{config.report_url}?ref={message.attempt}&{REPORT_QUERY}"
    return headers


def report_url(base_url: str, secret: str) -> str:
    """The address for reports, without its query. A percent sign is doubled: Kannel expands it."""
    return f"{base_url.rstrip('/')}{WEBHOOK}{quote(secret, safe='')}".replace("%", "%%")


# --- The table of replies


def _outcome(exchange: Exchange, reference: str | None) -> Outcome:
    if not isinstance(exchange, Answer):
        return exchange
    return _outcome_of_answer(exchange, _words(exchange.body), reference)


def _words(body: bytes) -> str:
    """The text of a body, in lower case."""
    return body.decode("utf-8", errors="replace").strip().lower()


def _outcome_of_answer(answer: Answer, words: str, reference: str | None) -> Outcome:
    said_accepted = ACCEPTED.fullmatch(words) is not None
    if answer.status == 202 and said_accepted:
        return Accepted(reference)
    if said_accepted or answer.status < 400:
        # Such as "Sent.", which Kannel answers before it decides, with immediate-sendsms-reply.
        return Unknown("The answer does not say whether the message was accepted.")
    if answer.status in (401, 403):
        return _refused(words)
    if answer.status == 429:
        return asked_to_wait(answer.headers)
    if answer.status == 503 and words.startswith(BUSY):
        # Perhaps only the queue of one network is full: messages to others need not wait longer.
        return replace(asked_to_wait(answer.headers), asks_to_wait=False)
    if answer.status == 400 and words.startswith(DENIED_NUMBER):
        return Rejected(REJECTED)
    if answer.status == 400 and words.startswith(WRONG_TYPE):
        return SETTINGS_REFUSED
    if answer.status == 400 and FIELD_REFUSED.fullmatch(words):
        return SETTINGS_REFUSED if words.startswith(OUR_FIELDS) else Rejected(REJECTED)
    if answer.status == 404 and words.startswith(WRONG_PATH):
        return NotSent("The gateway has no such address.", refuses_account=True)
    return Unknown(f"The answer (HTTP {answer.status}) does not say whether it was accepted.")


def _refused(words: str) -> NotSent:
    if words.startswith(NOT_ROUTABLE):
        # Also while an operator has stopped the connection: it may be routable later.
        return NotSent("The gateway has no route for this number at the moment.")
    if words.startswith(SIGN_IN_REFUSED):
        return NotSent("The account's user name or password was refused.", refuses_account=True)
    return NotSent("The account is not allowed to send.", refuses_account=True)


# --- Send, send many


class Kannel(OneByOne):
    """A `sendsms-user` of one gateway. Implements `domain.provider.Provider`.

    A call has one number. For several, Kannel gives one answer, and it can drop some silently.
    """

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        """Raises ValueError, with a sentence for the operator."""
        if config.credentials is None:
            raise ValueError("A Kannel account needs a user name and a password.")
        own = (config.credentials.username, config.credentials.password, config.sender or "")
        if not all(each.isprintable() for each in own):
            raise ValueError("A Kannel account must not have line breaks in its settings.")
        address = urlsplit(config.base_url)
        origin = replace(config, base_url=f"{address.scheme}://{address.netloc}")
        self._config = config
        self._path = address.path if address.path.strip("/") else SEND
        self._transport = transport or origin.transport()

    async def send(self, message: OutgoingMessage) -> Outcome:
        headers = _headers(self._config, message)
        reference = message.attempt if "X-Kannel-DLR-Url" in headers else None
        exchange = await self._transport.request(
            "POST", self._path, headers=headers, body=message.text.encode()
        )
        return _outcome(exchange, reference)


# --- Inbound and report parsing


def parse_webhook(query: bytes) -> Parsed:
    """Parses the query of a call: a delivery report (`ref`), or an inbound message (`from`)."""
    fields = _fields(query)
    if fields is None:
        return Malformed("The query is not a form with at most 20 fields.")
    return _report(fields) if "ref" in fields else _inbound(fields)


def _fields(query: bytes) -> dict[str, str] | None:
    """The fields, each byte as one character: the charset of the text is a field itself."""
    try:
        pairs = parse_qsl(
            query.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        return None
    return dict(reversed(pairs))


def _report(fields: Mapping[str, str]) -> Parsed:
    reference = reference_of(fields["ref"])
    kind = field_of(fields, "status")
    if reference is None:
        return Malformed("`ref` is not usable: the reference of the message.")
    if kind is None:
        return Malformed("`status` is missing: write status=%d into the URL.")
    answer = fields.get("answer", "")
    found = STATE.search(answer)
    state = found[1].upper() if found else None
    status = REPORTS.get(kind.strip())
    if status is ReportedStatus.FAILED and state in REPORTED_AS_FAILED:
        status = REPORTED_AS_FAILED[state]
    elif status is ReportedStatus.REFUSED and answer.strip() == GAVE_UP:
        status = ReportedStatus.FAILED
    # A receipt without a verdict must not look like a later one with a verdict.
    word = kind if state is None else f"{kind} {state}"
    return DeliveryReport(reference, word, status)


def _inbound(fields: Mapping[str, str]) -> Parsed:
    sender = _text(fields, "from")
    if sender is None:
        return Malformed("`from` is missing: write from=%p into the get-url.")
    if "text" not in fields:
        return Malformed("`text` is missing: write text=%b into the get-url.")
    if "charset" not in fields:
        return Malformed("`charset` is missing: write charset=%C into the get-url.")
    receiver = _text(fields, "to")
    smsc = _text(fields, "smsc")
    return ReceivedMessage(
        sender=sender,
        text=_decoded(fields["text"].encode("latin-1"), fields["charset"]),
        key=reference_of(fields.get("id")),
        receiver=receiver,
        line=Line(smsc, receiver) if smsc and receiver else None,
    )


def _decoded(text: bytes, charset: str) -> str:
    """The text. Bytes that are not valid in the charset become U+FFFD."""
    name = charset.strip().lower()
    if name == BINARY:
        return _text_in_binary(text)
    return storable(text.decode(CHARSETS.get(name, "utf-8"), errors="replace"))


def _text_in_binary(data: bytes) -> str:
    """The text that the data is, if it is one."""
    for charset in BINARY_CHARSETS:
        with suppress(UnicodeDecodeError):
            text = data.decode(charset)
            if all(each.isprintable() or each in "\r\n\t" for each in text):
                return text
    return BINARY_SHOWN


def _text(fields: Mapping[str, str], key: str) -> str | None:
    """A field as UTF-8. None if it is missing, empty or too long."""
    raw = fields.get(key, "").encode("latin-1")
    return short_text_of(raw.decode("utf-8", errors="replace").strip())
