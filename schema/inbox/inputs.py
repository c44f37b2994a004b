"""Inputs of contacts, conversations, routes and webhook events."""

from __future__ import annotations

import strawberry

from schema.fields import KEY, change, described, optional
from schema.sending.inputs import TEXT


@strawberry.input(description="What to save about a number.")
class SaveContactInput:
    number: str = described(
        "The number in any usual spelling, or the short code or name of an existing contact."
    )
    name: str | None = change("Null clears it. Absent keeps it.")
    business: str | None = change("Null clears it. Absent keeps it.")
    opted_out: bool | None = optional(
        "True: nothing is sent to the number, and queued messages are cancelled. False "
        "lifts the opt-out. Null keeps it as it is."
    )


@strawberry.input(description="Which contact to delete.")
class DeleteContactInput:
    id: strawberry.ID = described("The contact.")


@strawberry.input(description="Which contacts to list.")
class ContactFilter:
    opted_out: bool | None = optional(
        "True: only opted-out ones. False: only the others. Null: all."
    )


@strawberry.input(description="A file of contacts.")
class ImportContactsInput:
    upload_id: strawberry.ID = described("The ID from POST /uploads.")
    column: str | None = optional(
        "The only column to read numbers from. If it is absent, every column of phone "
        "numbers is read, except for fax, backup and emergency numbers."
    )


@strawberry.input(description="A reply: name a conversation or an inbound message, not both.")
class ReplyInput:
    text: str = described(TEXT)
    conversation_id: strawberry.ID | None = optional("The conversation to reply in.")
    inbound_message_id: strawberry.ID | None = optional("The inbound message to reply to.")
    idempotency_key: str | None = optional(KEY)


@strawberry.input(description="Which conversation was read.")
class MarkReadInput:
    conversation_id: strawberry.ID = described("The conversation.")


@strawberry.input(description="A line and the client that it belongs to.")
class SetModemRouteInput:
    client_id: strawberry.ID = described("The client.")
    modem: str = described("The modem, exactly as webhook events write it.")
    port: str = described("The port, exactly as webhook events write it.")
    assigned_numbers: list[str] | None = optional(
        "Numbers to assign with the route; they replace earlier ones. Null keeps them."
    )


@strawberry.input(description="Which route to delete.")
class DeleteModemRouteInput:
    id: strawberry.ID = described("The route.")


@strawberry.input(description="An event and the client that its message belongs to.")
class AssignInboundInput:
    webhook_event_id: strawberry.ID = described("The event.")
    client_id: strawberry.ID = described("The client.")
    remember: bool | None = optional("Also assigns the event's modem and port to the client.")
    sender: str | None = optional("The sender, if the event names no phone number.")
    text: str | None = optional("The text, if the event has none that could be read.")
    opt_out_all: bool | None = optional(
        "For a pending opt-out: opts the number out for every client that it blocks. "
        "Otherwise the block ends for the other clients."
    )


@strawberry.input(description="Which client's readiness to check.")
class TestReplyReadinessInput:
    client_id: strawberry.ID = described("The client.")
