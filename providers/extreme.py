"""The adapter for ExtremeSMS, HTTP API v2, as seen in programs that call it (read 2026-11).

No document of the vendor confirms it. Assumptions are marked "assumed". Parsing is lenient, except
where that could make an accepted message look like one that was not accepted.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from domain.errors import ProviderUnavailable
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
from providers.config import ProviderConfig
from providers.replies import (
    asked_to_wait,
    field_of,
    is_page,
    json_object,
    reading_of,
    reference_of,
    text_of,
    webhook_fields,
    word_of,
)
from providers.transport import Adapter, Answer, Exchange, Transport, unavailable

# --- Constants

BASE_URL: Final = "https://extremesms.net"
SEND_ONE: Final = "/api/v2/sms/sendsingle"
SEND_ONE_TEXT: Final = "/api/v2/sms/sendbulk"
SEND_MANY_TEXTS: Final = "/api/v2/sms/sendbulkmulti"
STATUS: Final = "/api/v2/sms/status/"
BALANCE: Final = "/api/v2/account/balance"

# The codes of a 400, or of a 2xx with "success": false, that refuse the message:
REFUSES_MESSAGE: Final = {
    "INVALID_RECIPIENT": "The network refused the number as invalid.",
    "INVALID_PARAMS": "The network refused the message as invalid.",
}
CONTRADICTION: Final = "The response contradicts itself."
NO_CREDITS: Final = "INSUFFICIENT_CREDITS"
# HTTP statuses that refuse the account. The body does not matter.
REFUSES_ACCOUNT: Final = {
    401: "The account's key was refused.",
    402: "The account has no credits left.",
    403: "The account is not allowed to send.",
}
# If a refusal has one of these fields, some messages may have been accepted.
NAMES_MESSAGES: Final = ("messageId", "messageIds", "results")
# The status of an item that was refused alone, in a call with many texts (assumed).
FAILED: Final = "failed"
# The code of an item that is equal to another one in the same call. An installation of Ibiki
# accepts one of them. The other one may be of another client: it is sent again, alone.
REPEATED: Final = "DUPLICATE"
# The statuses of an accepted message.
STATUSES: Final = {
    "queued": ReportedStatus.TAKEN,
    "pending": ReportedStatus.TAKEN,
    "sent": ReportedStatus.TAKEN,
    "delivered": ReportedStatus.DELIVERED,
    FAILED: ReportedStatus.FAILED,
    "expired": ReportedStatus.FAILED,
    "undelivered": ReportedStatus.FAILED,  # an installation of Ibiki reports these two
    "cancelled": ReportedStatus.FAILED,
    "canceled": ReportedStatus.FAILED,
    "rejected": ReportedStatus.FAILED,
}
# The status of an inbound message whose sender opted out. Otherwise it is "received".
BLOCKED: Final = "blocked"

_log = logging.getLogger(__name__)


# --- Request shapes


def _single(message: OutgoingMessage) -> dict[str, str]:
    shape = {"recipient": message.number, "message": message.text}
    # The webhook has `usedmodem`, this call has `usemodem`.
    if message.modem is not None:
        shape["usemodem"] = message.modem
    if message.port is not None:
        shape["port"] = message.port
    return shape


def _one_text(messages: Sequence[OutgoingMessage]) -> dict[str, object]:
    return {"recipients": [message.number for message in messages], "content": messages[0].text}


def _many_texts(messages: Sequence[OutgoingMessage]) -> list[dict[str, str]]:
    return [{"recipient": message.number, "content": message.text} for message in messages]


# --- The table of replies


def _read(exchange: Exchange, *, with_items: bool = False) -> dict[str, object] | Outcome:
    """The body if messages were accepted, else the outcome of all messages.

    `with_items`: also return a body that lists results if not all of them were accepted.
    """
    if not isinstance(exchange, Answer):
        return exchange
    body = json_object(exchange.body)
    if _is_success(exchange.status) and body.get("success") is True:
        return body
    listed = body.get("success") is False and body.get("results")
    if with_items and listed and (_is_success(exchange.status) or exchange.status == 400):
        return body
    return _refusal(exchange, body)


def _refusal(answer: Answer, body: Mapping[str, object]) -> Outcome:
    """The outcome of a response that does not report success."""
    if body.get("success") is True or any(body.get(key) for key in NAMES_MESSAGES):
        return Unknown(CONTRADICTION)
    if answer.status in REFUSES_ACCOUNT:
        return NotSent(REFUSES_ACCOUNT[answer.status], refuses_account=True)
    if answer.status == 429 or _is_unavailable(answer, body):
        return asked_to_wait(answer.headers)
    if answer.status == 400 or (_is_success(answer.status) and body.get("success") is False):
        return _refusal_by_code(word_of(body, "code").upper())
    return Unknown(f"The response (HTTP {answer.status}) does not say whether it was accepted.")


def _refusal_by_code(code: str) -> Outcome:
    if code == NO_CREDITS:
        return NotSent(REFUSES_ACCOUNT[402], refuses_account=True)
    if code in REFUSES_MESSAGE:
        return Rejected(REFUSES_MESSAGE[code])
    # An unlisted code could mean "already sent".
    return Unknown("The network refused with a code that is not known.")


def _is_unavailable(answer: Answer, body: Mapping[str, object]) -> bool:
    """Whether the provider itself responded with 503, before it accepted anything.

    The sign is its own JSON, or an empty body with Retry-After. Text or HTML comes from a proxy,
    which may already have forwarded the request.
    """
    if answer.status != 503:
        return False
    if body:
        return body.get("success") is False or isinstance(body.get("error"), str)
    return not answer.body.strip() and "Retry-After" in answer.headers


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def outcome_of_one(exchange: Exchange) -> Outcome:
    """The outcome of a single message. Without a usable ID it has no reference."""
    body = _read(exchange)
    if not isinstance(body, dict):
        return body
    reference = reference_of(body.get("messageId"))
    failed = word_of(body, "status") == FAILED
    return Unknown(CONTRADICTION, reference) if failed else Accepted(reference)


def _outcomes_of_one_text(body: dict[str, object] | Outcome, count: int) -> list[Outcome]:
    """References in the order of the recipients (assumed), if each has a different one."""
    if not isinstance(body, dict):
        return _for_each(body, count)
    ids = body.get("messageIds")
    references = [reference_of(value) for value in ids] if isinstance(ids, list) else []
    refused = _refused_positions(body.get("rejected"))
    if refused and len(references) + len(refused) == count and max(refused) < count:
        given = iter(references)
        return [refused.get(at) or Accepted(next(given)) for at in range(count)]
    if len(references) == len(set(references)) == count and None not in references:
        return [Accepted(one) for one in references]
    _log.warning(
        "%d messages accepted without references: %d in the response", count, len(references)
    )
    return [Accepted(None)] * count


def _refused_positions(rejected: object) -> dict[int, Outcome]:
    """The outcomes of recipients that an installation of Ibiki has refused, by their positions."""
    items = rejected if isinstance(rejected, list) else []
    return {
        each["position"]: refusal_of_item({"code": each.get("reason")})
        for each in items
        if isinstance(each, dict) and isinstance(at := each.get("position"), int) and at >= 0
    }


def _outcomes_of_many_texts(body: dict[str, object] | Outcome, numbers: list[str]) -> list[Outcome]:
    """The outcome of each message, from the item for its number."""
    if not isinstance(body, dict):
        return _for_each(body, len(numbers))
    results = body.get("results")
    if not isinstance(results, list) or not results:
        return _outcomes_without_items(body, len(numbers))
    succeeded = body.get("success") is True
    items = _items(results, numbers)
    return _without_repeated([_outcome_of_item(each, succeeded=succeeded) for each in items])


def _without_repeated(outcomes: list[Outcome]) -> list[Outcome]:
    """The same outcomes, without the references that several messages have."""
    given = Counter(one.reference for one in outcomes if isinstance(one, Accepted))
    return [
        Accepted(None) if isinstance(one, Accepted) and given[one.reference] > 1 else one
        for one in outcomes
    ]


def _outcomes_without_items(body: Mapping[str, object], count: int) -> list[Outcome]:
    if body.get("totalFailed") in (None, 0):
        return _outcomes_of_one_text({}, count)
    return [Unknown("Some messages were refused, and the response does not say which.")] * count


def _items(results: list[object], numbers: list[str]) -> list[Mapping[str, object]]:
    """One item per number, in order. Empty if no item certainly belongs to the number.

    Items are matched by position if each has the expected number or none. Otherwise by number, if
    the number occurs once in the request and once in the response.
    """
    items: list[Mapping[str, object]] = [item if isinstance(item, dict) else {} for item in results]
    theirs = [_digits(item.get("recipient")) for item in items]
    ours = [_digits(number) for number in numbers]
    pairs = zip(theirs, ours, strict=False)
    if len(theirs) == len(ours) and all(their in ("", our) for their, our in pairs):
        return items
    by_number = dict(zip(theirs, items, strict=True))
    once = {number for number in ours if ours.count(number) == theirs.count(number) == 1}
    return [by_number[number] if number in once else {} for number in ours]


def _digits(number: object) -> str:
    return "".join(filter(str.isdigit, number)) if isinstance(number, str) else ""


def _outcome_of_item(item: Mapping[str, object], *, succeeded: bool) -> Outcome:
    own, status = reference_of(item.get("messageId")), word_of(item, "status")
    if status == FAILED:
        return refusal_of_item(item) if own is None else Unknown(CONTRADICTION, own)
    if succeeded and (own is not None or status in ("queued", "pending", "sent")):
        return Accepted(own)
    return Unknown("The response does not say whether this message was accepted.")


def refusal_of_item(item: Mapping[str, object]) -> Outcome:
    """The outcome of an item that failed: not accepted, for every code."""
    code = word_of(item, "code").upper()
    if code == NO_CREDITS:
        return NotSent(REFUSES_ACCOUNT[402], refuses_account=True)
    if code == REPEATED:
        return NotSent("The same message was in the call already.", alone=True)
    return Rejected(REFUSES_MESSAGE.get(code, "The network refused this message."))


def _for_each(outcome: Outcome, count: int) -> list[Outcome]:
    """The same outcome for all messages.

    A refused call accepted nothing, and does not say which message caused it.
    """
    if isinstance(outcome, Rejected):
        return [NotSent("The network refused the call as a whole.", alone=True)] * count
    return [outcome] * count


# --- Send, send many, balance, status


class ExtremeSMS(Adapter):
    """One account at ExtremeSMS. Implements `domain.provider.Provider`."""

    statuses: Mapping[str, ReportedStatus] = STATUSES

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        self.largest_batch = config.largest_batch
        self._transport = transport or config.transport()
        self._headers = {
            "Authorization": f"Bearer {config.api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    async def send(self, message: OutgoingMessage) -> Outcome:
        return outcome_of_one(await self._post(SEND_ONE, _single(message), message.attempt))

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """See the port. Raises ValueError if the messages do not fit into one call."""
        self._check(messages)
        if len(messages) < 2:
            return [await self.send(message) for message in messages]
        if len({message.text for message in messages}) == 1:
            answer = await self._post(SEND_ONE_TEXT, _one_text(messages), messages[0].attempt)
            return _outcomes_of_one_text(_read(answer), len(messages))
        answer = await self._post(SEND_MANY_TEXTS, _many_texts(messages), messages[0].attempt)
        body = _read(answer, with_items=True)
        return _outcomes_of_many_texts(body, [message.number for message in messages])

    async def balance(self) -> Reading:
        exchange = await self._transport.request("GET", BALANCE, headers=self._headers)
        if not isinstance(exchange, Answer):
            raise unavailable(exchange)
        if exchange.status in REFUSES_ACCOUNT:
            raise ProviderUnavailable("The SMS network refused the account: check its key.")
        reading = reading_of(exchange.body, "balance") if _is_success(exchange.status) else None
        if reading is None or json_object(exchange.body).get("success") is not True:
            raise unavailable(exchange, "The SMS network returned no valid balance.")
        return reading

    async def status(self, reference: str) -> ReportedStatus | None:
        path = STATUS + quote(reference, safe="")
        exchange = await self._transport.request("GET", path, headers=self._headers)
        if not isinstance(exchange, Answer):
            raise unavailable(exchange)
        if exchange.status in REFUSES_ACCOUNT or exchange.status == 429 or exchange.status >= 500:
            raise unavailable(exchange)
        if exchange.status < 400 and (exchange.status >= 300 or is_page(exchange.body)):
            raise unavailable(exchange)
        body = json_object(exchange.body)
        if not _is_success(exchange.status) or body.get("success") is not True:
            return None
        return self.statuses.get(word_of(body, "status"))

    async def _post(self, path: str, shape: object, attempt: str) -> Exchange:
        own, body = self._headers_of(attempt), json.dumps(shape).encode()
        return await self._transport.request("POST", path, headers=own, body=body)

    def _headers_of(self, attempt: str) -> Mapping[str, str]:
        """The headers of a call for messages."""
        return self._headers

    def _check(self, messages: Sequence[OutgoingMessage]) -> None:
        if len(messages) > self.largest_batch:
            raise ValueError(f"At most {self.largest_batch} messages fit into one call.")
        if len(messages) > 1 and any(message.modem or message.port for message in messages):
            raise ValueError("A message with a modem or port needs its own call.")


# --- Inbound and report parsing


def parse_webhook(body: bytes) -> Parsed:
    """Parses a webhook call: an inbound message or a delivery report.

    No delivery report of this provider has been seen. Assumed: it has no sender, and looks like the
    response to a status query.
    """
    fields = webhook_fields(body)
    if not fields:
        return Malformed("The body is neither a JSON object nor a form.")
    message_id = reference_of(fields.get("messageId"))
    status = field_of(fields, "status")
    if "from" not in fields and message_id is not None and status is not None:
        number = field_of(fields, "recipient")
        return DeliveryReport(message_id, status, STATUSES.get(word_of(fields, "status")), number)
    return _inbound(fields, message_id)


def _inbound(fields: Mapping[str, object], message_id: str | None) -> Parsed:
    sender, text = field_of(fields, "from"), text_of(fields.get("message"))
    if sender is None:
        return Malformed("`from` is missing: the sender of the message.")
    if text is None:
        return Malformed("`message` is not a string.")
    names = [field_of(fields, key) for key in ("firstname", "lastname")]
    return ReceivedMessage(
        sender=sender,
        text=text,
        key=message_id,
        receiver=field_of(fields, "receiver"),
        line=_line(fields),
        name=" ".join(" ".join(filter(None, names)).split()) or None,
        business=" ".join((field_of(fields, "business") or "").split()) or None,
        blocked=word_of(fields, "status") == BLOCKED,
    )


def _line(fields: Mapping[str, object]) -> Line | None:
    """Modem and port exactly as written, because a reply must repeat them."""
    modem = field_of(fields, "usedmodem")
    port = field_of(fields, "port")
    return Line(modem, port) if modem is not None and port is not None else None
