"""What a resolver is given: who is asking, and the installation that it asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from strawberry.types import Info as StrawberryInfo

from domain.identity.access import Actor, Role, require
from domain.installation import Installation


@dataclass(slots=True)
class Context:
    """One operation's context. Over a socket each operation, and each event, has one of its own.

    `loaders`: what the operation has read, or collects to read at once (`resolvers.loaders`).
    """

    installation: Installation
    actor: Actor | None
    address: str
    request_id: str
    loaders: dict[object, Any] = field(default_factory=dict)


Info: TypeAlias = StrawberryInfo[Context, Any]


def actor_of(info: Info, *roles: Role) -> Actor:
    """Who is asking. Raises Unauthenticated or Forbidden: the first line of a resolver."""
    return require(info.context.actor, *roles)
