"""Claims continue where the last one ended, until the next look at the queue, and skip nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from domain.dispatch import fairness
from domain.dispatch.fairness import (
    BULK,
    KEPT_SECONDS,
    KEPT_SECONDS_OF_BULK,
    LATE_SECONDS,
    MOST_REMEMBERED,
    NO_TENANT,
    PAUSE,
    REPLIES,
    SINGLES,
    WHOLE_EVERY_SECONDS,
    QueueWatch,
)
from domain.dispatch.messages import BEGINNING, EVER_SECONDS, QueuePosition, Quota, Waiting
from domain.errors import TryAgain
from domain.ids import new_id
from domain.loops import LONGEST_REST_SECONDS
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage
from domain.sending.messages import SendKind
from persistence import store
from persistence.dispatch.queue import ACCOUNTS_WITH_QUEUE, PICK, TENANTS_WAITING
from persistence.servers import credentials
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.dispatch.parts import (
    QUICK,
    Scripted,
    all_sent,
    dispatching,
    eventually,
    pages_read,
)

ANNE, BOB, CLEO = (UUID(int=each) for each in (1, 2, 3))
URGENT = {REPLIES, SINGLES}
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class SlowQueue:
    """A queue whose looks take a while: each one this long for each of its priorities.

    `looks`: at what became due lately. `wholes`: at the whole queue, which end when `open` is set.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
        self.now = 100.0
        self.seconds = {SINGLES: seconds.get("urgent", 0.0), BULK: seconds.get("bulk", 0.0)}
        self.whole_seconds = seconds.get("whole", 0.0)
        self.lately = [Waiting(BULK, ANNE), Waiting(BULK, BOB), Waiting(SINGLES, CLEO)]
        self.earlier: list[Waiting] = []
        self.looks: list[set[int]] = []
        self.wholes: list[set[int]] = []
        self.reach = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.changes = 0
        self.failures: list[TryAgain] = []
        monkeypatch.setattr(fairness, "now_seconds", lambda: self.now)

    def changed(self) -> None:
        self.changes += 1

    async def tenants_waiting(
        self,
        _: UUID,
        *,
        after: Mapping[int, UUID],
        most: int,
        since_seconds: float = EVER_SECONDS,
    ) -> list[Waiting]:
        if since_seconds == EVER_SECONDS:
            self.wholes.append(set(after))
            await self.open.wait()
            self.now += self.whole_seconds
            if self.failures:
                raise self.failures.pop()
            return [each for each in self.earlier if each.priority in after]
        self.looks.append(set(after))
        self.reach = max(self.reach, since_seconds)
        self.now += sum(self.seconds.get(priority, 0.0) for priority in after)
        found = [each for each in self.lately if each.priority in after]
        found.sort(key=lambda each: each.client_id <= after[each.priority])
        return [each for priority in after for each in found if each.priority == priority]


def looking_at(queue: SlowQueue) -> QueueWatch:
    return QueueWatch(cast(Any, queue), new_id(), changed=queue.changed)


async def waiting(watch: QueueWatch, *, after: Mapping[int, UUID] | None = None) -> list[Waiting]:
    return await watch.waiting(after or {}, with_bulk=True)


async def looks_at_all_end() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_claims_continue_for_a_moment_after_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = SlowQueue(monkeypatch, bulk=0.01)
    watch = looking_at(queue)
    await waiting(watch)
    here = QueuePosition(NOON, new_id())
    watch.reached({(BULK, ANNE): here, (SINGLES, CLEO): here})
    assert {each.position for each in await waiting(watch)} == {here, BEGINNING}
    assert queue.looks == [URGENT, {BULK}]
    queue.now += 1.01 * KEPT_SECONDS
    await waiting(watch)
    queue.now += KEPT_SECONDS_OF_BULK - KEPT_SECONDS
    await waiting(watch)
    assert queue.looks[2:] == [URGENT, URGENT, {BULK}]


async def test_when_all_tenants_of_a_look_are_served_the_next_look_is_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    watch = looking_at(queue)
    await waiting(watch)
    watch.reached({(SINGLES, CLEO): None})
    await waiting(watch)
    assert queue.looks == [URGENT, {BULK}, URGENT]
    watch.reached({(BULK, ANNE): None, (BULK, BOB): None})
    await waiting(watch)
    assert queue.looks[3:] == [{BULK}]


