"""What the API is given: the one schema module that resolvers may import."""

from __future__ import annotations

import strawberry

from schema.scalars import Units

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
class CancelSendInput:
    send_id: strawberry.ID


@strawberry.input
class SettleUnknownInput:
    message_id: strawberry.ID
    taken: bool
    note: str | None = None


# Units


@strawberry.input
class SyncInput:
    provider_account_id: strawberry.ID | None = None


@strawberry.input(description="Exactly one of clientId and groupId.")
class AllocateInput:
    units: Units
    client_id: strawberry.ID | None = None
    group_id: strawberry.ID | None = None
    note: str | None = None
    idempotency_key: str | None = None
