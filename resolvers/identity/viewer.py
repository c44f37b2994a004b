"""The viewer: the user who makes the request, and the account that this user sends from."""

from __future__ import annotations

from dataclasses import dataclass

from domain.errors import Unauthenticated
from domain.identity.access import Role
from domain.identity.records import Client, Group, User
from resolvers.context import Info, actor_of
from resolvers.loaders import load_group, load_own_client


@dataclass(frozen=True, slots=True)
class Brand:
    """The name under which this installation sells."""

    name: str


async def viewer(info: Info) -> User:
    """The user who makes the request. Raises Unauthenticated if the user does not exist."""
    actor = actor_of(info)
    user = await info.context.installation.directory.find_user(actor.user_id)
    if user is None:
        raise Unauthenticated
    return user


async def client_of(root: User, info: Info) -> Client | None:
    """The account that a user sends from. Anyone who may see the user may see it."""
    if root.client_id is None:
        return None
    return await load_own_client(info, root.client_id)


async def group_of(root: User | Client, info: Info) -> Group | None:
    """The group of a user or a client. A client's user has the group of its client."""
    group_id = root.group_id
    if group_id is None and isinstance(root, User) and root.role is Role.CLIENT:
        client = await client_of(root, info)
        group_id = client.group_id if client else None
    return await load_group(info, group_id)


async def brand(info: Info) -> Brand:
    """The brand of this installation."""
    return Brand(info.context.installation.brand)
