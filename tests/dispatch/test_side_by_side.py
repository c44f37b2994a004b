"""Several dispatchers on one queue: nothing twice, turns kept, the rate exact, no deadlock."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import pytest

from domain.dispatch.cancel import cancel_send
from domain.dispatch.settle import settle_unknown
from domain.errors import InvalidInput
from domain.ledger.sync import SyncRules, sync
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Rejected, Unknown
from domain.sending.messages import SendKind
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, Scripted, dispatching, eventually
from tests.dispatch.programs import dispatcher
from tests.dispatch.test_settling import Read
from tests.providers.simulated import simulated

pytestmark = pytest.mark.usefixtures("connected")

# An attempt that has ended does not say whose it was.
NOTE_DISPATCHERS = """
CREATE TABLE seen (id uuid);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen VALUES (new.dispatcher_id); RETURN NULL; END $$;
CREATE TRIGGER seen AFTER INSERT ON attempt FOR EACH ROW EXECUTE FUNCTION see();
"""


@dataclass
class Slow:
    """Accepts every message after a while. `at`: when each call began."""

    seconds: float
    at: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, message: OutgoingMessage) -> Outcome:
        self.at.append((time.monotonic(), message.text))
        await asyncio.sleep(self.seconds)
        return Accepted(f"ref {message.number}")

    def was_called_with(self, *texts: str) -> Callable[[], Awaitable[bool]]:
        async def is_so() -> bool:
            return set(texts) <= {text for _, text in self.at}

        return is_so


def all_in(*statuses: str) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return set(await db.statuses()) <= set(statuses)

    return is_so


async def test_two_programs_on_one_queue_never_submit_a_message_twice(connected: str) -> None:
    pool = await db.add_pool()
    clients = [await db.add_client(pool) for _ in range(3)]
    numbers = db.generated_numbers(360)
    await db.execute(NOTE_DISPATCHERS)
    async with (
        simulated(deadline_seconds=QUICK.deadline_seconds) as simulator,
        dispatcher(connected, simulator.base_url),
        dispatcher(connected, simulator.base_url),
    ):
        for place, client in enumerate(clients):
            own = numbers[120 * place : 120 * (place + 1)]
            await db.accept(client, numbers=own[:100])
            for number in own[100:]:
                await db.accept(client, numbers=[number])
        await eventually(all_in("SENT"))
        taken = await simulator.took()
    assert sorted(taken) == sorted(numbers)
    dispatchers = await db.fetch("SELECT DISTINCT id FROM seen")
    assert len(dispatchers) == 2
    await db.assert_audit_holds()


async def test_one_tenants_bulk_does_not_delay_anothers_single_or_reply() -> None:
    large = await db.add_client(held=10_000)
    small = await db.add_client(large.pool)
    slow = Slow(0.05)
    provider = Scripted(slow, largest_batch=5)
    rules = replace(QUICK, calls_at_once=4, deadline_seconds=1.5)
    single, reply = SendKind.SINGLE, SendKind.REPLY
    urgent = {"single": single, "reply": reply, "own single": single}
    async with dispatching(provider, rules=rules):
        await db.accept(large, 300, text="bulk")
        await eventually(slow.was_called_with("bulk"))
        for text, kind in urgent.items():
            await db.accept(large if text == "own single" else small, kind=kind, text=text)
        begun = len(provider.calls)
        await eventually(slow.was_called_with(*urgent))
        order = [call[0].text for call in provider.calls]
        # At most one round of bulk calls began before the urgent ones.
        assert max(order.index(text) for text in urgent) <= begun + rules.calls_at_once
        assert "QUEUED" in await db.statuses(), "the bulk is still under way"
        await eventually(all_in("SENT"), seconds=60)


async def test_tenants_take_turns_with_their_bulks() -> None:
    pool = await db.add_pool()
    first, second = await db.add_client(pool), await db.add_client(pool)
    await db.accept(first, 200, text="first")
    await db.accept(second, 50, text="second")
    slow = Slow(0.0)
    provider = Scripted(slow, largest_batch=10)
    async with dispatching(provider, rules=replace(QUICK, calls_at_once=2)):
        await eventually(all_in("SENT"))
    order = [call[0].text for call in provider.calls]
    assert len(order) == 25
    assert Counter(order[:10]) == {"first": 5, "second": 5}


async def test_bulk_continues_under_a_steady_stream_of_singles() -> None:
    client = await db.add_client(held=10_000)
    await db.accept(client, 30, text="bulk")
    for _ in range(100):
        await db.accept(client, text="single")
    slow = Slow(0.0)
    provider = Scripted(slow, largest_batch=10)
    async with dispatching(provider, rules=replace(QUICK, calls_at_once=1)):
        await eventually(all_in("SENT"))
    places = [place for place, call in enumerate(provider.calls) if call[0].text == "bulk"]
    assert places == [8, 17, 26]


async def test_the_rate_of_an_account_holds_over_all_dispatchers() -> None:
    client = await db.add_client(await db.add_pool(rate_per_second=50))
    await db.accept(client, 60)
    for _ in range(40):
        await db.accept(client)
    slow = Slow(0.0)
    provider = Scripted(slow)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(dispatching(provider))
        await eventually(all_in("SENT"))
    seconds = slow.at[-1][0] - began
    assert len(slow.at) == 100
    # 100 messages at 50 a second take 2 s, less the burst of a tenth of a second.
    assert seconds > 1.8
    marks = await db.fetch("SELECT started_at, messages FROM attempt ORDER BY started_at")
    for place, first in enumerate(marks):
        within = [
            row["messages"]
            for row in marks[place:]
            if (row["started_at"] - first["started_at"]).total_seconds() < 1.0
        ]
        assert sum(within) <= 50 * 1.1 + 1


async def test_everything_at_once_neither_deadlocks_nor_miscounts() -> None:
    pool = await db.add_pool(held=5_000)
    clients = [await db.add_client(pool, held=3_000) for _ in range(3)]
    provider = Scripted(_any_outcome, largest_batch=7)
    rules = replace(QUICK, calls_at_once=6, breaker_opens_after=1_000, probe_first_seconds=0.05)
    sends = []
    before = await db.deadlocks()
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(dispatching(provider, rules=rules))
        for round_ in range(12):
            accepted = await asyncio.gather(
                *(db.accept(client, random.randint(1, 40)) for client in clients)
            )
            sends += accepted
            await asyncio.gather(
                *(cancel_send(store, db.ADMIN, random.choice(sends).id) for _ in range(3)),
                _settle_some(),
                _expire_some(),
                *([_read(pool)] if round_ % 4 == 0 else []),
            )
        await eventually(all_in("SENT", "REJECTED", "UNKNOWN", "CANCELLED"), seconds=60)
    assert await db.deadlocks() == before
    await db.assert_audit_holds()
    assert await db.fetch("SELECT 1 FROM transfer WHERE kind = 'REFUND'")


OUTCOMES: list[Outcome] = [
    Accepted("ref"),
    Rejected("no"),
    NotSent("refused"),
    NotSent("as a whole", alone=True),
    NotSent("no money", refuses_account=True),
    Unknown("?"),
]


async def _any_outcome(message: OutgoingMessage) -> Outcome:
    await asyncio.sleep(random.random() * 0.02)
    return random.choices(OUTCOMES, weights=[70, 8, 8, 4, 2, 8])[0]


async def _settle_some() -> None:
    rows = await db.fetch("SELECT id FROM message WHERE status = 'UNKNOWN' LIMIT 5")
    for row in rows:
        try:
            taken = random.random() < 0.5
            await settle_unknown(store, db.ADMIN, row["id"], taken=taken, note="looked up")
        except InvalidInput:
            continue


async def _expire_some() -> None:
    await db.execute(
        "UPDATE attempt SET lease_until = clock_timestamp() WHERE id IN ("
        " SELECT id FROM attempt WHERE ended_at IS NULL LIMIT 2 FOR UPDATE SKIP LOCKED)"
    )


async def _read(pool: db.Pool) -> None:
    account = await store.find_provider_account(pool.id)
    await sync(store, Read(9_000), account, actor_id=None, rules=SyncRules(2.0, 1.0))
