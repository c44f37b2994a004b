"""The viewer: the user who makes the request, and the account that this user sends from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import Unauthenticated
from domain.identity.access import Role
from domain.identity.directory import Client, Group, User
from resolvers.context import Info, actor_of, load_groups, load_own_clients, requires


@dataclass(frozen=True, slots=True)
class Brand:
    """The name under which this installation sells."""

    name: str


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
    return Brand(info.context.installation.brand)
