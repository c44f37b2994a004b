"""Starts the bus to all other processes, and the live updates of a process that serves the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from domain.live.hub import Hub
from domain.live.ports import LiveStore
from domain.loops import Loop, running_loops
from ibiki.live.bus import Bus, Carrier, Receive
from ibiki.live.bus_redis import RedisCarrier
from ibiki.live.rights import ConnectionLimits, Rights, WatchedAuthenticator
from ibiki.live.subscribing import Live
from persistence.connections import PostgresCarrier
from persistence.database import listen

TIMELINE_SECONDS = 1.0

ReadTimeline = Callable[[], Awaitable[str | None]]
"""The timeline of the database server; None if it is a standby."""


def carrier_of(*, redis_url: str | None, database_url: str) -> Carrier:
    """Redis if it is configured, else the database that all processes share."""
    return RedisCarrier(redis_url) if redis_url else PostgresCarrier(database_url)


@asynccontextmanager
async def live_updates(
    store: LiveStore,
    authenticator: WatchedAuthenticator,
    carrier: Carrier,
    limits: ConnectionLimits | None = None,
    *,
    read_timeline: ReadTimeline | None = None,
) -> AsyncIterator[Live]:
    """Publishes the changes of this process, and delivers those of all to its subscribers.

    `read_timeline`: None if the store cannot fail over.
    """
    hub, rights = Hub(store), Rights(authenticator, limits)
    async with publishing(carrier, hub.hinted):
        hub.start()
        try:
            async with _watching_failovers(read_timeline, hub, rights):
                yield Live(hub, rights)
        finally:
            rights.stop()
            await hub.stop()


@asynccontextmanager
async def publishing(carrier: Carrier, receive: Receive | None = None) -> AsyncIterator[None]:
    """Publishes the changes of this process. `receive` gets those of all processes."""
    bus = Bus(carrier, receive)
    stop_listening = listen(bus.publish)
    await bus.start()
    try:
        yield
    finally:
        stop_listening()
        await bus.stop()


@asynccontextmanager
async def _watching_failovers(
    read: ReadTimeline | None, hub: Hub, rights: Rights
) -> AsyncIterator[None]:
    if read is None:
        yield
        return

    def failed_over() -> None:
        hub.forget_positions()
        rights.connect_again("The database has failed over")

    look = FailoverWatch(read, failed_over).look
    looking = Loop("looking for a failover", look, every_seconds=TIMELINE_SECONDS)
    async with running_loops(looking):
        yield


class FailoverWatch:
    """Notices that another PostgreSQL server has taken over.

    It may lack the last transactions of the old one, whose versions and positions subscribers have
    seen. Later changes with the same versions would not be delivered, so all connections restart.
    """

    def __init__(self, read: ReadTimeline, failed_over: Callable[[], None]) -> None:
        self._read = read
        self._failed_over = failed_over
        self._timeline: str | None = None

    async def look(self) -> bool:
        """Reads the timeline once."""
        timeline = await self._read()
        if self._timeline and timeline and timeline != self._timeline:
            self._failed_over()
        self._timeline = timeline or self._timeline
        return False
