"""Syncs while dispatchers, sends and cancellations run: in the end all figures agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from random import Random

from domain.dispatch.cancel import cancel_send
from domain.dispatch.settle import settle_unknown
from domain.errors import InvalidInput
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Rejected, Unknown
from domain.sending.accept import AcceptedNow, accept_batch
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.dispatch.parts import Opened, dispatching, eventually
from tests.ledger.upstream import Upstream, pool_of, synced


class RandomUpstream(Upstream):
    """A slow provider that does not always return the outcome."""

    def __init__(self, random: Random) -> None:
        super().__init__(1_000)
        self._random = random
        self.meanwhile = self._wait_a_little

    async def send(self, message: OutgoingMessage) -> Outcome:
        await self._wait_a_little()
        chance = self._random.random()
        if chance < 0.7:
            self.take(message.number)
            return Accepted(f"ref {message.number}") if chance < 0.55 else Unknown("?")
        return self._random.choice((Rejected("no"), NotSent("not reached"), Unknown("?")))

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        return [await self.send(message) for message in messages]

    async def _wait_a_little(self) -> None:
        await asyncio.sleep(self._random.random() * 0.02)


async def test_at_rest_after_syncs_under_load_the_pool_equals_the_balance_of_the_provider(
    database_url: str,
) -> None:
    random, numbers = Random(20261101), iter(db.generated_numbers(10_000))
    async with db.connected(database_url):
        pool = await db.add_pool()
        group = await db.add_group(pool)
        clients = [
            await db.add_client(pool, held=300),
            await db.add_client(pool, held=300, group=group),
        ]
        upstream = RandomUpstream(random)
        await synced(pool, upstream)
        async with dispatching(Opened(upstream)):
            for _ in range(6):
                await _sync_in_the_middle(pool, clients, upstream, numbers, random)
                await eventually(_nothing_is_under_way)
                await _settle_doubts(upstream)
                assert await pool_of(pool) == upstream.balance_now
        statuses = await db.statuses()
        assert statuses["SENT"] == len(upstream.taken) > 100
        assert statuses.keys() <= {"SENT", "REJECTED", "CANCELLED"}
        assert len(set(upstream.taken)) == len(upstream.taken), "each number is its message's own"
        await db.assert_audit_holds()


async def _sync_in_the_middle(
    pool: db.Pool,
    clients: Sequence[db.Tenant],
    upstream: Upstream,
    numbers: Iterator[str],
    random: Random,
) -> None:
    """Two syncs at once, with open calls before them and sends during them."""
    calls_before = len(upstream.taken)
    synced_twice = asyncio.Event()
    senders = [
        asyncio.create_task(_send_and_cancel(client, numbers, random, until=synced_twice))
        for client in clients
    ]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(upstream.taken) < calls_before + 5:  # noqa: ASYNC110 - the dispatchers' work
            await asyncio.sleep(0.002)
    await asyncio.gather(*(synced(pool, upstream) for _ in range(2)))
    synced_twice.set()
    await asyncio.gather(*senders)


async def _send_and_cancel(
    client: db.Tenant, numbers: Iterator[str], random: Random, *, until: asyncio.Event
) -> None:
    last_ones = 2
    while last_ones:
        last_ones -= until.is_set()
        send = db.new_send(client, numbers=list(islice(numbers, random.randint(1, 6))))
        (result,) = await accept_batch(store, [send])
        await asyncio.sleep(random.random() * 0.02)
        if isinstance(result, AcceptedNow) and random.random() < 0.2:
            await cancel_send(store, client.actor, send.id)


async def _nothing_is_under_way() -> bool:
    return not {"QUEUED", "SUBMITTING"} & (await db.statuses()).keys()


async def _settle_doubts(upstream: Upstream) -> None:
    for row in await db.fetch("SELECT id, number FROM message WHERE status = 'UNKNOWN'"):
        taken = row["number"] in upstream.taken
        with suppress(InvalidInput):  # its call has ended meanwhile
            await settle_unknown(store, db.ADMIN, row["id"], taken=taken, note="by the log")
