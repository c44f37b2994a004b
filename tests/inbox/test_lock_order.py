"""Transactions of the inbox take their locks in the order of all others, so that none deadlocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from domain.identity.access import OfClient
from domain.ids import new_id
from domain.inbox.capture import capture_contacts
from domain.inbox.inbound import deliver
from domain.inbox.keywords import Keyword
from domain.inbox.messages import NewInbound, OptOut, OptOutSource
from persistence import store
from persistence.inbox.receiving import TAKE_FEED_NUMBERS
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection, connection_to
from tests.inbox import post

IS_WAITING = "SELECT WHERE cardinality(pg_blocking_pids($1)) > 0"


@pytest.fixture
async def other(connected: str) -> AsyncIterator[OtherConnection]:
    """A connection of another process."""
    async with connection_to(connected) as connection:
        yield connection


async def waits_or_ends(pid: int, task: asyncio.Task[Any]) -> None:
    """Returns when the server process waits for a lock, or the task that uses it has ended."""

    async def waits() -> bool:
        # A task without the context of this one is outside of its transaction.
        rows = asyncio.create_task(db.fetch(IS_WAITING, pid), context=Context())
        return bool(await rows)

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (task.done() or await waits()):  # noqa: ASYNC110 - of PostgreSQL
            await asyncio.sleep(0.01)


class Interrupted:
    """A transaction in which something happens after the first statement."""

    def __init__(self, tx: Any, interrupt: Callable[[], Awaitable[None]]) -> None:
        self._tx = tx
        self._interrupts = [interrupt]

    async def execute(self, *given: Any) -> Any:
        answer = await self._tx.execute(*given)
        await self._interrupted()
        return answer

    async def fetch(self, *given: Any) -> Any:
        answer = await self._tx.fetch(*given)
        await self._interrupted()
        return answer

    async def _interrupted(self) -> None:
        if self._interrupts:
            await self._interrupts.pop()()


async def test_capturing_for_a_new_client_does_not_deadlock_with_receiving(
    other: OtherConnection,
) -> None:
    pool = await db.add_pool()
    lower, higher = clients = sorted([(await db.add_client(pool)).client_id for _ in range(2)])
    await other.execute(TAKE_FEED_NUMBERS, [lower], [1])  # the other one has no feed yet
    receiving: list[asyncio.Task[Any]] = []

    async def receive() -> None:
        taking = asyncio.create_task(other.execute(TAKE_FEED_NUMBERS, clients, [1, 1]))
        receiving.append(taking)
        await waits_or_ends(other.get_server_pid(), taking)

    async with store.transaction() as tx:
        await store.share_feeds(cast(Any, Interrupted(tx, receive)), clients)
    await asyncio.gather(*receiving)
    rows = await db.fetch("SELECT client_id, last_feed FROM client_feed ORDER BY client_id")
    assert [tuple(row.values()) for row in rows] == [(lower, 2), (higher, 1)]


async def both(
    first: Callable[[Any], Awaitable[None]], other: OtherConnection, then: str, of: object
) -> None:
    """Runs `first` in a transaction until it waits for `other`, which then locks one row more."""
    pids: list[int] = []

    async def run() -> None:
        async with store.transaction() as tx:
            pids.append(await tx.fetchval("SELECT pg_backend_pid()"))
            await first(tx)

    running = asyncio.create_task(run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not pids:  # noqa: ASYNC110 - of PostgreSQL
            await asyncio.sleep(0.01)
    await waits_or_ends(pids[0], running)
    await other.execute(then, of)
    await other.execute("COMMIT")
    await running


async def test_opting_out_and_blocking_lock_all_messages_before_any_account(
    other: OtherConnection,
) -> None:
    pool = await db.add_pool()
    anne, bob = [await db.add_client(pool) for _ in range(2)]
    numbers = db.generated_numbers(2)
    sends = [await db.accept(anne, numbers=numbers[:1])]
    sends.append(await db.accept(bob, numbers=numbers[1:]))
    await capture_contacts(store)
    stop = NewInbound(
        new_id(), anne.client_id, numbers[0], "STOP", datetime.now(UTC), keyword=Keyword.STOP
    )
    blocked = OptOut(bob.client_id, numbers[1], OptOutSource.PENDING, new_id())
    await other.execute("BEGIN")  # records an outcome of Bob's message, and a refund of Anne's
    lock = "SELECT FROM message WHERE id = $1 FOR UPDATE"
    await other.execute(lock, sends[1].first_message_id)
    await both(
        lambda tx: deliver(store, tx, [stop], [blocked]),
        other,
        "SELECT FROM account WHERE id = $1 FOR UPDATE",
        anne.account_id,
    )
    assert await db.statuses() == {"CANCELLED": 2}


async def test_a_text_that_is_emptied_locks_the_send_before_the_conversation(
    other: OtherConnection,
) -> None:
    client = await db.add_client()
    send = await db.accept(client, 2)
    await post.submitted(client.pool)
    await capture_contacts(store)
    await post.received(post.inbound(sender=send.numbers[0]))
    await other.execute("BEGIN")  # captures: it locks the send and then conversations
    await other.execute("SELECT FROM send WHERE id = $1 FOR UPDATE", send.id)

    async def empty(tx: Any) -> None:
        scope = OfClient(client.client_id)
        message = await store.lock_message(tx, scope, send.first_message_id)
        await store.empty_text(tx, message)

    lock = "SELECT FROM conversation WHERE client_id = $1 FOR UPDATE"
    await both(empty, other, lock, client.client_id)
    assert await db.fetch("SELECT emptied FROM send") == [{"emptied": 1}]
