"""Idempotency keys: one success for each key, and refusals that leave it unused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest

from domain.errors import IdempotencyConflict, InsufficientBalance, InvalidInput
from domain.ledger.idempotency import LONGEST_KEY, IdempotencyKey, input_hash, key_of
from domain.sending.accept import (
    COPY_FROM,
    AcceptedBefore,
    AcceptedNow,
    AcceptResult,
    Refused,
    accept_batch,
)
from domain.sending.messages import NewSend, answer_of
from persistence import store
from persistence.ledger.transfers import LOCK_ACCOUNTS, TAKE_KEY
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.databases import connection_to
from tests.ledger.sends import accept_single, accepting, charges, count_of, keyed, messages_of, sent
from tests.locks import locked, until_waiting

pytestmark = pytest.mark.usefixtures("connected")


STORE_KEY = """
INSERT INTO idempotency_key (id, scope_id, key, input_hash, answer) VALUES ($1, $2, $3, $4, '{}')
"""
COUNTS = pytest.mark.parametrize("count", [1, 3, COPY_FROM])
Accept = Callable[[NewSend], Awaitable[AcceptResult]]


async def _accept_in_a_batch(send: NewSend) -> AcceptResult:
    (result,) = await accept_batch(store, [send])
    assert isinstance(result, AcceptResult)
    return result


PATHS = pytest.mark.parametrize("accept", [_accept_in_a_batch, accept_single])


@COUNTS
async def test_fifty_duplicates_at_once_are_one_send(count: int) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=50 * count)
    duplicates = [keyed(db.new_send(client, count), "k") for _ in range(50)]
    async with accepting() as one, accepting() as other:
        results = await asyncio.gather(
            *(one.accept(send) for send in duplicates[:20]),
            *(other.accept(send) for send in duplicates[20:40]),
            *(accept_single(send) for send in duplicates[40:]),
        )
    assert count_of(results, AcceptedNow) == 1
    assert count_of(results, AcceptedBefore) == 49
    assert len({sent(result) for result in results}) == 1
    assert await charges(client.account_id) == [count]
    assert await messages_of(client.client_id) == count
    await db.assert_audit_holds()


@PATHS
async def test_another_input_with_the_same_key_is_a_conflict(accept: Accept) -> None:
    client = await db.add_client(await db.add_pool(default=False))
    first = keyed(db.new_send(client), "k", given="this")
    assert isinstance(await accept(first), AcceptedNow)
    for _ in range(2):
        other = await accept(keyed(db.new_send(client), "k", given="that"))
        assert isinstance(other, Refused)
        assert isinstance(other.refusal, IdempotencyConflict)
        assert sent(await accept(keyed(db.new_send(client), "k", given="this"))) == first.id
    assert await charges(client.account_id) == [1]


async def test_within_one_batch_a_key_answers_as_if_each_came_alone() -> None:
    client = await db.add_client(await db.add_pool(default=False), held=5)
    sends = [
        keyed(db.new_send(client, 3), "paid"),
        keyed(db.new_send(client, 3), "paid"),
        keyed(db.new_send(client, 3), "paid", given="that"),
        keyed(db.new_send(client, 3), "poor"),
        keyed(db.new_send(client, 2), "poor", given="that"),
        keyed(db.new_send(client, 3), "poor"),
    ]
    results = await accept_batch(store, sends)
    assert [type(each) for each in results] == [
        AcceptedNow,
        AcceptedBefore,
        Refused,
        Refused,
        AcceptedNow,  # the refused send has left its key unused
        Refused,
    ]
    refusals = [type(each.refusal) for each in results if isinstance(each, Refused)]
    assert refusals == [IdempotencyConflict, InsufficientBalance, IdempotencyConflict]
    assert await charges(client.account_id) == [3, 2]


async def test_the_same_key_of_another_client_is_another_key() -> None:
    upstream = await db.add_pool(default=False)
    clients = [await db.add_client(upstream) for _ in range(2)]
    results = await accept_batch(store, [keyed(db.new_send(each), "k") for each in clients])
    assert [type(each) for each in results] == [AcceptedNow, AcceptedNow]


@COUNTS
@PATHS
async def test_a_refusal_leaves_its_key_unused(accept: Accept, count: int) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=count - 1)
    refused = await accept(keyed(db.new_send(client, count), "order-17"))
    assert isinstance(refused, Refused)
    assert isinstance(refused.refusal, InsufficientBalance)
    of_client = "SELECT FROM idempotency_key WHERE scope_id = $1"
    assert await db.fetch(of_client, client.client_id) == []
    await db.open_with(client.account_id, 10 * count)
    for expected in (AcceptedNow, AcceptedBefore):
        accepted = await accept(keyed(db.new_send(client, count), "order-17"))
        assert isinstance(accepted, expected)
    assert await charges(client.account_id) == [count]


async def test_a_stored_success_is_the_answer_also_if_the_balance_is_gone() -> None:
    client = await db.add_client(await db.add_pool(default=False), held=COPY_FROM)
    first = keyed(db.new_send(client, COPY_FROM), "k")
    async with accepting() as acceptor:
        await acceptor.accept(first)
        again = await acceptor.accept(keyed(db.new_send(client, COPY_FROM), "k"))
    assert sent(again) == first.id
    assert await db.held(client.account_id) == 0


async def test_a_key_in_progress_elsewhere_is_waited_for_without_delaying_others(
    worker_database_url: str,
) -> None:
    upstream = await db.add_pool(default=False)
    client, sibling = [await db.add_client(upstream, held=10 * COPY_FROM) for _ in range(2)]
    stuck = [keyed(db.new_send(client), "stuck") for _ in range(6)]
    assert stuck[0].key is not None
    async with accepting() as acceptor:
        async with _in_progress(worker_database_url, stuck[0].key) as _:
            waiting = [asyncio.create_task(acceptor.accept(send)) for send in stuck]
            await until_waiting()
            others = [
                db.new_send(client),
                db.new_send(sibling, 2),
                keyed(db.new_send(client), "another"),
                db.new_send(client, COPY_FROM),
                keyed(db.new_send(sibling, COPY_FROM), "large"),
            ]
            results = await asyncio.wait_for(
                asyncio.gather(*(acceptor.accept(send) for send in others)), PATIENCE_SECONDS
            )
            assert count_of(results, AcceptedNow) == len(others)
            assert not any(each.done() for each in waiting)
        results = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_SECONDS)
    assert count_of(results, AcceptedNow) == 1
    assert count_of(results, AcceptedBefore) == 5
    assert sorted(await charges(client.account_id)) == [1, 1, 1, COPY_FROM]
    await db.assert_audit_holds()


@pytest.mark.parametrize("first", ["large", "small"])
async def test_a_large_and_a_small_send_with_one_key_are_one_send(first: str) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=2 * COPY_FROM)
    for each in range(10):
        large = keyed(db.new_send(client, COPY_FROM), f"k{each}", given="large")
        small = keyed(db.new_send(client), f"k{each}", given="small")
        # The acceptor repeats a send that its batch has postponed: the key may be in use.
        async with accepting() as acceptor:
            calls = [accept_single(large), acceptor.accept(small)]
            results = await asyncio.gather(*(calls if first == "large" else reversed(calls)))
        assert count_of(results, AcceptedNow) == 1
        (refused,) = [result.refusal for result in results if isinstance(result, Refused)]
        assert isinstance(refused, IdempotencyConflict | InsufficientBalance)
        await db.open_with(client.account_id, COPY_FROM)
    await db.assert_audit_holds()


@pytest.mark.parametrize("size", [1, COPY_FROM])
async def test_a_key_that_is_stored_while_the_account_is_locked_is_found(
    size: int, worker_database_url: str
) -> None:
    """The statement that locks the account began before the other transaction committed."""
    client = await db.add_client(await db.add_pool(default=False), held=COPY_FROM)
    waiting, first = [keyed(db.new_send(client, size), "k") for _ in range(2)]
    assert first.key is not None
    async with accepting() as acceptor:
        lock = locked(worker_database_url, LOCK_ACCOUNTS, [client.account_id])
        async with lock as elsewhere:
            task = asyncio.create_task(acceptor.accept(waiting))
            await until_waiting()
            key = first.key
            await elsewhere.execute(STORE_KEY, key.id, key.scope_id, key.key, key.input_hash)
            await elsewhere.execute(
                "UPDATE idempotency_key SET answer = $2 WHERE id = $1",
                key.id,
                orjson.dumps(answer_of(first)).decode(),
            )
        result = await asyncio.wait_for(task, PATIENCE_SECONDS)
    assert isinstance(result, AcceptedBefore)
    assert result.send_id == first.id
    assert await charges(client.account_id) == []


async def test_duplicates_of_a_key_that_is_stored_while_they_wait_get_its_answer(
    worker_database_url: str,
) -> None:
    """They are decided as if the first of them were accepted, and then it is not."""
    client = await db.add_client(await db.add_pool(default=False), held=1)
    first, *waiting = [keyed(db.new_send(client), "k") for _ in range(4)]
    assert first.key is not None
    waiting.append(keyed(db.new_send(client), "k", given="that"))
    waiting.append(db.new_send(client))  # the balance is enough for it, because no other is charged
    async with accepting() as acceptor:
        lock = locked(worker_database_url, LOCK_ACCOUNTS, [client.account_id])
        async with lock as elsewhere:
            tasks = [asyncio.create_task(acceptor.accept(send)) for send in waiting]
            await until_waiting()
            key, answer = first.key, orjson.dumps(answer_of(first)).decode()
            await elsewhere.execute(STORE_KEY, key.id, key.scope_id, key.key, key.input_hash)
            stored = "UPDATE idempotency_key SET answer = $2 WHERE id = $1"
            await elsewhere.execute(stored, key.id, answer)
        results = await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)
    assert results[:3] == [AcceptedBefore(first.id)] * 3
    assert isinstance(results[3], Refused)
    assert isinstance(results[3].refusal, IdempotencyConflict)
    assert isinstance(results[4], AcceptedNow)
    assert await charges(client.account_id) == [1]


# The key itself


@pytest.mark.parametrize("key", ["k", "with a space", "ключ", "k" * LONGEST_KEY, "-- ; DROP"])
async def test_any_printable_key_can_be_used(key: str) -> None:
    client = await db.add_client(await db.add_pool(default=False))
    made = key_of(client.client_id, key, "send", {"to": "x"})
    send = replace(db.new_send(client), key=made)
    assert isinstance(await _accept_in_a_batch(send), AcceptedNow)
    assert isinstance(await _accept_in_a_batch(send), AcceptedBefore)


@pytest.mark.parametrize("key", ["", "k" * (LONGEST_KEY + 1), "a\0b", "a\nb", "\ud800", "\u200b"])
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        key_of(db.ADMIN.user_id, key, "send", {})
    assert refused.value.field == "idempotencyKey"


def test_the_hash_depends_on_the_mutation_and_on_the_exact_input() -> None:
    hashes = [
        input_hash("send", {"to": "1", "text": "a"}),
        input_hash("bulkSend", {"to": "1", "text": "a"}),
        input_hash("send", {"to": "1 ", "text": "a"}),
        input_hash("send", {"to": ["1"], "text": "a"}),
        input_hash("send", {"to": "1", "text": "\ud800"}),
    ]
    assert len(set(hashes)) == len(hashes)
    assert input_hash("send", {"to": "1", "text": "a"}) == hashes[0]


@asynccontextmanager
async def _in_progress(url: str, key: IdempotencyKey) -> AsyncIterator[None]:
    """Another process has stored an answer under the key. It does not commit, and rolls back."""
    async with connection_to(url) as elsewhere:
        running = elsewhere.transaction()
        await running.start()
        await elsewhere.execute(TAKE_KEY, key.id)
        await elsewhere.execute(STORE_KEY, key.id, key.scope_id, key.key, key.input_hash)
        yield
        await running.rollback()
