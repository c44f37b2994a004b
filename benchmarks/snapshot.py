"""The cost of a message for one dispatcher while a dump or a report keeps a snapshot open.

PostgreSQL cannot remove the entries of the queue whose messages have left it since the snapshot
began. Here, four fifths of the messages leave it at once; a dispatcher would need minutes. A
provider answers at once. Bulk first, then single messages of 199 clients; another client sends
single messages one by one meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.databases import Build, Database, builds, new_database, own_connection, server
from benchmarks.dispatch import dispatcher, queue_bulk, queue_singles, urgent
from benchmarks.measurement import Measurement, compared
from benchmarks.provider import Provider, answering
from benchmarks.tenants import tenants_of

UNITS = 100_000_000
BULKS = 5
SINGLES = 2_000
COPIES = 150
TENANTS = 200
SECONDS = 8.0
WAIT_SECONDS = 60.0
URGENT = 20

COPY = """
WITH made AS MATERIALIZED (
    SELECT message.id AS copied_id, uuidv7() AS send_id, uuidv7() AS id
    FROM message CROSS JOIN generate_series(1, $1::int4)
), sends AS (
    INSERT INTO send (id, client_id, account_id, provider_account_id, actor_id, kind, text, price,
                      accepted, rejected_count)
    SELECT made.send_id, send.client_id, account_id, send.provider_account_id, actor_id, kind,
           send.text, send.price, accepted, rejected_count
    FROM made JOIN message ON message.id = copied_id JOIN send ON send.id = message.send_id
)
INSERT INTO message (id, send_id, client_id, provider_account_id, number, text, priority, price,
                     due_at)
SELECT made.id, made.send_id, client_id, provider_account_id, number, text, priority, price,
       clock_timestamp()
FROM made JOIN message ON message.id = copied_id
"""

# The first ones of each client, so that they are before the others in the index. One list of IDs:
# with OR between two lists, PostgreSQL searched 400,000 IDs for each message.
LEAVE = """
UPDATE message SET status = 'CANCELLED'
WHERE status = 'QUEUED' AND id IN (
    SELECT message.id FROM message
    JOIN (SELECT id, kind, percent_rank() OVER (ORDER BY id) AS place FROM send) AS ranked
        ON ranked.id = send_id
    WHERE kind = 'SINGLE' AND place < 0.8
    UNION ALL
    SELECT id FROM (
        SELECT message.id, percent_rank() OVER (PARTITION BY send_id ORDER BY message.id) AS place
        FROM message JOIN send ON send.id = send_id WHERE kind = 'BULK') AS ranked
    WHERE place < 0.8)
"""


def main() -> list[Measurement]:
    """CPU of a message, and messages a second, before the snapshot and while it is open."""
    return [
        *compared(builds(), partial(_measured, singles=False), rounds=1),
        *compared(builds(), partial(_measured, singles=True), rounds=1),
    ]


def _measured(build: Build, *, singles: bool) -> list[Measurement]:
    with new_database(build) as db:
        tokens = tenants_of(db, TENANTS, units=UNITS)
        return asyncio.run(_measure(db, tokens, singles=singles))


async def _measure(db: Database, tokens: Sequence[str], *, singles: bool) -> list[Measurement]:
    what = "singles" if singles else "bulk"
    async with answering() as provider:
        with server(db) as (_, port):
            if singles:
                await queue_singles(port, tokens[1:], SINGLES)
                await _execute(db, COPY, COPIES)
            else:
                for token in tokens[1 : BULKS + 1]:
                    await queue_bulk(port, token)
        with dispatcher(db, provider) as pid:
            before, cpu_before = await _rate(db, pid, provider)
        async with _snapshot(db):
            await _leave(db)
            with server(db) as (_, port), dispatcher(db, provider) as pid:
                during, cpu_during = await _rate(db, pid, provider)
                slowest = max([await urgent(provider, port, tokens[0], n) for n in range(URGENT)])
        assert await _are_queued(db), "there was not always a message to dispatch"
    return [
        Measurement(f"{what}, no snapshot: CPU", cpu_before, "µs a message"),
        Measurement(f"{what}, a snapshot: CPU", cpu_during, "µs a message"),
        Measurement(f"{what}, a snapshot ÷ none: CPU", cpu_during / cpu_before, "", at_most=1.3),
        Measurement(f"{what}, no snapshot", before, "messages/s"),
        Measurement(f"{what}, a snapshot", during, "messages/s"),
        Measurement(f"{what}, a snapshot ÷ none", during / before, "", at_least=0.8),
        Measurement(f"a single among {what}, slowest of {URGENT}", slowest, "s", at_most=1),
    ]


async def _rate(db: Database, pid: int, provider: Provider) -> tuple[float, float]:
    """Messages a second, and the CPU of each in µs, of the dispatcher and of PostgreSQL."""
    await provider.has_taken(provider.taken + 1, within_seconds=WAIT_SECONDS)
    taken, began, used = provider.taken, time.perf_counter(), db.cpu(pid)
    await asyncio.sleep(SECONDS)
    done = provider.taken - taken
    assert done, "nothing was dispatched"
    return done / (time.perf_counter() - began), (db.cpu(pid) - used) / done * 1e6


async def _leave(db: Database) -> None:
    await _execute(db, "ALTER TABLE message DISABLE TRIGGER USER")
    await _execute(db, LEAVE)
    await _execute(db, "ALTER TABLE message ENABLE TRIGGER USER")


async def _are_queued(db: Database) -> bool:
    """Whether messages wait that were queued at the beginning."""
    async with own_connection(db.url) as connection:
        return bool(
            await connection.fetchval("SELECT count(*) > 1 FROM message WHERE status = 'QUEUED'")
        )


async def _execute(db: Database, statement: str, *arguments: object) -> None:
    async with own_connection(db.url) as connection:
        await connection.execute(statement, *arguments)


@asynccontextmanager
async def _snapshot(db: Database) -> AsyncIterator[None]:
    async with (
        own_connection(db.url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute("SELECT count(*) FROM client")
        yield
