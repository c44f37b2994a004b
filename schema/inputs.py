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


@strawberry.input
class CancelSendInput:
    send_id: strawberry.ID


@strawberry.input
class SettleUnknownInput:
    message_id: strawberry.ID
    taken: bool
    note: str | None = None


@strawberry.input(
    description="Which UNKNOWN messages are meant. What is left out restricts nothing."
)
class UnknownFilterInput:
    send_id: strawberry.ID | None = strawberry.field(
        default=None, description="Messages of this send."
    )
    client_id: strawberry.ID | None = strawberry.field(
        default=None, description="Messages of this client."
    )
    attempted_before: datetime | None = strawberry.field(
        default=None,
        description="Messages that were submitted to the provider before this time. Required"
        " without dryRun, so that messages that became UNKNOWN since the dry run are left alone.",
    )


@strawberry.input(description="Which UNKNOWN messages to settle, and how.")
class SettleUnknownsInput:
    filter: UnknownFilterInput | None = strawberry.field(
        default=None, description="Which messages. Without a filter: all UNKNOWN messages."
    )
    taken: bool = strawberry.field(
        description="True: the provider took them, and they become SENT. False: it did not, and"
        " they become REJECTED and are refunded."
    )
    note: str | None = strawberry.field(
        default=None,
        description="How you know (1 to 1,000 characters). Required without dryRun. It is kept"
        " with each call to the provider; clients do not see it.",
    )
    dry_run: bool | None = strawberry.field(
        default=None, description="True: only count the messages and their charges."
    )


# Contacts


@strawberry.input(description="What to save about a number.")
class SaveContactInput:
    number: str = strawberry.field(
        description="The number in any usual spelling, or the short code or name of an existing "
        "contact."
    )
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="Null clears it. Absent keeps it."
    )
    business: str | None = strawberry.field(
        default=strawberry.UNSET, description="Null clears it. Absent keeps it."
    )
    opted_out: bool | None = strawberry.field(
        default=None,
        description="True: nothing is sent to the number, and queued messages are cancelled. False "
        "lifts the opt-out. Null keeps it as it is.",
    )


@strawberry.input(description="Which contact to delete.")
class DeleteContactInput:
    id: strawberry.ID = strawberry.field(description="The contact.")


@strawberry.input(description="Which contacts to list.")
class ContactFilter:
    opted_out: bool | None = strawberry.field(
        default=None, description="True: only opted-out ones. False: only the others. Null: all."
    )


@strawberry.input(description="A file of contacts.")
class ImportContactsInput:
    upload_id: strawberry.ID = strawberry.field(description="The ID from POST /uploads.")
    column: str | None = strawberry.field(
        default=None,
        description="The only column to read numbers from. If it is absent, every column of phone "
        "numbers is read, except for fax, backup and emergency numbers.",
    )


# Two-way


@strawberry.input(description="A reply: name a conversation or an inbound message, not both.")
class ReplyInput:
    text: str = strawberry.field(description="The text of the reply.")
    conversation_id: strawberry.ID | None = strawberry.field(
        default=None, description="The conversation to reply in."
    )
    inbound_message_id: strawberry.ID | None = strawberry.field(
        default=None, description="The inbound message to reply to."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Makes it safe to repeat the request."
    )


@strawberry.input(description="Which conversation was read.")
class MarkReadInput:
    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")


@strawberry.input(description="A line and the client that it belongs to.")
class SetModemRouteInput:
    client_id: strawberry.ID = strawberry.field(description="The client.")
    modem: str = strawberry.field(description="The modem, exactly as webhook events write it.")
    port: str = strawberry.field(description="The port, exactly as webhook events write it.")
    assigned_numbers: list[str] | None = strawberry.field(
        default=None,
        description="Numbers to assign with the route; they replace earlier ones. Null keeps them.",
    )


@strawberry.input(description="Which route to delete.")
class DeleteModemRouteInput:
    id: strawberry.ID = strawberry.field(description="The route.")


@strawberry.input(description="An event and the client that its message belongs to.")
class AssignInboundInput:
    webhook_event_id: strawberry.ID = strawberry.field(description="The event.")
    client_id: strawberry.ID = strawberry.field(description="The client.")
    remember: bool | None = strawberry.field(
        default=None, description="Also assigns the event's modem and port to the client."
    )
    sender: str | None = strawberry.field(
        default=None, description="The sender, if the event names no phone number."
    )
    text: str | None = strawberry.field(
        default=None, description="The text, if the event has none that could be read."
    )
    opt_out_all: bool | None = strawberry.field(
        default=None,
        description="For a pending opt-out: opts the number out for every client that it blocks. "
        "Otherwise the block ends for the other clients.",
    )


