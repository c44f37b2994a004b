"""Plans that were made for small tables read few rows when the tables are large.

A session keeps the plan of a statement, and of each statement in a trigger. While a table is small,
PostgreSQL prefers to read all of it. Then a new installation would become slower with each message,
until autovacuum has made statistics.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import count

import pytest

from domain.dispatch.messages import Call
from domain.inbox.capture import capture_contacts
from domain.provider import Accepted
from domain.sending.accept import AcceptedNow, accept_batch
from persistence import store
from tests import db
from tests.dispatch.parts import answered, marked
from tests.inbox.post import receive_all, stored
from tests.ledger.sends import keyed
from tests.persistence.test_reads_stay_small import counters

WARM_UP = 8
"""PostgreSQL may keep a plan from the sixth time on."""

MANY = 600
AT_ONCE = 200
MOST_ROWS = 60
"""Rows of a table that may be read for one message, from its request to a reply."""

ALTER_ALL = """
DO $$ DECLARE name regclass; BEGIN
    FOR name IN SELECT oid FROM pg_class
                WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', name);
    END LOOP;
END $$
"""


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[db.Tenant]:
    # One connection: it makes the plans, and it counts what they read.
    async with db.connected(database_url, pool_size=1):
        await db.execute(ALTER_ALL)
        yield await db.add_client(held=1_000_000)


_turn = count(1)


async def sent_and_answered(client: db.Tenant, messages: int) -> None:
    """Messages on their whole way: accepted, submitted, reported, and each one answered."""
    turns = [next(_turn) for _ in range(messages)]
    numbers = db.generated_numbers(messages, skip=turns[0])
    sends = [keyed(db.new_send(client, numbers=[number]), number) for number in numbers]
    results = await accept_batch(store, sends)
    assert all(isinstance(each, AcceptedNow) for each in results)
    while await capture_contacts(store):
        pass
    calls: Sequence[Call]
    while calls := await marked(client.pool):
        for call in calls:
            references = [Accepted(f"ref {each.number}") for each in call.messages]
            await answered(client.pool, call, *references)
    await stored(*({"status": "delivered", "messageId": f"ref {number}"} for number in numbers))
    await stored(
        *(
            {"from": number, "message": f"Hello {turn}", "status": "received"}
            for number, turn in zip(numbers, turns, strict=True)
        )
    )
    await receive_all()


async def rows_read(client: db.Tenant) -> dict[str, int]:
    before = await counters()
    await sent_and_answered(client, 1)
    after = await counters()
    return {table: after[table][1] - before[table][1] for table in after}


# With few rows and statistics, two statements prefer the key of `message` to its other indexes.
# They read what was added since the last ANALYZE.
@pytest.mark.parametrize(("size", "known"), [(0, set()), (20, {"message"})])
async def test_plans_made_on_small_tables_read_little_of_large_ones(
    client: db.Tenant, size: int, known: set[str]
) -> None:
    if size:
        await sent_and_answered(client, size)
    await db.execute("ANALYZE")
    for _ in range(WARM_UP):
        await sent_and_answered(client, 1)
    for _ in range(MANY // AT_ONCE):
        await sent_and_answered(client, AT_ONCE)
    read = await rows_read(client)
    assert {table for table, rows in read.items() if rows > MOST_ROWS} <= known, read
