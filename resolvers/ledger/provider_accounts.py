"""Provider accounts that an admin adds, changes and pauses while the program runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain import ids
from domain.identity.access import Role
from domain.identity.directory import Client
from domain.ids import Kind
from domain.ledger import credentials
from domain.ledger import provider_accounts as accounts
from domain.ledger.balances import ProviderAccountFigures
from domain.provider import ProviderField
from resolvers.context import Info, requires, updated_fields
from schema.ledger.inputs import (
    CreateProviderAccountInput,
    MoveClientInput,
    PauseProviderAccountInput,
    ProviderValueInput,
    UpdateProviderAccountInput,
)


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A provider that the program supports, and the values of an account there."""

    name: str
    fields: list[ProviderField]


@dataclass(frozen=True, slots=True)
class ProviderValue:
    """A value of an account that is not secret."""

    name: str
    value: str


@requires(Role.ADMIN)
async def provider_kinds(info: Info) -> list[ProviderKind]:
    """The supported providers, by name."""
    found = info.context.installation.catalogue.fields()
    return [ProviderKind(name, list(fields)) for name, fields in sorted(found.items())]


def configuration_of(root: ProviderAccountFigures) -> list[ProviderValue] | None:
    """The values of an account that are not secret, by name."""
    if root.configuration is None:
        return None
    return [ProviderValue(name, value) for name, value in sorted(root.configuration.items())]


def webhook_path_of(root: ProviderAccountFigures) -> str:
    """The path that the provider calls for this account, behind the address of the installation."""
    return f"/webhooks/{root.provider}/{ids.encode(Kind.PROVIDER_ACCOUNT, root.id)}"


@requires(Role.ADMIN)
async def create_provider_account(
    info: Info, input: CreateProviderAccountInput
) -> ProviderAccountFigures:
    """Adds an account of the platform."""
    installation = info.context.installation
    new = accounts.NewAccount(
        provider=input.provider,
        configuration=_values(input.configuration),
        name=input.name,
        unit=input.unit,
        price=input.price_per_message,
        rate_per_second=input.messages_per_second,
        is_default=bool(input.is_default),
    )
    return await accounts.create_provider_account(
        installation.store, installation.catalogue, installation.own_accounts, new
    )


@requires(Role.ADMIN)
async def update_provider_account(
    info: Info, input: UpdateProviderAccountInput
) -> ProviderAccountFigures:
    """Changes an account of the platform."""
    installation = info.context.installation
    given = updated_fields(input, "name", "configuration", "is_default")
    if isinstance(given["configuration"], list):
        given["configuration"] = _values(given["configuration"])
    change = accounts.AccountChange(
        **given, rate_per_second=updated_fields(input, "messages_per_second")["messages_per_second"]
    )
    return await accounts.update_provider_account(
        installation.store,
        installation.catalogue,
        installation.own_accounts,
        ids.decode(Kind.PROVIDER_ACCOUNT, input.id),
        change,
    )


@requires(Role.ADMIN)
async def pause_provider_account(
    info: Info, input: PauseProviderAccountInput
) -> ProviderAccountFigures:
    """Pauses an account or resumes it."""
    return await accounts.pause_provider_account(
        info.context.installation.store,
        ids.decode(Kind.PROVIDER_ACCOUNT, input.id),
        paused=input.paused,
    )


@requires(Role.ADMIN)
async def move_client(info: Info, input: MoveClientInput) -> Client:
    """Moves a client to another pool. This process reads its actors again at once."""
    installation = info.context.installation
    client = await credentials.move_client(
        installation.store,
        ids.decode(Kind.CLIENT, input.client_id),
        ids.decode(Kind.PROVIDER_ACCOUNT, input.provider_account_id),
    )
    await installation.actors.catch_up()
    return client


def _values(configuration: Sequence[ProviderValueInput]) -> dict[str, str | None]:
    return {each.name: each.value for each in configuration}