@strawberry.input(description="Which client's readiness to check.")
class TestReplyReadinessInput:
    client_id: strawberry.ID = strawberry.field(description="The client.")


# Units


@strawberry.input(description="Which provider account to sync.")
class SyncInput:
    provider_account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Default: the default account, or the client's own. Only an admin can name "
        "another.",
    )


@strawberry.input(description="How to reconcile.")
class ReconcileInput:
    dry_run: bool | None = strawberry.field(
        default=None, description="True: only look, correct nothing."
    )
    since: datetime | None = strawberry.field(
        default=None, description="Only sends that were created at this time or later."
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
    units: Units = strawberry.field(
        description="Units to move. Positive gives them, negative takes them back."
    )
    client_id: strawberry.ID | None = strawberry.field(
        default=None, description="The client that gets the units."
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=None, description="The group that gets the units."
    )
    note: str | None = strawberry.field(
        default=None, description="A line of at most 500 characters for the statement."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Makes it safe to repeat the request."
    )


# Sessions and API keys


@strawberry.input(description="The credentials of a user.")
class SignInInput:
    email: str = strawberry.field(description="The email address, in any case.")
    password: str = strawberry.field(description="The password.")


@strawberry.input(description="A session, named by its refresh token.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="The last refresh token of the session.")


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="A name to recognise the key by.")


@strawberry.input(description="The API key to revoke.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The ID of the key.")


# Groups, clients and users. In an update, null clears a field and an absent field stays as it is.

_RATE = "The value of one unit in USD, with at most 6 decimal places."
_NUMBERS = "Numbers of the platform that belong to the client. They replace the present ones."
_LENGTHS = "8 to 1024 characters."
_CLIENT = "The account to send from. Required for the role CLIENT."
_GROUP = "The group to manage. Required for the role SUPERVISOR."


@strawberry.input(description="A new group.")
class CreateGroupInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    rate_per_unit_usd: Money | None = strawberry.field(default=None, description=_RATE)


@strawberry.input(description="Changes of a group. Null clears a field.")
class UpdateGroupInput:
    id: strawberry.ID = strawberry.field(description="The group to change.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    rate_per_unit_usd: Money | None = strawberry.field(default=strawberry.UNSET, description=_RATE)


@strawberry.input(description="A new client.")
class CreateClientInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    business: str | None = strawberry.field(
        default=None, description="The business name for contacts of this client."
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=None, description="The group of the client."
    )
    rate_per_unit_usd: Money | None = strawberry.field(default=None, description=_RATE)
    assigned_numbers: list[str] | None = strawberry.field(default=None, description=_NUMBERS)


@strawberry.input(description="Changes of a client. Null clears a field.")
class UpdateClientInput:
    id: strawberry.ID = strawberry.field(description="The client to change.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    business: str | None = strawberry.field(
        default=strawberry.UNSET, description="The business name for contacts of this client."
    )
    status: ClientStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Only an ACTIVE client may send."
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="The group of the client. A client that changes groups keeps its units.",
    )
    rate_per_unit_usd: Money | None = strawberry.field(default=strawberry.UNSET, description=_RATE)
    assigned_numbers: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description=_NUMBERS
    )


@strawberry.input(description="A new user.")
class CreateUserInput:
    email: str = strawberry.field(description="The email address to sign in with.")
    password: str = strawberry.field(description=_LENGTHS)
    role: Role = strawberry.field(description="What the user may see and do.")
    client_id: strawberry.ID | None = strawberry.field(default=None, description=_CLIENT)
    group_id: strawberry.ID | None = strawberry.field(default=None, description=_GROUP)


@strawberry.input(description="Changes of a user. Null clears a field.")
class UpdateUserInput:
    id: strawberry.ID = strawberry.field(description="The user to change.")
    password: str | None = strawberry.field(default=strawberry.UNSET, description=_LENGTHS)
    role: Role | None = strawberry.field(
        default=strawberry.UNSET, description="What the user may see and do."
    )
    client_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description=_CLIENT
    )
    group_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_GROUP)
    disabled: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the user is locked out."
    )
