"""Replying: one message back to who has written, through the line that they wrote in on.

In this order: the idempotency key, the account's status, the text, the conversation, whether the
number opted out, the limits, the balance. It is accepted like any other send, ahead of bulk.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.accepting.send import accepted, check_pace
from domain.accepting.text import check_text
from domain.access import Actor, OfClient, payer_of
from domain.dispatching.capture import capture_send
from domain.errors import InvalidInput, NotFound, OptedOut
from domain.house import House
from domain.ids import new_id
from domain.ledger.idempotency import find_kept, key_of
from domain.loops import AWAY
from domain.pages import Window
from domain.sending import Message, NewSend, SendKind
from domain.two_way.inbox import Conversation, ModemRoute
from domain.two_way.webhooks import Line

THROUGH_ANOTHER_LINE = (
    "It is not known which line this conversation came in on: the reply leaves through your usual "
    "one, and may be shown as coming from another number."
)
THROUGH_ANY_LINE = (
    "It is not known which line this conversation came in on: the reply leaves like any other "
    "message, and may be shown as coming from another number."
)


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
    house: House,
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
    keyed = key_of(actor.client_id or actor.user_id, key, "reply", given)
    kept = await find_kept(house.store, keyed)
    if kept is not None:
        return await _find(house, actor, UUID(kept["send"]))
    payer = payer_of(actor)
    check_text(text, most_segments=house.limits.segments)
    conversation = await _conversation(house, payer.client_id, conversation_id, inbound_id)
    if await house.store.find_opted_out(payer.client_id, [conversation.number]):
        raise OptedOut
    check_pace(house, payer)
    route = None if conversation.pinned else await house.store.route_of(payer.client_id)
    way = way_of(conversation, route)
    asked = NewSend(
        id=new_id(),
        payer=payer,
        actor_id=actor.user_id,
        kind=SendKind.REPLY,
        numbers=[conversation.number],
        text=text,
        line=way.line,
        warning=way.warning,
        key=keyed,
    )
    send_id = accepted(await house.acceptance.accept(asked))
    await _join(house, send_id)
    return await _find(house, actor, send_id)


async def _conversation(
    house: House, client_id: UUID, conversation_id: UUID | None, inbound_id: UUID | None
) -> Conversation:
    if (conversation_id is None) == (inbound_id is None):
        raise InvalidInput("Name a conversation or an inbound message, not both.")
    scope = OfClient(client_id)
    if conversation_id is not None:
        return await house.store.find_conversation(scope, conversation_id)
    assert inbound_id is not None
    inbound = await house.store.find_inbound(scope, inbound_id)
    pair = (inbound.client_id, inbound.number)
    return (await house.store.find_conversations_with(scope, [pair]))[pair]


async def _join(house: House, send_id: UUID) -> None:
    """It stands in its conversation at once; should that fail, a worker sees to it in a moment."""
    try:
        await capture_send(house.store, send_id)
    except AWAY:
        return


async def _find(house: House, actor: Actor, send_id: UUID) -> Reply:
    if actor.client_id is None:
        raise NotFound("message")
    scope = OfClient(actor.client_id)
    pages = await house.store.read_messages_of_sends(scope, [send_id], Window(size=1))
    messages = pages[send_id].items
    if not messages:
        raise NotFound("message")
    return Reply(messages[0], await house.store.find_warning(scope, send_id))
