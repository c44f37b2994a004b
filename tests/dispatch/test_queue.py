"""The queue in SQL: which messages are picked, in which order, and never by two at once."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.dispatch.fairness import BULK, NO_TENANT, REPLIES, SINGLES
from domain.dispatch.messages import EVER_SECONDS, Call, Quota, Waiting
from domain.ids import new_id
from domain.sending.messages import SendKind
from persistence import store
from persistence.dispatch.delays import BURST_SECONDS
from persistence.dispatch.queue import MARK, PICK, RECORD_ACCEPTED, TENANTS_WAITING
from persistence.dispatch.settlement import WRITE_TRANSITIONS
from tests import db

pytestmark = pytest.mark.usefixtures("connected_to_new")

ALL = {REPLIES: NO_TENANT, SINGLES: NO_TENANT, BULK: NO_TENANT}


async def pick(pool: db.Pool, *quotas: Quota) -> list[str]:
    """Numbers that would be picked now; nothing stays locked."""
    async with store.transaction() as tx:
        return [message.number for message in await store.pick_messages(tx, pool.id, quotas)]


async def test_each_tenant_is_served_once_in_turn_by_priority() -> None:
    pool = await db.add_pool()
    anne, bob = sorted(
        [await db.add_client(pool), await db.add_client(pool)], key=lambda t: t.client_id
    )
    await db.accept(anne, 30)
    await db.accept(bob, 30)
    await db.accept(bob)
    await db.accept(anne, kind=SendKind.REPLY)
    waiting = await store.tenants_waiting(pool.id, after=ALL, most=10)
    assert waiting == [
        Waiting(REPLIES, anne.client_id),
        Waiting(SINGLES, bob.client_id),
        Waiting(BULK, anne.client_id),
        Waiting(BULK, bob.client_id),
    ]


async def test_the_turn_begins_behind_the_tenant_served_last_and_goes_round() -> None:
    pool = await db.add_pool()
    tenants = [await db.add_client(pool) for _ in range(5)]
    for tenant in tenants:
        await db.accept(tenant)
    ids = sorted(tenant.client_id for tenant in tenants)
    waiting = await store.tenants_waiting(pool.id, after={SINGLES: ids[2]}, most=10)
    assert [each.client_id for each in waiting] == [ids[3], ids[4], ids[0], ids[1], ids[2]]
    waiting = await store.tenants_waiting(pool.id, after={SINGLES: ids[2]}, most=3)
    assert [each.client_id for each in waiting] == [ids[3], ids[4], ids[0]]
    waiting = await store.tenants_waiting(pool.id, after={SINGLES: ids[4]}, most=1)
    assert [each.client_id for each in waiting] == [ids[0]]


@pytest.mark.parametrize("status", ["SUSPENDED", "DORMANT", " suspended "])
async def test_messages_of_a_client_that_may_not_send_stay_in_the_queue(status: str) -> None:
    pool = await db.add_pool()
    anne, bob = await db.add_client(pool), await db.add_client(pool)
    await db.accept(anne)
    await db.accept(bob)
    old = "UPDATE message SET due_at = now() - interval '2 h' WHERE client_id = $1"
    await db.execute(old, anne.client_id)
    change = "UPDATE client SET status = $1 WHERE id = $2"
    await db.execute(change, status, anne.client_id)
    quotas = [Quota(SINGLES, tenant.client_id, 10) for tenant in (anne, bob)]
    assert await store.tenants_waiting(pool.id, after=ALL, most=10) == [
        Waiting(SINGLES, bob.client_id)
    ]
    assert len(await pick(pool, *quotas)) == 1
    assert (await store.read_backlog()).oldest_seconds < 3_600
    await db.execute(change, " active ", anne.client_id)
    assert len(await store.tenants_waiting(pool.id, after=ALL, most=10)) == 2
    assert len(await pick(pool, *quotas)) == 2
    assert (await store.read_backlog()).oldest_seconds > 3_600


async def test_the_kept_plan_of_a_claim_reads_no_messages_that_it_does_not_pick() -> None:
    """Also after large sends that no ANALYZE has seen."""
    pool = await db.add_pool()
    anne, bob = [await db.add_client(pool, held=50_000) for _ in range(2)]
    for tenant in (anne, bob):
        await db.accept(tenant, 20_000)
    at, first = datetime(2020, 1, 1, tzinfo=UTC), UUID(int=0)
    quotas = [[BULK] * 2, [anne.client_id, bob.client_id], [10] * 2, [at] * 2, [first] * 2]
    async with store.transaction(keeps_plans=True) as tx:
        statement = await tx.prepare(PICK)
        plan = str(await statement.explain(pool.id, *quotas))
    assert "message_queue" in plan
    assert "message_pkey" not in plan


@pytest.mark.parametrize(
    "statement", [MARK, RECORD_ACCEPTED, WRITE_TRANSITIONS], ids=["mark", "accepted", "others"]
)
async def test_the_statements_for_many_messages_join_nothing(statement: str) -> None:
    """A join would compare each with each: PostgreSQL expects one row of new messages."""
    ids, one = [new_id()], new_id()
    given: dict[str, list[object]] = {
        MARK: [one, one, 0, 30.0, ids, [1], ids, ids, one, one],
        RECORD_ACCEPTED: [ids, [""], None, one, one, ids],
        WRITE_TRANSITIONS: [ids, *[None] * 9, one, one, "SENT"],
    }
    async with store.transaction(keeps_plans=True) as tx:
        prepared = await tx.prepare(statement)
        plan = str(await prepared.explain(*given[statement]))
    assert "message_pkey" in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan


async def test_a_tenant_with_nothing_due_is_passed_over() -> None:
    pool = await db.add_pool()
    anne, bob = await db.add_client(pool), await db.add_client(pool)
    await db.accept(anne)
    await db.accept(bob)
    later = timedelta(hours=1)
    await db.execute("UPDATE message SET due_at = now() + $1::interval", later)
    assert await store.accounts_with_queue() == [pool.id]
    assert await store.tenants_waiting(pool.id, after=ALL, most=10) == []
    await db.execute(
        "UPDATE message SET due_at = now() - $1::interval WHERE client_id = $2",
        later,
        bob.client_id,
    )
    waiting = await store.tenants_waiting(pool.id, after=ALL, most=10)
    assert waiting == [Waiting(SINGLES, bob.client_id)]


async def test_another_accounts_queue_is_not_seen() -> None:
    pool, other = await db.add_pool(), await db.add_pool(default=False)
    await db.accept(await db.add_client(other))
    assert await store.accounts_with_queue() == [other.id]
    assert await store.tenants_waiting(pool.id, after=ALL, most=10) == []


async def test_the_oldest_is_picked_first_within_the_quota() -> None:
    pool = await db.add_pool()
    anne, bob = await db.add_client(pool), await db.add_client(pool)
    for number in ("+12025550101", "+12025550102", "+12025550103"):
        await db.accept(anne, numbers=[number])
    await db.accept(bob, numbers=["+12025550104"])
    await db.execute(
        "UPDATE message SET due_at = now() + interval '1 hour' WHERE number = '+12025550101'"
    )
    quotas = [Quota(SINGLES, bob.client_id, 1), Quota(SINGLES, anne.client_id, 1)]
    assert await pick(pool, *quotas) == ["+12025550104", "+12025550102"]


async def test_a_message_carries_its_own_text_or_that_of_its_send() -> None:
    client = await db.add_client()
    await db.accept(client, 2, text="the same")
    await db.accept(client, texts=["one", "two"])
    async with store.transaction() as tx:
        picked = await store.pick_messages(tx, client.pool.id, [Quota(BULK, client.client_id, 10)])
    assert [message.text for message in picked] == ["the same", "the same", "one", "two"]


@pytest.mark.parametrize("in_part", [True, None])
async def test_two_picks_at_once_never_take_the_same_message(in_part: bool | None) -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    await db.accept(client, 20)
    await db.execute("UPDATE message SET in_part = $1", in_part)
    quotas = [Quota(BULK, client.client_id, 10)]
    picked, left = asyncio.Event(), asyncio.Event()
    holding = asyncio.create_task(_picked(pool, quotas, picked, left))
    await picked.wait()
    second = await _picked(pool, quotas, asyncio.Event(), picked)
    left.set()
    first = await holding
    assert len(first) == len(second) == 10
    assert not first & second


async def _picked(
    pool: db.Pool, quotas: list[Quota], picked: asyncio.Event, left: asyncio.Event
) -> set[UUID]:
    """What is picked in a transaction that stays open until `left` is set."""
    async with store.transaction() as tx:
        ids = {each.id for each in await store.pick_messages(tx, pool.id, quotas)}
        picked.set()
        await left.wait()
    return ids


async def test_a_mark_writes_one_attempt_a_call_with_the_accounts_epoch() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    await db.accept(client, 3)
    await db.execute("UPDATE provider_account SET epoch = 5")
    dispatcher_id = new_id()
    async with store.transaction() as tx:
        upstream = await store.lock_provider_account(tx, pool.id)
        picked = await store.pick_messages(tx, pool.id, [Quota(BULK, client.client_id, 3)])
        calls = [Call(new_id(), picked[:2]), Call(new_id(), picked[2:])]
        await store.mark_calls(tx, upstream, calls, dispatcher_id=dispatcher_id, lease_seconds=30.0)
    attempts = await db.fetch("SELECT * FROM attempt ORDER BY messages DESC")
    assert [row["id"] for row in attempts] == [call.attempt_id for call in calls]
    assert [row["messages"] for row in attempts] == [2, 1]
    assert {row["epoch"] for row in attempts} == {5}
    assert {row["dispatcher_id"] for row in attempts} == {dispatcher_id}
    assert {row["lease_until"] - row["started_at"] for row in attempts} <= {
        timedelta(seconds=30),
        timedelta(seconds=30, microseconds=1),
    }
    assert await db.statuses() == {"SUBMITTING": 3}
    messages = await db.fetch("SELECT attempt_id, attempts FROM message ORDER BY id")
    assert [row["attempt_id"] for row in messages] == [
        calls[0].attempt_id,
        calls[0].attempt_id,
        calls[1].attempt_id,
    ]
    assert {row["attempts"] for row in messages} == {1}
    assert await pick(pool, Quota(BULK, client.client_id, 3)) == []


async def test_a_mark_is_durable_even_if_other_commits_are_not() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool)
    await db.accept(client, 1)
    async with store.transaction() as tx:
        await tx.execute("SET LOCAL synchronous_commit = off")
        upstream = await store.lock_provider_account(tx, pool.id)
        calls = [
            Call(
                new_id(),
                await store.pick_messages(tx, pool.id, [Quota(SINGLES, client.client_id, 1)]),
            )
        ]
        assert await tx.fetchval("SHOW synchronous_commit") == "off"
        await store.mark_calls(tx, upstream, calls, dispatcher_id=new_id(), lease_seconds=30.0)
        assert await tx.fetchval("SHOW synchronous_commit") == "on"


async def test_a_rate_allows_its_number_and_then_returns_the_wait() -> None:
    pool = await db.add_pool(rate_per_second=100)
    async with store.transaction() as tx:
        first = await store.lock_rate(tx, pool.id, 100)
        # 200 more than allowed take two seconds, which no busy machine lets pass in between.
        await store.count_against_rate(tx, pool.id, 100, first.messages + 200)
        second = await store.lock_rate(tx, pool.id, 100)
    assert first.messages == int(100 * BURST_SECONDS) + 1
    assert second.messages == 0
    assert 0 < second.wait_seconds <= 2.01


async def test_rate_limits_are_taken_one_after_another() -> None:
    pool = await db.add_pool(rate_per_second=1)
    await db.execute("INSERT INTO provider_pace VALUES ($1, now())", pool.id)
    taken, left = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(_takes_pace(pool, taken, left))
    await taken.wait()
    second = asyncio.create_task(_takes_pace(pool, asyncio.Event(), taken))
    await asyncio.wait({second}, timeout=0.2)
    assert not second.done()
    left.set()
    assert (await first, await second) == (1, 0)


async def _takes_pace(pool: db.Pool, taken: asyncio.Event, left: asyncio.Event) -> int:
    """Messages that the rate allows, in a transaction that stays open until `left` is set."""
    async with store.transaction() as tx:
        allowance = await store.lock_rate(tx, pool.id, 1)
        if allowance.messages:
            await store.count_against_rate(tx, pool.id, 1, allowance.messages)
        taken.set()
        await left.wait()
    return allowance.messages


async def test_finding_who_waits_reads_a_row_for_each_tenant_and_not_for_each_message() -> None:
    pool = await db.add_pool()
    tenants = [await db.add_client(pool, held=2_000) for _ in range(3)]
    for tenant in tenants:
        await db.accept(tenant, 2_000)
    await db.execute("ANALYZE message")
    rows = await db.fetch(
        f"EXPLAIN (ANALYZE, BUFFERS OFF, FORMAT JSON) {TENANTS_WAITING}",
        pool.id,
        [REPLIES, SINGLES, BULK],
        [NO_TENANT] * 3,
        16,
        EVER_SECONDS,
    )
    plan = rows[0]["QUERY PLAN"]
    assert "Seq Scan" not in plan
    most_rows = max(float(found) for found in re.findall(r'"Actual Rows": ([0-9.]+)', plan))
    assert most_rows < 20, plan
