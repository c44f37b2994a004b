"""What the events of deliveries are about, as it was when each event occurred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.hooks.deliveries import DueDelivery, EventType
from domain.hooks.ports import HookSubjects
from domain.identity.access import Everything
from domain.inbox.messages import AnyMessage
from domain.sending.messages import Message, MessageStatus

OF_MESSAGES = (EventType.MESSAGE_UPDATED, EventType.MESSAGE_RECEIVED)


@dataclass(frozen=True, slots=True)
class LowBalance:
    """A client holds less than its threshold."""

    client_id: UUID
    balance: int
    threshold: int


@dataclass(frozen=True, slots=True)
class OptOutChange:
    """A number opted out of a client's messages, or back in."""

    client_id: UUID
    number: str
    opted_out: bool


@dataclass(frozen=True, slots=True)
class Test:
    """A test of an endpoint."""

    endpoint_id: UUID


async def read_subjects(store: HookSubjects, deliveries: Sequence[DueDelivery]) -> dict[UUID, Any]:
    """The subjects that still exist, by the ID of their delivery."""
    message_ids = {each.subject for each in deliveries if each.type in OF_MESSAGES}
    send_ids = {each.subject for each in deliveries if each.type is EventType.SEND_FINISHED}
    everything = Everything()
    messages = await store.find_messages(everything, list(message_ids)) if message_ids else {}
    sends = await store.find_sends_by_id(everything, list(send_ids)) if send_ids else {}
    found: dict[UUID, Any] = {}
    for each in deliveries:
        facts = each.facts
        match each.type:
            case EventType.MESSAGE_UPDATED | EventType.MESSAGE_RECEIVED:
                subject: Any = _at_that_time(messages.get(each.subject), each)
            case EventType.SEND_FINISHED:
                subject = sends.get(each.subject)
            case EventType.BALANCE_LOW:
                subject = LowBalance(each.client_id, facts["balance"], facts["threshold"])
            case EventType.OPTOUT_CHANGED:
                subject = OptOutChange(each.client_id, facts["number"], facts["opted_out"])
            case EventType.WEBHOOK_TEST:
                subject = Test(each.endpoint_id)
        if subject is not None:
            found[each.id] = subject
    return found


def _at_that_time(message: AnyMessage | None, delivery: DueDelivery) -> AnyMessage | None:
    """The message with the status that the event is about, which may not be its present one."""
    if not isinstance(message, Message):
        return message
    return message._replace(
        status=MessageStatus(delivery.facts["status"]),
        failure=delivery.facts["failure"],
        updated_at=datetime.fromisoformat(delivery.facts["updated_at"]),
    )
