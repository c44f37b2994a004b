"""Keyed sends, compared with a server in Node: Fastify, Mercurius and one statement of SQL.

The same machine, one server process each, 64 connections, its own key and number for each
send, 200 accounts, and then one hot account. Each has a durable PostgreSQL with the sizes that the
program sets. They take turns, and the medians count. CPU is that of the server and of PostgreSQL.
`npm ci` in benchmarks/mercurius installs the other server; without it, nothing is measured.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import asyncpg

from benchmarks.databases import (
    cpu_seconds,
    free_port,
    new_database,
    server,
    wait_for_port,
    with_children,
)
from benchmarks.load import load
from benchmarks.measurement import Measurement
from benchmarks.tenants import tenants_of
from benchmarks.work import CONNECTIONS, TENANTS, UNITS, sends
from ibiki.local import embedded
from persistence.servers import credentials

PLACE = Path(__file__).parent / "mercurius"
POOL = 20  # connections to PostgreSQL, as many as one of our processes has
SECONDS = 4.0
WARM_UP_SECONDS = 2.0
ROUNDS = 3
HOT = "one hot account"
SPREAD = f"{TENANTS} accounts"

ADD_ACCOUNTS = """
INSERT INTO account (id, token, held, price)
SELECT gen_random_uuid(), gen_random_uuid()::text, $2, 1 FROM generate_series(1, $1)
RETURNING token
"""


@dataclass(slots=True)
class Side:
    """One server with its PostgreSQL, and its figures: the rate, and the CPU of a send in µs."""

    pids: Callable[[], list[int]]
    port: int
    tokens: Sequence[str]
    found: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def run(self, name: str, seconds: float) -> tuple[float, float]:
        """The rate, and the CPU of one send."""
        make = sends(self.tokens[:1] if name == HOT else self.tokens)
        before = cpu_seconds(self.pids())
        done = asyncio.run(
            load(
                [self.port],
                make,
                connections=CONNECTIONS,
                seconds=seconds,
                expect=b'"__typename":"Send"',
            )
        )
        return done.per_second, (cpu_seconds(self.pids()) - before) / done.answers * 1e6


def main() -> list[Measurement]:
    """Our rate and CPU, and their ratios to the other server."""
    if not (PLACE / "node_modules").exists():
        sys.stderr.write(f"mercurius: not installed. Run `npm ci` in {PLACE}.\n")
        return []
    with ExitStack() as opened:
        sides = [opened.enter_context(_ours()), opened.enter_context(_its())]
        for round_ in range(ROUNDS + 1):
            for side in sides:
                for name in (SPREAD, HOT):
                    figures = side.run(name, SECONDS if round_ else WARM_UP_SECONDS)
                    if round_:
                        side.found.setdefault(name, []).append(figures)
    return [each for name in (SPREAD, HOT) for each in _compared(name, *sides)]


@contextmanager
def _ours() -> Iterator[Side]:
    with new_database() as db:
        tokens = tenants_of(db, TENANTS, units=UNITS)
        with server(db) as (pid, port):
            yield Side(lambda: [pid, *with_children(db.postgres_pid)], port, tokens)


@contextmanager
def _its() -> Iterator[Side]:
    with tempfile.TemporaryDirectory(prefix="ibiki-bench-") as name:
        directory = Path(name)
        with embedded.start(directory) as running:
            tokens = asyncio.run(_accounts(running.url))
            sockets, port = credentials(running.url)["host"], free_port()
            node = subprocess.Popen(
                ["node", PLACE / "server.mjs", str(port), sockets, str(POOL)],
                env=os.environ | {"NODE_ENV": "production"},
            )
            try:
                wait_for_port(port)
                postgres = int((directory / "postgres" / "postmaster.pid").read_text().split()[0])
                yield Side(lambda: [node.pid, *with_children(postgres)], port, tokens)
            finally:
                node.terminate()
                node.wait(10)


async def _accounts(url: str) -> list[str]:
    """The tables of the other server, and the tokens of its accounts."""
    held = await asyncpg.connect(**credentials(url))
    try:
        await held.execute((PLACE / "tables.sql").read_text())
        rows = await held.fetch(ADD_ACCOUNTS, TENANTS, UNITS)
    finally:
        await held.close()
    return [str(row["token"]) for row in rows]


def _compared(name: str, ours: Side, its: Side) -> list[Measurement]:
    our_rate, our_cpu = map(median, zip(*ours.found[name], strict=True))
    its_rate, its_cpu = map(median, zip(*its.found[name], strict=True))
    return [
        Measurement(f"keyed send, {name}", our_rate, "a second"),
        Measurement(f"keyed send, {name}: CPU", our_cpu, "µs"),
        Measurement(f"Mercurius, {name}", its_rate, "a second"),
        Measurement(f"Mercurius, {name}: CPU", its_cpu, "µs"),
        Measurement(f"{name}: rate ÷ Mercurius", our_rate / its_rate, ""),
        Measurement(f"{name}: CPU ÷ Mercurius", our_cpu / its_cpu, ""),
    ]
