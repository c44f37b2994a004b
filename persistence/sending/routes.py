"""Routes by country prefix."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from domain.identity.access import Everything
from domain.sending.recipients import ProviderRoute
from persistence.database import Connection, orm
from persistence.rows import object_of
from persistence.sending import models
from persistence.sql import NOW


async def read_provider_routes(_scope: Everything) -> list[ProviderRoute]:
    rows = models.ProviderRoute.filter(retired_at__isnull=True).order_by("pool_id", "prefix")
    return [object_of(ProviderRoute, row) for row in await rows]


async def retire_route(
    tx: Connection, *, route_id: UUID | None = None, of: tuple[UUID, str] | None = None
) -> ProviderRoute | None:
    rows = models.ProviderRoute.filter(retired_at__isnull=True).using_db(orm(tx))
    rows = rows.filter(id=route_id) if of is None else rows.filter(pool_id=of[0], prefix=of[1])
    row = await rows.first()
    if row is None:
        return None
    await rows.update(retired_at=NOW)
    return object_of(ProviderRoute, row)


async def add_route(tx: Connection, route: ProviderRoute) -> None:
    await models.ProviderRoute.create(using_db=orm(tx), **asdict(route))
