"""Live updates, at work: the hub of this process, on a bus that reaches all the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.live.hub import Hub
from domain.live.ports import LiveStore
from ibiki.live.bus import Bus
from ibiki.live.bus_backend import Carrier
from ibiki.live.bus_redis import RedisCarrier
from ibiki.live.live import Live
from ibiki.live.rights import ConnectionLimits, Rights, Watched
from persistence.live import hints
from persistence.live.bus import PostgresCarrier


def carrier_of(*, redis_url: str | None, database_url: str) -> Carrier:
    """Redis where there is one; else the database that all processes have in common."""
    return RedisCarrier(redis_url) if redis_url else PostgresCarrier(database_url)


@asynccontextmanager
async def watching(
    store: LiveStore,
    authenticator: Watched,
    carrier: Carrier,
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[Live]:
    """What this process changes is told to all, and what any of them changes is heard."""
    hub, rights = Hub(store), Rights(authenticator, limits)
    bus = Bus(carrier, hub.hinted)
    stop_listening = hints.listen(bus.tell)
    await bus.start()
    hub.start()
    try:
        yield Live(hub, rights)
    finally:
        rights.stop()
        await hub.stop()
        stop_listening()
        await bus.stop()
