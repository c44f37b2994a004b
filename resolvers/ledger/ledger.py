"""Balances, statements, allocations and sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.errors import InvalidInput, NotFound, ProviderUnavailable
from domain.identity.access import Everything, Role, balance_scope, require
from domain.identity.directory import Client, Group
from domain.ids import Kind
from domain.ledger import allocate as allocating
from domain.ledger import credentials as own_accounts
from domain.ledger import sync as syncing
from domain.ledger.balances import (
    Allocation,
    Balances,
    BalanceView,
    ProviderAccountFigures,
    view_of,
)
from domain.ledger.book import TransferKind
from domain.ledger.statement import StatementFilter, StatementLine, StatementOrder
from domain.pages import Page, Window, search_of
from resolvers.context import Info, actor_of, load_clients, load_groups, requires
from schema.ledger.inputs import (
    AllocateInput,
    SetProviderCredentialsInput,
    SyncInput,
    TransferFilter,
)


@requires()
async def balances(
    info: Info,
    client_id: Annotated[
        ID | None,
        argument(description="Default: your own account, else your group, else the default pool."),
    ] = None,
) -> Balances:
    """The figures that the actor can see, or those of the given client."""
    return await info.context.installation.store.read_balances(_view(info, client_id))


@requires()
async def transfers(
    info: Info,
    window: Window[int],
    client_id: Annotated[
        ID | None,
        argument(description="Default: your own account, else your group, else the default pool."),
    ] = None,
    kind: Annotated[
        TransferKind | None, argument(description="Only transfers of this kind.")
    ] = None,
    filter: Annotated[
        TransferFilter | None, argument(description="Which transfers to list.")
    ] = None,
    order_by: Annotated[
        StatementOrder | None, argument(description="The order of the list. Default: NEWEST.")
    ] = None,
) -> Page[StatementLine]:
    """The statement of the given client, or of the actor's own account, group or pool."""
    view = _view(info, client_id)
    return await info.context.installation.store.read_statement(
        view, window, filter=_filter(kind, filter), order=order_by or StatementOrder.NEWEST
    )


@requires(Role.ADMIN, Role.SUPERVISOR)
async def allocations(
    info: Info,
    window: Window[UUID],
    group_id: Annotated[ID | None, argument(description="Only clients of this group.")] = None,
    search: Annotated[
        str | None,
        argument(description="Only clients with this text in their name, ignoring case."),
    ] = None,
) -> Page[Allocation]:
    """What the clients of the default pool hold, or those of a supervisor's group."""
    scope = balance_scope(actor_of(info))
    return await info.context.installation.store.read_allocations(
        scope,
        window,
        group_id=ids.decode_given(Kind.GROUP, group_id),
        search=search_of(search),
    )


@requires(Role.ADMIN)
async def provider_accounts(info: Info) -> list[ProviderAccountFigures]:
    """All provider accounts, the default one first."""
    return list(await info.context.installation.store.read_provider_accounts(Everything()))


@requires(Role.ADMIN, Role.SUPERVISOR)
async def allocate(info: Info, input: AllocateInput) -> allocating.Allocated:
    """Moves units to a client or a group, or back."""
    actor, store = actor_of(info), info.context.installation.store
    client_id = ids.decode_given(Kind.CLIENT, input.client_id)
    group_id = ids.decode_given(Kind.GROUP, input.group_id)
    requested = allocating.AllocationRequest(
        client_id, group_id, input.units, note=input.note, key=input.idempotency_key
    )
    return await allocating.allocate(store, actor, requested)


@requires(Role.ADMIN, Role.CLIENT)
async def sync(info: Info, input: SyncInput | None = None) -> syncing.Synced:
    """Sets a pool to the balance that its provider reports, or that an admin enters."""
    actor, installation = actor_of(info), info.context.installation
    named = input.provider_account_id if input else None
    named_id = ids.find(Kind.PROVIDER_ACCOUNT, named) if named else None
    by_hand = input.reading if input else None
    if by_hand is not None:
        require(actor, Role.ADMIN)
    account = await syncing.account_to_sync(installation.store, actor, named_id)
    if named is not None and named_id is None:
        raise NotFound("provider account")
    try:
        return await syncing.sync(
            installation.store,
            await installation.providers.of(account.id),
            account,
            actor_id=actor.user_id,
            rules=installation.sync_rules,
            view=None if actor.role is Role.ADMIN else view_of(actor),
            by_hand=by_hand,
        )
    except ProviderUnavailable as unavailable:
        if actor.role is Role.ADMIN:
            raise ProviderUnavailable(unavailable.for_operator) from unavailable
        raise


@requires(Role.ADMIN)
async def set_provider_credentials(
    info: Info, input: SetProviderCredentialsInput
) -> ProviderAccountFigures:
    """Gives a client its own provider account, or new credentials for it."""
    installation = info.context.installation
    requested = own_accounts.NewCredentials(
        client_id=ids.decode(Kind.CLIENT, input.client_id),
        provider=input.provider,
        username=input.username,
        password=input.password,
        price=input.price_per_message,
    )
    account = await own_accounts.set_credentials(
        installation.store, installation.own_accounts, requested
    )
    await installation.actors.catch_up()
    return account


async def clients_of(roots: Sequence[Allocation], info: Info) -> list[Client | None]:
    """The client that each allocation belongs to."""
    return await load_clients(info, [root.client_id for root in roots])


async def owners_of(roots: Sequence[ProviderAccountFigures], info: Info) -> list[Client | None]:
    """The client that each provider account belongs to; None for those of the platform."""
    return await load_clients(info, [root.owner_client_id for root in roots])


async def groups_of(roots: Sequence[Allocation], info: Info) -> list[Group | None]:
    """The group of the client that each allocation belongs to."""
    return await load_groups(info, [root.group_id for root in roots])


def _filter(kind: TransferKind | None, filter: TransferFilter | None) -> StatementFilter:
    if filter is None:
        return StatementFilter(kind)
    if kind is not None and filter.kind is not None:
        raise InvalidInput("Give kind or filter.kind, not both.", field="kind")
    return StatementFilter(filter.kind or kind, filter.created_after, filter.created_before)


def _view(info: Info, client_id: ID | None) -> BalanceView:
    actor = actor_of(info)
    return view_of(actor, ids.decode_given(Kind.CLIENT, client_id))
