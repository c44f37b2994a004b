"""Rows that many fields of one operation point at, read together and once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from strawberry.dataloader import DataLoader

from domain.identity.access import Everything, Role, balance_scope, message_scope
from domain.identity.records import Client, Group
from domain.inbox.messages import AnyMessage
from domain.ledger.reconciliation import Difference
from resolvers.context import Info, actor_of

MOST_DIFFERENCES = 1_000


async def load_client(info: Info, client_id: UUID | None) -> Client | None:
    """A client that the actor may know of; None for no id and for any other client."""
    if client_id is None:
        return None
    scope, directory = balance_scope(actor_of(info)), info.context.installation.directory
    loader: DataLoader[UUID, Client | None] = _loader(
        info, "client", lambda ids: directory.find_clients(scope, ids)
    )
    return await loader.load(client_id)


async def load_own_client(info: Info, client_id: UUID) -> Client | None:
    """The client of a user that the actor may see; nobody needs to be asking (yet) for it."""
    directory = info.context.installation.directory
    loader: DataLoader[UUID, Client | None] = _loader(
        info, "own client", lambda ids: directory.find_clients(Everything(), ids)
    )
    return await loader.load(client_id)


async def load_group(info: Info, group_id: UUID | None) -> Group | None:
    """A group that something pointed at which the actor may see."""
    if group_id is None:
        return None
    directory = info.context.installation.directory
    loader: DataLoader[UUID, Group | None] = _loader(info, "group", directory.find_groups)
    return await loader.load(group_id)


async def load_message(info: Info, message_id: UUID | None) -> AnyMessage | None:
    """A message of either direction; None for no id and for one that the actor may not see."""
    if message_id is None:
        return None
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    loader: DataLoader[UUID, AnyMessage | None] = _loader(
        info, "message", lambda ids: store.find_messages(scope, ids)
    )
    return await loader.load(message_id)


async def load_differences(info: Info, run_id: UUID) -> Sequence[Difference]:
    """The first differences of a reconciliation, for an admin."""
    store = info.context.installation.store
    actor_of(info, Role.ADMIN)

    def read(ids: Sequence[UUID]) -> Awaitable[Mapping[UUID, Sequence[Difference]]]:
        return store.read_differences(Everything(), ids, most=MOST_DIFFERENCES)

    loader: DataLoader[UUID, Sequence[Difference]] = _loader(info, "differences", read)
    return await loader.load(run_id)


def _loader(
    info: Info, name: str, read: Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Any]]]
) -> DataLoader[Any, Any]:
    """The operation's loader of that name, made where it is first asked for."""

    async def read_in_order(ids: list[UUID]) -> list[Any]:
        found = await read(ids)
        return [found.get(each) for each in ids]

    loaders = info.context.loaders
    if name not in loaders:
        loaders[name] = DataLoader(load_fn=read_in_order)
    return loaders[name]
