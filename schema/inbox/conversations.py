"""The inbox, as the API shows it: conversations, and replies in them."""

from __future__ import annotations

import strawberry

from domain.ids import Kind
from domain.inbox import messages as domain_inbox
from domain.inbox import reply as domain_reply
from resolvers.inbox import conversations as lookups
from resolvers.pages import by_id
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field, resolved_field
from schema.inbox.contacts import Contact
from schema.nodes import Node
from schema.sending.sends import Message
from schema.values import PhoneNumber, id_of, represents


@strawberry.type(description="A number that has written to a client, with the messages both ways.")
@represents(domain_inbox.Conversation)
class Conversation(Node):
    id: strawberry.ID = id_of(Kind.CONVERSATION)
    number: PhoneNumber = described(
        "The other side. A short code or a name is shown as the network wrote it."
    )
    answerable: bool = described(
        "False if the other side is a short code or a name: it cannot be answered."
    )
    contact: Contact | None = described("The contact of the number; null if it was deleted.")
    unread: int = described("Inbound messages since the last markRead.")
    last_message: Message = described("The newest message of either direction.")
    messages = connection_field(
        lookups.messages_of, Message, description="Messages of both directions, newest first."
    )
    pinned: bool = described(
        "Whether a reply uses the line that the last inbound message came in on."
    )


@strawberry.type(description="An accepted reply.")
@represents(domain_reply.Reply)
class Reply:
    sent: Message = described("The reply's message.")
    warning: str | None = described(
        "Null, or why this reply uses another line than the conversation's."
    )


@strawberry.type
class InboxQuery:
    inbox = connection_field(
        lookups.inbox,
        Conversation,
        cursors=by_id("last_message_id"),
        description="The client's conversations, last active first.",
    )
    conversation = resolved_field(
        lookups.conversation,
        Conversation | None,
        description="One conversation, null if it does not exist.",
    )


@strawberry.type
class InboxMutation:
    reply = mutation_field(
        lookups.reply,
        Reply,
        refusals=(
            errors.ProviderUnavailable,
            errors.InsufficientBalance,
            errors.AccountInactive,
            errors.OptedOut,
            errors.InvalidText,
            errors.IdempotencyConflict,
            errors.RateLimited,
            errors.NotFound,
            errors.OutcomeUnknown,
        ),
        description="Sends one message in a conversation, through its line.",
    )
    mark_read = mutation_field(
        lookups.mark_read,
        Conversation,
        refusals=(errors.NotFound,),
        description="Sets a conversation's unread count to 0.",
    )
