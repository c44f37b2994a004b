"""Inputs that cancel sends and settle messages."""

from __future__ import annotations

from datetime import datetime

import strawberry


@strawberry.input(description="Which send to cancel.")
class CancelSendInput:
    send_id: strawberry.ID = strawberry.field(description="The ID of the send.")


@strawberry.input(description="What became of a message whose status is UNKNOWN.")
class SettleUnknownInput:
    message_id: strawberry.ID = strawberry.field(description="The ID of the message.")
    taken: bool = strawberry.field(
        description="True: the provider took it, and it becomes SENT. False: it did not, and it "
        "becomes REJECTED and is refunded."
    )
    note: str | None = strawberry.field(
        default=None,
        description="How you know (1 to 1,000 characters). It is kept with the call to the "
        "provider; clients do not see it.",
    )


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
