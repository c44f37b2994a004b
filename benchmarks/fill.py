"""Fills a database with a year of 200 clients: `python -m benchmarks fill --messages N --data DIR`.

The rows are made by set-based SQL on two connections, into tables without indexes, on a server that
flushes nothing to disk and writes no log for indexes. 10,000,000 messages take a few minutes.
The ledger is consistent: `ibiki audit --data DIR` proves it.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from domain.ids import first_id_at
from ibiki.local import embedded
from persistence import closing, migrating
from persistence.partitions import month_of
from persistence.servers import credentials
from tests import db

STEPS = Path(__file__).with_suffix(".sql")
CLIENTS = 200
GROUPS = 20
QUEUEING = 5
"""Clients that the queued bulks belong to."""

TABLES = (
    "message",
    "send",
    "transfer",
    "attempt",
    "contact",
    "inbound",
    "webhook_event",
    "webhook_event_key",
    "sent_to",
    "conversation",
)
# What can be made at the same time. Conversations need the index of numbers.
STAGES = (
    (("messages",), ("sends", "transfers", "attempts", "contacts", "inbound")),
    (("sent_to",), ("tallies", "events", "event_keys")),
)
SERVER = ("autovacuum = off", "wal_level = minimal", "max_wal_senders = 0")
SESSION = {
    "session_replication_role": "replica",  # no triggers: the steps keep the rules themselves
    "maintenance_work_mem": "1GB",
    "work_mem": "1GB",
    "synchronous_commit": "off",
    "jit": "off",
}
INDEXES = """
SELECT index.relname AS name, tab.relname AS table, pg_get_indexdef(indexrelid) AS definition,
       contype::text AS kind,
       CASE WHEN tab.relkind = 'p' THEN pg_get_constraintdef(pg_constraint.oid) END AS constraint
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
JOIN pg_class AS tab ON tab.oid = indrelid
LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
WHERE tab.relname = ANY($1::text[]) ORDER BY tab.relpages DESC, 1
"""
YEAR = """
CREATE SCHEMA filling;
CREATE UNLOGGED TABLE filling.client (
    no int8, id uuid, account_id uuid, pool_id uuid, pool_account_id uuid, group_account_id uuid,
    messages int8, contacts int8, queued_bulks int8);
CREATE UNLOGGED TABLE filling.year (start_ms int8, end_ms int8, large int8, small int8,
    open_id uuid);
