"""The adapter for another installation of Ibiki: this one buys from it, as one of its clients.

Source: docs/api/rest.md. The calls are those of ExtremeSMS, which that API answers. Inbound
messages and delivery reports come as client webhooks of the other installation
(docs/providers/ibiki.md).

The key of each call is the ID of our attempt. If its answer is lost, the other installation says
what it has accepted with this key.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

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
from domain.sending.messages import BY_MESSAGE, Line
from providers.extreme import ExtremeSMS, outcome_of_one, refusal_of_item
from providers.replies import LONGEST_FIELD, field_of, json_object, reference_of, text_of
from providers.transport import Answer, unavailable

# --- Constants

# The words of the status query, and in capital letters of the webhooks. A message that failed or
# was cancelled there was refunded there. "unknown" says nothing.
STATUSES: Final = {
    "queued": ReportedStatus.TAKEN,
    "sent": ReportedStatus.TAKEN,
    "delivered": ReportedStatus.DELIVERED,
    "undelivered": ReportedStatus.FAILED,
    "failed": ReportedStatus.RETURNED,
    "rejected": ReportedStatus.RETURNED,
    "cancelled": ReportedStatus.RETURNED,
}
REPLY: Final = "/api/sms/reply"
SETTLE: Final = "/api/v2/sms/settle"
KEY: Final = "Idempotency-Key"
NEVER_ACCEPTED: Final = NotSent("The network has not accepted the call, and will not any more.")
NOT_LISTED: Final = Unknown("The network does not list this message.")
# The message that is answered was deleted there.
NOT_FOUND: Final = "NOT_FOUND"
NOT_ANSWERABLE: Final = "The message that this answers does not exist any more."
RECEIVED: Final = "message.received"
UPDATED: Final = "message.updated"


# --- Send, send many, balance, status


class Ibiki(ExtremeSMS):
    """One account at another installation. Implements `domain.provider.Provider`."""

    statuses = STATUSES

    async def send(self, message: OutgoingMessage) -> Outcome:
        """A reply names the message that it answers, so that it leaves through the same line."""
        if message.modem != BY_MESSAGE:
            return await super().send(message)
        given = {"inboundMessageId": message.port, "message": message.text}
        exchange = await self._post(REPLY, given, message.attempt)
        if (
            isinstance(exchange, Answer)
            and exchange.status == 404
            and json_object(exchange.body).get("code") == NOT_FOUND
        ):
            return Rejected(NOT_ANSWERABLE)
        return outcome_of_one(exchange)

    async def settle(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """See `domain.provider.SupportsSettling`. An earlier release is always unavailable."""
        exchange = await self._post(SETTLE, {"idempotencyKey": messages[0].attempt}, "")
        body = json_object(exchange.body) if isinstance(exchange, Answer) else {}
        accepted, results = body.get("accepted"), body.get("results")
        if body.get("success") is not True or not isinstance(results, list):
            raise unavailable(exchange)
        if accepted is False and not results:
            return [NEVER_ACCEPTED] * len(messages)
        return _settled(results, [each.number for each in messages])

    def _headers_of(self, attempt: str) -> Mapping[str, str]:
        return self._headers | ({KEY: attempt} if attempt else {})


def _settled(results: Sequence[object], numbers: Sequence[str]) -> list[Outcome]:
    """The outcome of each message, from the item for its number.

    Messages to one number have different texts. Both sides have them in the order of the call, so
    the items belong to them in this order, if none is missing and all say the same.
    """
    items: dict[str, list[Outcome]] = defaultdict(list)
    for each in results:
        item = each if isinstance(each, dict) else {}
        items[str(item.get("recipient"))].append(_outcome_of_item(item))
    found: dict[str, Iterator[Outcome]] = {}
    for number, count in Counter(numbers).items():
        own = items[number]
        agree = len(own) == count and len({type(each) for each in own}) == 1
        found[number] = iter(own if agree else [NOT_LISTED] * count)
    return [next(found[number]) for number in numbers]


def _outcome_of_item(item: Mapping[str, object]) -> Outcome:
    own_id, is_failed = reference_of(item.get("messageId")), item.get("status") == "failed"
    if is_failed == (own_id is not None):
        return NOT_LISTED
    return refusal_of_item(item) if is_failed else Accepted(own_id)


# --- Inbound and report parsing


def parse_webhook(body: bytes) -> Parsed:
    """Parses a client webhook: an inbound message or a new status of a message.

    An event of another type, such as a test, is a report that changes nothing.
    """
    event = json_object(body)
    type_, event_id = event.get("type"), reference_of(event.get("id"))
    if not isinstance(type_, str) or event_id is None:
        return Malformed("`id` and `type` are required: the event.")
    message = event.get("data")
    if type_ not in (RECEIVED, UPDATED):
        return DeliveryReport(event_id, type_[:LONGEST_FIELD], None)
    if not isinstance(message, dict):
        return Malformed("`data` must be an object: the message.")
    return _inbound(message) if type_ == RECEIVED else _report(message)


def _inbound(message: Mapping[str, object]) -> Parsed:
    sender = field_of(message, "number")
    text = text_of(message.get("text"))
    if sender is None or text is None:
        return Malformed("`data.number` and `data.text` are required: the inbound message.")
    own_id = reference_of(message.get("id"))
    line = None if own_id is None else Line(BY_MESSAGE, own_id)
    return ReceivedMessage(sender=sender, text=text, key=own_id, line=line)


def _report(message: Mapping[str, object]) -> Parsed:
    reference = reference_of(message.get("id"))
    word = field_of(message, "status")
    if reference is None or word is None:
        return Malformed("`data.id` and `data.status` are required: the message.")
    number = field_of(message, "number")
    return DeliveryReport(reference, word, STATUSES.get(word.strip().lower()), number)
