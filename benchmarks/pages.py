"""Pages of 50 of sends and of messages, out of 1,000,000 of one client, over HTTP GraphQL."""

from __future__ import annotations

import asyncio

import asyncpg

from benchmarks.databases import Database, cpu_seconds, new_database, server, with_children
from benchmarks.load import load, request
from benchmarks.measurement import Measurement
from benchmarks.tenants import add_tenants
from persistence.servers import credentials

ROWS = 1_000_000
CONNECTIONS = 32
SECONDS = 4.0
SENDS = "{ sends(first: 50) { nodes { id charged accepted createdAt } pageInfo { endCursor } } }"
MESSAGES = "{ messages(first: 50) { nodes { id number status text } pageInfo { endCursor } } }"

# Ids begin with the time at which they were made (RFC 9562 §5.7): here with a number, in order.
FILL = """
WITH made AS (
    SELECT (lpad(to_hex(n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid AS id, n,
           client.id AS client_id, client.account_id, account.provider_account_id
    FROM generate_series(1, $1::int8) AS n, client JOIN account ON account.id = client.account_id
), sends AS (
    INSERT INTO send (id, client_id, account_id, provider_account_id, kind, text, price, accepted,
                      rejected_count, captured)
    SELECT id, client_id, account_id, provider_account_id, 'SINGLE', 'Good morning', 1, 1, 0, true
    FROM made
)
INSERT INTO message (id, send_id, client_id, provider_account_id, number, status, priority, price,
                     due_at, attempt_id)
SELECT id, id, client_id, provider_account_id, '+1202' || (2000000 + n % 1000000), 'SENT', 1, 1,
       now(), id
FROM made
"""


def main() -> list[Measurement]:
    """Requests a second and PostgreSQL's time for each, on two server processes."""
    with new_database() as db:
        [token] = asyncio.run(add_tenants(db.url, 1, units=1_000))
        asyncio.run(_fill(db))
        with server(db) as (_, one), server(db) as (_, other):
            return [
                each
                for name, query in (("sends", SENDS), ("messages", MESSAGES))
                for each in _measure(db, [one, other], name, request(token, query))
            ]


async def _fill(db: Database) -> None:
    # On a separate connection: this takes longer than the program waits for an answer.
    own = await asyncpg.connect(**credentials(db.url))
    await own.execute(FILL, ROWS)
    await own.execute("ANALYZE send, message")
    await own.close()


def _measure(db: Database, ports: list[int], name: str, requested: bytes) -> list[Measurement]:
    def run(seconds: float) -> tuple[float, float]:
        before = cpu_seconds(with_children(db.postgres_pid))
        done = asyncio.run(
            load(
                ports,
                lambda _: requested,
                connections=CONNECTIONS,
                seconds=seconds,
                expect=b'"endCursor":"',
            )
        )
        used = cpu_seconds(with_children(db.postgres_pid)) - before
        return done.per_second, used / done.answers * 1e6

    run(1.0)
    per_second, cpu = run(SECONDS)
    return [
        Measurement(f"50 {name} of 1,000,000", per_second, "requests/s"),
        Measurement(f"50 {name} of 1,000,000, PostgreSQL CPU", cpu, "µs a request"),
    ]
