"""Cancelling a send refunds exactly its QUEUED messages, and only once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.dispatch.cancel import CANCELLED, cancel_send, finish_cancel
from domain.identity.access import Actor
from domain.ids import Kind, encode, new_id
from domain.provider import Accepted, NotSent
from domain.sending.messages import MessageStatus
from persistence import store
from persistence.dispatch import settlement
from tests import db
from tests.dispatch.parts import QUICK, Scripted, answered, dispatching, eventually, marked

pytestmark = pytest.mark.usefixtures("connected")


async def cancelled(actor: Actor, send_id: UUID) -> int:
    """Cancels a send. Returns how many of its messages are CANCELLED then."""
    send = await cancel_send(store, actor, send_id)
    return send.counts.get(MessageStatus.CANCELLED, 0)


async def test_exactly_the_queued_messages_are_cancelled_and_refunded() -> None:
    client = await db.add_client(held=10)
    send = await db.accept(client, 8)
    await marked(client.pool, rules=replace(QUICK, calls_at_once=2), batch=3)
    other = await db.accept(client)
    assert await db.statuses(send.id) == {"QUEUED": 5, "SUBMITTING": 3}
    assert await cancelled(client.actor, send.id) == 5
    assert await db.statuses(send.id) == {"CANCELLED": 5, "SUBMITTING": 3}
    assert await db.statuses(other.id) == {"QUEUED": 1}
    assert await db.held(client.account_id) == 10 - 9 + 5
    (refund,) = await db.fetch("SELECT * FROM transfer WHERE kind = 'REFUND'")
    assert (refund["amount"], refund["source_id"], refund["note"]) == (5, None, CANCELLED)
    assert refund["actor_id"] == client.actor.user_id
    await db.assert_audit_holds()


async def test_cancelling_again_changes_nothing() -> None:
    client = await db.add_client(held=10)
    send = await db.accept(client, 4)
    assert await cancelled(client.actor, send.id) == 4
    assert await cancelled(client.actor, send.id) == 4
    assert await db.held(client.account_id) == 10
    await db.assert_audit_holds()


async def test_a_large_send_is_cancelled_in_parts_that_begin_where_the_last_one_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("domain.dispatch.cancel.MOST_AT_ONCE", 3)
    client = await db.add_client(held=20)
    send = await db.accept(client, 8)
    assert await cancelled(client.actor, send.id) == 8
    refunds = await db.fetch("SELECT amount FROM transfer WHERE kind = 'REFUND' ORDER BY id")
    assert [row["amount"] for row in refunds] == [3, 3, 2]
    await db.assert_audit_holds()
    other = await db.accept(client, 4)
    rows = await db.fetch("SELECT id FROM message WHERE send_id = $1 ORDER BY id", other.id)
    ids = [row["id"] for row in rows]
    async with store.transaction() as tx:
        assert await store.cancel_queued(tx, other.id, most=2, after=ids[0]) == (2, ids[2])
        assert await store.cancel_queued(tx, other.id, most=2, after=ids[2]) == (1, ids[3])
        assert await store.cancel_queued(tx, other.id, most=2, after=ids[3]) == (0, None)
        assert await store.cancel_queued(tx, other.id, most=2) == (1, ids[0])


class Killed(Exception):
    """The process ends here."""


async def test_another_process_goes_on_with_a_large_cancel_whose_process_was_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("domain.dispatch.cancel.MOST_AT_ONCE", 3)
    client = await db.add_client(held=20)
    send = await db.accept(client, 8)
    parts = 0

    async def cancel_queued(*given: Any, **named: Any) -> tuple[int, UUID | None]:
        nonlocal parts
        parts += 1
        if parts == 2:
            raise Killed
        return await settlement.cancel_queued(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(store, "cancel_queued", cancel_queued)
        with pytest.raises(Killed):
            await cancel_send(store, client.actor, send.id)
    assert await db.statuses() == {"CANCELLED": 3, "QUEUED": 5}
    assert not await finish_cancel(store)  # it may still be at work
    await db.execute("UPDATE unfinished_cancel SET seen_at = now() - interval '16 seconds'")
    assert await finish_cancel(store)
    assert not await finish_cancel(store)
    assert await db.statuses() == {"CANCELLED": 8}
    assert await db.fetch("SELECT * FROM unfinished_cancel") == []
    assert await db.held(client.account_id) == 20
    refunds = await db.fetch("SELECT actor_id FROM transfer WHERE kind = 'REFUND'")
    assert {row["actor_id"] for row in refunds} == {client.actor.user_id}
    await db.assert_audit_holds()


async def test_a_cancel_of_a_send_that_no_longer_exists_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    send_id = new_id()
    async with store.transaction() as tx:
        await store.keep_cancel(tx, send_id, new_id())
    await db.execute("UPDATE unfinished_cancel SET seen_at = now() - interval '16 seconds'")
    assert await finish_cancel(store)
    assert not await finish_cancel(store)
    assert await db.fetch("SELECT * FROM unfinished_cancel") == []
    assert caplog.messages == [
        f"a cancel is forgotten: {encode(Kind.SEND, send_id)} does not exist"
    ]


async def test_messages_that_wait_after_a_refusal_are_refunded_from_outside_in_every_epoch() -> (
    None
):
    pool = await db.add_pool()
    client = await db.add_client(pool, held=10)
    send = await db.accept(client)
    (call,) = await marked(pool)
    await answered(pool, call, NotSent("refused"))
    await db.execute("UPDATE provider_account SET epoch = epoch + 1")
    assert await cancelled(client.actor, send.id) == 1
    (refund,) = await db.fetch("SELECT source_id FROM transfer WHERE kind = 'REFUND'")
    assert refund["source_id"] is None


async def test_a_send_of_a_school_is_refunded_to_its_own_account() -> None:
    school = await db.add_school(held=1_000, price=50)
    send = await db.accept(school, 3)
    assert await cancelled(school.actor, send.id) == 3
    assert await db.held(school.account_id) == 1_000
    await db.assert_audit_holds()


async def test_a_cancel_that_races_with_claims_refunds_exactly_what_never_left() -> None:
    client = await db.add_client(held=1_000)
    provider = Scripted(largest_batch=5)
    async with dispatching(provider):
        sends = [await db.accept(client, 40) for _ in range(10)]
        await asyncio.gather(
            *(cancel_send(store, client.actor, send.id) for send in sends for _ in range(2))
        )
        counts = [await cancelled(client.actor, send.id) for send in sends]

        async def done() -> bool:
            return "QUEUED" not in await db.statuses() and not provider.open_calls

        await eventually(done)
    assert await db.statuses() == {
        status: count
        for status, count in [("SENT", len(provider.seen)), ("CANCELLED", sum(counts))]
        if count
    }
    assert len(provider.seen) + sum(counts) == 400
    assert await db.held(client.account_id) == 1_000 - len(provider.seen)
    await db.assert_audit_holds()


async def test_cancelling_several_times_at_once_refunds_once() -> None:
    client = await db.add_client(held=100)
    send = await db.accept(client, 50)
    counts = await asyncio.gather(*(cancelled(client.actor, send.id) for _ in range(8)))
    assert counts == [50] * 8
    assert await db.held(client.account_id) == 100


async def test_an_answer_under_way_while_the_rest_is_cancelled_is_recorded() -> None:
    pool = await db.add_pool()
    client = await db.add_client(pool, held=10)
    send = await db.accept(client, 4)
    (call, *_) = await marked(pool, rules=replace(QUICK, calls_at_once=2), batch=2)
    assert await cancelled(client.actor, send.id) == 2
    await answered(pool, call, Accepted("ref"))
    assert await db.statuses() == {"SENT": 2, "CANCELLED": 2}
    await db.assert_audit_holds()
