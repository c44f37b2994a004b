"""Outages of the database: no message is submitted twice, and no answer is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from domain.dispatch.claim import ClaimContext
from domain.dispatch.dispatcher import Dispatcher
from domain.dispatch.ports import WorkStore
from domain.dispatch.recording import Recorder
from domain.dispatch.rules import Observer
from domain.ids import new_id
from domain.provider import Accepted, Outcome, OutgoingMessage, Rejected
from domain.transactions import Disconnected, Transaction
from ibiki.local.embedded import EmbeddedDatabase
from persistence import store
from tests import db
from tests.dispatch.parts import QUICK, Scripted, all_sent, eventually

Loses = Callable[[list[str]], bool]


class Lossy:
    """The store. The connection is lost at the first commit that `loses` chooses.

    `loses` gets the names of the methods that the transaction called. `keeps`: whether
    PostgreSQL keeps the commit.
    """

    def __init__(self, loses: Loses, *, keeps: bool) -> None:
        self._loses = loses
        self._keeps = keeps
        self._requested: list[str] = []
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        self._requested.append(name)
        return getattr(store, name)

    @asynccontextmanager
    async def transaction(self, *, keeps_plans: bool = False) -> AsyncIterator[Transaction]:
        self._requested = []
        try:
            async with store.transaction(keeps_plans=keeps_plans) as tx:
                yield tx
                loses = not self.lost and self._loses(self._requested)
                if loses and not self._keeps:
                    raise _Rollback
        except _Rollback:
            self.lost += 1
            raise Disconnected from None
        if loses:
            self.lost += 1
            raise Disconnected


class _Rollback(Exception):
    """Rolls back."""


@asynccontextmanager
async def dispatching_over(
    lossy: WorkStore | Lossy,
    provider: Scripted,
    pool: db.Pool,
    observer: Observer | None = None,
) -> AsyncIterator[None]:
    """A dispatcher over that store, woken again and again."""
    work: Any = lossy
    observing = observer or Observer()
    dispatcher = Dispatcher(
        provider,
        ClaimContext(work, observing, QUICK, pool.id, new_id()),
        Recorder(work, pool.id, rules=QUICK, observer=observing),
    )
    dispatcher.start()
    ended = asyncio.Event()
    waking = asyncio.create_task(_keep_waking(dispatcher, ended))
    try:
        yield
    finally:
        ended.set()
        await waking
        await dispatcher.stop()


async def _keep_waking(dispatcher: Dispatcher, ended: asyncio.Event) -> None:
    while not ended.is_set():
        dispatcher.wake()
        await asyncio.sleep(0.02)


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "not kept"])
async def test_a_mark_whose_commit_is_not_known_is_undone_and_nothing_is_submitted_twice(
    keeps: bool,
) -> None:
    client = await db.add_client()
    await db.accept(client, 5)
    lossy, provider = Lossy(lambda requested: "mark_calls" in requested, keeps=keeps), Scripted()
    async with dispatching_over(lossy, provider, client.pool):
        await eventually(all_sent)
    assert lossy.lost == 1
    assert len(provider.seen) == 5
    attempts = await db.fetch("SELECT outcome FROM attempt ORDER BY started_at")
    assert [row["outcome"] for row in attempts] == ["NOT_SENT"] * keeps + ["ACCEPTED"]


@dataclass
class Breakers(Observer):
    """Keeps the reported changes of breakers."""

    changes: list[bool] = field(default_factory=list)

    def breaker(self, provider_account_id: UUID, *, open_: bool) -> None:
        self.changes.append(open_)


@pytest.mark.usefixtures("connected")
async def test_calls_that_were_never_made_say_nothing_of_the_provider() -> None:
    client = await db.add_client()
    for _ in range(QUICK.breaker_opens_after + 1):
        await db.accept(client)
    lossy, breakers = Lossy(lambda requested: "mark_calls" in requested, keeps=True), Breakers()
    async with dispatching_over(lossy, Scripted(), client.pool, breakers):
        await eventually(all_sent)
    attempts = await db.fetch("SELECT FROM attempt WHERE outcome = 'NOT_SENT'")
    assert len(attempts) > QUICK.breaker_opens_after
    assert breakers.changes == []


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "not kept"])
async def test_a_record_whose_commit_is_not_known_is_repeated_and_refunds_once(keeps: bool) -> None:
    client = await db.add_client(held=10)
    await db.accept(client, 5)
    lossy = Lossy(lambda requested: "end_attempts" in requested, keeps=keeps)
    provider = Scripted(_refuses)
    async with dispatching_over(lossy, provider, client.pool):

        async def recorded() -> bool:
            return lossy.lost == 1 and await db.statuses() == {"REJECTED": 5}

        await eventually(recorded)
    assert await db.held(client.account_id) == 10
    assert len(provider.calls) == 1
    refunds = await db.fetch("SELECT amount FROM transfer WHERE kind = 'REFUND'")
    assert refunds == [{"amount": 5}]
    await db.assert_audit_holds()


async def test_an_answer_that_comes_while_the_database_is_unavailable_is_recorded_when_it_is_back(
    database_url: str, database_server: EmbeddedDatabase
) -> None:
    name = urlsplit(database_url).path.lstrip("/")
    requested, answer = asyncio.Event(), asyncio.Event()

    async def waits(message: OutgoingMessage) -> Outcome:
        requested.set()
        await answer.wait()
        return Accepted("ref")

    async with db.connected(database_url):
        client = await db.add_client()
        await db.accept(client)
        async with dispatching_over(store, Scripted(waits), client.pool):
            await requested.wait()
            superuser = await asyncpg.connect(database_server.superuser_url)
            try:
                await superuser.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                await superuser.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                    name,
                )
                answer.set()
                await asyncio.sleep(0.2)  # several tries fail meanwhile
                await superuser.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            finally:
                await superuser.close()
            await eventually(all_sent)


async def _refuses(message: OutgoingMessage) -> Outcome:
    return Rejected("no")
