"""Replying: one message back to who has written, through the line that they wrote in on.

In this order: the idempotency key, the account's status, the text, the conversation, whether the
number opted out, the limits, the balance. It is accepted like any other send, ahead of bulk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import InvalidInput, NotFound, OptedOut
from domain.identity.access import Actor, OfClient, payer_of
from domain.ids import new_id
from domain.inbox.capture import capture_send
from domain.inbox.conversations import Conversation, ModemRoute
from domain.ledger.idempotency import find_kept, key_of
from domain.loops import AWAY
from domain.pages import Window
from domain.sending.send import accepted, check_pace
from domain.sending.sends import Line, Message, NewSend, SendKind
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
    keyed = key_of(actor.client_id or actor.user_id, key, "reply", given)
    kept = await find_kept(installation.store, keyed)
    if kept is not None:
        return await _find(installation, actor, UUID(kept["send"]))
    payer = payer_of(actor)
    check_text(text, most_segments=installation.limits.segments)
    conversation = await _conversation(installation, payer.client_id, conversation_id, inbound_id)
    if await installation.store.find_opted_out(payer.client_id, [conversation.number]):
        raise OptedOut
    check_pace(installation, payer)
    route = None if conversation.pinned else await installation.store.route_of(payer.client_id)
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
    send_id = accepted(await installation.acceptance.accept(asked))
    await _join(installation, send_id)
    return await _find(installation, actor, send_id)


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
    """It stands in its conversation at once; should that fail, a worker sees to it in a moment."""
    try:
        await capture_send(installation.store, send_id)
    except AWAY:
        return


async def _find(installation: Installation, actor: Actor, send_id: UUID) -> Reply:
    if actor.client_id is None:
        raise NotFound("message")
    scope = OfClient(actor.client_id)
    pages = await installation.store.read_messages_of_sends(scope, [send_id], Window(size=1))
    messages = pages[send_id].items
    if not messages:
        raise NotFound("message")
    return Reply(messages[0], await installation.store.find_warning(scope, send_id))
