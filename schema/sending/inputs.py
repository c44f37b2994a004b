"""Inputs that send messages or ask what a send would do."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.sending.messages import Direction, MessageStatus, SendKind
from schema.fields import KEY, described, optional
from schema.values import Units

SEND_AT = (
    "When to send, at most 30 days from now. Absent, or up to a minute ago: now. Messages are "
    "charged when they are accepted, and refunded if they are cancelled before they are sent."
)
IGNORE_QUIET = (
    "Also send to recipients who are in quiet hours. Otherwise their messages are held until "
    "the quiet hours of the client are over: see Client.quietHours."
)
NUMBER = "The phone number, in any usual spelling."
TEXT = (
    "The text, 1 to 10 segments unless the operator has changed the limit. It may have line "
    "breaks, and no other control characters."
)
TEXT_OR_TEMPLATE = f"{TEXT} Give either a text or a template."
TEMPLATE = "A saved text, instead of a text."


@strawberry.input(description="A value for a placeholder of a template.")
class TemplateValue:
    name: str = described("The name of the placeholder, ignoring case.")
    value: str = described("What replaces it. It cannot be empty.")


@strawberry.input(description="A saved text, and the values for its placeholders.")
class TemplateInput:
    name: str = described("The name of the template, ignoring case.")
    values: list[TemplateValue] = strawberry.field(
        default_factory=list, description="A value for each placeholder. Others are ignored."
    )


@strawberry.input(description="A text to save by name.")
class SaveTemplateInput:
    name: str = described(
        "1 to 100 characters. A template of this name, ignoring case, is changed."
    )
    text: str = described("The text, with {{placeholders}} for values, such as {{name}}.")


@strawberry.input(description="The template to delete.")
class DeleteTemplateInput:
    id: strawberry.ID = described("The ID of the template.")


@strawberry.input(description="One text to one number.")
class SendInput:
    to: str = described(NUMBER)
    text: str | None = optional(TEXT_OR_TEMPLATE)
    template: TemplateInput | None = optional(TEMPLATE)
    send_at: datetime | None = optional(SEND_AT)
    ignore_quiet_hours: bool | None = optional(IGNORE_QUIET)
    idempotency_key: str | None = optional(KEY)


@strawberry.input(description="One text to many numbers.")
class BulkSendInput:
    to: list[str] = described(
        "The phone numbers, in any usual spelling. A number that occurs twice counts "
        "once. The limit is 100,000 numbers, unless the operator has changed it."
    )
    text: str | None = optional(TEXT_OR_TEMPLATE)
    template: TemplateInput | None = optional(TEMPLATE)
    send_at: datetime | None = optional(SEND_AT)
    ignore_quiet_hours: bool | None = optional(IGNORE_QUIET)
    idempotency_key: str | None = optional(KEY)


@strawberry.input(description="A text for one number.")
class OutgoingText:
    to: str = described(NUMBER)
    text: str | None = optional(TEXT_OR_TEMPLATE)
    template: TemplateInput | None = optional(TEMPLATE)


@strawberry.input(description="A text for each number.")
class BulkSendMultiInput:
    messages: list[OutgoingText] = described(
        "The messages. The same number with the same text counts once. The limit is "
        "10,000 messages, unless the operator has changed it."
    )
    send_at: datetime | None = optional(SEND_AT)
    ignore_quiet_hours: bool | None = optional(IGNORE_QUIET)
    idempotency_key: str | None = optional(KEY)


@strawberry.input(description="The same input as for bulkSend, without a key.")
class QuoteInput:
    to: list[str] = described(
        "The phone numbers, in any usual spelling. A number that occurs twice counts once."
    )
    text: str | None = optional(TEXT_OR_TEMPLATE)
    template: TemplateInput | None = optional(TEMPLATE)
    send_at: datetime | None = optional(SEND_AT)
    ignore_quiet_hours: bool | None = optional(IGNORE_QUIET)


@strawberry.input(description="What to send to the rows of an uploaded file.")
class CsvSendInput:
    upload_id: strawberry.ID = described("The ID from POST /uploads.")
    text: str | None = optional("The text for all rows. {{column}} is replaced by the row's value.")
    template: str | None = optional(
        "The name of a template, instead of text. {{column}} is replaced as in text."
    )
    column: str | None = optional(
        "The column with the phone numbers. If it is absent, it is chosen by name: "
        "mobile, else phone, else landline. If two fit equally, the request is refused."
    )
    text_column: str | None = optional("The column with the texts, instead of text.")
    allow_missing_values: bool | None = optional(
        "Also send to rows without a value for a placeholder. Otherwise they are "
        "rejected as MISSING_VALUE."
    )
    send_at: datetime | None = optional(SEND_AT)
    ignore_quiet_hours: bool | None = optional(IGNORE_QUIET)
    idempotency_key: str | None = optional(KEY)


@strawberry.input(description="The same input as for csvSend.")
class QuoteCsvInput:
    upload_id: strawberry.ID = described("The ID from POST /uploads.")
    text: str | None = optional("The text for all rows.")
    template: str | None = optional(
        "The name of a template, instead of text. {{column}} is replaced as in text."
    )
    column: str | None = optional("The column with the phone numbers.")
    text_column: str | None = optional("The column with the texts, instead of text.")
    allow_missing_values: bool | None = optional(
        "Also send to rows without a value for a placeholder."
    )
    send_at: datetime | None = optional(SEND_AT)
    ignore_quiet_hours: bool | None = optional(IGNORE_QUIET)


@strawberry.input(description="Which sends to list. All conditions must hold.")
class SendFilter:
    created_after: datetime | None = optional("Only sends created at this time or later.")
    created_before: datetime | None = optional("Only sends created before this time.")
    kind: SendKind | None = optional("Only sends of this kind.")
    scheduled: bool | None = optional(
        "true: only sends with messages whose time has not come. false: only others."
    )
    client_id: strawberry.ID | None = optional(
        "Only sends of this client. For an admin; other users see only their own."
    )


@strawberry.input(description="Which messages to list. All conditions must hold.")
class MessageFilter:
    status: MessageStatus | None = optional("Only outbound messages with this status.")
    direction: Direction | None = optional("Only messages in this direction.")
    number: str | None = optional(
        "Only messages to or from this number, in any usual spelling. A new outbound "
        "message is found within a few seconds."
    )
    created_after: datetime | None = optional("Only messages created at this time or later.")
    created_before: datetime | None = optional("Only messages created before this time.")
    send_id: strawberry.ID | None = optional("Only messages of this send.")


@strawberry.input(description="Which account sends to numbers with a prefix.")
class SetProviderRouteInput:
    prefix: str = described("1 to 7 digits, such as 256.")
    provider_account_id: strawberry.ID = described("The account of the platform that sends.")
    cost: Units | None = optional("Units that its pool pays for one message. Default: 1.")
    fallback_account_id: strawberry.ID | None = optional(
        "The account for messages that the first one has certainly not sent."
    )
    fallback_cost: Units | None = optional("Units that the pool of the fallback pays. Default: 1.")
    pool_id: strawberry.ID | None = optional(
        "The provider account whose clients it is for. Default: the default account."
    )


@strawberry.input(description="The route to delete.")
class DeleteProviderRouteInput:
    id: strawberry.ID = described("The ID of the route.")