"""


Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the database. Bulks are smaller in a small one."""

    messages: int
    queued: int

    @property
    def large(self) -> int:
        """The size of a large bulk."""
        return max(min(100_000, self.messages // 100), 1)

    @property
    def small(self) -> int:
        """The size of a small bulk."""
        return max(min(1_000, self.large // 10), 1)


def command(arguments: Sequence[str]) -> None:
    """Runs `python -m benchmarks fill`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fill")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--queued", type=int, help="of these; a tenth if not given")
    parser.add_argument("--data", type=Path, required=True, help="an empty directory")
    given = parser.parse_args(arguments)
    queued = given.messages // 10 if given.queued is None else given.queued
    fill(given.data, Size(given.messages, queued))


def fill(directory: Path, size: Size) -> None:
    """Fills a new embedded database. Prints what each step took."""
    with embedded.start(directory, durable=False) as running:
        asyncio.run(migrating.migrate(running.url))
        asyncio.run(_set_server(running, *(f"SET {each}" for each in SERVER)))
    with embedded.start(directory, durable=False) as running:
        began = time.monotonic()
        asyncio.run(fill_database(running.url, running.superuser_url, size, report=_print))
        asyncio.run(_set_server(running, "RESET ALL"))
        _print("filled", time.monotonic() - began)


async def _set_server(running: embedded.EmbeddedDatabase, *changes: str) -> None:
    connection = await asyncpg.connect(**credentials(running.superuser_url))
    for change in changes:
        await connection.execute(f"ALTER SYSTEM {change}")
    await connection.close()


async def fill_database(
    url: str, superuser_url: str, size: Size, *, report: Report = lambda step, seconds: None
) -> None:
    """Fills a migrated, empty database. `report` is called with each step and its seconds."""
    where = credentials(superuser_url) | {"database": credentials(url)["database"]}
    async with _superuser(where, report) as one, _superuser(where, report) as other:
        await one.connection.execute(YEAR)
        await _plan_clients(url, one.connection, size)
        await one.run(["plan"])
        indexes = await one.connection.fetch(INDEXES, list(TABLES))
        await _drop(one, indexes)
        for firsts, seconds in STAGES:
            await asyncio.gather(one.run(firsts), other.run(seconds))
        early = [each for each in indexes if each["table"] in ("sent_to", "conversation")]
        await _build([one, other], early)
        await _close(one.connection)
        late = [each for each in indexes if each not in early]
        await asyncio.gather(one.run(["conversations"]), _build([other], late[:2]))
        await _build([one, other], late[2:])
        await one.connection.execute("DROP SCHEMA filling CASCADE")
        await asyncio.gather(
            one.execute("vacuum", "VACUUM (FREEZE, ANALYZE) message"),
            other.execute("vacuum", "VACUUM (FREEZE, ANALYZE) " + ", ".join(TABLES[1:])),
        )
        await one.execute("analyze", "ANALYZE")
        await one.execute("checkpoint", "CHECKPOINT")


async def _close(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Closes the months that are over, as the program does: they have no rows in `sent_to`."""
    until = await connection.fetchval("SELECT open_id FROM filling.year")
    await closing.build_index(connection, until)
    await closing.read_index(connection, until)


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection of the superuser, which reports what each step took."""

    connection: asyncpg.Connection[asyncpg.Record]
    report: Report

    async def run(self, names: Sequence[str]) -> None:
        """Runs steps of the SQL file."""
        steps = _steps()
        for name in names:
            await self.execute(name, steps[name])

    async def execute(self, name: str, statements: str) -> None:
        """Runs statements."""
        began = time.monotonic()
        await self.connection.execute(statements)
        self.report(name, time.monotonic() - began)


@asynccontextmanager
async def _superuser(where: dict[str, Any], report: Report) -> AsyncIterator[_Session]:
    connection = await asyncpg.connect(**where, server_settings=SESSION)
    try:
        yield _Session(connection, report)
    finally:
        await connection.close()


async def _plan_clients(
    url: str, connection: asyncpg.Connection[asyncpg.Record], size: Size
) -> None:
    """The tenants, with their numbers of messages: the first has about a sixth of them."""
    async with db.connected(url):
        pool = await db.add_pool()
        groups = [await db.add_group(pool, name=f"Group {each}") for each in range(GROUPS)]
        rows = []
        total = sum(1 / number for number in range(1, CLIENTS + 1))
        for number in range(1, CLIENTS + 1):
            group = groups[number % GROUPS] if number % 10 else None
            tenant = await db.add_client(pool, held=0, group=group, name=f"Client {number}")
            messages = int((size.messages - size.queued) / number / total)
            bulks = size.queued // QUEUEING // size.large if number <= QUEUEING else 0
            contacts = max(messages // 4, size.small, size.large if messages > size.large else 0)
            rows.append(
                (
                    number,
                    tenant.client_id,
                    tenant.account_id,
                    pool.id,
                    pool.account_id,
                    group.account_id if group else None,
                    messages,
                    max(contacts, size.large if bulks else 0),
                    bulks,
                )
            )
    await connection.copy_records_to_table("client", schema_name="filling", records=rows)
    # It ends an hour ago. The queued bulks were accepted after that.
    end = datetime.now(UTC) - timedelta(hours=1)
    year = [int(moment.timestamp() * 1000) for moment in (end - timedelta(days=365), end)]
    open_id = first_id_at(month_of(end - closing.STAYS))
    await connection.copy_records_to_table(
        "year", schema_name="filling", records=[(*year, size.large, size.small, open_id)]
    )
    await connection.execute("ANALYZE filling.client, filling.year")


def _steps() -> dict[str, str]:
    """The steps of the SQL file by name, the first word behind "-- step"."""
    _, *parts = STEPS.read_text().split("-- step ")
    return {part.split(None, 1)[0].rstrip(":"): f"-- {part}" for part in parts}


async def _drop(session: _Session, indexes: Sequence[asyncpg.Record]) -> None:
    for each in indexes:
        if each["kind"] is None:
            await session.connection.execute(f"DROP INDEX {each['name']}")
        else:
            await session.connection.execute(
                f"ALTER TABLE {each['table']} DROP CONSTRAINT {each['name']}"
            )


async def _build(sessions: Sequence[_Session], indexes: Sequence[asyncpg.Record]) -> None:
    """Builds the indexes, one on each connection at a time, then the constraints on them."""
    left = list(reversed(indexes))

    async def build_on(session: _Session) -> None:
        while left:
            each = left.pop()
            await session.execute(each["name"], _definition(each))

    await asyncio.gather(*(build_on(session) for session in sessions))
    for each in indexes:
        if each["kind"] is not None and each["constraint"] is None:
            kind = "PRIMARY KEY" if each["kind"] == "p" else "UNIQUE"
            await sessions[0].connection.execute(
                f"ALTER TABLE {each['table']} ADD CONSTRAINT {each['name']} {kind}"
                f" USING INDEX {each['name']}"
            )


def _definition(index: asyncpg.Record) -> str:
    """What builds the index. A constraint of a partitioned table cannot be added to its index.

    PostgreSQL writes ON ONLY for a partitioned table. Its partitions would get no index.
    """
    if index["constraint"] is None:
        return str(index["definition"]).replace(" ON ONLY ", " ON ")
    return f"ALTER TABLE {index['table']} ADD CONSTRAINT {index['name']} {index['constraint']}"


def _print(step: str, seconds: float) -> None:
    print(f"{step:<40}{seconds:6.0f} s", flush=True)
