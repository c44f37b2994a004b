"""Inputs of provider accounts, sync, reconcile, allocations and lists of transfers."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.ledger.book import TransferKind
from schema.fields import KEY, change, described, optional
from schema.values import Units


@strawberry.input(description="Which provider account to sync.")
class SyncInput:
    provider_account_id: strawberry.ID | None = optional(
        "Default: the default account, or the client's own. Only an admin can name another."
    )
    reading: Units | None = optional(
        "The balance in units, entered by hand. Only for an admin, and only for an "
        "account whose provider reports no balance; for such an account it is required."
    )


@strawberry.input(
    description="The sign-in of a client's own provider account. It is stored encrypted and never "
    "returned."
)
class SetProviderCredentialsInput:
    client_id: strawberry.ID = described("The client that owns the account.")
    provider: str = described("The name of the provider, as in providerKinds.")
    username: str = described(
        "The user name at the provider. Leave username and password empty to charge "
        "the client's sends to the account of the platform."
    )
    password: str = described("The password, or the key, at the provider.")
    price_per_message: Units | None = optional(
        "Units charged for one message. Default: the present price, at first that of "
        "the installation (COST_PER_SMS)."
    )


@strawberry.input(description="How to reconcile.")
class ReconcileInput:
    dry_run: bool | None = optional("True: only look, correct nothing.")
    since: datetime | None = optional("Only sends that were created at this time or later.")


@strawberry.input(description="Which transfers to list. All conditions must hold.")
class TransferFilter:
    kind: TransferKind | None = optional("Only transfers of this kind.")
    created_after: datetime | None = optional("Only transfers created at this time or later.")
    created_before: datetime | None = optional("Only transfers created before this time.")


@strawberry.input(description="What to allocate. Give exactly one of clientId and groupId.")
class AllocateInput:
    units: Units = described("Units to move. Positive gives them, negative takes them back.")
    client_id: strawberry.ID | None = optional("The client that gets the units.")
    group_id: strawberry.ID | None = optional("The group that gets the units.")
    note: str | None = optional("A line of at most 500 characters, which the statement shows.")
    idempotency_key: str | None = optional(KEY)


_CONFIGURATION = (
    "The values that the provider asks for: see providerKinds. Secrets are stored encrypted and"
    " never returned."
)
_RATE = "The most messages a second. Null: the limit of the installation."


@strawberry.input(description="A value of an account at a provider.")
class ProviderValueInput:
    name: str = described("Its name, as in providerKinds.")
    value: str | None = optional("At most 2,000 characters. Null clears it.")


@strawberry.input(description="A new account of the platform at a provider.")
class CreateProviderAccountInput:
    provider: str = described("The name of the provider: see providerKinds.")
    configuration: list[ProviderValueInput] = described(_CONFIGURATION)
    name: str | None = optional("A name for admins.")
    unit: str | None = optional(
        "The unit of its pool: 1 to 12 letters. Default: the usual one of the "
        "provider. It cannot be changed later."
    )
    price_per_message: Units | None = optional(
        "Units charged to its clients for one message. Default: the usual price of "
        "the provider. It cannot be changed later."
    )
    messages_per_second: int | None = optional(_RATE)
    is_default: bool | None = optional(
        "Make it the default account: new clients and groups use it."
    )


@strawberry.input(
    description="Changes of an account of the platform. Absent keeps a value, null clears it."
)
class UpdateProviderAccountInput:
    id: strawberry.ID = described("The account to change.")
    name: str | None = change("A name for admins.")
    configuration: list[ProviderValueInput] | None = change(
        f"{_CONFIGURATION} An absent value stays as it is. An account that the "
        "settings describe uses these values instead from then on."
    )
    messages_per_second: int | None = change(_RATE)
    is_default: bool | None = change(
        "True: make it the default account. Existing clients are not moved."
    )


@strawberry.input(description="A client, and the provider account whose pool it moves to.")
class MoveClientInput:
    client_id: strawberry.ID = described("The client.")
    provider_account_id: strawberry.ID = described(
        "An account of the platform, or the client's own."
    )


@strawberry.input(description="Which account to pause or to resume.")
class PauseProviderAccountInput:
    id: strawberry.ID = described("The account.")
    paused: bool = described("True pauses it, false resumes it.")
