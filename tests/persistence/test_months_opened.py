"""Statements for one message read the partition of its month, and no other one."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from domain.dispatch.claim import ClaimContext, claim
from domain.dispatch.fairness import Turns
from domain.dispatch.messages import Call
from domain.dispatch.rules import Observer
from domain.identity.access import OfClient
from domain.ids import new_id
from domain.inbox.capture import capture_contacts
from domain.pages import Window
from domain.provider import Accepted
from domain.sending.lists import MessageFilter
from domain.sending.messages import MessageStatus
from persistence import partitioning, store
from persistence.partitions import COLUMNS
from persistence.sending.messages import read_messages, read_messages_of_sends
from persistence.sending.tallies import read_counts
from persistence.servers import credentials
from tests import worlds
from tests.dispatch.parts import QUICK, answered
from tests.persistence.months import live_for

MONTHS = 4
OPENED = """
SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) AS scans FROM pg_stat_user_tables
WHERE relid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = ANY($1::text[]::regclass[]))
"""
TABLES = ["message", "attempt"]
OF_MESSAGES, OF_ATTEMPTS = [f"{table}_{datetime.now(UTC):%Y_%m}" for table in TABLES]


@pytest.fixture
async def client(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[worlds.Tenant]:
    monkeypatch.setitem(COLUMNS, "message", "id")
    held = await asyncpg.connect(**credentials(database_url))
    await partitioning.partition(held, "message")
    await held.close()
    await live_for(MONTHS, database_url)
    # One connection: the counters are flushed by the connection that did the work.
    async with worlds.connected(database_url, pool_size=1):
        yield await worlds.add_client(await worlds.add_pool())


async def scans() -> dict[str, int]:
    await worlds.execute("SELECT pg_stat_force_next_flush()")
    return {row["relname"]: row["scans"] for row in await worlds.fetch(OPENED, TABLES)}


async def opened(work: Callable[[], Awaitable[object]], *, times: int = 7) -> set[str]:
    """The months that are read, also by plans for any values, which PostgreSQL makes later."""
    before = await scans()
    for _ in range(times):
        await work()
    return {name for name, count in (await scans()).items() if count > before[name]}


async def test_claims_and_records_read_the_month_of_their_messages(client: worlds.Tenant) -> None:
    context = ClaimContext(store, Observer(), QUICK, client.pool.id, new_id())
    turns = Turns(QUICK.calls_at_once)
    # It looks into each month, once a second.
    among = await store.queue_range()
    calls: list[Call] = []

    async def claim_next() -> None:
        await worlds.accept(client, 3)
        after = turns.after()
        waiting = await store.tenants_waiting(client.pool.id, after=after, most=9, among=among)
        claimed = await claim(context, turns, waiting, batch=10, open_calls=Counter(), among=among)
        calls.extend(claimed.calls)

    async def record_next() -> None:
        call = calls.pop()
        await answered(client.pool, call, Accepted(call.attempt_id.hex))

    assert await opened(claim_next) == {OF_MESSAGES}
    assert await opened(record_next) == {OF_MESSAGES, OF_ATTEMPTS}
    assert await worlds.statuses() == {"SENT": 21}


async def test_what_follows_a_send_reads_the_months_since(client: worlds.Tenant) -> None:
    send, scope = await worlds.accept(client, 5), OfClient(client.client_id)
    await capture_contacts(store)
    [message, *_] = (await read_messages(scope, Window(1))).items
    page: Window[UUID] = Window(10)

    of_send = MessageFilter(send_id=send.id)
    for work in (
        lambda: read_counts([send.id]),
        lambda: read_messages(scope, page, filter=of_send),
        lambda: read_messages(scope, page, filter=replace(of_send, status=MessageStatus.QUEUED)),
        lambda: read_messages_of_sends(scope, [send.id], page),
        lambda: store.read_accepted(scope, send.id),
        lambda: store.find_message(scope, message.id),
        lambda: cancel_queued(send.id),
    ):
        # Nothing proves that the default partition has no later ones.
        assert await opened(work) <= {OF_MESSAGES, "message_default"}


async def cancel_queued(send_id: UUID) -> None:
    async with store.transaction() as tx:
        await store.cancel_queued(tx, send_id, most=1)
