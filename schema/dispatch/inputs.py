"""Inputs that cancel sends and settle messages."""

from __future__ import annotations

from datetime import datetime

import strawberry

from schema.fields import described, optional


@strawberry.input(description="Which send to cancel.")
class CancelSendInput:
    send_id: strawberry.ID = described("The ID of the send.")


@strawberry.input(description="The decision about a message whose status is UNKNOWN.")
class SettleUnknownInput:
    message_id: strawberry.ID = described("The ID of the message.")
    taken: bool = described(
        "True: the provider took it, and it becomes SENT. False: it did not, and it "
        "becomes REJECTED and is refunded."
    )
    note: str | None = optional(
        "How you know (1 to 1,000 characters). It is kept with the call to the "
        "provider; clients do not see it."
    )


@strawberry.input(
    description="Which UNKNOWN messages are meant. An absent field does not restrict."
)
class UnknownFilterInput:
    send_id: strawberry.ID | None = optional("Messages of this send.")
    client_id: strawberry.ID | None = optional("Messages of this client.")
    attempted_before: datetime | None = optional(
        "Messages that were submitted to the provider before this time. Required"
        " without dryRun, so that messages that became UNKNOWN since the dry run are left alone."
    )


@strawberry.input(description="Which UNKNOWN messages to settle, and how.")
class SettleUnknownsInput:
    filter: UnknownFilterInput | None = optional(
        "Which messages. Without a filter: all UNKNOWN messages."
    )
    taken: bool = described(
        "True: the provider took them, and they become SENT. False: it did not, and"
        " they become REJECTED and are refunded."
    )
    note: str | None = optional(
        "How you know (1 to 1,000 characters). Required without dryRun. It is kept"
        " with each call to the provider; clients do not see it."
    )
    dry_run: bool | None = optional("True: only count the messages and their charges.")
