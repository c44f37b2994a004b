"""Looking for changes, and reading on in a feed, costs what is found and not what is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.identity.access import Everything, OfClient, Scope
from persistence import store
from tests import worlds
from tests.persistence.test_reads_stay_small import assert_small, work_of

THERE = 6_000
NEW = 3

CONVERSATIONS = """
INSERT INTO conversation (id, client_id, number, last_message_id, last_inbound_id, updated_at)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2 END, '+1' || n,
       gen_random_uuid(), gen_random_uuid(), now() - make_interval(hours => 1)
FROM generate_series(1, $3::int) AS n
"""
EVENTS = """
INSERT INTO webhook_event (id, provider, body, outcome, reason, updated_at)
SELECT gen_random_uuid(), 'extreme', '{}', 'UNROUTED', 'why', now() - make_interval(hours => 1)
FROM generate_series(1, $1::int)
"""
INBOUND = """
INSERT INTO inbound (id, client_id, feed, number, text)
SELECT gen_random_uuid(), client.id, n, '+12025550143', 'Hi'
FROM unnest($1::uuid[]) AS client (id), generate_series(1, $2::int) AS n
"""
CHANGE = """
UPDATE {table} SET updated_at = clock_timestamp()
WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT {new})
"""


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[worlds.Tenant]:
    """A client among others, with much that has not changed for an hour and little that has."""
    # One connection: the counters are flushed by the connection that did the work.
    async with worlds.connected(database_url, pool_size=1):
        pool = await worlds.add_pool()
        client, other = [await worlds.add_client(pool) for _ in range(2)]
        ids = client.client_id, other.client_id
        await worlds.execute(CONVERSATIONS, *ids, THERE)
        await worlds.execute(EVENTS, THERE)
        await worlds.execute(INBOUND, list(ids), THERE)
        await worlds.execute("ANALYZE")
        for table in ("conversation", "webhook_event"):
            await worlds.execute(CHANGE.format(table=table, new=NEW))
        yield client


@pytest.mark.parametrize("everybodys", [True, False])
async def test_conversations_that_changed_are_found_by_their_time(
    client: worlds.Tenant, everybodys: bool
) -> None:
    scope: Scope = Everything() if everybodys else OfClient(client.client_id)
    for since in [None, datetime.now(UTC) - timedelta(seconds=30)] * 5:
        # From the sixth time on PostgreSQL may plan for any values.
        read = store.read_changed_conversations([scope], since=since, overlap_seconds=60.0)
        assert_small(await work_of(read, ["conversation"]), most_rows=NEW)


async def test_events_that_changed_are_found_by_their_time(client: worlds.Tenant) -> None:
    for since in [None, datetime.now(UTC) - timedelta(seconds=30)] * 5:
        read = store.read_changed_events([Everything()], since=since, overlap_seconds=60.0)
        assert len((await read).items) == NEW
        read = store.read_changed_events([Everything()], since=since, overlap_seconds=60.0)
        assert_small(await work_of(read, ["webhook_event"]), most_rows=NEW)


async def test_events_are_nobody_s_but_the_operator_s(client: worlds.Tenant) -> None:
    own = OfClient(client.client_id)
    found = await store.read_changed_events([own], since=None, overlap_seconds=60.0)
    assert found.items == []
    everything = await store.read_changed_events([Everything()], since=None, overlap_seconds=60.0)
    ids = [each.id for each in everything.items]
    assert await store.find_changed_events([own], ids) == []
    assert len(await store.find_changed_events([Everything()], ids)) == NEW


async def test_a_feed_is_read_on_from_anywhere(client: worlds.Tenant) -> None:
    scope = OfClient(client.client_id)
    for after in [0, THERE // 2, THERE - 10] * 3:
        assert_small(
            await work_of(store.read_feed(scope, after=after, most=50), ["inbound"]), most_rows=50
        )
