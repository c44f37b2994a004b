"""The context of a resolver (actor and installation), and who may use its field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeAlias, TypeVar, cast

from strawberry.types import Info as StrawberryInfo

from domain.identity.access import Actor, Role, own_scope, require
from domain.installation import Installation


@dataclass(slots=True)
class Context:
    """The context of one operation. Over a socket, each operation and each event has its own.

    `loaders`: the rows that the operation has read or is reading (`resolvers.loaders`).
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
