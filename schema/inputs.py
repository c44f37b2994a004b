"""What the API is given: the one schema module that resolvers may import."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.identity.access import Role
from domain.identity.records import ClientStatus
from domain.ledger.book import TransferKind
from schema.scalars import Money, Units

# Sending


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


@strawberry.input
class CsvSendInput:
    upload_id: strawberry.ID = strawberry.field(description="From POST /uploads.")
    text: str | None = strawberry.field(
        default=None, description="One for all rows; {{column}} stands for what a row has there."
    )
    column: str | None = strawberry.field(
        default=None, description="Of the numbers; told by what stands in the columns, if absent."
    )
    text_column: str | None = strawberry.field(
        default=None, description="Of the texts, where each row has its own. In place of text."
    )
    idempotency_key: str | None = None


@strawberry.input
class CancelSendInput:
    send_id: strawberry.ID


@strawberry.input
class SettleUnknownInput:
    message_id: strawberry.ID
    taken: bool
    note: str | None = None


# Contacts


@strawberry.input
class SaveContactInput:
    number: str
    name: str | None = strawberry.UNSET
    business: str | None = strawberry.UNSET
    opted_out: bool | None = strawberry.field(
        default=None,
        description="True: nothing is sent to the number any more, and what is queued to it is "
        "called back. False lifts its wish. Null leaves it: an opt-out is never lifted by mistake.",
    )


@strawberry.input
class DeleteContactInput:
    id: strawberry.ID


@strawberry.input
class ImportContactsInput:
    upload_id: strawberry.ID = strawberry.field(description="From POST /uploads.")


# Two-way


@strawberry.input(description="A conversation, or an inbound message of it.")
class ReplyInput:
    text: str
    conversation_id: strawberry.ID | None = None
    inbound_message_id: strawberry.ID | None = None
    idempotency_key: str | None = None


@strawberry.input
class MarkReadInput:
    conversation_id: strawberry.ID


@strawberry.input
class SetModemRouteInput:
    client_id: strawberry.ID
    modem: str
    port: str
    assigned_numbers: list[str] | None = None


@strawberry.input
class DeleteModemRouteInput:
    id: strawberry.ID


@strawberry.input
class AssignInboundInput:
    webhook_event_id: strawberry.ID
    client_id: strawberry.ID
    remember: bool | None = strawberry.field(
        default=None, description="Also route this modem and port there from now on."
    )


@strawberry.input
class TestReplyReadinessInput:
    client_id: strawberry.ID


# Units


@strawberry.input(description="Which provider account to sync.")
class SyncInput:
    provider_account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Default: the default account, or the client's own. Only an admin can name "
        "another.",
    )


@strawberry.input(description="Which transfers to list. All conditions must hold.")
class TransferFilter:
    kind: TransferKind | None = strawberry.field(
        default=None, description="Only transfers of this kind."
    )
    created_after: datetime | None = strawberry.field(
        default=None, description="Only transfers created at this time or later."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="Only transfers created before this time."
    )


@strawberry.input(description="What to allocate. Give exactly one of clientId and groupId.")
class AllocateInput:
    units: Units
    client_id: strawberry.ID | None = None
    group_id: strawberry.ID | None = None
    note: str | None = None
    idempotency_key: str | None = None


# Sessions and keys


@strawberry.input
class SignInInput:
    email: str
    password: str


@strawberry.input
class RefreshSessionInput:
    refresh_token: str


@strawberry.input
class CreateApiKeyInput:
    name: str


@strawberry.input
class RevokeApiKeyInput:
    id: strawberry.ID


# People. In what changes something, null clears and an absent field leaves as it is.


@strawberry.input
class CreateGroupInput:
    name: str
    rate_per_unit_usd: Money | None = None


@strawberry.input
class UpdateGroupInput:
    id: strawberry.ID
    name: str | None = strawberry.UNSET
    rate_per_unit_usd: Money | None = strawberry.UNSET


@strawberry.input
class CreateClientInput:
    name: str
    business: str | None = None
    group_id: strawberry.ID | None = None
    rate_per_unit_usd: Money | None = None
    assigned_numbers: list[str] | None = None


@strawberry.input
class UpdateClientInput:
    id: strawberry.ID
    name: str | None = strawberry.UNSET
    business: str | None = strawberry.UNSET
    status: ClientStatus | None = strawberry.UNSET
    group_id: strawberry.ID | None = strawberry.UNSET
    rate_per_unit_usd: Money | None = strawberry.UNSET
    assigned_numbers: list[str] | None = strawberry.UNSET


@strawberry.input
class CreateUserInput:
    email: str
    password: str
    role: Role
    client_id: strawberry.ID | None = None
    group_id: strawberry.ID | None = None


@strawberry.input
class UpdateUserInput:
    id: strawberry.ID
    password: str | None = strawberry.UNSET
    role: Role | None = strawberry.UNSET
    client_id: strawberry.ID | None = strawberry.UNSET
    group_id: strawberry.ID | None = strawberry.UNSET
    disabled: bool | None = strawberry.UNSET
