"""Sends, their messages and quotes, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.direction import Direction
from domain.inbox import messages as domain_inbox
from domain.sending import send as domain_send
from domain.sending import sends as domain_sending
from domain.sending.sends import MessageStatus
from domain.sending.text import Encoding
from resolvers.ids import Kind
from resolvers.inbox import conversations as inbox
from resolvers.sending import sending
from resolvers.sending import sends as lookups
from schema import errors
from schema.binding import stands_for
from schema.connections import batch_field, connection_field
from schema.identity.directory import Client
from schema.ids import id_of
from schema.scalars import Money, PhoneNumber, Units
from schema.sending.files import FileColumns
from schema.sending.recipients import RejectedRecipient

if TYPE_CHECKING:
    from schema.inbox.conversations import Conversation


@strawberry.type
@stands_for(domain_sending.Message, domain_inbox.InboundMessage)
class Message:
    id: strawberry.ID = id_of(Kind.MESSAGE)
    direction: Direction
    number: PhoneNumber = strawberry.field(
        description="The other side's number. A short code or a name is shown as the network wrote "
        "it."
    )
    answerable: bool = strawberry.field(
        description="False if the sender is a short code or a name: it cannot be answered."
    )
    mentions_opt_out: bool = strawberry.field(
        description="An inbound text that contains an opt-out word but did not opt the number out: "
        "somebody should read it."
    )
    text: str
    encoding = strawberry.field(resolver=lookups.encoding_of, graphql_type=Encoding)
    segments = strawberry.field(resolver=lookups.segments_of, graphql_type=int)
    status: MessageStatus | None
    failure: str | None = strawberry.field(
        description="Why it was rejected or undelivered, in our words."
    )
    is_reply: bool
    conversation = batch_field(
        inbox.conversations_of,
        Annotated["Conversation", strawberry.lazy("schema.inbox.conversations")] | None,
    )
    send_id: strawberry.ID | None = id_of(Kind.SEND)
    created_at: datetime
    updated_at: datetime
    client = batch_field(lookups.clients_of, Client | None, description="ADMIN.")
    modem = strawberry.field(
        resolver=lookups.modem_of, graphql_type=str | None, description="ADMIN."
    )
    port = strawberry.field(resolver=lookups.port_of, graphql_type=str | None, description="ADMIN.")


@strawberry.type
@stands_for(lookups.Counts)
class MessageCounts:
    queued: int
    submitting: int
    sent: int
    delivered: int
    undelivered: int
    rejected: int
    unknown: int
    cancelled: int


@strawberry.type
@stands_for(domain_sending.Send)
class Send:
    id: strawberry.ID = id_of(Kind.SEND)
    created_at: datetime
    charged: Units = strawberry.field(description="Units charged so far, refunds taken off.")
    value_usd: Money | None = strawberry.field(
        description="For reporting: accepted messages at the rate of that moment. "
        "Never part of credit arithmetic."
    )
    client = batch_field(lookups.clients_of, Client | None, description="ADMIN.")
    accepted: int
    rejected: list[RejectedRecipient] = strawberry.field(
        description="Not accepted, with the reason; the first 1,000. Never charged."
    )
    rejected_count: int
    counts = strawberry.field(resolver=lookups.counts_of, graphql_type=MessageCounts)
    finished: bool = strawberry.field(
        description="Every message has reached an end state or been handed over."
    )
    messages = connection_field(lookups.messages_of, Message)
    columns: FileColumns | None = strawberry.field(
        description="The columns that csvSend used. Null when the send is read again later."
    )


@strawberry.type
@stands_for(domain_send.Quote)
class Quote:
    accepted: int
    rejected: list[RejectedRecipient]
    rejected_count: int
    encoding: Encoding
    segments: int
    costly_characters: list[str] = strawberry.field(description="The characters that force UCS-2.")
    cost: Units
    balance: Units
    affordable: bool


SendResult = Annotated[
    Send
    | errors.ProviderUnavailable
    | errors.InsufficientBalance
    | errors.NoValidRecipients
    | errors.AccountInactive
    | errors.TooManyRecipients
    | errors.InvalidText
    | errors.InvalidFile
    | errors.IdempotencyConflict
    | errors.RateLimited
    | errors.NotFound
    | errors.OutcomeUnknown,
    strawberry.union("SendResult"),
]
SettleUnknownResult = Annotated[
    Message | errors.InvalidInput | errors.NotFound, strawberry.union("SettleUnknownResult")
]


@strawberry.type
class SendQuery:
    send = strawberry.field(
        resolver=lookups.send,
        graphql_type=Send | None,
        description="One request to send, with its counts and messages.",
    )
    sends = connection_field(lookups.sends, Send)
    message = strawberry.field(resolver=lookups.message, graphql_type=Message | None)
    messages = connection_field(lookups.messages, Message)
    quote = strawberry.field(
        resolver=sending.quote,
        graphql_type=Quote,
        description="What a send would do and cost, without doing it.",
    )


@strawberry.type
class SendMutation:
    send = strawberry.field(resolver=sending.send, graphql_type=SendResult)
    bulk_send = strawberry.field(
        resolver=sending.bulk_send,
        graphql_type=SendResult,
        description="One text to many recipients.",
    )
    bulk_send_multi = strawberry.field(
        resolver=sending.bulk_send_multi,
        graphql_type=SendResult,
        description="A text of its own for each recipient.",
    )
    csv_send = strawberry.field(
        resolver=sending.csv_send,
        graphql_type=SendResult,
        description="Recipients (and {{column}} values for the text) from a CSV file.",
    )
    cancel_send = strawberry.field(
        resolver=sending.cancel_send,
        graphql_type=SendResult,
        description="Calls back what has not been handed over yet and gives the charge back.",
    )
    settle_unknown = strawberry.field(
        resolver=sending.settle_unknown,
        graphql_type=SettleUnknownResult,
        description="A person's word on a message whose outcome is UNKNOWN: taken, or not taken "
        "(then the charge is given back). ADMIN.",
    )
