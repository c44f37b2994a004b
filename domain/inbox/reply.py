"""Replies: one message back to a sender, through the line that their last message came in on.

Checked in this order: the idempotency key, the account's status, the text, the conversation,
whether the number opted out, the limits, the balance. A reply is accepted like any other send, and
is sent before bulk messages.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import InvalidInput, NotFound, OptedOut, OutcomeUnknown, Refusal, TryAgain
from domain.identity.access import Actor, OfClient, payer_of
from domain.ids import new_send_id
from domain.inbox.capture import capture_send
from domain.inbox.messages import Conversation, ModemRoute
from domain.ledger.idempotency import IdempotencyKey, stored_before
from domain.pages import Window
from domain.sending.accept import AcceptedBefore, AcceptedNow
from domain.sending.messages import Line, Message, MessageStatus, NewSend, SendKind
from domain.sending.recipients import ProviderRoute
from domain.sending.send import accept, check_rate, key_by
from domain.sending.text import check_text
from domain.transactions import UNAVAILABLE

if TYPE_CHECKING:
    from domain.installation import Installation

THROUGH_ANOTHER_LINE = (
    "The line of this conversation is not known. The reply leaves through your usual line, and may "
    "show another number."
)
THROUGH_ANOTHER_ACCOUNT = (
    "Replies cannot leave where this message came in. The reply leaves like any other message, and "
    "may show another number."
)
THROUGH_ANY_LINE = (
    "The line of this conversation is not known. The reply leaves like any other message, and may "
    "show another number."
)

NOT_ANSWERABLE = "The sender is a short code or a name, not a phone number: it cannot be answered."

LONGEST_JOIN_SECONDS = 1.0
"""The reply is accepted: its answer must not wait long for what a worker can do later."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An accepted reply. `warning`: why it uses another line, None if it does not."""

    sent: Message
    warning: str | None


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """The line that a reply uses (None: any), and the warning to show.

    `route`: to the account that sends it, None for the client's own.
    """

    line: Line | None
    warning: str | None
    route: ProviderRoute | None = None


async def find_reply_line(
    installation: Installation, provider_account_id: UUID, conversation: Conversation
) -> ReplyLine:
    """How a reply leaves: by the account that the last inbound message came to, and its line.

    `provider_account_id`: the client's own. If the message came to another provider, a route of the
    client's pool must lead to an account there: docs/decisions/0168.
    """
    store = installation.store
    scope = OfClient(conversation.client_id)
    origin = await store.find_reply_origin(scope, conversation.last_inbound_id, provider_account_id)
    if origin is None or origin.is_own:
        own = None if conversation.pinned else await store.route_of(conversation.client_id)
        if own is not None and not own.line.can_be_at(provider_account_id):
            own = None
        return reply_line(conversation, own)
    route = installation.routes.table.find_to(
        provider_account_id, conversation.number, origin.accounts
    )
    if route is None:
        return ReplyLine(None, THROUGH_ANOTHER_ACCOUNT)
    return replace(reply_line(conversation, None), route=route)


def reply_line(conversation: Conversation, route: ModemRoute | None) -> ReplyLine:
    """The conversation's line, else the client's own line, else any line."""
    if conversation.line is not None:
        return ReplyLine(conversation.line, None)
    if route is not None:
        return ReplyLine(route.line, THROUGH_ANOTHER_LINE)
    return ReplyLine(None, THROUGH_ANY_LINE)


def check_sender(actor: Actor) -> None:
    """Raises Forbidden if the actor has no account to send from. Call it before any ID is read.

    A client that is not active passes: it may still get the answer that is stored under its key.
    """
    if actor.payer is None:
        payer_of(actor)  # raises Forbidden


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

    Name one of the two. Raises NotFound, InvalidInput (also if the sender is a short code or a
    name), and what sending raises.
    """
    given = [str(conversation_id), str(inbound_id), text]
    keyed = key_by(actor, key, "reply", given)
    try:
        new_send = await _check(installation, actor, keyed, conversation_id, inbound_id, text)
    except Refusal:
        answer = await stored_before(installation.store, keyed)
        if answer is None:
            raise
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
    if not conversation.answerable:
        raise InvalidInput(NOT_ANSWERABLE)
    if await installation.store.find_opted_out(payer.client_id, [conversation.number]):
        raise OptedOut
    check_rate(installation, payer.client_id)
    chosen = await find_reply_line(installation, payer.provider_account_id, conversation)
    return NewSend(
        id=new_send_id(),
        payer=payer,
        actor_id=actor.user_id,
        kind=SendKind.REPLY,
        numbers=[conversation.number],
        text=text,
        line=chosen.line,
        warning=chosen.warning,
        key=key,
        routes=[chosen.route] if chosen.route else (),
    )


async def _conversation(
    installation: Installation,
    client_id: UUID,
    conversation_id: UUID | None,
    inbound_id: UUID | None,
) -> Conversation:
    if (conversation_id is None) == (inbound_id is None):
        raise InvalidInput("Give conversationId or inboundMessageId, and not both.")
    scope = OfClient(client_id)
    if conversation_id is not None:
        return await installation.store.find_conversation(scope, conversation_id)
    assert inbound_id is not None
    inbound = await installation.store.find_inbound(scope, inbound_id)
    pair = (inbound.client_id, inbound.number)
    found = (await installation.store.find_conversations_with(scope, [pair])).get(pair)
    if found is None:
        raise NotFound("message")  # the client has deleted it
    return found


async def _join(installation: Installation, send_id: UUID) -> None:
    """Adds the reply to its conversation, if the database answers soon. Otherwise a worker does."""
    with suppress(*UNAVAILABLE, TimeoutError):
        async with asyncio.timeout(LONGEST_JOIN_SECONDS):
            await capture_send(installation.store, send_id)


def _just_queued(accepted: AcceptedNow) -> Reply:
    new_send = accepted.send
    assert new_send.text is not None
    message_id = new_send.first_message_id
    line = new_send.line
    message = Message(
        id=message_id,
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
    except TryAgain as failure:
        raise OutcomeUnknown(send_id=send_id) from failure
