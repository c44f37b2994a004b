"""A send is accepted as a whole or not at all. The other sends of its batch change nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.errors import InsufficientBalance, TryAgain
from domain.ledger.idempotency import KeysTaken
from domain.sending.accept import COPY_FROM, AcceptedNow, Refused, accept_batch
from domain.sending.messages import NewSend
from domain.sending.ports import AcceptedSends
from domain.transactions import LockTimeout
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.ledger.sends import accept_single, accepting, charges, count_of, keyed, messages_of

pytestmark = pytest.mark.usefixtures("connected")


async def test_200_concurrent_sends_on_a_balance_of_100_are_accepted_100_times() -> None:
    client = await db.add_client(await db.add_pool(default=False), held=100)
    async with accepting() as one, accepting() as other:
        results = await asyncio.gather(
            *(
                accept(db.new_send(client))
                for _ in range(60)
                for accept in (one.accept, other.accept)
            ),
            *(accept_single(db.new_send(client)) for _ in range(80)),
        )
    assert count_of(results, AcceptedNow) == 100
    refusals = [each.refusal for each in results if isinstance(each, Refused)]
    assert len(refusals) == 100
    assert all(isinstance(each, InsufficientBalance) for each in refusals)
    assert await db.held(client.account_id) == 0
    assert await charges(client.account_id) == [1] * 100
    assert await messages_of(client.client_id) == 100
    await db.assert_audit_holds()


async def test_concurrent_sends_of_all_sizes_never_take_a_balance_below_zero() -> None:
    school = await db.add_school(held=12_000, price=50)
    sizes = [1, 2, 3, 7, 20, 60, COPY_FROM // 4] * 4
    async with accepting() as acceptor:
        results = await asyncio.gather(
            *(acceptor.accept(db.new_send(school, size)) for size in sizes)
        )
    taken = sum(len(each.send.numbers) for each in results if isinstance(each, AcceptedNow))
    assert await db.held(school.account_id) == 12_000 - 50 * taken >= 0
    assert await messages_of(school.client_id) == taken
    for result, size in zip(results, sizes, strict=True):
        if isinstance(result, Refused):
            assert isinstance(result.refusal, InsufficientBalance)
            assert result.refusal.required == 50 * size > result.refusal.available >= 0
            assert result.refusal.unit == "UGX"
    await db.assert_audit_holds()


async def test_a_send_that_cannot_be_paid_does_not_fail_the_others_in_its_batch() -> None:
    upstream = await db.add_pool(default=False)
    rich, poor = [await db.add_client(upstream, held=held) for held in (100, 0)]
    sends = [
        db.new_send(rich, 60),
        db.new_send(poor, 1),
        db.new_send(rich, 50),  # 40 are left
        db.new_send(rich, 40),
        db.new_send(rich, 1),
    ]
    results = await accept_batch(store, sends)
    assert [isinstance(each, AcceptedNow) for each in results] == [True, False, False, True, False]
    refused = [each.refusal for each in results if isinstance(each, Refused)]
    assert [vars(each) for each in refused] == [
        {"required": 1, "available": 0, "unit": "credit"},
        {"required": 50, "available": 40, "unit": "credit"},
        {"required": 1, "available": 0, "unit": "credit"},
    ]
    assert await charges(rich.account_id) == [60, 40]
    assert await db.held(poor.account_id) == 0


async def test_a_send_that_only_the_rules_would_accept_is_refused_without_harm_to_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = await db.add_pool(default=False)
    rich, poor = [await db.add_client(upstream, held=held) for held in (100, 0)]
    accept_sends = store.accept_sends

    async def disagreeing(tx: Any, sends: Sequence[NewSend], **options: Any) -> AcceptedSends:
        done = await accept_sends(tx, sends, **options)
        done.book.holdings[poor.account_id].held = 100
        return done

    monkeypatch.setattr(store, "accept_sends", disagreeing)
    sends = [db.new_send(each) for each in (poor, rich, poor, rich)]
    async with asyncio.timeout(PATIENCE_SECONDS), accepting() as acceptor:
        results = await asyncio.gather(*(acceptor.accept(send) for send in sends))
    refusals = [type(each.refusal) for each in results if isinstance(each, Refused)]
    assert refusals == [TryAgain, TryAgain]
    assert [charge for each in (poor, rich) for charge in await charges(each.account_id)] == [1, 1]
    assert await messages_of(poor.client_id) == 0
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert errors == [f"PostgreSQL refuses send {sends[0].id}, which the rules accept"]


@pytest.mark.parametrize("failure", [LockTimeout(), KeysTaken(frozenset())])
async def test_a_batch_that_fails_in_the_same_way_again_is_given_up(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    client = await db.add_client(await db.add_pool(default=False))

    async def failing(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(store, "accept_sends", failing)
    with pytest.raises(type(failure)):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await accept_batch(store, [db.new_send(client)])


@pytest.mark.parametrize("poison", ["a\0b", "a\ud800b"])
async def test_a_send_that_cannot_be_written_fails_alone_and_leaves_its_key_unused(
    poison: str,
) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=100)
    poisoned = keyed(db.new_send(client, text=poison), "p")
    sends = [db.new_send(client) for _ in range(20)]
    sends[7] = poisoned
    async with accepting() as acceptor:
        results = await asyncio.gather(
            *(acceptor.accept(send) for send in sends), return_exceptions=True
        )
        failed = results.pop(7)
        assert isinstance(failed, asyncpg.DataError)
        assert all(isinstance(each, AcceptedNow) for each in results)
        assert await db.held(client.account_id) == 100 - 19
        again = await acceptor.accept(keyed(db.new_send(client), "p"))
        assert isinstance(again, AcceptedNow)
    await db.assert_audit_holds()


@pytest.mark.parametrize("count", [1, COPY_FROM - 1, COPY_FROM, COPY_FROM + 1])
async def test_a_send_is_accepted_as_a_whole_or_not_at_all(count: int) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=count - 1)
    async with accepting() as acceptor:
        result = await acceptor.accept(db.new_send(client, count))
        assert isinstance(result, Refused)
        assert await messages_of(client.client_id) == 0
        assert await db.held(client.account_id) == count - 1
        await db.open_with(client.account_id, 1)
        assert isinstance(await acceptor.accept(db.new_send(client, count)), AcceptedNow)
    assert await messages_of(client.client_id) == count
    assert await db.held(client.account_id) == 0


async def test_a_large_send_is_rolled_back_if_another_send_uses_up_the_balance() -> None:
    """Its rows are written before it is charged: another send may use the balance meanwhile."""
    client = await db.add_client(await db.add_pool(default=False), held=COPY_FROM)
    results = await asyncio.gather(
        *(accept_single(db.new_send(client, COPY_FROM)) for _ in range(3))
    )
    assert count_of(results, AcceptedNow) == 1
    assert count_of(results, Refused) == 2
    assert await messages_of(client.client_id) == COPY_FROM
    assert await charges(client.account_id) == [COPY_FROM]
    await db.assert_audit_holds()


async def test_large_and_small_sends_are_stored_in_the_same_way() -> None:
    client = await db.add_client(await db.add_pool(default=False), rate_usd=Decimal("0.03"))
    texts = ["one", "two", "three"]
    small, large = (db.new_send(client, texts=texts) for _ in range(2))
    await accept_batch(store, [small])
    await accept_single(large)
    rows = [
        await db.fetch(
            "SELECT number, message.text, priority, message.price, status, send.kind, accepted,"
            " rejected_count, rejected, send.rate_usd, send.value_usd, transfer.amount,"
            " transfer.value_usd AS worth, transfer.actor_id"
            " FROM message JOIN send ON send.id = send_id JOIN transfer USING (send_id)"
            " WHERE send_id = $1 ORDER BY number",
            send.id,
        )
        for send in (small, large)
    ]
    assert rows[0] == rows[1]
    assert [row["text"] for row in rows[0]] == texts
    assert {row["worth"] for row in rows[0]} == {Decimal("0.09")}


async def test_a_send_with_texts_for_some_of_its_numbers_cannot_be_made() -> None:
    client = await db.add_client(await db.add_pool(default=False))
    with pytest.raises(ValueError, match="each number needs a text"):
        replace(db.new_send(client, 3), text=None, texts=["one", "two"])


async def test_commits_are_synchronous() -> None:
    (row,) = await db.fetch("SELECT current_setting('synchronous_commit') AS setting")
    assert row["setting"] == "on"


async def test_a_send_after_the_stop_is_refused_with_try_again() -> None:
    client = await db.add_client(await db.add_pool(default=False))
    async with accepting() as acceptor:
        pass
    with pytest.raises(TryAgain):
        await acceptor.accept(db.new_send(client))
