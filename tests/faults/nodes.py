"""Faults of an installation with many nodes: a rolling restart, a failover, no Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.following import NAME, follow, places_of_postgres, promote, set_synchronous
from tests.faults.rig import START_SECONDS, Rig, Served, keep_balancing

LIVE_SECONDS = 10.0
"""How long live data may take without Redis: every process polls each second."""


async def restart_in_turn(rig: Rig) -> None:
    """Restarts each program with SIGTERM. The next one follows when it is ready."""
    async with through_balancer(rig):
        for served in [*rig.servers, *rig.dispatchers]:
            await restart(rig, served)


async def restart(rig: Rig, served: Served) -> None:
    """Restarts programs with SIGTERM. Returns when all programs are ready."""
    await served.program.restart()
    await until(rig.is_up)


@asynccontextmanager
async def through_balancer(rig: Rig) -> AsyncIterator[None]:
    """Sends the load through the balancer. No connection may be refused or lost."""
    balancer = f"http://127.0.0.1:{rig.balancer.port}"
    usual, rig.load.servers = rig.load.servers, [balancer]
    before = rig.load.broken_off[balancer]
    nodes = [each.far_line.far_end for each in rig.servers]
    balancing = asyncio.create_task(keep_balancing(rig.balancer, nodes), name="balancer")
    try:
        yield
    finally:
        rig.load.servers = usual
        balancing.cancel()
        await asyncio.gather(balancing, return_exceptions=True)
    if lost := rig.load.broken_off[balancer] - before:
        rig.load.defects.append(f"{lost} requests were interrupted by a rolling restart")


async def fail_over(
    rig: Rig,
    *,
    waits: bool = True,
    through: Path | None = None,
    followed: Callable[[], None] = lambda: None,
) -> None:
    """Adds a standby to PostgreSQL, kills PostgreSQL a moment later, and promotes the standby.

    `waits`: each COMMIT waits for the standby. `through`: see `follow`. `followed`: called once the
    standby streams.
    """
    first, second = places_of_postgres(rig.volume)
    free = second if rig.postgres.socket.is_relative_to(first) else first
    standby = await follow(
        rig.postgres, free, through=through, environment=rig.database_clock.environment
    )
    followed()
    if waits:
        await set_synchronous(rig.postgres, NAME)
    await asyncio.sleep(rig.scale.moment_seconds)
    await rig.postgres.kill()
    await promote(standby)
    rig.postgres.become(standby)
    for line in rig.database_lines:
        line.far_end = rig.postgres.socket


async def lose_redis(rig: Rig) -> None:
    """Stops Redis for a while. Live data must arrive meanwhile: each process reads the tables."""
    rig.redis.kill(stays_down=True)
    await asyncio.sleep(rig.scale.gone_seconds)
    present = await rig.watchers.present()
    try:
        async with asyncio.timeout(LIVE_SECONDS):
            while rig.watchers.behind(present):  # noqa: ASYNC110 - another program changes it
                await asyncio.sleep(0.05)
    except TimeoutError:
        rig.load.defects.append("without Redis, a watcher is behind")
    rig.redis.let_up()


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Returns when the condition is true."""
    async with asyncio.timeout(START_SECONDS):
        while not await is_so():  # noqa: ASYNC110 - another program changes it
            await asyncio.sleep(0.05)
