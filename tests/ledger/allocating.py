"""An installation for tests of allocating: actors, targets, and what each node holds."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID, uuid4

from domain.errors import TryAgain
from domain.identity.access import Actor, Role
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.book import Transfer
from persistence import store
from tests import db

POOL, GROUP, MEMBER = 1_000, 200, 50


@dataclass(frozen=True)
class Installation:
    """A pool with a group, its member, a client without a group, another group, and a school."""

    upstream: db.Pool
    group: db.Group
    other_group: db.Group
    member: db.Tenant
    loner: db.Tenant
    stranger: db.Tenant
    school: db.Tenant
    admin: Actor
    supervisor: Actor

    def actor(self, name: str) -> Actor:
        """The actor."""
        return {
            "admin": self.admin,
            "supervisor": self.supervisor,
            "client": self.member.actor,
            "leader of nobody": replace(self.supervisor, group_id=None),
        }[name]

    def target(self, name: str) -> dict[str, UUID | None]:
        """The target of an allocation."""
        clients = {
            "member": self.member.client_id,
            "loner": self.loner.client_id,
            "stranger": self.stranger.client_id,
            "school": self.school.client_id,
            "nobody": uuid4(),
        }
        groups = {"group": self.group.id, "other group": self.other_group.id, "no group": uuid4()}
        return {"client_id": clients.get(name), "group_id": groups.get(name)}

    def node(self, name: str) -> UUID:
        """The node that holds the units of a target."""
        return {
            "pool": self.upstream.account_id,
            "group": self.group.account_id,
            "other group": self.other_group.account_id,
            "member": self.member.account_id,
            "loner": self.loner.account_id,
            "stranger": self.stranger.account_id,
            "school": self.school.account_id,
        }[name]

    async def held(self) -> dict[str, int]:
        """What each node holds."""
        names = ["pool", "group", "other group", "member", "loner", "stranger", "school"]
        return {name: await db.held(self.node(name)) for name in names}


async def make_installation() -> Installation:
    """A separate installation, also if others share the database."""
    upstream = await db.add_pool(default=False, held=POOL)
    group = await db.add_group(upstream, held=GROUP, rate_usd=Decimal("0.03"))
    other = await db.add_group(upstream, held=GROUP)
    return Installation(
        upstream,
        group,
        other,
        member=await db.add_client(upstream, group=group, held=MEMBER),
        loner=await db.add_client(upstream, held=MEMBER),
        stranger=await db.add_client(upstream, group=other, held=MEMBER),
        school=await db.add_school(),
        admin=Actor(uuid4(), Role.ADMIN, uuid4()),
        supervisor=Actor(uuid4(), Role.SUPERVISOR, uuid4(), group_id=group.id),
    )


async def allocated(
    installation: Installation, who: str, whom: str, units: int, *, key: str | None = None
) -> Transfer:
    """Makes the allocation."""
    target = installation.target(whom)
    requested = AllocationRequest(target["client_id"], target["group_id"], units, key=key)
    done = await allocate(store, installation.actor(who), requested)
    with suppress(TryAgain):  # the pool may hold a connection that a test has cut
        return await store.find_transfer(done.transfer.id)
    return await store.find_transfer(done.transfer.id)
