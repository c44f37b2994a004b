"""Starts the live updates of a process: its hub, and the bus to all other processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.live.hub import Hub
from domain.live.ports import LiveStore
from ibiki.live.bus import Bus, Carrier
from ibiki.live.bus_redis import RedisCarrier
from ibiki.live.rights import ConnectionLimits, Rights, WatchedAuthenticator
from ibiki.live.subscribing import Live
from persistence.live import hints
from persistence.live.bus import PostgresCarrier


def carrier_of(*, redis_url: str | None, database_url: str) -> Carrier:
    """Redis if it is configured, else the database that all processes share."""
    return RedisCarrier(redis_url) if redis_url else PostgresCarrier(database_url)


@asynccontextmanager
async def live_updates(
    store: LiveStore,
    authenticator: WatchedAuthenticator,
    carrier: Carrier,
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[Live]:
    """Publishes the changes of this process, and receives those of all others."""
    hub, rights = Hub(store), Rights(authenticator, limits)
    bus = Bus(carrier, hub.hinted)
    stop_listening = hints.listen(bus.publish)
    await bus.start()
    hub.start()
    try:
        yield Live(hub, rights)
    finally:
        rights.stop()
        await hub.stop()
        stop_listening()
        await bus.stop()
