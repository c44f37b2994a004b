"""An installation that has only the parts that a test of the schema's frame needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from domain.brand import Brand
from domain.identity.access import Actor, Everything, OfClient, Role, Scope
from domain.identity.directory import Client, Group, User
from domain.ids import new_id
from domain.installation import Installation
from domain.sending.acceptor import RequestObserver
from resolvers.context import Context


@dataclass
class FakeDirectory:
    """People kept in dicts; `reads`: what was read together."""

    users: dict[UUID, User] = field(default_factory=dict)
    clients: dict[UUID, Client] = field(default_factory=dict)
    groups: dict[UUID, Group] = field(default_factory=dict)
    reads: list[tuple[str, list[UUID]]] = field(default_factory=list)

    async def find_user(self, user_id: UUID) -> User | None:
        return self.users.get(user_id)

    async def find_clients(self, scope: Scope, ids: Sequence[UUID]) -> dict[UUID, Client]:
        self.reads.append(("clients", list(ids)))
        found = {each: self.clients[each] for each in ids if each in self.clients}
        return {key: client for key, client in found.items() if _is_within(client, scope)}

    async def find_groups(self, ids: Sequence[UUID]) -> dict[UUID, Group]:
        self.reads.append(("groups", list(ids)))
        return {each: self.groups[each] for each in ids if each in self.groups}


def installation_with(**members: Any) -> Installation:
    """An installation with these members alone."""
    return cast(
        "Installation",
        SimpleNamespace(**{"brand": Brand("Kanda SMS"), "observer": RequestObserver(), **members}),
    )


def context_with(actor: Actor | None = None, **members: Any) -> Context:
    """The context of one request to such an installation."""
    return Context(installation_with(**members), actor, address="127.0.0.1", request_id="req-1")


def actor_with(role: Role = Role.CLIENT, **fields: Any) -> Actor:
    """An actor of this role."""
    return Actor(**{"user_id": new_id(), "role": role, "credential_id": new_id(), **fields})


def _is_within(client: Client, scope: Scope) -> bool:
    if isinstance(scope, Everything):
        return True
    if isinstance(scope, OfClient):
        return client.id == scope.client_id
    return client.group_id == scope.group_id
