"""Rows by ID for many fields of one operation: each row is read once."""

from __future__ import annotations

from asyncio import Future, ensure_future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from domain.identity.access import Everything, balance_scope, message_scope
from domain.identity.directory import Client, Group
from domain.inbox.messages import AnyMessage
from domain.sending.messages import Send
from resolvers.context import Info, actor_of

Row = TypeVar("Row")


async def load_clients(info: Info, ids: Sequence[UUID | None]) -> list[Client | None]:
    """The client of each ID; None for no ID, and for a client that the actor may not see."""
    scope, directory = balance_scope(actor_of(info)), info.context.installation.directory
    return await _load(info, "client", ids, lambda ids: directory.find_clients(scope, ids))


async def load_own_clients(info: Info, ids: Sequence[UUID | None]) -> list[Client | None]:
    """The clients of users that the actor may see. `signIn` uses it without an actor."""
    directory = info.context.installation.directory
    return await _load(
        info, "own client", ids, lambda ids: directory.find_clients(Everything(), ids)
    )


async def load_groups(info: Info, ids: Sequence[UUID | None]) -> list[Group | None]:
    """The groups of users and clients that the actor may see."""
    return await _load(info, "group", ids, info.context.installation.directory.find_groups)


async def load_messages(info: Info, ids: Sequence[UUID | None]) -> list[AnyMessage | None]:
    """The message of each ID; None for no ID, and for a message that the actor may not see."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    return await _load(info, "message", ids, lambda ids: store.find_messages(scope, ids))


async def load_sends(info: Info, ids: Sequence[UUID | None]) -> list[Send | None]:
    """The send of each ID; None for no ID, and for a send that the actor may not see."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    return await _load(info, "send", ids, lambda ids: store.find_sends_by_id(scope, ids))


async def _load(
    info: Info,
    name: str,
    ids: Sequence[UUID | None],
    read: Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Row]]],
) -> list[Row | None]:
    """The row of each ID, in order. Reads only what the operation has not begun to read."""
    reads: dict[UUID, Future[Any]] = info.context.loaders.setdefault(name, {})
    missing = [each for each in dict.fromkeys(ids) if each is not None and each not in reads]
    if missing:
        reads.update(dict.fromkeys(missing, ensure_future(read(missing))))
    found: dict[UUID, Row] = {}
    for reading in {reads[each] for each in ids if each is not None}:
        found.update(await reading)
    return [None if each is None else found.get(each) for each in ids]
