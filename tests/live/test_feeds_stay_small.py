"""Looking for changes and reading a feed read only the rows that they find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

import pytest

from domain.identity.access import Everything, OfClient, Scope
from domain.live import hints
from domain.live.ports import ChangePosition
from persistence import store
from persistence.live import changes
from tests import db
from tests.persistence.test_reads_stay_small import assert_small, work_of

EXISTING = 6_000
EXISTING_EVENTS = 30_000
NEW = 3

CONVERSATIONS = """
INSERT INTO conversation (id, client_id, number, last_message_id, last_inbound_id, updated_at)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2 END, '+1' || n,
       gen_random_uuid(), gen_random_uuid(), now() - make_interval(hours => 1)
FROM generate_series(1, $3::int) AS n
"""
EVENTS = """
INSERT INTO webhook_event (id, provider, body, outcome, reason, updated_at)
SELECT uuidv7(), 'extreme', '{}', 'UNROUTED', 'why', now() - make_interval(hours => 1)
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


@dataclass(frozen=True)
class Changed:
    """A client, and the position before anything changed."""

    client: db.Tenant
    before: ChangePosition


@pytest.fixture
async def changed(new_database_url: str) -> AsyncIterator[Changed]:
    """A client among others: 6,000 rows of each kind that did not change, and three that did."""
    # One connection: the counters are flushed by the connection that did the work.
    async with db.connected(new_database_url, pool_size=1):
        pool = await db.add_pool()
        client, other = [await db.add_client(pool) for _ in range(2)]
        ids = client.client_id, other.client_id
        await db.execute(CONVERSATIONS, *ids, EXISTING)
        await db.execute(EVENTS, EXISTING_EVENTS)
        await db.execute(INBOUND, list(ids), EXISTING)
        await db.execute("VACUUM ANALYZE")
        before = await changes.position()
        for table in ("conversation", "webhook_event"):
            await db.execute(CHANGE.format(table=table, new=NEW))
        yield Changed(client, before)


@pytest.mark.parametrize("everybodys", [True, False])
async def test_reading_on_costs_the_conversations_that_changed(
    changed: Changed, everybodys: bool
) -> None:
    scope: Scope = Everything() if everybodys else OfClient(changed.client.client_id)
    for _ in range(8):  # from the sixth time on PostgreSQL may use a generic plan
        read = changes.read_changes([scope], hints.CONVERSATION, changed.before)
        assert_small(await work_of(read, ["conversation"]), most_rows=NEW)


@pytest.mark.parametrize("from_position", [True, False])
async def test_recent_conversations_are_found_by_an_index(
    changed: Changed, from_position: bool
) -> None:
    for _ in range(8):
        after = changed.before if from_position else 60.0
        read = changes.recent_changes(Everything(), hints.CONVERSATION, after)
        assert_small(await work_of(read, ["conversation"]), most_rows=NEW)


@pytest.mark.parametrize("first", ["by position", "by time", None])
async def test_reading_events_costs_the_blocks_that_changed(
    changed: Changed, first: str | None
) -> None:
    after = changed.before if first == "by position" else 60.0
    for _ in range(8):
        read: Awaitable[object] = (
            changes.recent_changes(Everything(), hints.EVENT, after)
            if first
            else changes.read_changes([Everything()], hints.EVENT, changed.before)
        )
        # Each changed row costs the 16 blocks of its BRIN range, twice: where it was and is.
        assert_small(await work_of(read, ["webhook_event"]), most_rows=EXISTING_EVENTS // 4)


async def test_events_are_for_admins_only(changed: Changed) -> None:
    own = OfClient(changed.client.client_id)
    assert (await changes.read_changes([own], hints.EVENT, changed.before)).versions == {}
    ids = [*(await changes.read_changes([Everything()], hints.EVENT, changed.before)).versions]
    assert len(ids) == NEW
    assert await changes.find_changes([own], hints.EVENT, ids) == []
    assert len(await changes.find_changes([Everything()], hints.EVENT, ids)) == NEW


async def test_a_page_of_a_feed_reads_few_rows_from_any_position(changed: Changed) -> None:
    scope = OfClient(changed.client.client_id)
    for after in [0, EXISTING // 2, EXISTING - 10] * 3:
        assert_small(
            await work_of(store.read_feed(scope, after=after, most=50), ["inbound"]), most_rows=50
        )
