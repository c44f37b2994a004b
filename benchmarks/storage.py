"""Bytes of storage for each message after its life: queued, submitted, sent, delivered, captured.

A filled database has each row once. Here each status change leaves an old version in the table and
its indexes, and autovacuum works beside it, as in an installation. Then indexes are built again,
as when a month is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count

from benchmarks.databases import Database, new_database, none_left
from benchmarks.dispatch import dispatcher
from benchmarks.measurement import Measurement
from benchmarks.provider import answering
from domain.ids import new_send_id
from domain.sending.accept import AcceptedNow, accept_alone, accept_batch
from domain.sending.messages import NewSend, SendKind
from persistence import store
from persistence.closing import rebuild_indexes
from persistence.database import connection
from tests import db

BULKS = 6
BULK = 10_000
SINGLES = 12_000
MESSAGES = BULKS * BULK + SINGLES
REPORTS_AT_ONCE = 200
WAIT_SECONDS = 300.0
TABLES = ("message", "send", "transfer", "attempt", "sent_to", "contact", "send_tally", "account")

REPORT = """
UPDATE message SET status = 'DELIVERED', verdicts = 1, updated_at = clock_timestamp()
WHERE id = ANY (ARRAY(SELECT id FROM message WHERE id > $1 ORDER BY id LIMIT $2)) RETURNING id
"""
# Each table and its months, and the indexes of each.
SIZES = """
SELECT tab.relname AS table, coalesce(part.relname, month.relname) AS name,
       pg_relation_size(coalesce(part.oid, month.oid)) AS bytes
FROM pg_class AS tab CROSS JOIN LATERAL (
    SELECT tab.oid, tab.relname UNION ALL
    SELECT pg_class.oid, relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = tab.oid) AS month
LEFT JOIN LATERAL (
    SELECT pg_class.oid, relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = month.oid UNION ALL SELECT NULL, NULL) AS part ON true
WHERE tab.relname = ANY($1::text[]) AND tab.relkind IN ('r', 'p') ORDER BY bytes DESC
"""
WRITES = """
SELECT n_tup_upd AS updates, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE relname = 'message'
"""


def main() -> list[Measurement]:
    """The bytes of each table with its indexes, and of each index of messages."""
    with new_database() as database:
        return list(asyncio.run(_lived(database)))


async def _lived(database: Database) -> Iterator[Measurement]:
    async with db.connected(database.url, pool_size=4), answering() as provider:
        tenant = await db.add_client(await db.add_pool(held=10 * MESSAGES), held=MESSAGES)
        for _ in range(BULKS):
            bulk = _send_of(tenant, SendKind.BULK, BULK)
            assert isinstance(await accept_alone(store, bulk), AcceptedNow)
        for _ in range(SINGLES // 200):
            singles = [_send_of(tenant, SendKind.SINGLE, 1) for _ in range(200)]
            await accept_batch(store, singles)
        with dispatcher(database, provider):
            await provider.has_taken(MESSAGES, within_seconds=WAIT_SECONDS)
            await none_left("SELECT FROM message WHERE status IN ('QUEUED', 'SUBMITTING') LIMIT 1")
            await _report_all()
            await none_left("SELECT FROM send WHERE NOT captured LIMIT 1")
        figures = await _sizes()
        await db.execute("VACUUM")
        async with connection() as held:
            await rebuild_indexes(held, "benchmark")
        again = await _sizes(", indexes built again")
        return iter([*figures, *again[: 1 + len(TABLES)]])


async def _report_all() -> None:
    """A delivery report for each message, in the order of the IDs."""
    rows = await db.fetch("SELECT '00000000-0000-0000-0000-000000000000'::uuid AS id")
    while rows:
        last = max(row["id"] for row in rows)
        rows = await db.fetch(REPORT, last, REPORTS_AT_ONCE)


async def _sizes(when: str = "") -> list[Measurement]:
    rows = await db.fetch(SIZES, list(TABLES))
    total = sum(row["bytes"] for row in rows)
    figures = [Measurement(f"all tables{when}", total / MESSAGES, "bytes a message")]
    for table in TABLES:
        own = sum(row["bytes"] for row in rows if row["table"] == table)
        figures.append(Measurement(f"{table}{when}", own / MESSAGES, "bytes a message"))
    figures += [
        Measurement(f"  of it {row['name']}", row["bytes"] / MESSAGES, "bytes a message")
        for row in rows
        if row["table"] == "message"
    ]
    await db.execute("SELECT pg_stat_force_next_flush()")
    [writes] = await db.fetch(WRITES)
    share = writes["hot"] / max(writes["updates"], 1)
    return [*figures, Measurement("updates of messages that were HOT", share, "")]


_numbers = count(2_000_000)


def _send_of(tenant: db.Tenant, kind: SendKind, messages: int) -> NewSend:
    return NewSend(
        id=new_send_id(),
        payer=tenant.payer,
        actor_id=tenant.client_id,
        kind=kind,
        numbers=[f"+1202{next(_numbers)}" for _ in range(messages)],
        text="Your parcel is ready at our shop. Thank you for your order.",
    )
