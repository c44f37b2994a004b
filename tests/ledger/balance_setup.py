"""A pool, a group and three clients for tests that read figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from tests import db


@dataclass(frozen=True, slots=True)
class Setup:
    """Two members of a group with a rate, and one client without a group."""

    pool: db.Pool
    group: db.Group
    member: db.Tenant
    sibling: db.Tenant
    loner: db.Tenant


@asynccontextmanager
async def balance_setup(url: str) -> AsyncIterator[Setup]:
    """Connects to the database of a test, and creates the setup in it."""
    async with db.connected(url):
        pool = await db.add_pool(held=500)
        group = await db.add_group(pool, held=50, rate_usd=Decimal("0.03"))
        yield Setup(
            pool=pool,
            group=group,
            member=await db.add_client(pool, group=group, held=1_000, name="Acme"),
            sibling=await db.add_client(
                pool, group=group, held=200, name="Bits 50%", rate_usd=Decimal("0.05")
            ),
            loner=await db.add_client(pool, held=7, name="Coop", business="Milk"),
        )
