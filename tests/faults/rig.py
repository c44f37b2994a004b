"""The real program as an operator runs it, with access to every part that a fault can disturb.

Two `ibiki serve`, two `ibiki dispatch`, the simulated provider and PostgreSQL are separate
programs. A proxy is on every line between them:

    load ── api line ── serve ── server line ──┐
                                               PostgreSQL
    provider ── provider line ── dispatch ── dispatcher line ──┘

A rolling restart sends the load through a balancer instead of the API lines.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

import aiohttp

from domain.errors import TryAgain
from domain.transactions import Disconnected
from tests.faults.clock import Clock
from tests.faults.guarantees import Guarantees
from tests.faults.load import Load, LoadRules
from tests.faults.phones import Phones
from tests.faults.postgres import Postgres
from tests.faults.programs import Program
from tests.faults.proxy import Address, FaultProxy
from tests.faults.redis import Redis
from tests.faults.simulated_provider import SimulatedProvider
from tests.faults.status_watchers import StatusWatchers
from tests.faults.triggers import ByteTrigger, StatementTrigger
from tests.faults.volume import Volume
from tests.faults.watchers import Watchers

Result = TypeVar("Result")

START_SECONDS = 90.0
PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.1
POOL_SIZE = 4
DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The size of the load, and times. `moment_seconds`: how long most faults last.

    `gone_seconds`: how long Redis is unavailable.
    """

    load_rules: LoadRules
    deadline_seconds: float = 1.0
    lease_seconds: float = 2.5
    moment_seconds: float = 1.5
    frozen_seconds: float = 4.0
    database_frozen_seconds: float = 4.0
    gone_seconds: float = 4.0
    statement_seconds: float = 2.0
    with_redis: bool = True
    """If `redis-server` is installed. Otherwise the bus is PostgreSQL."""

    def slowed(self, factor: float) -> Scale:
        """Larger time limits, for a machine that is busy with other work."""
        return replace(
            self,
            deadline_seconds=self.deadline_seconds * factor,
            lease_seconds=self.lease_seconds * factor,
            frozen_seconds=self.frozen_seconds * factor,
            statement_seconds=self.statement_seconds * factor,
        )


@dataclass(slots=True, kw_only=True)
class Served:
    """One program of a pair, with its proxies and their triggers."""

    program: Program
    line: FaultProxy
    """To the database."""
    statement_trigger: StatementTrigger
    far_line: FaultProxy
    """A server's from its callers, a dispatcher's to the provider."""
    byte_trigger: ByteTrigger
    clock: Clock
    port: int
    """The port of the program itself, without a proxy."""


@dataclass(slots=True, kw_only=True)
class Rig:
    """The whole installation, and its load."""

    chance: Random
    scale: Scale
    volume: Volume
    postgres: Postgres
    database_clock: Clock
    simulator: Program
    servers: Sequence[Served]
    dispatchers: Sequence[Served]
    redis: Redis
    redis_line: FaultProxy
    provider: SimulatedProvider
    load: Load
    watchers: Watchers
    status_watchers: StatusWatchers
    phones: Phones
    guarantees: Guarantees
    balancer: FaultProxy
    """In front of both servers: it sends each connection to one that is ready."""
    deadlocks: int = 0
    """Those that the rounds have counted so far."""

    @property
    def programs(self) -> list[Program]:
        """Every program, in the order in which they start."""
        return [
            *self.redis.programs,
            self.simulator,
            *(each.program for each in [*self.servers, *self.dispatchers]),
        ]

    async def has_restarted(self) -> bool:
        """Whether every program that was killed has been started again."""
        return not any(each.is_down for each in self.programs)

    async def is_up(self) -> bool:
        """Whether every program is ready for work."""
        ports = [each.far_line.port for each in self.servers]
        # A dispatcher that is still starting would end if it lost its connection.
        ports += [each.port for each in self.dispatchers]
        ready = await asyncio.gather(
            *(answers(f"http://127.0.0.1:{port}/readyz") for port in ports)
        )
        return all(ready)

    @property
    def database_lines(self) -> list[FaultProxy]:
        """Every proxy in front of the database."""
        return [each.line for each in [*self.servers, *self.dispatchers]]

    @property
    def provider_lines(self) -> list[FaultProxy]:
        """Every proxy in front of the provider."""
        return [each.far_line for each in self.dispatchers]

    @property
    def api_lines(self) -> list[FaultProxy]:
        """Every proxy in front of a server."""
        return [each.far_line for each in self.servers]


async def patiently(ask: Callable[[], Awaitable[Result]], *, seconds: float = 60.0) -> Result:
    """The answer to a question. It is asked again while the database is unavailable."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return await ask()
        except (TryAgain, Disconnected, OSError):
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(0.05)


async def keep_balancing(balancer: FaultProxy, nodes: Sequence[Address]) -> None:
    """Sends new connections to the ready nodes in turn, until it is cancelled."""
    ready = dict.fromkeys(nodes, True)

    async def watch(node: Address) -> None:
        assert isinstance(node, tuple)
        while True:
            ready[node] = await answers(f"http://{node[0]}:{node[1]}/readyz")
            await asyncio.sleep(LOOK_SECONDS)

    async with asyncio.TaskGroup() as watching:
        for node in nodes:
            watching.create_task(watch(node))
        for node in itertools.cycle(nodes):
            if ready[node]:
                balancer.far_end = node
            await asyncio.sleep(LOOK_SECONDS)


async def answers(url: str) -> bool:
    """Whether the answer is 200."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
