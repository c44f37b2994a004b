"""Claims continue where the last one ended, until the next look at the queue, and skip nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from domain.dispatch import fairness
from domain.dispatch.fairness import (
    BULK,
    KEPT_SECONDS,
    KEPT_SECONDS_OF_BULK,
    PAUSE_OF_BULK,
    REPLIES,
    SINGLES,
    Lookout,
)
from domain.dispatch.messages import ALL_IDS, BEGINNING, IdRange, Position, Quota, Waiting
from domain.ids import new_id
from domain.loops import LONGEST_REST_SECONDS
from domain.provider import Accepted, NotSent, Outcome, Outgoing
from domain.sending.messages import SendKind
from persistence import store
from persistence.dispatch.queue import PICK
from persistence.servers import credentials
from tests import worlds
from tests.dispatch.parts import QUICK, Scripted, dispatching, eventually

ANNE, BOB, CLEO = (UUID(int=each) for each in (1, 2, 3))
URGENT = {REPLIES, SINGLES}
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class SlowQueue:
    """Finds what it is given, and each look takes a while for each of its priorities."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
        self.now = 100.0
        self.seconds = {SINGLES: seconds.get("urgent", 0.0), BULK: seconds.get("bulk", 0.0)}
        self.found = [Waiting(BULK, ANNE), Waiting(BULK, BOB), Waiting(SINGLES, CLEO)]
        self.looks: list[set[int]] = []
        monkeypatch.setattr(fairness, "now_seconds", lambda: self.now)

    async def tenants_waiting(
        self, _: UUID, *, after: Mapping[int, UUID], most: int, among: IdRange
    ) -> list[Waiting]:
        self.looks.append(set(after))
        self.now += sum(self.seconds.get(priority, 0.0) for priority in after)
        found = [each for each in self.found if each.priority in after]
        found.sort(key=lambda each: each.client_id <= after[each.priority])
        return [each for priority in after for each in found if each.priority == priority]


def looking_at(queue: SlowQueue) -> Lookout:
    return Lookout(cast(Any, queue), new_id(), quick_seconds=0.02)


async def waiting(of: Lookout, *, after: Mapping[int, UUID] | None = None) -> list[Waiting]:
    return await of.waiting(after or {}, with_bulk=True)


async def test_claims_continue_for_a_moment_after_a_quick_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch, bulk=0.01)
    of = looking_at(queue)
    await waiting(of)
    here = Position(NOON, new_id())
    of.reached({(BULK, ANNE): here, (SINGLES, CLEO): here})
    assert {each.position for each in await waiting(of)} == {here, BEGINNING}
    assert queue.looks == [URGENT, {BULK}]
    queue.now += 1.01 * KEPT_SECONDS
    await waiting(of)
    queue.now += KEPT_SECONDS_OF_BULK - KEPT_SECONDS
    await waiting(of)
    assert queue.looks[2:] == [URGENT, URGENT, {BULK}]


async def test_when_all_tenants_of_a_quick_look_are_served_the_next_look_is_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    of = looking_at(queue)
    await waiting(of)
    of.reached({(SINGLES, CLEO): None})
    await waiting(of)
    assert queue.looks == [URGENT, {BULK}, URGENT]
    of.reached({(BULK, ANNE): None, (BULK, BOB): None})
    await waiting(of)
    assert queue.looks[3:] == [{BULK}]


async def test_a_look_that_has_found_nothing_is_repeated_a_moment_later_and_then_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    queue.found = []
    of = looking_at(queue)
    await of.waiting({}, with_bulk=False)
    queue.now += KEPT_SECONDS / 2
    assert await waiting(of) == []  # of bulk, nothing was known: both are looked at
    assert queue.looks == [URGENT, {BULK}, URGENT]
    assert of.wait_seconds == 0
    queue.now += KEPT_SECONDS / 2
    assert await waiting(of) == []
    assert 0 < of.wait_seconds < KEPT_SECONDS
    queue.now += KEPT_SECONDS
    await waiting(of)
    assert of.wait_seconds == 0
    assert len(queue.looks) == 5


async def test_a_slow_look_is_not_repeated_while_its_tenants_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch, bulk=0.3)
    of = looking_at(queue)
    await waiting(of)
    queue.looks.clear()
    here = Position(NOON, new_id())
    of.reached({(BULK, ANNE): here})
    left = [each for each in await waiting(of) if each.priority == BULK]
    assert (left[0].client_id, left[0].position) == (ANNE, here)
    assert {BULK} not in queue.looks
    of.reached({(BULK, ANNE): None})
    left = [each for each in await waiting(of, after={BULK: BOB}) if each.priority == BULK]
    assert left == [Waiting(BULK, BOB)]
    queue.now += PAUSE_OF_BULK * 0.3
    assert Waiting(BULK, ANNE) in await waiting(of)


async def test_the_turn_of_remembered_tenants_goes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = SlowQueue(monkeypatch, bulk=0.3)
    of = looking_at(queue)
    await waiting(of)
    turn = [
        each.client_id for each in await waiting(of, after={BULK: ANNE}) if each.priority == BULK
    ]
    assert turn == [BOB, ANNE]


