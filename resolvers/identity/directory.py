"""Groups, clients and users, which an admin reads and changes; and the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.brand import Brand
from domain.errors import InvalidInput, NotFound, Unauthenticated
from domain.identity import clients as domain_clients
from domain.identity import directory as domain_directory
from domain.identity import users as domain_users
from domain.identity.access import Actor, Everything, Role
from domain.identity.auth_tokens import AuthToken
from domain.identity.directory import (
    KEEP,
    Client,
    ClientOrder,
    Group,
    Keep,
    TextKey,
    User,
    UserOrder,
)
from domain.identity.quiet_hours import quiet_hours_of
from domain.ids import Kind
from domain.pages import Page, Window, search_of
from resolvers.context import (
    Info,
    actor_of,
    load_clients,
    load_groups,
    load_own_clients,
    requires,
    updated_fields,
)
from schema.identity.inputs import (
    ClientFilter,
    CreateClientInput,
    CreateGroupInput,
    CreateUserInput,
    RotateTwilioAuthTokenInput,
    SetQuietHoursInput,
    UpdateClientInput,
    UpdateGroupInput,
    UpdateUserInput,
    UserFilter,
)


@requires(Role.ADMIN)
async def groups(info: Info) -> list[Group]:
    """All groups, by name."""
    return list(await info.context.installation.store.list_groups())


@requires(Role.ADMIN)
async def client(
    info: Info, id: Annotated[ID, argument(description="The ID of the client.")]
) -> Client | None:
    """One client."""
    client_id = ids.find(Kind.CLIENT, id)
    [found] = await load_clients(info, [client_id])
    return found


@requires(Role.ADMIN)
async def clients(
    info: Info,
    window: Window[TextKey],
    search: Annotated[
        str | None,
        argument(description="Only clients with this text in their name, ignoring case."),
    ] = None,
    group_id: Annotated[ID | None, argument(description="Only clients of this group.")] = None,
    filter: Annotated[ClientFilter | None, argument(description="Which clients to list.")] = None,
    order_by: Annotated[
        ClientOrder | None, argument(description="The order of the list. Default: NEWEST.")
    ] = None,
) -> Page[Client]:
    """Clients."""
    wanted = domain_directory.ClientFilter(
        search=search_of(search),
        group_id=ids.decode_given(Kind.GROUP, group_id),
        status=filter.status if filter else None,
    )
    return await info.context.installation.store.list_clients(
        Everything(), window, filter=wanted, order=order_by or ClientOrder.NEWEST
    )


@requires(Role.ADMIN)
async def user_page(
    info: Info,
    window: Window[TextKey],
    client_id: Annotated[ID | None, argument(description="Only users of this client.")] = None,
    search: Annotated[
        str | None, argument(description="Only users with this text in their email, ignoring case.")
    ] = None,
    filter: Annotated[UserFilter | None, argument(description="Which users to list.")] = None,
    order_by: Annotated[
        UserOrder | None, argument(description="The order of the list. Default: NEWEST.")
    ] = None,
) -> Page[User]:
    """Users."""
    wanted = domain_directory.UserFilter(
        search=search_of(search),
        client_id=ids.decode_given(Kind.CLIENT, client_id),
        group_id=ids.decode_given(Kind.GROUP, filter.group_id if filter else None),
        role=filter.role if filter else None,
        disabled=filter.disabled if filter else None,
    )
    return await info.context.installation.store.list_users(
        window, filter=wanted, order=order_by or UserOrder.NEWEST
    )


@requires(Role.ADMIN)
async def create_group(info: Info, input: CreateGroupInput) -> Group:
    """Adds a group."""
    return await domain_clients.create_group(
        info.context.installation.store, name=input.name, rate_per_unit_usd=input.rate_per_unit_usd
    )


@requires(Role.ADMIN)
async def update_group(info: Info, input: UpdateGroupInput) -> Group:
    """Changes a group. This process reads the actors of the group again at once."""
    installation = info.context.installation
    change = domain_clients.GroupChange(**updated_fields(input, "name", "rate_per_unit_usd"))
    group_id = ids.decode(Kind.GROUP, input.id)
    group = await domain_clients.update_group(installation.store, group_id, change)
    await installation.actors.catch_up()
    return group


@requires(Role.ADMIN)
async def create_client(info: Info, input: CreateClientInput) -> Client:
    """Adds a client."""
    installation = info.context.installation
    new = domain_clients.NewClient(
        name=input.name,
        business=input.business,
        group_id=ids.decode_given(Kind.GROUP, input.group_id),
        rate_per_unit_usd=input.rate_per_unit_usd,
        assigned_numbers=input.assigned_numbers,
        low_balance_threshold=input.low_balance_threshold,
    )
    return await domain_clients.create_client(installation.store, installation.normaliser, new)


@requires(Role.ADMIN)
async def update_client(info: Info, input: UpdateClientInput) -> Client:
    """Changes a client. This process reads its actors again at once."""
    installation = info.context.installation
    given = updated_fields(
        input,
        "name",
        "business",
        "status",
        "rate_per_unit_usd",
        "assigned_numbers",
        "low_balance_threshold",
    )
    change = domain_clients.ClientChange(**given, group_id=_changed(Kind.GROUP, input, "group_id"))
    client_id = ids.decode(Kind.CLIENT, input.id)
    changed = await domain_clients.update_client(
        installation.store, installation.normaliser, client_id, change
    )
    await installation.actors.catch_up()
    return changed


@requires(account=True)
async def set_quiet_hours(info: Info, input: SetQuietHoursInput) -> Client:
    """Sets or ends the quiet hours of a client. This process reads its actors again at once."""
    actor, installation = actor_of(info), info.context.installation
    client_id = _own_client(actor, input.client_id)
    given = input.quiet_hours
    quiet = None if given is None else quiet_hours_of(given.start, given.end, given.time_zone)
    changed = await domain_clients.update_client(
        installation.store,
        installation.normaliser,
        client_id,
        domain_clients.ClientChange(quiet_hours=quiet),
    )
    await installation.actors.catch_up()
    return changed


@requires(account=True)
async def rotate_twilio_auth_token(info: Info, input: RotateTwilioAuthTokenInput) -> AuthToken:
    """Gives a client a new auth token."""
    installation = info.context.installation
    client_id = _own_client(actor_of(info), input.client_id)
    return await installation.auth_tokens.rotate(
        installation.store, client_id, delay_minutes=input.delay_minutes or 0
    )


@requires(Role.ADMIN)
async def create_user(info: Info, input: CreateUserInput) -> User:
    """Adds a user."""
    installation = info.context.installation
    new = domain_users.NewUser(
        email=input.email,
        password=input.password,
        role=input.role,
        client_id=ids.decode_given(Kind.CLIENT, input.client_id),
        group_id=ids.decode_given(Kind.GROUP, input.group_id),
    )
    return await domain_users.create_user(
        installation.store, installation.passwords, new, by=actor_of(info)
    )


@requires(Role.ADMIN)
async def update_user(info: Info, input: UpdateUserInput) -> User:
    """Changes a user. This process reads its actors again at once."""
    installation = info.context.installation
    change = domain_users.UserChange(
        **updated_fields(input, "password", "role", "disabled"),
        client_id=_changed(Kind.CLIENT, input, "client_id"),
        group_id=_changed(Kind.GROUP, input, "group_id"),
    )
    user_id = ids.decode(Kind.USER, input.id)
    user = await domain_users.update_user(
        installation.store, installation.passwords, user_id, change, by=actor_of(info)
    )
    await installation.actors.catch_up()
    return user


def _own_client(actor: Actor, given: ID | None) -> UUID:
    """The client that an admin names, or that of the actor. Raises InvalidInput, NotFound."""
    client_id = ids.decode_given(Kind.CLIENT, given) or actor.client_id
    if client_id is None:
        raise InvalidInput("clientId is required: name the client.", field="clientId")
    if actor.role is not Role.ADMIN and client_id != actor.client_id:
        raise NotFound("client")
    return client_id


def _changed(kind: Kind, given: object, name: str) -> UUID | Keep | None:
    id = updated_fields(given, name)[name]
    return KEEP if id is KEEP else ids.decode_given(kind, id)


@requires()
async def viewer(info: Info) -> User:
    """The user who makes the request. Raises Unauthenticated if the user does not exist."""
    actor = actor_of(info)
    user = await info.context.installation.directory.find_user(actor.user_id)
    if user is None:
        raise Unauthenticated
    return user


async def clients_of(roots: Sequence[User], info: Info) -> list[Client | None]:
    """The account that each user sends from."""
    return await load_own_clients(info, [root.client_id for root in roots])


async def groups_of(roots: Sequence[User], info: Info) -> list[Group | None]:
    """The group of each user. A user with the role CLIENT has the group of its client."""
    of_client = [root.client_id if root.role is Role.CLIENT else None for root in roots]
    clients = await load_own_clients(info, of_client)
    ids = [client.group_id if client else None for client in clients]
    return await load_groups(
        info, [root.group_id or at for root, at in zip(roots, ids, strict=True)]
    )


async def groups_of_clients(roots: Sequence[Client], info: Info) -> list[Group | None]:
    """The group of each client."""
    return await load_groups(info, [root.group_id for root in roots])


async def brand(info: Info) -> Brand:
    """The brand of this installation."""
    return info.context.installation.brand
