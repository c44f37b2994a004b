"""Inputs that send messages or ask what a send would do."""

from __future__ import annotations

import strawberry


@strawberry.input
class SendInput:
    to: str
    text: str
    idempotency_key: str | None = None


@strawberry.input
class BulkSendInput:
    to: list[str]
    text: str
    idempotency_key: str | None = None


@strawberry.input
class OutgoingText:
    to: str
    text: str


@strawberry.input
class BulkSendMultiInput:
    messages: list[OutgoingText]
    idempotency_key: str | None = None


@strawberry.input
class QuoteInput:
    to: list[str]
    text: str


@strawberry.input(description="What to send to the rows of an uploaded file.")
class CsvSendInput:
    upload_id: strawberry.ID = strawberry.field(description="The ID from POST /uploads.")
    text: str | None = strawberry.field(
        default=None,
        description="The text for all rows. {{column}} is replaced by the row's value.",
    )
    column: str | None = strawberry.field(
        default=None,
        description="The column with the phone numbers. If it is absent, the header decides: a "
        "mobile before a phone, before a landline. Two that fit equally are refused.",
    )
    text_column: str | None = strawberry.field(
        default=None, description="The column with the texts, instead of text."
    )
    allow_missing_values: bool | None = strawberry.field(
        default=None,
        description="Also send to rows without a value for a placeholder. Otherwise they are "
        "rejected as MISSING_VALUE.",
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Makes it safe to repeat the request."
    )


@strawberry.input(description="The same input as for csvSend.")
class QuoteCsvInput:
    upload_id: strawberry.ID = strawberry.field(description="The ID from POST /uploads.")
    text: str | None = strawberry.field(default=None, description="The text for all rows.")
    column: str | None = strawberry.field(
        default=None, description="The column with the phone numbers."
    )
    text_column: str | None = strawberry.field(
        default=None, description="The column with the texts, instead of text."
    )
    allow_missing_values: bool | None = strawberry.field(
        default=None, description="Also send to rows without a value for a placeholder."
    )