async def test_a_slow_look_at_bulk_does_not_delay_the_look_at_urgent_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch, bulk=2.0)
    of = looking_at(queue)
    await waiting(of)
    queue.looks.clear()
    for _ in range(3):
        queue.now += KEPT_SECONDS
        assert Waiting(SINGLES, CLEO) in await waiting(of)
    assert queue.looks == [URGENT] * 3


async def test_when_all_found_are_served_the_next_look_comes_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch, urgent=0.1)
    queue.found = [Waiting(SINGLES, CLEO)]
    of = looking_at(queue)
    await waiting(of)
    await waiting(of)
    of.reached({(SINGLES, CLEO): None})
    assert Waiting(SINGLES, CLEO) not in await waiting(of)
    assert 0 < of.wait_seconds <= 0.3
    queue.now += 0.3
    assert Waiting(SINGLES, CLEO) in await waiting(of)


@pytest.mark.parametrize("kind", ["urgent", "bulk"])
async def test_a_look_during_a_suspension_is_not_followed_by_minutes_without_one(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    queue = SlowQueue(monkeypatch, **{kind: 60.0})
    of = looking_at(queue)
    await waiting(of)
    queue.looks.clear()
    queue.now += LONGEST_REST_SECONDS
    await waiting(of)
    assert ({BULK} if kind == "bulk" else URGENT) in queue.looks


@pytest.mark.usefixtures("connected")
async def test_nothing_is_left_unclaimed_though_claims_continue_where_the_last_one_ended() -> None:
    """Retries, scheduled messages, and messages that get a position before the claimed ones."""
    spread = random.Random(5)
    pool = await worlds.add_pool()
    tenants = [await worlds.add_client(pool, held=10_000) for _ in range(3)]

    async def moody(message: Outgoing) -> Outcome:
        await asyncio.sleep(0.001)
        return NotSent("Not now.") if spread.random() < 0.1 else Accepted(message.number)

    # The breaker would pause all of them.
    rules = replace(QUICK, quick_look_seconds=-1.0, breaker_opens_after=1_000)
    async with dispatching(Scripted(moody, largest_batch=5), rules=rules):
        for turn in range(40):
            tenant = spread.choice(tenants)
            soon = datetime.now(UTC) + timedelta(seconds=spread.random())
            send_at = spread.choice([None, None, soon])
            await worlds.accept(tenant, spread.choice([1, 1, 30]), send_at=send_at)
            if turn % 4 == 0:
                await worlds.accept(tenant, kind=SendKind.REPLY)
                await worlds.execute(
                    "UPDATE message SET due_at = now() - $1::interval"
                    " WHERE status = 'QUEUED' AND random() < 0.3 AND priority < 10",
                    timedelta(hours=spread.random()),
                )

        async def all_sent() -> bool:
            return set(await worlds.statuses()) == {"SENT"}

        await eventually(all_sent)


@pytest.mark.usefixtures("connected")
async def test_a_pick_begins_at_the_position_that_it_is_given() -> None:
    pool = await worlds.add_pool()
    client = await worlds.add_client(pool)
    await worlds.accept(client, 5)
    [found] = await store.tenants_waiting(pool.id, after={BULK: UUID(int=0)}, most=4)
    rows = await worlds.fetch("SELECT id, due_at FROM message ORDER BY due_at, id")
    assert found.position == Position(rows[0]["due_at"], rows[0]["id"])
    from_third = Position(rows[2]["due_at"], rows[2]["id"])
    quota = Quota(BULK, client.client_id, 10, from_third)
    async with store.transaction() as tx:
        picked = await store.pick_messages(tx, pool.id, [quota])
    assert [each.id for each in picked] == [row["id"] for row in rows[2:]]


async def test_a_pick_at_a_position_passes_what_an_open_snapshot_keeps(connected: str) -> None:
    pool = await worlds.add_pool()
    client = await worlds.add_client(pool, held=10_000)
    await worlds.accept(client, 3_000)
    rows = await worlds.fetch("SELECT id, due_at FROM message ORDER BY due_at, id")
    ids = [row["id"] for row in rows]
    own = await asyncpg.connect(**credentials(connected))
    try:
        async with own.transaction(isolation="repeatable_read"):
            await own.execute("SELECT FROM client")  # takes the snapshot
            await worlds.execute(
                "UPDATE message SET status = 'CANCELLED' WHERE id = ANY($1)", ids[:2_900]
            )
            await worlds.execute("VACUUM message")
            from_beginning = await _pages_read(pool, client, BEGINNING)
            from_position = await _pages_read(
                pool, client, Position(rows[2_900]["due_at"], ids[2_900])
            )
    finally:
        await own.close()
    assert from_position < from_beginning / 2


async def _pages_read(pool: worlds.Pool, client: worlds.Tenant, position: Position) -> int:
    """How many pages a pick of ten messages reads or looks up."""
    quota = [[BULK], [client.client_id], [10], [position.due_at], [position.message_id]]
    ends = ALL_IDS.since, ALL_IDS.until
    explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {PICK}"
    [row] = await worlds.fetch(explained, pool.id, *quota, *ends)
    plan = json.loads(row["QUERY PLAN"])[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
