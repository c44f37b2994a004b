"""A pool, a group and three clients for tests that read figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from tests import worlds


@dataclass(frozen=True, slots=True)
class World:
    """Two members of a group with a rate, and one client without a group."""

    pool: worlds.Pool
    group: worlds.Group
    member: worlds.Tenant
    sibling: worlds.Tenant
    loner: worlds.Tenant


@asynccontextmanager
async def balance_world(url: str) -> AsyncIterator[World]:
    """Connects to the database of a test, and creates the world in it."""
    async with worlds.connected(url):
        pool = await worlds.add_pool(held=500)
        group = await worlds.add_group(pool, held=50, rate_usd=Decimal("0.03"))
        yield World(
            pool=pool,
            group=group,
            member=await worlds.add_client(pool, group=group, held=1_000, name="Acme"),
            sibling=await worlds.add_client(
                pool, group=group, held=200, name="Bits 50%", rate_usd=Decimal("0.05")
            ),
            loner=await worlds.add_client(pool, held=7, name="Coop", business="Milk"),
        )
