"""Builds a rig: starts the programs and the proxies between them, and adds clients."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode as b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

from persistence.migrating import migrate
from tests import db
from tests.end_to_end.program import clean_environment
from tests.faults.clock import Clock, new_clock
from tests.faults.following import places_of_postgres
from tests.faults.guarantees import Guarantees
from tests.faults.load import Clients, Load
from tests.faults.people import new_clients
from tests.faults.phones import SECRET, Phones
from tests.faults.postgres import Postgres
from tests.faults.programs import Program, ibiki, kept_running
from tests.faults.proxy import Address, FaultProxy, proxying
from tests.faults.redis import Redis
from tests.faults.release import Release
from tests.faults.rig import (
    DRAIN_SECONDS,
    LOOK_SECONDS,
    POOL_SIZE,
    START_SECONDS,
    Rig,
    Scale,
    Served,
)
from tests.faults.simulated_provider import SimulatedProvider
from tests.faults.status_watchers import StatusWatchers
from tests.faults.triggers import ByteTrigger, StatementTrigger
from tests.faults.volume import Volume
from tests.faults.watchers import Watchers
from tests.ports import free_port

KEEPALIVE_SECONDS = 11.0
"""What the programs ask PostgreSQL for: see `persistence.opening`."""

PAIR = (1, 2)
ENCRYPTION_KEY = b64encode(b"of the fault rig".ljust(32)).decode()


@asynccontextmanager
async def rig(
    directory: Path, volume: Volume, scale: Scale, *, seed: int, release: Release | None = None
) -> AsyncIterator[Rig]:
    """The installation, running and idle; the load is not started yet.

    `release`: the version that the servers and dispatchers run, and the one of the database. None:
    this one.
    """
    async with AsyncExitStack() as stack:
        database_clock = new_clock(_made(volume.path / "clock"))
        postgres = Postgres(places_of_postgres(volume)[0], database_clock.environment)
        await asyncio.to_thread(postgres.create)
        stack.callback(lambda: postgres.stop())  # another server may be the primary by then
        if release is None:
            await migrate(postgres.url)
        else:
            await asyncio.to_thread(release.migrate, postgres.url)
        # The rig itself uses the primary, too.
        hosts = ",".join(
            str(Postgres(place, {}).socket.parent) for place in places_of_postgres(volume)
        )
        url = f"postgresql://ibiki@/ibiki?host={hosts}"
        await stack.enter_async_context(db.connected(url))
        builder = _Builder(stack, directory, postgres, scale, seed, release)
        built = await builder.build(volume, database_clock)
        async with asyncio.timeout(START_SECONDS):
            while not await built.is_up():  # noqa: ASYNC110 - another program changes it
                await asyncio.sleep(LOOK_SECONDS)
        yield built


class _Builder:
    """Builds the parts. The stack closes each of them."""

    def __init__(
        self,
        stack: AsyncExitStack,
        directory: Path,
        postgres: Postgres,
        scale: Scale,
        seed: int,
        release: Release | None,
    ) -> None:
        self._stack = stack
        self._directory = directory
        self._postgres = postgres
        self._scale = scale
        self._seed = seed
        self._release = release
        self._simulator_port = free_port()
        self._redis = Redis(directory, wanted=scale.with_redis)
        self._bus: dict[str, str] = {}

    async def build(self, volume: Volume, database_clock: Clock) -> Rig:
        """The complete rig."""
        redis_line = await self._stack.enter_async_context(
            proxying(("127.0.0.1", self._redis.port), seed=self._seed)
        )
        self._bus = self._redis.settings(redis_line.port)
        simulator = self._program("simulate", "--port", str(self._simulator_port))
        servers = [await self._server(number) for number in PAIR]
        dispatchers = [await self._dispatcher(number) for number in PAIR]
        pairs = [each.program for each in [*servers, *dispatchers]]
        for program in pairs:
            program.checkout = self._release.directory if self._release else None
        await self._stack.enter_async_context(
            kept_running([*self._redis.programs, simulator, *pairs])
        )
        provider = SimulatedProvider(f"http://127.0.0.1:{self._simulator_port}")
        async with asyncio.timeout(START_SECONDS):
            while not await provider.answers():  # noqa: ASYNC110 - another program changes it
                await asyncio.sleep(LOOK_SECONDS)
        clients = await self._clients(provider)
        addresses = [f"http://127.0.0.1:{each.far_line.port}" for each in servers]
        balancer = await self._stack.enter_async_context(
            proxying(servers[0].far_line.far_end, seed=self._seed)
        )
        load = Load(addresses, clients, self._scale.load_rules, seed=self._seed)
        self._stack.push_async_callback(load.close)
        watchers = Watchers(
            addresses, clients, silence_seconds=self._scale.load_rules.patience_seconds
        )
        self._stack.push_async_callback(watchers.close)
        status_watchers = StatusWatchers(addresses, clients)
        self._stack.push_async_callback(status_watchers.close)
        phones = Phones(
            addresses,
            clients,
            patience_seconds=self._scale.load_rules.patience_seconds,
            seed=self._seed,
        )
        self._stack.push_async_callback(phones.close)
        return Rig(
            chance=Random(self._seed),
            scale=self._scale,
            volume=volume,
            postgres=self._postgres,
            database_clock=database_clock,
            simulator=simulator,
            servers=servers,
            dispatchers=dispatchers,
            redis=self._redis,
            redis_line=redis_line,
            provider=provider,
            load=load,
            watchers=watchers,
            status_watchers=status_watchers,
            phones=phones,
            guarantees=Guarantees(
                load, provider, lease_seconds=self._scale.lease_seconds, seed=self._seed
            ),
            balancer=balancer,
        )

    async def _clients(self, provider: SimulatedProvider) -> Clients:
        if self._release is None:
            return await new_clients(provider)
        made = self._release.new_clients
        return await asyncio.to_thread(made, self._postgres.url, provider.base_url)

    async def _server(self, number: int) -> Served:
        """One `ibiki serve`, which reaches the database over TCP."""
        port, byte_trigger = free_port(), ByteTrigger()
        clock = new_clock(_made(self._directory / f"serve-{number}"))
        statement_trigger, line = await self._line(("127.0.0.1", 0))
        return Served(
            program=self._program(
                "serve",
                *("--port", str(port)),
                number=number,
                DATABASE_URL=f"postgresql://ibiki@127.0.0.1:{line.port}/ibiki?sslmode=disable",
                **clock.environment,
            ),
            line=line,
            statement_trigger=statement_trigger,
            far_line=await self._proxy(("127.0.0.1", port), byte_trigger=byte_trigger),
            byte_trigger=byte_trigger,
            clock=clock,
            port=port,
        )

    async def _dispatcher(self, number: int) -> Served:
        """One `ibiki dispatch`, which reaches the database over a Unix socket."""
        own, byte_trigger = _made(self._directory / f"dispatch-{number}"), ByteTrigger()
        port = free_port()
        clock = new_clock(own)
        statement_trigger, line = await self._line(own / ".s.PGSQL.5432")
        to_provider = await self._proxy(
            ("127.0.0.1", self._simulator_port), byte_trigger=byte_trigger
        )
        return Served(
            program=self._program(
                "dispatch",
                *("--port", str(port)),
                number=number,
                DATABASE_URL=f"postgresql://ibiki@/ibiki?host={own}",
                EXTREME_API_URL=f"http://127.0.0.1:{to_provider.port}",
                EXTREME_API_KEY="simulated",
                **clock.environment,
            ),
            line=line,
            statement_trigger=statement_trigger,
            far_line=to_provider,
            byte_trigger=byte_trigger,
            clock=clock,
            port=port,
        )

    async def _line(self, at: Address) -> tuple[StatementTrigger, FaultProxy]:
        trigger = StatementTrigger()
        proxy = proxying(
            self._postgres.socket,
            at=at,
            seed=self._seed,
            interceptor=trigger.interceptor,
            keepalive_seconds=KEEPALIVE_SECONDS,
        )
        return trigger, await self._stack.enter_async_context(proxy)

    async def _proxy(self, far_end: Address, *, byte_trigger: ByteTrigger) -> FaultProxy:
        proxy = proxying(far_end, seed=self._seed, interceptor=byte_trigger.interceptor)
        return await self._stack.enter_async_context(proxy)

    def _program(
        self, command: str, *arguments: str, number: int = 1, **environment: str
    ) -> Program:
        scale, name = self._scale, f"{command}-{number}"
        settings: Mapping[str, object] = {
            "LOOPBACK_ONLY": "true",
            "SECRET_KEY": "a secret key of the fault rig, 32 bytes or more",
            "WEBHOOK_SECRET": SECRET,
            "ENCRYPTION_KEYS": ENCRYPTION_KEY,
            "DATABASE_POOL_SIZE": POOL_SIZE,
            "DATABASE_ANSWER_SECONDS": scale.statement_seconds,
            "DISPATCH_DEADLINE_SECONDS": scale.deadline_seconds,
            "DISPATCH_LEASE_SECONDS": scale.lease_seconds,
            "DISPATCH_SWEEP_SECONDS": 0.2,
            "DISPATCH_BREAKER_FIRST_SECONDS": 0.2,
            "DISPATCH_BREAKER_LONGEST_SECONDS": 0.8,
            "DRAIN_SECONDS": DRAIN_SECONDS,
            "LOG_LEVEL": "warning",
        }
        return Program(
            name,
            ibiki(command, *arguments, "--data", str(self._directory / "installation")),
            clean_environment()
            | {name: str(value) for name, value in settings.items()}
            | self._bus
            | environment,
            self._directory / f"{name}.log",
        )


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
