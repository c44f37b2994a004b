"""Replying: one message back to who has written, through the line that they wrote in on.

In this order: the idempotency key, the account's status, the text, the conversation, whether the
number opted out, the limits, the balance. It is accepted like any other send, ahead of bulk.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import InvalidInput, NotFound, OptedOut, OutcomeUnknown, Refusal, TryAgain
from domain.identity.access import Actor, OfClient, payer_of
from domain.ids import new_id
from domain.inbox.capture import capture_send
from domain.inbox.conversations import Conversation, ModemRoute
from domain.ledger.idempotency import IdempotencyKey, stored_before
from domain.loops import AWAY
from domain.pages import Window
from domain.sending.accept import AcceptedBefore, AcceptedNow
from domain.sending.send import accept, check_pace, key_by
from domain.sending.sends import Line, Message, MessageStatus, NewSend, SendKind
from domain.sending.text import check_text

if TYPE_CHECKING:
    from domain.installation import Installation

THROUGH_ANOTHER_LINE = (
    "It is not known which line this conversation came in on: the reply leaves through your usual "
    "one, and may be shown as coming from another number."
)
THROUGH_ANY_LINE = (
    "It is not known which line this conversation came in on: the reply leaves like any other "
    "message, and may be shown as coming from another number."
)

LONGEST_JOIN_SECONDS = 1.0
"""The reply is accepted: its answer must not wait long for what a worker can do later."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that was accepted. `warning`: why it leaves through another line, None if not."""

    sent: Message
    warning: str | None


@dataclass(frozen=True, slots=True)
class Way:
    """The line that a reply leaves through, and what is to be said of it."""

    line: Line | None
    warning: str | None


def way_of(conversation: Conversation, route: ModemRoute | None) -> Way:
    """Back the way that the last message came; else the client's own line; else any."""
    if conversation.line is not None:
        return Way(conversation.line, None)
    if route is not None:
        return Way(route.line, THROUGH_ANOTHER_LINE)
    return Way(None, THROUGH_ANY_LINE)


def check_sender(actor: Actor) -> None:
    """Raises Forbidden for who has no account to send from: before any id is read."""
    if actor.payer is None:
        payer_of(actor)


async def reply(
    installation: Installation,
    actor: Actor,
    *,
    conversation_id: UUID | None,
    inbound_id: UUID | None,
    text: str,
    key: str | None,
) -> Reply:
    """Accepts a reply in a conversation, or to an inbound message of it.

    Raises NotFound for what is not the actor's client's, InvalidInput unless one is named.
    """
    given = [str(conversation_id), str(inbound_id), text]
    keyed = key_by(actor, key, "reply", given)
    try:
        new_send = await _check(installation, actor, keyed, conversation_id, inbound_id, text)
    except Refusal as refusal:
        answer = await stored_before(installation.store, keyed, refusal)
        return await _find(installation, actor, UUID(answer["send"]))
    accepted = await accept(installation, new_send)
    if isinstance(accepted, AcceptedBefore):
        return await _find(installation, actor, accepted.send_id)
    await _join(installation, new_send.id)
    return _just_queued(accepted)


async def _check(
    installation: Installation,
    actor: Actor,
    key: IdempotencyKey | None,
    conversation_id: UUID | None,
    inbound_id: UUID | None,
    text: str,
) -> NewSend:
    payer = payer_of(actor)
    check_text(text, most_segments=installation.limits.segments)
    conversation = await _conversation(installation, payer.client_id, conversation_id, inbound_id)
    if await installation.store.find_opted_out(payer.client_id, [conversation.number]):
        raise OptedOut
    check_pace(installation, payer)
    route = None if conversation.pinned else await installation.store.route_of(payer.client_id)
    way = way_of(conversation, route)
    return NewSend(
        id=new_id(),
        payer=payer,
        actor_id=actor.user_id,
        kind=SendKind.REPLY,
        numbers=[conversation.number],
        text=text,
        line=way.line,
        warning=way.warning,
        key=key,
        message_id=new_id(),
    )


async def _conversation(
    installation: Installation,
    client_id: UUID,
    conversation_id: UUID | None,
    inbound_id: UUID | None,
) -> Conversation:
    if (conversation_id is None) == (inbound_id is None):
        raise InvalidInput("Name a conversation or an inbound message, not both.")
    scope = OfClient(client_id)
    if conversation_id is not None:
        return await installation.store.find_conversation(scope, conversation_id)
    assert inbound_id is not None
    inbound = await installation.store.find_inbound(scope, inbound_id)
    pair = (inbound.client_id, inbound.number)
    return (await installation.store.find_conversations_with(scope, [pair]))[pair]


async def _join(installation: Installation, send_id: UUID) -> None:
    """Adds the reply to its conversation now, if the database answers soon; else a worker does."""
    with suppress(*AWAY, TimeoutError):
        async with asyncio.timeout(LONGEST_JOIN_SECONDS):
            await capture_send(installation.store, send_id)


def _just_queued(accepted: AcceptedNow) -> Reply:
    new_send = accepted.send
    assert new_send.message_id is not None  # `_check` sets it
    assert new_send.text is not None
    line = new_send.line
    message = Message(
        id=new_send.message_id,
        send_id=new_send.id,
        client_id=new_send.payer.client_id,
        number=new_send.numbers[0],
        text=new_send.text,
        status=MessageStatus.QUEUED,
        failure=None,
        is_reply=True,
        created_at=accepted.created_at,
        updated_at=accepted.created_at,
        modem=line.modem if line else None,
        port=line.port if line else None,
    )
    return Reply(message, new_send.warning)


async def _find(installation: Installation, actor: Actor, send_id: UUID) -> Reply:
    """A reply that was accepted before, as it is now."""
    if actor.client_id is None:
        raise NotFound("message")
    scope = OfClient(actor.client_id)
    try:
        pages = await installation.store.read_messages_of_sends(scope, [send_id], Window(size=1))
        messages = pages[send_id].items
        if not messages:
            raise NotFound("message")
        return Reply(messages[0], await installation.store.find_warning(scope, send_id))
    except TryAgain as away:
        raise OutcomeUnknown(send_id=send_id) from away
