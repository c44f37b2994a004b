"""What is done for each message reads the month of its attempt, and no other one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from domain.dispatch.claim import ClaimContext, claim
from domain.dispatch.fairness import Turns
from domain.dispatch.messages import Call
from domain.dispatch.rules import Observer
from domain.ids import new_id
from domain.inbox.capture import capture_contacts
from domain.provider import Accepted
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, answered
from tests.persistence.months import live_for

MONTHS = 4
OPENED = """
SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) AS scans FROM pg_stat_user_tables
WHERE relid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ANY($1::text[]::regclass[]))
"""
TABLES = ["attempt", "sent_to"]


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[db.Tenant]:
    await live_for(MONTHS, database_url)
    # One connection: the counters are flushed by the connection that did the work.
    async with db.connected(database_url, pool_size=1):
        yield await db.add_client()


async def scans() -> dict[str, int]:
    await db.execute("SELECT pg_stat_force_next_flush()")
    return {row["relname"]: row["scans"] for row in await db.fetch(OPENED, TABLES)}


async def opened(work: Callable[[], Awaitable[object]]) -> set[str]:
    """The months that are read, also by plans for any values, which PostgreSQL makes later."""
    before = await scans()
    for _ in range(7):
        await work()
    return {name for name, count in (await scans()).items() if count > before[name]}


async def months_of(table: str) -> set[str]:
    """The months that have rows."""
    rows = await db.fetch(f"SELECT DISTINCT tableoid::regclass::text AS name FROM {table}")
    return {row["name"] for row in rows}


async def test_claims_and_records_read_the_month_of_their_attempts(client: db.Tenant) -> None:
    context = ClaimContext(store, Observer(), QUICK, client.pool.id, new_id())
    turns = Turns(QUICK.calls_at_once)
    calls: list[Call] = []

    async def claim_next() -> None:
        await db.accept(client, 3)
        waiting = await store.tenants_waiting(client.pool.id, after=turns.after(), most=9)
        claimed = await claim(context, turns, waiting, batch=10, open_calls=Counter())
        calls.extend(claimed.calls)

    async def record_next() -> None:
        call = calls.pop()
        await answered(client.pool, call, Accepted(call.attempt_id.hex))

    assert await opened(claim_next) == set()
    assert await opened(record_next) == await months_of("attempt")
    assert await db.statuses() == {"SENT": 21}


async def test_a_capture_reads_the_months_since_the_send(client: db.Tenant) -> None:
    async def capture_next() -> None:
        await db.accept(client, 3)
        await capture_contacts(store)

    # Nothing proves that the default partition has no later ones.
    found = await opened(capture_next)
    assert found <= await months_of("sent_to") | {"sent_to_default"}
