"""Faults of an installation with many nodes: a rolling restart, and a failover of PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.faults.following import NAME, follow, places_of_postgres, promote, set_synchronous
from tests.faults.rig import START_SECONDS, Rig, answers, keep_balancing


async def restart_in_turn(rig: Rig) -> None:
    """Each program gets SIGTERM and is started again, the next one when it is ready.

    The load comes through the balancer meanwhile. None of its connections may be refused or lost.
    """
    balancer = f"http://127.0.0.1:{rig.balancer.port}"
    usual, rig.load.servers = rig.load.servers, [balancer]
    before = rig.load.broken_off[balancer]
    nodes = [each.far_line.far_end for each in rig.servers]
    balancing = asyncio.create_task(keep_balancing(rig.balancer, nodes), name="balancer")
    try:
        for served in rig.servers:
            await served.program.restart()
            ready = f"http://127.0.0.1:{served.far_line.port}/readyz"
            await until(partial(answers, ready))
        for served in rig.dispatchers:
            await served.program.restart()
            await until(rig.is_up)
    finally:
        rig.load.servers = usual
        balancing.cancel()
        await asyncio.gather(balancing, return_exceptions=True)
    if lost := rig.load.broken_off[balancer] - before:
        rig.load.defects.append(f"{lost} requests were broken off by a rolling restart")


async def fail_over(
    rig: Rig,
    *,
    waits: bool = True,
    through: Path | None = None,
    followed: Callable[[], None] = lambda: None,
) -> None:
    """PostgreSQL gets a standby, and is lost a moment later. The standby takes over.

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


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Returns when it is so."""
    async with asyncio.timeout(START_SECONDS):
        while not await is_so():  # noqa: ASYNC110 - other programs' work
            await asyncio.sleep(0.05)
