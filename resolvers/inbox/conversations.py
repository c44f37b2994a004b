"""The inbox: conversations, marking them as read, and replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.errors import NotFound
from domain.identity.access import Role, message_scope
from domain.ids import Kind
from domain.inbox import reply as replying
from domain.inbox.messages import AnyMessage, Conversation, ConversationKey
from domain.pages import Page, Window, search_of
from resolvers.context import Info, actor_of, requires
from schema.inbox.inputs import MarkReadInput, ReplyInput


@requires(account=True)
async def inbox(
    info: Info,
    window: Window[UUID],
    unread_only: Annotated[
        bool | None, argument(description="True: only those with unread messages.")
    ] = None,
    search: Annotated[
        str | None,
        argument(
            description="Only those with this text in number, name or business, ignoring case and"
            " accents. The search looks through the 20,000 conversations that were active last."
        ),
    ] = None,
) -> Page[Conversation]:
    """The client's conversations, last active first."""
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.read_conversations(
        scope, window, unread_only=bool(unread_only), search=search_of(search)
    )


@requires(account=True)
async def conversation(
    info: Info, id: Annotated[ID, argument(description="The ID of the conversation.")]
) -> Conversation | None:
    """One conversation."""
    scope = message_scope(actor_of(info))
    key = ids.find(Kind.CONVERSATION, id)
    if key is None:
        return None
    try:
        return await info.context.installation.store.find_conversation(scope, key)
    except NotFound:
        return None


@requires(account=True)
async def mark_read(info: Info, input: MarkReadInput) -> Conversation:
    """Sets the unread count to 0."""
    scope = message_scope(actor_of(info))
    key = ids.decode(Kind.CONVERSATION, input.conversation_id)
    return await info.context.installation.store.mark_read(scope, key)


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def reply(info: Info, input: ReplyInput) -> replying.Reply:
    """Sends one message back, through the line of the last inbound message."""
    actor = actor_of(info)
    replying.check_sender(actor)
    return await replying.reply(
        info.context.installation,
        actor,
        conversation_id=ids.decode_given(Kind.CONVERSATION, input.conversation_id),
        inbound_id=ids.decode_given(Kind.MESSAGE, input.inbound_message_id),
        text=input.text,
        key=input.idempotency_key,
    )


async def conversations_of(roots: Sequence[AnyMessage], info: Info) -> list[Conversation | None]:
    """The conversation of each message; None if the number has never written."""
    scope, keys = message_scope(actor_of(info)), _keys(roots)
    found = await info.context.installation.store.find_conversations_with(scope, keys)
    return [found.get(each) for each in keys]


async def messages_of(
    roots: Sequence[Conversation], info: Info, window: Window[UUID]
) -> list[Page[AnyMessage]]:
    """A page of the messages of each conversation."""
    scope, keys = message_scope(actor_of(info)), _keys(roots)
    store = info.context.installation.store
    found = await store.read_messages_of_conversations(scope, keys, window)
    return [found[each] for each in keys]


def _keys(roots: Sequence[Conversation | AnyMessage]) -> list[ConversationKey]:
    return [(root.client_id, root.number) for root in roots]
