"""Sends, their messages and quotes, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.ids import Kind
from domain.inbox import messages as domain_inbox
from domain.sending import lists, quotes
from domain.sending import messages as domain_messages
from domain.sending.messages import Direction, MessageStatus, SendKind
from domain.sending.text import Encoding
from resolvers.inbox import conversations as inbox
from resolvers.sending import sending
from resolvers.sending import sends as lookups
from schema import errors
from schema.connections import connection_field, defined_later
from schema.fields import described, resolved_field
from schema.identity.directory import Client
from schema.nodes import Node
from schema.sending.files import FileColumns
from schema.sending.recipients import RejectedRecipient
from schema.values import Money, PhoneNumber, Units, id_of, represents


@strawberry.type(description="One text to or from one number.")
@represents(domain_messages.Message, domain_inbox.InboundMessage)
class Message(Node):
    id: strawberry.ID = id_of(Kind.MESSAGE, description="The message's ID.")
    direction: Direction = described("To a contact, or from one.")
    number: PhoneNumber = described(
        "The contact's number. A short code or a name is shown as the network wrote it."
    )
    answerable: bool = described(
        "False if the sender is a short code or a name: it cannot be answered."
    )
    mentions_opt_out: bool = described(
        "An inbound text that contains an opt-out word but did not opt the number out: "
        "somebody should read it."
    )
    text: str = described("The text as it was sent or received.")
    encoding = resolved_field(
        lookups.encoding_of, Encoding, description="How the text is encoded for the radio network."
    )
    segments = resolved_field(
        lookups.segments_of,
        int,
        description="How many segments the text has. The price does not depend on it.",
    )
    status: MessageStatus | None = described("The present status. Null for an inbound message.")
    failure: str | None = described(
        "Why it was rejected or not delivered, as a sentence. Null if it was neither."
    )
    is_reply: bool = described("Whether it was sent with `reply`.")
    conversation = resolved_field(
        inbox.conversations_of,
        defined_later("Conversation", "schema.inbox.conversations"),
        description="The conversation that it belongs to. Null if the number has never written.",
    )
    send_id: strawberry.ID | None = id_of(
        Kind.SEND, description="The send that made it. Null for an inbound message."
    )
    send = resolved_field(
        lookups.sends_of,
        defined_later("Send", "schema.sending.sends"),
        description="The send that made it, with its counts. Null for an inbound message.",
    )
    created_at: datetime = described("When it was accepted or received.")
    updated_at: datetime = described("When its status last changed.")
    send_at: datetime | None = described(
        "The earliest time at which it is sent: see Send.sendAt and Send.held. Null if it is sent"
        " at once."
    )
    client = resolved_field(
        lookups.clients_of, Client | None, description="The client that sent or received it."
    )
    modem = resolved_field(
        lookups.modem_of,
        str | None,
        description="The modem that it came in through or leaves through. Null if none is known.",
    )
    port = resolved_field(
        lookups.port_of, str | None, description="The port of the modem. Null if none is known."
    )


@strawberry.type(description="Numbers of messages by status.")
@represents(lookups.Counts)
class MessageCounts:
    queued: int = described("Accepted and charged, not yet submitted.")
    submitting: int = described("Being submitted to the provider.")
    sent: int = described("Accepted by the provider.")
    delivered: int = described("Delivered to the phone.")
    undelivered: int = described("Accepted by the provider, not delivered.")
    rejected: int = described("Not accepted by the provider, and refunded.")
    unknown: int = described("With an unknown outcome. They stay charged.")
    cancelled: int = described("Cancelled before submission, and refunded.")


@strawberry.type(description="One request to send, with its messages.")
@represents(domain_messages.Send)
class Send(Node):
    id: strawberry.ID = id_of(Kind.SEND, description="The send's ID.")
    kind: SendKind = described("What was requested.")
    created_at: datetime = described("When it was accepted.")
    send_at: datetime | None = described("The requested time. Null if it is sent at once.")
    held: int = described("How many messages were held during quiet hours.")
    held_until: datetime | None = described("When the last of these is due. Null if none is held.")
    charged: Units = described("Units charged so far, less the refunds.")
    value_usd: Money | None = described(
        "The value of the accepted messages in USD, at the rate of that time. It is only "
        "for reports. Null without a rate."
    )
    client = resolved_field(
        lookups.clients_of, Client | None, description="The client that is charged."
    )
    accepted: int = described("How many messages were accepted and charged.")
    rejected: list[RejectedRecipient] = described(
        "The first 1,000 recipients that were not accepted, with the reason. They are "
        "never charged."
    )
    rejected_count: int = described("How many recipients were not accepted.")
    counts = resolved_field(
        lookups.counts_of,
        MessageCounts,
        description="The accepted messages by their present status.",
    )
    finished: bool = described(
        "Whether every message is in an end state or submitted to the provider."
    )
    messages = connection_field(
        lookups.messages_of, Message, description="The accepted messages, newest first."
    )
    columns: FileColumns | None = described(
        "The columns that csvSend used. Null when the send is read again later."
    )


@strawberry.type(description="What a send would do and cost.")
@represents(quotes.Quote)
class Quote:
    accepted: int = described("How many messages would be accepted.")
    rejected: list[RejectedRecipient] = described(
        "The first 1,000 recipients that would not be accepted, with the reason."
    )
    rejected_count: int = described("How many recipients would not be accepted.")
    encoding: Encoding = described("How the text is encoded for the radio network.")
    segments: int = described("How many segments the text has. The price does not depend on it.")
    costly_characters: list[str] = described(
        "The characters that force UCS-2, so that a segment holds fewer characters."
    )
    cost: Units = described("What the accepted messages would cost.")
    balance: Units = described("What the account holds now.")
    affordable: bool = described("Whether the balance covers the cost.")
    held: int = described("How many messages would be held during quiet hours.")
    held_until: datetime | None = described("When the last of these is due. Null if none is held.")
    problem = resolved_field(
        errors.problem_of,
        errors.UserError | None,
        description="The error that bulkSend would return for this input, of the same type and "
        "with the same message. Null if it would be accepted.",
    )


@strawberry.type(description="Messages that were accepted in one period, by present status.")
@represents(lists.MessageStat)
class MessageStat:
    starts_at: datetime = described("The beginning of the period: a full hour or day in UTC.")
    counts = resolved_field(
        lookups.counts_of, MessageCounts, description="The messages by their present status."
    )
    charged: Units = described("Units that were charged for them, less the refunds.")


SendResult = Annotated[
    Send
    | errors.ProviderUnavailable
    | errors.InsufficientBalance
    | errors.NoValidRecipients
    | errors.AccountInactive
    | errors.TooManyRecipients
    | errors.InvalidText
    | errors.InvalidFile
    | errors.InvalidInput
    | errors.IdempotencyConflict
    | errors.RateLimited
    | errors.NotFound
    | errors.OutcomeUnknown,
    strawberry.union("SendResult", description="The send, or why it was refused."),
]
SettleUnknownResult = Annotated[
    Message | errors.InvalidInput | errors.NotFound,
    strawberry.union("SettleUnknownResult", description="The message, or why it was not settled."),
]


@strawberry.type
class SendQuery:
    send = resolved_field(
        lookups.send,
        Send | None,
        description="One request to send, with its counts and messages. Null if it does not exist.",
    )
    sends = connection_field(
        lookups.sends,
        Send,
        description="The viewer's sends, newest first unless orderBy says otherwise; for an admin "
        "those of all clients.",
    )
    message = resolved_field(
        lookups.message,
        Message | None,
        description="One message, in either direction. Null if it does not exist.",
    )
    messages = connection_field(
        lookups.messages,
        Message,
        description="The viewer's messages in both directions, newest first; for an admin those of "
        "all clients. `status` is the same as `filter.status`: give only one of them.",
    )
    message_stats = resolved_field(
        lookups.message_stats,
        list[MessageStat],
        description="Outbound messages over time, for charts: one entry for each hour or day, also "
        "if there were none. At most 750 entries.",
    )
    quote = resolved_field(
        sending.quote, Quote, description="What a bulkSend would do and cost, without doing it."
    )


@strawberry.type
class SendMutation:
    send = resolved_field(sending.send, SendResult, description="Sends one text to one number.")
    bulk_send = resolved_field(
        sending.bulk_send, SendResult, description="Sends one text to many numbers."
    )
    bulk_send_multi = resolved_field(
        sending.bulk_send_multi, SendResult, description="Sends its own text to each number."
    )
    csv_send = resolved_field(
        sending.csv_send,
        SendResult,
        description="Sends to the rows of an uploaded file. {{column}} in the text is replaced by "
        "the value of that column.",
    )
    cancel_send = resolved_field(
        sending.cancel_send,
        SendResult,
        description="Cancels the messages that are not submitted yet and refunds exactly those.",
    )
    settle_unknown = resolved_field(
        sending.settle_unknown,
        SettleUnknownResult,
        description="Settles a message with the status UNKNOWN by hand. If the provider did not "
        "accept it, its charge is refunded.",
    )
