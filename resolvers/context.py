"""The context of a resolver: actor, installation and loaded rows; and who may use its field."""

from __future__ import annotations

from asyncio import Future, ensure_future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

from strawberry import UNSET
from strawberry.types import Info as StrawberryInfo

from domain.identity.access import (
    Actor,
    Everything,
    Role,
    balance_scope,
    message_scope,
    own_scope,
    require,
)
from domain.identity.directory import KEEP, Client, Group
from domain.inbox.messages import AnyMessage
from domain.installation import Installation
from domain.sending.messages import Send


@dataclass(slots=True)
class Context:
    """The context of one operation. Over a socket, each operation and each event has its own.

    `loaders`: the rows that the operation has read or is reading.
    """

    installation: Installation
    actor: Actor | None
    address: str
    request_id: str
    loaders: dict[object, Any] = field(default_factory=dict)


Info: TypeAlias = StrawberryInfo[Context, Any]

Resolve = TypeVar("Resolve", bound=Callable[..., Any])


def actor_of(info: Info) -> Actor:
    """The actor of the request. Raises Unauthenticated."""
    return require(info.context.actor)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a field: signed-in users with one of these roles.

    `account`: whether they also need an account to send from. An admin never has one, and needs
    none if ADMIN is one of the roles.
    """

    roles: tuple[Role, ...]
    account: bool = False

    def check(self, actor: Actor | None) -> None:
        """Raises Unauthenticated or Forbidden."""
        actor = require(actor)
        if self.account and not (actor.role is Role.ADMIN and Role.ADMIN in self.roles):
            own_scope(actor)
        require(actor, *self.roles)


def requires(*roles: Role, account: bool = False) -> Callable[[Resolve], Resolve]:
    """Declares who may use the field of a resolver. Without roles: every signed-in user.

    It is checked before any argument is read. The schema shows it as the directive @requires.
    """
    access = Access(roles or tuple(Role), account)

    def declare(resolver: Resolve) -> Resolve:
        @wraps(resolver)
        def checked(**arguments: Any) -> Any:
            access.check(arguments["info"].context.actor)
            return resolver(**arguments)

        checked.access = access  # type: ignore[attr-defined]
        return cast("Resolve", checked)

    return declare


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


def updated_fields(given: object, *names: str) -> dict[str, Any]:
    """The named fields of an input as keyword arguments; KEEP for an absent one."""
    values = {name: getattr(given, name) for name in names}
    return {name: KEEP if value is UNSET else value for name, value in values.items()}
