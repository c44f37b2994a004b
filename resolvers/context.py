"""What a resolver is given: who is asking, and the house that it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from strawberry.types import Info as StrawberryInfo

from domain.access import Actor, Role, require
from domain.house import House


@dataclass(slots=True)
class Context:
    """One request's (or one socket's) context. Loaders do not live here: a socket is long."""

    house: House
    actor: Actor | None
    address: str
    request_id: str


Info: TypeAlias = StrawberryInfo[Context, Any]


def actor_of(info: Info, *roles: Role) -> Actor:
    """Who is asking. Raises Unauthenticated or Forbidden: the first line of a resolver."""
    return require(info.context.actor, *roles)
