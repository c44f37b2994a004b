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

from benchmarks.databases import (
    OURS,
    Database,
    free_port,
    new_database,
    own_connection,
    server,
    wait_for_port,
)
from benchmarks.measurement import Measurement, compared
from benchmarks.tenants import tenants_of
from benchmarks.work import TENANTS, UNITS, loaded, sends
from ibiki.local import embedded
from persistence.servers import credentials

PLACE = Path(__file__).parent / "mercurius"
POOL = 20  # connections to PostgreSQL, as many as one of our processes has

ADD_ACCOUNTS = """
INSERT INTO account (id, token, held, price)
SELECT gen_random_uuid(), gen_random_uuid()::text, $2, 1 FROM generate_series(1, $1)
RETURNING token
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One server: the CPU of it and of its PostgreSQL, and its accounts."""

    name: str
    cpu: Callable[[], float] = field(repr=False)
    port: int
    tokens: Sequence[str] = field(repr=False)


def main() -> list[Measurement]:
    """Our rate and CPU, and their ratios to the other server."""
    if not (PLACE / "node_modules").exists():
        sys.stderr.write(f"mercurius: not installed. Run `npm ci` in {PLACE}.\n")
        return []
    with ExitStack() as opened:
        sides = [opened.enter_context(_ours()), opened.enter_context(_its())]
        return compared(sides, _measured, other_name="Mercurius")


def _measured(side: Side) -> list[Measurement]:
    ports = [side.port]
    return [
        *loaded(f"keyed send, {TENANTS} accounts", side.cpu, ports, sends(side.tokens)),
        *loaded("keyed send, one hot account", side.cpu, ports, sends(side.tokens[:1])),
    ]


@contextmanager
def _ours() -> Iterator[Side]:
    with new_database() as db:
        tokens = tenants_of(db, TENANTS, units=UNITS)
        with server(db) as (pid, port):
            yield Side("Ibiki", lambda: db.cpu(pid), port, tokens)


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
                db = Database(directory, running.url, OURS)
                yield Side("Mercurius", lambda: db.cpu(node.pid), port, tokens)
            finally:
                node.terminate()
                node.wait(10)


async def _accounts(url: str) -> list[str]:
    """The tables of the other server, and the tokens of its accounts."""
    async with own_connection(url) as connection:
        await connection.execute((PLACE / "tables.sql").read_text())
        rows = await connection.fetch(ADD_ACCOUNTS, TENANTS, UNITS)
    return [str(row["token"]) for row in rows]
