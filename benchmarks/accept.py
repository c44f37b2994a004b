"""The accept path alone, without HTTP: PostgreSQL's CPU for a send, against `pgbench -N`.

Callers wait for one answer at a time, in one process. `pgbench -N` is PostgreSQL's own measure of a
small transaction (an update, a select and an insert), with as many clients. Each has its own
database: in a shared one, the second would have to write out the dirty pages of the first.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from benchmarks.databases import Database, new_database
from benchmarks.measurement import Measurement
from benchmarks.tenants import open_with
from domain.ids import new_send_id
from domain.sending.accept import AcceptedNow, AcceptResult, Postponed, accept_alone
from domain.sending.acceptor import Acceptor
from domain.sending.messages import NewSend, SendKind
from ibiki.local.cluster import locate
from persistence import store
from tests import db

CALLERS = 64
MANY_CALLERS = 256
SECONDS = 4.0
ACCOUNTS = 1_000
UNITS = 10_000_000
PGBENCH_SCALE = 10

Accept = Callable[[NewSend], Awaitable[AcceptResult | Postponed]]


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a load. The CPU is PostgreSQL's for one send, in µs."""

    sends: int
    seconds: float
    cpu: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Sends accepted a second."""
        return self.sends / self.seconds


def main() -> list[Measurement]:
    """Ratios of one run."""
    with new_database() as database:
        transaction_cpu = _pgbench(database)
    with new_database() as database:
        spread, many, hot, alone = asyncio.run(_accepting(database))
    return [
        Measurement("send, 1,000 accounts", spread.per_second, "sends/s"),
        Measurement("send, PostgreSQL CPU", spread.cpu, "µs"),
        Measurement("pgbench -N, PostgreSQL CPU", transaction_cpu, "µs a transaction"),
        Measurement("send ÷ pgbench -N, CPU", spread.cpu / transaction_cpu, "", at_most=0.25),
        Measurement(
            "batched ÷ unbatched, rate", spread.per_second / alone.per_second, "", at_least=10
        ),
        Measurement(
            "one hot account ÷ 1,000, rate", hot.per_second / spread.per_second, "", at_least=0.9
        ),
        Measurement("p99 at 256 callers", many.p99_ms, "ms"),
    ]


async def _accepting(database: Database) -> tuple[Run, Run, Run, Run]:
    async with db.connected(database.url, pool_size=20):
        pool = await db.add_pool(held=UNITS)
        tenants = [await db.add_client(pool, held=0, name=f"T{n}") for n in range(ACCOUNTS)]
        await open_with([each.account_id for each in tenants], UNITS)
        acceptor = Acceptor(store)
        acceptor.start()
        try:
            await _load(database, acceptor.accept, tenants, CALLERS, seconds=1.0)
            spread = await _load(database, acceptor.accept, tenants, CALLERS)
            many = await _load(database, acceptor.accept, tenants, MANY_CALLERS)
            hot = await _load(database, acceptor.accept, tenants[:1], CALLERS)
        finally:
            await acceptor.stop()
        alone = await _load(database, lambda send: accept_alone(store, send), tenants, CALLERS)
    return spread, many, hot, alone


async def _load(
    database: Database,
    accept: Accept,
    tenants: list[db.Tenant],
    callers: int,
    *,
    seconds: float = SECONDS,
) -> Run:
    turn = count()
    until = time.perf_counter() + seconds
    latencies: list[float] = []

    async def call() -> None:
        while (requested_at := time.perf_counter()) < until:
            result = await accept(send_of(tenants[next(turn) % len(tenants)]))
            assert isinstance(result, AcceptedNow), result
            latencies.append(time.perf_counter() - requested_at)

    before, began = database.cpu(), time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    taken = time.perf_counter() - began
    used = database.cpu() - before
    ordered = sorted(latencies)
    p99_ms = 1000 * ordered[int(len(ordered) * 0.99)]
    return Run(len(latencies), taken, used / len(latencies) * 1e6, p99_ms)


def send_of(tenant: db.Tenant) -> NewSend:
    """A new send of one message."""
    return NewSend(
        id=new_send_id(),
        payer=tenant.payer,
        actor_id=tenant.client_id,
        kind=SendKind.SINGLE,
        numbers=["+12025550100"],
        text="Good morning",
    )


def _pgbench(database: Database) -> float:
    """PostgreSQL's CPU for a transaction of `pgbench -N`, in µs."""
    command = [str(locate(database.directory, durable=True).programs / "pgbench"), database.url]
    subprocess.run(
        [*command, "-i", "-q", "-s", str(PGBENCH_SCALE)], check=True, capture_output=True
    )
    before = database.cpu()
    run = subprocess.run(
        [*command, "-N", "-n", "-M", "prepared", "-c", str(CALLERS), "-T", str(int(SECONDS))],
        check=True,
        capture_output=True,
        text=True,
    )
    used = database.cpu() - before
    [line] = [each for each in run.stdout.splitlines() if "actually processed" in each]
    return used / int(line.split(":")[1].split("/")[0]) * 1e6
