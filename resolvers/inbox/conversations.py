"""The inbox: conversations, marking them as read, and replies."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from strawberry import ID
from strawberry.dataloader import DataLoader

from domain.errors import NotFound
from domain.identity.access import message_scope
from domain.inbox import reply as replying
from domain.inbox.messages import AnyMessage, Contact, Conversation, ConversationKey
from domain.pages import Page, Window
from domain.search import search_of
from resolvers import ids
from resolvers.context import Info, actor_of
from resolvers.ids import Kind
from resolvers.loaders import load_message
from schema.inputs import MarkReadInput, ReplyInput


async def inbox(
    info: Info,
    window: Window[UUID],
    unread_only: bool | None = None,
    search: str | None = None,
) -> Page[Conversation]:
    """The client's conversations, last active first."""
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.read_conversations(
        scope, window, unread_only=bool(unread_only), search=search_of(search)
    )


async def conversation(info: Info, id: ID) -> Conversation | None:
    """One conversation."""
    scope = message_scope(actor_of(info))
    key = ids.find(Kind.CONVERSATION, id)
    if key is None:
        return None
    try:
        return await info.context.installation.store.find_conversation(scope, key)
    except NotFound:
        return None


async def mark_read(info: Info, input: MarkReadInput) -> Conversation:
    """Sets the unread count to 0."""
    scope = message_scope(actor_of(info))
    key = ids.decode(Kind.CONVERSATION, input.conversation_id)
    return await info.context.installation.store.mark_read(scope, key)


async def reply(info: Info, input: ReplyInput) -> replying.Reply:
    """Sends one message back, through the line of the last inbound message."""
    actor = actor_of(info)
    replying.check_sender(actor)
    named, answered = input.conversation_id, input.inbound_message_id
    return await replying.reply(
        info.context.installation,
        actor,
        conversation_id=None if named is None else ids.decode(Kind.CONVERSATION, named),
        inbound_id=None if answered is None else ids.decode(Kind.MESSAGE, answered),
        text=input.text,
        key=input.idempotency_key,
    )


async def contact_of(root: Conversation, info: Info) -> Contact | None:
    """The contact of the number, None if it was deleted."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store

    async def read(keys: list[ConversationKey]) -> Sequence[Contact | None]:
        found = await store.find_contacts_with(scope, keys)
        return [found.get(each) for each in keys]

    loader: DataLoader[ConversationKey, Contact | None] = info.context.loaders.setdefault(
        "contact", DataLoader(load_fn=read)
    )
    return await loader.load((root.client_id, root.number))


async def conversation_of(root: AnyMessage, info: Info) -> Conversation | None:
    """The conversation of a message, None if the number has never written."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store

    async def read(keys: list[ConversationKey]) -> Sequence[Conversation | None]:
        found = await store.find_conversations_with(scope, keys)
        return [found.get(each) for each in keys]

    loader: DataLoader[ConversationKey, Conversation | None] = info.context.loaders.setdefault(
        "conversation", DataLoader(load_fn=read)
    )
    return await loader.load((root.client_id, root.number))


async def last_message_of(root: Conversation, info: Info) -> AnyMessage:
    """The newest message of a conversation."""
    message = await load_message(info, root.last_message_id)
    assert message is not None  # messages are never deleted
    return message


async def messages_of(root: Conversation, info: Info, window: Window[UUID]) -> Page[AnyMessage]:
    """A conversation's messages. One read serves all conversations of a page."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store

    async def read(keys: list[ConversationKey]) -> Sequence[Page[AnyMessage]]:
        found = await store.read_messages_of_conversations(scope, keys, window)
        return [found[each] for each in keys]

    loader: DataLoader[ConversationKey, Page[AnyMessage]] = info.context.loaders.setdefault(
        f"messages of conversations {window}", DataLoader(load_fn=read)
    )
    return await loader.load((root.client_id, root.number))
