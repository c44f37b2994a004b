"""The real program as an operator runs it, under load, with everything that can be hurt in reach.

Two `ibiki serve`, two `ibiki dispatch` and the simulated provider, each a program of its own; one
PostgreSQL; and a proxy on every line between them:

    load ── api line ── serve ── server line ──┐
                                               PostgreSQL
    provider ── provider line ── dispatch ── dispatcher line ──┘
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

import aiohttp

from domain.errors import TryAgain
from domain.ports.ledger import Disconnected
from persistence.database import migrate
from tests import worlds
from tests.end_to_end.program import clean_environment
from tests.faults.clock import Clock, new_clock
from tests.faults.load import Load, Pace
from tests.faults.people import new_clients
from tests.faults.postgres import Postgres
from tests.faults.programs import Program, free_port, ibiki, kept_running
from tests.faults.promises import Promises
from tests.faults.proxy import Address, FaultProxy, proxying
from tests.faults.volume import Volume
from tests.faults.wire import Snare, Wire
from tests.faults.witness import Witness

Result = TypeVar("Result")

START_SECONDS = 90.0
KEEPALIVE_SECONDS = 11.0
"""As the programs have asked PostgreSQL for: see `persistence.database`."""

PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.1
POOL_SIZE = 4
PAIR = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much, and for how long. `moment_seconds`: how long a fault lasts that has no own time."""

    pace: Pace
    deadline_seconds: float = 1.0
    lease_seconds: float = 2.5
    moment_seconds: float = 1.5
    frozen_seconds: float = 4.0
    gone_seconds: float = 4.0
    statement_seconds: float = 2.0


@dataclass(slots=True, kw_only=True)
class Served:
    """One program of a pair, with its lines and what listens in on them."""

    program: Program
    line: FaultProxy
    """To the database."""
    wire: Wire
    far_line: FaultProxy
    """A server's from its callers, a dispatcher's to the provider."""
    snare: Snare
    clock: Clock


@dataclass(slots=True, kw_only=True)
class Rig:
    """All of it."""

    chance: Random
    scale: Scale
    volume: Volume
    postgres: Postgres
    database_clock: Clock
    simulator: Program
    servers: Sequence[Served]
    dispatchers: Sequence[Served]
    witness: Witness
    load: Load
    promises: Promises

    @property
    def programs(self) -> list[Program]:
        """Every program, in the order in which they start."""
        return [self.simulator, *(each.program for each in [*self.servers, *self.dispatchers])]

    async def is_up(self) -> bool:
        """Whether every program is ready for work."""
        ports = [each.far_line.port for each in self.servers]
        answers = await asyncio.gather(
            *(_answers(f"http://127.0.0.1:{port}/readyz") for port in ports)
        )
        return all(answers) and all(each.line.open_connections for each in self.dispatchers)

    @property
    def database_lines(self) -> list[FaultProxy]:
        """Every line to the database."""
        return [each.line for each in [*self.servers, *self.dispatchers]]

    @property
    def provider_lines(self) -> list[FaultProxy]:
        """Every line to the provider."""
        return [each.far_line for each in self.dispatchers]

    @property
    def api_lines(self) -> list[FaultProxy]:
        """Every line from the API's callers."""
        return [each.far_line for each in self.servers]


@asynccontextmanager
async def rig(directory: Path, volume: Volume, scale: Scale, *, seed: int) -> AsyncIterator[Rig]:
    """The installation, running and idle; the load is not started yet."""
    async with AsyncExitStack() as stack:
        database_clock = new_clock(_made(volume.path / "clock"))
        postgres = Postgres(volume.path / "data", database_clock.environment)
        await asyncio.to_thread(postgres.create)
        stack.callback(postgres.stop)
        await migrate(postgres.url)
        await stack.enter_async_context(worlds.connected(postgres.url))
        builder = _Builder(stack, directory, postgres, scale, seed)
        built = await builder.build(volume, database_clock)
        async with asyncio.timeout(START_SECONDS):
            while not await built.is_up():  # noqa: ASYNC110 - other programs' work
                await asyncio.sleep(LOOK_SECONDS)
        yield built