async def test_a_look_that_has_found_nothing_is_repeated_a_moment_later_and_then_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    queue.lately = []
    watch = looking_at(queue)
    await watch.waiting({}, with_bulk=False)
    queue.now += KEPT_SECONDS / 2
    assert await waiting(watch) == []  # of bulk, nothing was known: both are looked at
    assert queue.looks == [URGENT, {BULK}, URGENT]
    assert watch.wait_seconds == 0
    queue.now += KEPT_SECONDS / 2
    assert await waiting(watch) == []
    assert 0 < watch.wait_seconds < KEPT_SECONDS
    queue.now += KEPT_SECONDS
    await waiting(watch)
    assert watch.wait_seconds == 0
    assert len(queue.looks) == 5


async def test_a_message_does_not_wait_for_a_look_at_the_whole_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    watch = looking_at(queue)
    await waiting(watch)
    queue.open.clear()
    queue.now += WHOLE_EVERY_SECONDS
    queue.reach = 0.0
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(100):
            watch.reached({(SINGLES, CLEO): None})
            queue.now += KEPT_SECONDS
            assert Waiting(SINGLES, CLEO) in await waiting(watch)
            await looks_at_all_end()
    assert queue.wholes == [URGENT, {BULK}] * 2
    assert queue.reach <= LATE_SECONDS + WHOLE_EVERY_SECONDS + KEPT_SECONDS
    await watch.stop()


async def test_a_served_tenant_is_forgotten_if_a_look_does_not_find_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    watch = looking_at(queue)
    await waiting(watch)
    served, old = (
        QueuePosition(NOON, new_id()),
        QueuePosition(NOON - timedelta(seconds=3), new_id()),
    )
    watch.reached({(BULK, ANNE): served, (BULK, BOB): old, (SINGLES, CLEO): served})
    queue.lately = [Waiting(BULK, CLEO, served, NOON - timedelta(seconds=2))]
    queue.now += KEPT_SECONDS_OF_BULK
    # Nothing was found of singles, so nothing is known about them.
    assert [each.client_id for each in await waiting(watch)] == [CLEO, BOB, CLEO]
    assert watch.is_remembered


async def test_looks_at_the_whole_queue_take_a_twentieth_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch, whole=0.25)
    watch, began = looking_at(queue), queue.now
    while queue.now < began + 60:
        await watch.waiting({}, with_bulk=False)
        await looks_at_all_end()
        queue.now += 0.01
    assert 10 <= len(queue.wholes) <= 13


async def test_what_a_look_at_the_whole_queue_has_found_is_served_from_its_first_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    here, before = (QueuePosition(NOON + timedelta(hours=each), new_id()) for each in (0, -1))
    queue.lately = [Waiting(BULK, ANNE, here)]
    watch = looking_at(queue)
    assert await waiting(watch) == queue.lately
    assert queue.changes == 0
    queue.earlier = [Waiting(BULK, ANNE, before), Waiting(SINGLES, CLEO, before)]
    queue.now += WHOLE_EVERY_SECONDS
    assert await waiting(watch) == queue.lately
    await looks_at_all_end()
    assert queue.changes == 2
    found = await waiting(watch)
    assert [(each.client_id, each.position) for each in found] == [(CLEO, before), (ANNE, before)]
    assert watch.is_remembered


