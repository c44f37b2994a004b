"""Inputs of sync, reconcile, allocations and lists of transfers."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.ledger.book import TransferKind
from schema.scalars import Units


@strawberry.input(description="Which provider account to sync.")
class SyncInput:
    provider_account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Default: the default account, or the client's own. Only an admin can name "
        "another.",
    )
    reading: Units | None = strawberry.field(
        default=None,
        description="The balance in units, entered by hand. Only for an admin, and only for an "
        "account whose provider reports no balance; for such an account it is required.",
    )


@strawberry.input(
    description="The sign-in of a client's own provider account. It is stored encrypted and never "
    "returned."
)
class SetProviderCredentialsInput:
    client_id: strawberry.ID = strawberry.field(description="The client that owns the account.")
    provider: str = strawberry.field(
        description="The name of the provider, as in providerAccounts."
    )
    username: str = strawberry.field(
        description="The user name at the provider. Leave username and password empty to charge "
        "the client's sends to the account of the platform."
    )
    password: str = strawberry.field(description="The password, or the key, at the provider.")
    price_per_message: Units | None = strawberry.field(
        default=None,
        description="Units charged for one message. Default: the present price, at first that of "
        "the installation (COST_PER_SMS).",
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