async def patiently(ask: Callable[[], Awaitable[Result]], *, seconds: float = 20.0) -> Result:
    """The answer to a question that the database may have to be asked several times."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            return await ask()
        except (TryAgain, Disconnected, OSError):
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(0.05)


class _Builder:
    """Puts it together, each part closed again by the stack."""

    def __init__(
        self, stack: AsyncExitStack, directory: Path, postgres: Postgres, scale: Scale, seed: int
    ) -> None:
        self._stack = stack
        self._directory = directory
        self._postgres = postgres
        self._scale = scale
        self._seed = seed
        self._simulator_port = free_port()

    async def build(self, volume: Volume, database_clock: Clock) -> Rig:
        """The whole."""
        simulator = self._program("simulate", "--port", str(self._simulator_port))
        servers = [await self._server(number) for number in PAIR]
        dispatchers = [await self._dispatcher(number) for number in PAIR]
        pairs = [each.program for each in [*servers, *dispatchers]]
        await self._stack.enter_async_context(kept_running([simulator, *pairs]))
        witness = Witness(f"http://127.0.0.1:{self._simulator_port}")
        async with asyncio.timeout(START_SECONDS):
            balance = f"{witness.base_url}/control/balance"
            while not await _answers(balance):  # noqa: ASYNC110 - another program's work
                await asyncio.sleep(LOOK_SECONDS)
        clients = await new_clients(witness)
        addresses = [f"http://127.0.0.1:{each.far_line.port}" for each in servers]
        load = Load(addresses, clients, self._scale.pace, seed=self._seed)
        self._stack.push_async_callback(load.close)
        return Rig(
            chance=Random(self._seed),
            scale=self._scale,
            volume=volume,
            postgres=self._postgres,
            database_clock=database_clock,
            simulator=simulator,
            servers=servers,
            dispatchers=dispatchers,
            witness=witness,
            load=load,
            promises=Promises(
                load, witness, lease_seconds=self._scale.lease_seconds, seed=self._seed
            ),
        )

    async def _server(self, number: int) -> Served:
        """One `ibiki serve`; its line to the database is TCP."""
        port, snare = free_port(), Snare()
        clock = new_clock(_made(self._directory / f"serve-{number}"))
        wire, line = await self._line(("127.0.0.1", 0))
        return Served(
            program=self._program(
                "serve",
                *("--port", str(port)),
                number=number,
                DATABASE_URL=f"postgresql://ibiki@127.0.0.1:{line.port}/ibiki?sslmode=disable",
                **clock.environment,
            ),
            line=line,
            wire=wire,
            far_line=await self._proxy(("127.0.0.1", port), snare=snare),
            snare=snare,
            clock=clock,
        )

    async def _dispatcher(self, number: int) -> Served:
        """One `ibiki dispatch`; its line to the database is a Unix socket."""
        own, snare = _made(self._directory / f"dispatch-{number}"), Snare()
        clock = new_clock(own)
        wire, line = await self._line(own / ".s.PGSQL.5432")
        to_provider = await self._proxy(("127.0.0.1", self._simulator_port), snare=snare)
        return Served(
            program=self._program(
                "dispatch",
                number=number,
                DATABASE_URL=f"postgresql://ibiki@/ibiki?host={own}",
                EXTREME_API_URL=f"http://127.0.0.1:{to_provider.port}",
                EXTREME_API_KEY="simulated",
                **clock.environment,
            ),
            line=line,
            wire=wire,
            far_line=to_provider,
            snare=snare,
            clock=clock,
        )

    async def _line(self, at: Address) -> tuple[Wire, FaultProxy]:
        wire = Wire()
        proxy = proxying(
            self._postgres.socket,
            at=at,
            seed=self._seed,
            tap=wire.tap,
            keepalive_seconds=KEEPALIVE_SECONDS,
        )
        return wire, await self._stack.enter_async_context(proxy)

    async def _proxy(self, far_end: Address, *, snare: Snare) -> FaultProxy:
        proxy = proxying(far_end, seed=self._seed, tap=snare.tap)
        return await self._stack.enter_async_context(proxy)

    def _program(
        self, command: str, *arguments: str, number: int = 1, **environment: str
    ) -> Program:
        scale, name = self._scale, f"{command}-{number}"
        settings: Mapping[str, object] = {
            "LOOPBACK_ONLY": "true",
            "SECRET_KEY": "a secret key of the fault rig, 32 bytes or more",
            "DATABASE_POOL_SIZE": POOL_SIZE,
            "DATABASE_ANSWER_SECONDS": scale.statement_seconds,
            "DISPATCH_DEADLINE_SECONDS": scale.deadline_seconds,
            "DISPATCH_LEASE_SECONDS": scale.lease_seconds,
            "DISPATCH_SWEEP_SECONDS": 0.2,
            "DISPATCH_BREAKER_FIRST_SECONDS": 0.2,
            "DISPATCH_BREAKER_LONGEST_SECONDS": 0.8,
            "LOG_LEVEL": "warning",
        }
        return Program(
            name,
            ibiki(command, *arguments, "--data", str(self._directory / "house")),
            clean_environment()
            | {name: str(value) for name, value in settings.items()}
            | environment,
            self._directory / f"{name}.log",
        )


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


async def _answers(url: str) -> bool:
    """Whether there is a good answer."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
