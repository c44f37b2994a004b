"""The viewer: the user who asks, with the account it sends from."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.access import Role
from domain.errors import Unauthenticated
from domain.people import Client, Group, User
from resolvers.context import Info, actor_of
from resolvers.loaders import load_client, load_group


@dataclass(frozen=True, slots=True)
class Brand:
    """Under which name this installation sells."""

    name: str


async def viewer(info: Info) -> User:
    """The user who asks. Raises Unauthenticated where it is gone."""
    actor = actor_of(info)
    user = await info.context.house.directory.find_user(actor.user_id)
    if user is None:
        raise Unauthenticated
    return user


async def client_of(root: User, info: Info) -> Client | None:
    """The account that a user sends from."""
    return await load_client(info, root.client_id)


async def group_of(root: User | Client, info: Info) -> Group | None:
    """The group that a user or a client belongs to: a client's user sees its client's."""
    group_id: UUID | None = root.group_id
    if group_id is None and isinstance(root, User) and root.role is Role.CLIENT:
        client = await load_client(info, root.client_id)
        group_id = client.group_id if client else None
    return await load_group(info, group_id)


async def brand(info: Info) -> Brand:
    """The brand of this installation."""
    return Brand(info.context.house.brand)
