"""The endpoints that consoles of operators call: send, reply, and the latest webhook events."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from domain import ids
from domain.identity.access import Everything
from domain.ids import Kind
from domain.inbox import reply as replying
from domain.inbox.webhooks import WebhookEvent, WebhookOutcome
from domain.pages import Window
from ibiki.http.rest.answers import Answer, AnswerPart
from ibiki.http.rest.models import (
    LARGEST_PAGE,
    MESSAGE_ID,
    SAMPLE_ID,
    SAMPLE_TEXT,
    TEXT,
    PageQuery,
    Request,
)
from ibiki.http.rest.operations import RestCall

DEFAULT_EVENTS = 50


class SendReply(Request):
    """A text to the sender of an inbound message. Give inboundMessageId or conversationId."""

    inbound_message_id: str | None = Field(
        default=None,
        alias="inboundMessageId",
        description="The ID of the inbound message that is answered.",
        examples=[SAMPLE_ID],
    )
    conversation_id: str | None = Field(
        default=None,
        alias="conversationId",
        description="The ID of the conversation. GraphQL has the same.",
    )
    message: str = Field(description=TEXT, examples=[SAMPLE_TEXT])


class EventsQuery(PageQuery):
    """Which events to list."""

    limit: int = Field(
        default=DEFAULT_EVENTS, ge=1, le=LARGEST_PAGE, description="The most events of the answer."
    )
    outcome: WebhookOutcome | None = Field(
        default=None, description="Only events with this outcome."
    )


class ReplyAnswer(Answer):
    """The accepted reply."""

    message_id: str = Field(description=MESSAGE_ID)
    status: Literal["queued"] = "queued"
    warning: str | None = Field(
        description="Why the reply may show another number, as a sentence. Null if it does not."
    )


class Event(AnswerPart):
    """A call of a provider: an inbound message or a delivery report."""

    id: str
    received_at: datetime
    provider: str
    outcome: WebhookOutcome = Field(description="What was done with the event.")
    reason: str = Field(description="Which rule decided, in words.")
    sender: str | None = Field(
        description="The sender of an inbound message as it was read. Null before that."
    )
    opt_out_pending: bool = Field(
        description="A STOP that blocks its number for several clients until you assign it."
    )
    client_id: str | None = Field(description="The client that it was routed to.")
    message_id: str | None = Field(description="The inbound message that was made from it.")
    modem: str | None = Field(description="The modem that it names.")
    port: str | None = Field(description="The port that it names.")
    payload: Any = Field(description='The body as JSON, or {"text": …} if it is not JSON.')
    times: int = Field(
        description="How many calls it counts: the refused calls of a minute are one event."
    )


class EventsAnswer(Answer):
    """Events of all providers, newest first. Of unrouted ones, pending opt-outs first."""

    events: list[Event]


class LastEventAnswer(Answer):
    """Whether events arrive, and the newest one that was not refused."""

    event: Event | None = Field(description="Null if none has arrived.")
    last_routed_client_id: str | None = Field(description="The client of the newest routed event.")
    events_last_hour: int = Field(description="Events of the last hour that were not refused.")
    unrouted: int = Field(description="Events that you can assign to a client.")
    pending_opt_outs: int = Field(
        description="Unrouted STOPs that block a number for several clients until you assign them."
    )
    refused_last_hour: int = Field(description="Calls refused in the last hour.")


async def reply(call: RestCall) -> ReplyAnswer:
    """Answers an inbound message, through the line that it came in on."""
    given: SendReply = call.body
    replying.check_sender(call.actor)
    made = await replying.reply(
        call.installation,
        call.actor,
        conversation_id=ids.decode_given(Kind.CONVERSATION, given.conversation_id),
        inbound_id=ids.decode_given(Kind.MESSAGE, given.inbound_message_id),
        text=given.message,
        key=call.key,
    )
    return ReplyAnswer(message_id=ids.encode(Kind.MESSAGE, made.sent.id), warning=made.warning)


async def webhook_events(call: RestCall) -> EventsAnswer:
    """The latest webhook events of all providers, newest first."""
    given: EventsQuery = call.query
    page = await call.installation.store.read_webhook_events(
        Everything(), Window(size=given.limit), outcome=given.outcome
    )
    return EventsAnswer(events=[_shown(each) for each in page.items])


async def last_webhook_event(call: RestCall) -> LastEventAnswer:
    """Whether webhook events arrive, and the newest one."""
    status = await call.installation.store.read_webhook_status(Everything())
    routed_id = status.last_routed_client_id
    return LastEventAnswer(
        event=None if status.last_event is None else _shown(status.last_event),
        last_routed_client_id=None if routed_id is None else ids.encode(Kind.CLIENT, routed_id),
        events_last_hour=status.events_last_hour,
        unrouted=status.unrouted,
        pending_opt_outs=status.pending_opt_outs,
        refused_last_hour=status.refused_last_hour,
    )


def _shown(event: WebhookEvent) -> Event:
    client_id, inbound_id = event.client_id, event.inbound_id
    return Event(
        id=ids.encode(Kind.WEBHOOK_EVENT, event.id),
        received_at=event.received_at,
        provider=event.provider,
        outcome=event.outcome,
        reason=event.reason,
        sender=event.sender,
        opt_out_pending=event.opt_out_pending,
        client_id=None if client_id is None else ids.encode(Kind.CLIENT, client_id),
        message_id=None if inbound_id is None else ids.encode(Kind.MESSAGE, inbound_id),
        modem=event.modem,
        port=event.port,
        payload=event.payload,
        times=event.times,
    )
