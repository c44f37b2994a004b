"""The bodies of client webhooks: the fields, names and IDs are those of the GraphQL API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain import ids
from domain.hooks.deliveries import DueDelivery, EventType
from domain.hooks.subjects import LowBalance, OptOutChange, Test
from domain.ids import Kind
from domain.inbox.messages import AnyMessage, InboundMessage
from domain.sending.messages import Message, MessageStatus, Send
from domain.sending.text import encoding_of, segments_of


def envelope_of(delivery: DueDelivery, subject: Any) -> dict[str, Any]:
    """The body of a delivery. It is the same each time, except for the present state of a text."""
    is_update = delivery.type is EventType.MESSAGE_UPDATED
    return {
        "id": ids.encode(Kind.HOOK_EVENT, delivery.event_id),
        "type": delivery.type.value,
        # `occurred_at` is when the transaction began, and they may commit in another order.
        "createdAt": _time(subject.updated_at if is_update else delivery.occurred_at),
        "data": subject_fields(subject),
    }


def subject_fields(subject: Any) -> dict[str, Any]:
    """What an event says about its subject."""
    match subject:
        case Message() | InboundMessage():
            return _message(subject)
        case Send():
            return _send(subject)
        case LowBalance():
            return {
                "clientId": ids.encode(Kind.CLIENT, subject.client_id),
                "balance": subject.balance,
                "threshold": subject.threshold,
            }
        case OptOutChange():
            return {
                "clientId": ids.encode(Kind.CLIENT, subject.client_id),
                "number": subject.number,
                "optedOut": subject.opted_out,
            }
        case Test():
            return {"endpointId": ids.encode(Kind.HOOK_ENDPOINT, subject.endpoint_id)}
    raise TypeError(f"no event is about a {type(subject).__name__}")


def _message(message: AnyMessage) -> dict[str, Any]:
    send_id = message.send_id
    return {
        "id": ids.encode(Kind.MESSAGE, message.id),
        "clientId": ids.encode(Kind.CLIENT, message.client_id),
        "sendId": None if send_id is None else ids.encode(Kind.SEND, send_id),
        "direction": message.direction.value,
        "number": message.number,
        "answerable": message.answerable,
        "mentionsOptOut": message.mentions_opt_out,
        "text": message.text,
        "encoding": encoding_of(message.text).value,
        "segments": segments_of(message.text),
        "status": None if message.status is None else message.status.value,
        "failure": message.failure,
        "isReply": message.is_reply,
        "createdAt": _time(message.created_at),
        "updatedAt": _time(message.updated_at),
    }


def _send(send: Send) -> dict[str, Any]:
    return {
        "id": ids.encode(Kind.SEND, send.id),
        "clientId": ids.encode(Kind.CLIENT, send.client_id),
        "kind": send.kind.value,
        "createdAt": _time(send.created_at),
        "accepted": send.accepted,
        "rejectedCount": send.rejected_count,
        "charged": send.charged,
        "finished": send.finished,
        "counts": {each.value.lower(): send.counts.get(each, 0) for each in MessageStatus},
    }


def _time(moment: datetime) -> str:
    """As the API writes a DateTime."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def kind_of_subject(type_: EventType) -> Kind | None:
    """The kind of the ID of what such events are about."""
    return _SUBJECTS.get(type_)


_SUBJECTS = {
    EventType.MESSAGE_UPDATED: Kind.MESSAGE,
    EventType.MESSAGE_RECEIVED: Kind.MESSAGE,
    EventType.SEND_FINISHED: Kind.SEND,
    EventType.BALANCE_LOW: Kind.CLIENT,
    EventType.WEBHOOK_TEST: Kind.HOOK_ENDPOINT,
}
