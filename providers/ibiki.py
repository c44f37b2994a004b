"""The adapter for another installation of Ibiki: this one buys from it, as one of its clients.

Source: docs/api/rest.md. The calls are those of ExtremeSMS, which that API answers. Inbound
messages and delivery reports come as client webhooks of the other installation
(docs/providers/ibiki.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domain.inbox.webhooks import InboundCall, Malformed, Parsed, ReportCall
from domain.provider import Outcome, Outgoing, Rejected, ReportedStatus
from domain.sending.messages import BY_MESSAGE, Line
from providers.extreme import ExtremeSMS, outcome_of_one
from providers.replies import LONGEST_FIELD, field_of, json_object, reference_of, text_of
from providers.transport import Answer

# --- Constants

# The words of the status query, and in capital letters of the webhooks. A message that failed or
# was cancelled there was refunded there. "unknown" says nothing.
STATUSES: Final = {
    "queued": ReportedStatus.TAKEN,
    "sent": ReportedStatus.TAKEN,
    "delivered": ReportedStatus.DELIVERED,
    "undelivered": ReportedStatus.FAILED,
    "failed": ReportedStatus.REFUSED,
    "rejected": ReportedStatus.REFUSED,
    "cancelled": ReportedStatus.REFUSED,
}
REPLY: Final = "/api/sms/reply"
# The message that is answered was deleted there.
NOT_FOUND: Final = "NOT_FOUND"
NOT_ANSWERABLE: Final = "The message that this answers does not exist any more."
RECEIVED: Final = "message.received"
UPDATED: Final = "message.updated"


# --- Send, send many, balance, status


class Ibiki(ExtremeSMS):
    """One account at another installation. Implements `domain.provider.Provider`."""

    statuses = STATUSES

    async def send(self, message: Outgoing) -> Outcome:
        """A reply names the message that it answers, so that it leaves through the same line."""
        if message.modem != BY_MESSAGE:
            return await super().send(message)
        given = {"inboundMessageId": message.port, "message": message.text}
        exchange = await self._post(REPLY, given)
        if (
            isinstance(exchange, Answer)
            and exchange.status == 404
            and json_object(exchange.body).get("code") == NOT_FOUND
        ):
            return Rejected(NOT_ANSWERABLE)
        return outcome_of_one(exchange)


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
        return ReportCall(event_id, type_[:LONGEST_FIELD], None)
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
    return InboundCall(sender=sender, text=text, key=own_id, line=line)


def _report(message: Mapping[str, object]) -> Parsed:
    reference = reference_of(message.get("id"))
    word = field_of(message, "status")
    if reference is None or word is None:
        return Malformed("`data.id` and `data.status` are required: the message.")
    number = field_of(message, "number")
    return ReportCall(reference, word, STATUSES.get(word.strip().lower()), number)