async def test_if_a_look_did_not_return_all_tenants_the_next_follows_when_half_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some have messages for hours. Tenants that the look did not return do not wait for these."""
    queue = SlowQueue(monkeypatch, whole=1.0)
    queue.lately = []
    queue.earlier = [Waiting(SINGLES, new_id()) for _ in range(MOST_REMEMBERED)]
    watch = looking_at(queue)
    tenants = await watch.waiting({}, with_bulk=False)
    first, *others = tenants[MOST_REMEMBERED // 2 :]
    watch.reached({(SINGLES, each.client_id): None for each in others})
    await watch.waiting({}, with_bulk=False)
    await looks_at_all_end()
    assert queue.wholes == [URGENT]
    watch.reached({(SINGLES, first.client_id): None})
    await watch.waiting({}, with_bulk=False)
    await looks_at_all_end()
    assert len(await watch.waiting({}, with_bulk=False)) == MOST_REMEMBERED


async def test_a_look_at_the_whole_queue_that_fails_is_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    watch = looking_at(queue)
    queue.failures = [TryAgain()]
    with pytest.raises(TryAgain):
        await waiting(watch)
    assert Waiting(SINGLES, CLEO) in await waiting(watch)
    assert queue.wholes == [URGENT, {BULK}, URGENT]


async def test_the_turn_of_remembered_tenants_goes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = SlowQueue(monkeypatch, bulk=0.3)
    watch = looking_at(queue)
    await waiting(watch)
    turn = [
        each.client_id for each in await waiting(watch, after={BULK: ANNE}) if each.priority == BULK
    ]
    assert turn == [BOB, ANNE]


async def test_a_slow_look_at_bulk_does_not_delay_the_look_at_urgent_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch, bulk=0.3)
    watch = looking_at(queue)
    await waiting(watch)
    queue.looks.clear()
    for _ in range(3):
        queue.now += KEPT_SECONDS
        assert Waiting(SINGLES, CLEO) in await waiting(watch)
    assert queue.looks == [URGENT] * 3
    queue.now += PAUSE * 0.3
    await waiting(watch)
    assert queue.looks[3:] == [URGENT, {BULK}]


@pytest.mark.parametrize("kind", ["urgent", "bulk", "whole"])
async def test_a_look_during_a_suspension_is_not_followed_by_minutes_without_one(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    queue = SlowQueue(monkeypatch, **{kind: 60.0})
    watch = looking_at(queue)
    await waiting(watch)
    queue.looks.clear()
    queue.wholes.clear()
    queue.now += LONGEST_REST_SECONDS
    await waiting(watch)
    await looks_at_all_end()
    assert ({BULK} if kind == "bulk" else URGENT) in queue.looks
    assert URGENT in queue.wholes


@pytest.mark.usefixtures("connected")
async def test_nothing_is_left_unclaimed_though_claims_continue_where_the_last_one_ended() -> None:
    """Retries, scheduled messages, and messages that get a position before the claimed ones."""
    rng = random.Random(5)
    pool = await db.add_pool()
    tenants = [await db.add_client(pool, held=10_000) for _ in range(3)]

    async def often_accepted(message: OutgoingMessage) -> Outcome:
        await asyncio.sleep(0.001)
        return NotSent("Not now.") if rng.random() < 0.1 else Accepted(message.number)

    # The breaker would pause all of them.
    rules = replace(QUICK, breaker_opens_after=1_000)
    async with dispatching(Scripted(often_accepted, largest_batch=5), rules=rules):
        for turn in range(40):
            tenant = rng.choice(tenants)
            soon = datetime.now(UTC) + timedelta(seconds=rng.random())
            send_at = rng.choice([None, None, soon])
            await db.accept(tenant, rng.choice([1, 1, 30]), send_at=send_at)
            if turn % 4 == 0:
                await db.accept(tenant, kind=SendKind.REPLY)
                await db.execute(
                    "UPDATE message SET due_at = now() - $1::interval"
                    " WHERE status = 'QUEUED' AND random() < 0.3 AND priority < 10",
                    timedelta(hours=rng.random()),
                )

        await eventually(all_sent)


@pytest.mark.usefixtures("connected")
async def test_a_pick_begins_at_the_position_that_it_is_given() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    await db.accept(client, 5)
    [found] = await store.tenants_waiting(pool.id, after={BULK: UUID(int=0)}, most=4)
    rows = await db.fetch("SELECT id, due_at FROM message ORDER BY due_at, id")
    assert found.position == QueuePosition(rows[0]["due_at"], rows[0]["id"])
    from_third = QueuePosition(rows[2]["due_at"], rows[2]["id"])
    quota = Quota(BULK, client.client_id, 10, from_third)
    async with store.transaction() as tx:
        picked = await store.pick_messages(tx, pool.id, [quota])
    assert [each.id for each in picked] == [row["id"] for row in rows[2:]]


async def test_what_an_open_snapshot_keeps_delays_neither_a_look_nor_a_pick(
    connected: str,
) -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool, held=10_000)
    await db.accept(client, 3_000)
    await db.execute(
        "UPDATE message SET due_at = due_at - interval '1 hour' * (1 + random()), in_part = NULL"
    )
    rows = await db.fetch("SELECT id, due_at FROM message ORDER BY due_at, id")
    ids = [row["id"] for row in rows]
    connection = await asyncpg.connect(**credentials(connected))
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.execute("SELECT FROM client")  # takes the snapshot
            await db.execute(
                "UPDATE message SET status = 'CANCELLED' WHERE id = ANY($1)", ids[:2_900]
            )
            await db.execute("VACUUM message")
            await db.accept(client)
            turns = [SINGLES, BULK], [NO_TENANT] * 2
            for read in (
                partial(pages_read, TENANTS_WAITING, pool.id, *turns, 9),
                partial(pages_read, ACCOUNTS_WITH_QUEUE),
            ):
                assert await read(LATE_SECONDS) < 100
            at = QueuePosition(rows[2_900]["due_at"], ids[2_900])
            whole, from_position = [
                await pages_read(
                    PICK,
                    pool.id,
                    *([BULK], [client.client_id], [10], [each.due_at], [each.message_id]),
                )
                for each in (BEGINNING, at)
            ]
            assert from_position < whole / 2
            ever = (pool.id, *turns, 9, EVER_SECONDS)
            assert await pages_read(TENANTS_WAITING, *ever) > 1_000
    finally:
        await connection.close()
