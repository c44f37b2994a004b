"""The inbox, as the API shows it: conversations, and replies in them."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain.inbox import conversations as domain_inbox
from domain.inbox import reply as domain_reply
from resolvers.ids import Kind
from resolvers.inbox import conversations as lookups
from resolvers.pages import by_id
from schema import errors
from schema.binding import stands_for
from schema.connections import connection_field
from schema.ids import id_of
from schema.inbox.contacts import Contact
from schema.scalars import PhoneNumber
from schema.sending.sends import Message


@strawberry.type
@stands_for(domain_inbox.Conversation)
class Conversation:
    id: strawberry.ID = id_of(Kind.CONVERSATION)
    number: PhoneNumber
    contact = strawberry.field(resolver=lookups.contact_of, graphql_type=Contact | None)
    unread: int
    last_message = strawberry.field(resolver=lookups.last_message_of, graphql_type=Message)
    messages = connection_field(lookups.messages_of, Message)
    pinned: bool = strawberry.field(
        description="Whether a reply would leave through the line that the last inbound came in on."
    )


@strawberry.type
@stands_for(domain_reply.Reply)
class Reply:
    sent: Message
    warning: str | None = strawberry.field(
        description="Null, or why this reply leaves through another line than the conversation's."
    )


ReplyResult = Annotated[
    Reply
    | errors.ProviderUnavailable
    | errors.InsufficientBalance
    | errors.AccountInactive
    | errors.OptedOut
    | errors.InvalidText
    | errors.IdempotencyConflict
    | errors.RateLimited
    | errors.NotFound
    | errors.OutcomeUnknown,
    strawberry.union("ReplyResult"),
]
MarkReadResult = Annotated[Conversation | errors.NotFound, strawberry.union("MarkReadResult")]


@strawberry.type
class InboxQuery:
    inbox = connection_field(lookups.inbox, Conversation, cursors=by_id("last_message_id"))
    conversation = strawberry.field(resolver=lookups.conversation, graphql_type=Conversation | None)


@strawberry.type
class InboxMutation:
    reply = strawberry.field(resolver=lookups.reply, graphql_type=ReplyResult)
    mark_read = strawberry.field(resolver=lookups.mark_read, graphql_type=MarkReadResult)
