"""Syncs amid real handing over: dispatchers, senders and cancellers, and at rest it all agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from domain.access import Actor
from domain.cancel import cancel_send
from domain.late_truth import settle
from domain.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.provider import Outgoing
from persistence import store
from tests import worlds
from tests.dispatch.parts import Opened, dispatching, eventually
from tests.ledger.upstream import Upstream, pool_of, synced


class Moody(Upstream):
    """Takes its time, and does not always say what it did."""

    def __init__(self, balance: int, random: Random) -> None:
        super().__init__(balance)
        self._random = random
        self.meanwhile = self._dawdle

    async def send(self, message: Outgoing) -> Outcome:
        await self._dawdle()
        mood = self._random.random()
        if mood < 0.7:
            self.take(message.number)
            return Accepted(f"ref {message.number}") if mood < 0.55 else Unknown("?")
        return self._random.choice((Rejected("no"), NotSent("not reached"), Unknown("?")))

    async def send_many(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        return [await self.send(message) for message in messages]

    async def _dawdle(self) -> None:
        await asyncio.sleep(self._random.random() * 0.01)


async def test_at_rest_after_syncs_amid_everything_the_pool_is_what_the_provider_says(
    database_url: str,
) -> None:
    random = Random(20261101)
    async with worlds.connected(database_url):
        pool = await worlds.add_pool()
        group = await worlds.add_group(pool)
        clients = [
            await worlds.add_client(pool, held=300),
            await worlds.add_client(pool, held=300, group=group),
        ]
        upstream = Moody(1_000, random)
        await synced(pool, upstream)
        async with dispatching(Opened(upstream)):
            await asyncio.gather(
                *(_send_and_cancel(client, random) for client in clients),
                *(_sync_on(pool, upstream) for _ in range(2)),
            )
            await eventually(_nothing_is_under_way)
        await _settle_doubts(upstream)
        rows = await worlds.fetch("SELECT count(*) AS n FROM sync")
        assert rows[0]["n"] == 1 + 2 * 6
        assert await pool_of(pool) == upstream.balance_now
        assert len(set(upstream.taken)) == len(upstream.taken), "each number is its message's own"
        statuses = await worlds.statuses()
        assert statuses["SENT"] == len(upstream.taken)
        assert statuses.keys() <= {"SENT", "REJECTED", "CANCELLED"}
        await worlds.assert_audit_holds()


async def _send_and_cancel(client: worlds.Tenant, random: Random) -> None:
    actor: Actor = client.actor
    skip = 0 if client.group_id else 100_000
    for _ in range(25):
        count = random.randint(1, 8)
        send = await worlds.accept(client, numbers=worlds.generated_numbers(count, skip=skip))
        skip += count
        await asyncio.sleep(random.random() * 0.02)
        if random.random() < 0.2:
            await cancel_send(store, actor, send.id)


async def _sync_on(pool: worlds.Pool, upstream: Upstream) -> None:
    for _ in range(6):
        await synced(pool, upstream)
        await asyncio.sleep(0.03)


async def _nothing_is_under_way() -> bool:
    return not {"QUEUED", "SUBMITTING"} & (await worlds.statuses()).keys()


async def _settle_doubts(upstream: Upstream) -> None:
    for row in await worlds.fetch("SELECT id, number FROM message WHERE status = 'UNKNOWN'"):
        taken = row["number"] in upstream.taken
        await settle(store, row["id"], Accepted("ref") if taken else Rejected("no"))
