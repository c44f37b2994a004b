"""Readers connect and disconnect at random while messages arrive concurrently. They miss nothing.

Each receives every message of its client once, in the order of the feed, for any order of commits
and IDs, although every third hint is lost.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain import ids
from domain.ids import Kind, new_id
from domain.inbox.inbound import deliver
from domain.inbox.messages import NewInbound
from persistence import database, store
from tests import db
from tests.inbox import post
from tests.installations import App
from tests.live.server import Server, client

SEED = 20_261_121
WRITERS = 6
TRANSACTIONS = 25
READERS = 5
MINUTES = 4

INBOUND = "subscription ($since: ID) { inboundMessage(since: $since) { id } }"


class Rollback(Exception):
    """Raised to roll a transaction back."""


def arrival(client_id: UUID) -> NewInbound:
    """A message of one of a few numbers."""
    return NewInbound(new_id(), client_id, post.PHONE, "Hello", datetime.now(UTC))


async def write(chance: random.Random, client_ids: list[UUID]) -> None:
    """Messages in transactions that overlap: begun early and committed late, and some never."""
    for _ in range(TRANSACTIONS):
        arrivals = [arrival(chance.choice(client_ids)) for _ in range(chance.randint(1, 4))]
        await asyncio.sleep(chance.random() / 50)
        try:
            async with store.transaction() as tx:
                await deliver(store, tx, arrivals)
                await asyncio.sleep(chance.random() / 50)
                if chance.random() < 0.15:
                    raise Rollback
        except Rollback:
            pass


async def read(
    chance: random.Random, running: Server, who: str, since: str, last: str
) -> list[str]:
    """What a subscriber receives up to the last event, over connections that it cuts."""
    arrived: list[str] = []
    while since != last:
        async with client(running, who) as reader:
            await reader.subscribe(INBOUND, since=since)
            for _ in range(chance.randint(1, 40)):
                since = (await reader.delivered())["id"]
                arrived.append(since)
                if since == last:
                    break
            if chance.random() < 0.5:
                reader.connection.transport.abort()
    return arrived


@asynccontextmanager
async def hints_lost(chance: random.Random) -> AsyncIterator[None]:
    """Every third hint is lost."""
    with pytest.MonkeyPatch.context() as patch:
        tell = database._publish
        patch.setattr(database, "_publish", lambda topics: chance.random() < 0.3 or tell(topics))
        yield


async def feed_of(client_id: UUID) -> list[str]:
    """The IDs of the messages that a client has received, as stored."""
    return [ids.encode(Kind.MESSAGE, row["id"]) for row in await post.inbox_of(client_id)]


async def deliver_one(client_id: UUID) -> str:
    """One more message, by itself."""
    one = arrival(client_id)
    async with store.transaction() as tx:
        await deliver(store, tx, [one])
    return ids.encode(Kind.MESSAGE, one.id)


async def test_no_message_is_missed_or_received_twice(running: Server, people: App) -> None:
    chance = random.Random(SEED)
    tenants = {"owner": people.owner.client_id, "sibling": people.sibling.client_id}
    first = {who: await deliver_one(client_id) for who, client_id in tenants.items()}
    # Created now and committed last: readers wait for it.
    last = {who: arrival(client_id) for who, client_id in tenants.items()}
    async with asyncio.timeout(60 * MINUTES), hints_lost(chance):
        reading = [
            asyncio.create_task(
                read(chance, running, who, first[who], ids.encode(Kind.MESSAGE, last[who].id))
            )
            for who in tenants
            for _ in range(READERS)
        ]
        await asyncio.gather(*[write(chance, list(tenants.values())) for _ in range(WRITERS)])
        async with store.transaction() as tx:
            await deliver(store, tx, list(last.values()))
        arrived = await asyncio.gather(*reading)
    for number, who in enumerate(who for who in tenants for _ in range(READERS)):
        expected = await feed_of(tenants[who])
        assert arrived[number] == expected[1:], who
    mixed = await db.fetch(
        "SELECT FROM inbound AS one JOIN inbound AS next USING (client_id)"
        " WHERE next.feed = one.feed + 1 AND next.id < one.id"
    )
    assert len(mixed) > 10, "ids are not in the order of the feed"
    gaps = await db.fetch(
        "SELECT client_id FROM inbound GROUP BY 1 HAVING max(feed) <> count(*) OR min(feed) <> 1"
    )
    assert gaps == []
