"""A database that does not answer or has no space: the errors that callers get, and recovery.

PostgreSQL's own statement timeout does not help if PostgreSQL is stopped or out of reach.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from domain.errors import TryAgain
from domain.sending.accept import AcceptedNow, Refused
from domain.sending.acceptor import Acceptor
from domain.transactions import Disconnected
from persistence import connections, database, opening, store
from tests import db
from tests.clocks import stopwatch
from tests.faults.conditions import FAIR, Conditions, End
from tests.faults.proxy import FaultProxy, proxying
from tests.persistence.connections import POOL_SIZE, assert_whole, cancel_once

ANSWER_SECONDS = 0.6
SILENT = [Conditions(stalls=True), Conditions(black_hole=True)]


@pytest.fixture
async def line(worker_database_url: str) -> AsyncIterator[FaultProxy]:
    """A proxy in front of the database, which can stop answering. Time limits are short."""
    parts = urlsplit(worker_database_url)
    far_end = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    async with proxying(far_end) as proxy:
        url = f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}?sslmode=disable"
        await opening.connect(url, pool_size=POOL_SIZE, answer_seconds=ANSWER_SECONDS)
        await assert_whole()
        try:
            yield proxy
        finally:
            proxy.conditions = FAIR
            await opening.disconnect()


async def ask() -> None:
    async with database.connection() as pooled:
        await pooled.fetchval("SELECT 1")


async def write() -> None:
    async with database.transaction() as tx:
        await tx.fetchval("SELECT 1")


@pytest.mark.parametrize("conditions", SILENT, ids=["stalled", "black hole"])
async def test_a_silent_database_counts_as_unavailable_after_the_time_limit(
    line: FaultProxy, conditions: Conditions
) -> None:
    line.conditions = conditions
    began = time.monotonic()
    async with stopwatch() as watch:
        with pytest.raises(TryAgain):
            await ask()
        assert time.monotonic() - began >= ANSWER_SECONDS
        assert watch.seconds < ANSWER_SECONDS + 2
    async with stopwatch() as watch:
        with pytest.raises(Disconnected):
            await write()
        assert watch.seconds < ANSWER_SECONDS + 2


@pytest.mark.parametrize("conditions", SILENT, ids=["stalled", "black hole"])
async def test_the_whole_pool_can_be_used_after_a_silence(
    line: FaultProxy, conditions: Conditions
) -> None:
    line.conditions = conditions
    outcomes = await asyncio.gather(*(write() for _ in range(POOL_SIZE)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Disconnected] * POOL_SIZE
    line.conditions = FAIR
    await write()
    await assert_whole()


async def test_after_a_timeout_existing_connections_are_not_used(
    line: FaultProxy,
) -> None:
    assert line.end_all(End.SWALLOWED) == POOL_SIZE
    with pytest.raises(Disconnected):
        await write()
    await assert_whole()


async def test_a_server_that_is_only_slow_is_used_again_after_a_silence(
    line: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections were replaced for ever before, because none could answer within PROOF_SECONDS."""
    monkeypatch.setattr(connections, "PROOF_SECONDS", 0.05)
    monkeypatch.setattr(connections.health, "_count", 1)
    monkeypatch.setattr(connections.health, "_since", time.monotonic() - ANSWER_SECONDS * 4)
    line.conditions = Conditions(late_seconds=0.1)
    for _ in range(POOL_SIZE):
        await ask()
    await asyncio.gather(*(ask() for _ in range(POOL_SIZE)))


async def test_a_connection_that_stops_answering_before_its_commit_counts_as_lost(
    line: FaultProxy,
) -> None:
    async def fall_silent() -> None:
        async with database.transaction() as tx:
            await tx.fetchval("SELECT 1")
            line.conditions = Conditions(stalls=True)

    with pytest.raises(Disconnected):
        await fall_silent()
    line.conditions = FAIR
    await assert_whole()


async def test_a_cancelled_caller_does_not_wait_for_a_silent_database(line: FaultProxy) -> None:
    inside = asyncio.Event()

    async def wait_for_it() -> None:
        async with database.transaction() as tx:
            line.conditions = Conditions(stalls=True)
            inside.set()
            await tx.fetchval("SELECT 1")

    await cancel_once(wait_for_it, inside)
    line.conditions = FAIR
    await assert_whole()


async def test_requests_to_send_get_try_again_however_many_wait(line: FaultProxy) -> None:
    client = await db.add_client(await db.add_pool(default=False), held=10_000)
    acceptor = Acceptor(store, patience_seconds=2 * ANSWER_SECONDS)
    acceptor.start()
    assert isinstance(await acceptor.accept(db.new_send(client)), AcceptedNow)
    line.conditions = Conditions(stalls=True)
    async with stopwatch() as watch:
        verdicts = await asyncio.gather(
            *(acceptor.accept(db.new_send(client)) for _ in range(900)), return_exceptions=True
        )
        seconds = watch.seconds
    line.conditions = FAIR
    kinds = {type(each.refusal if isinstance(each, Refused) else each) for each in verdicts}
    assert kinds == {TryAgain}
    assert seconds < 7 * ANSWER_SECONDS, (
        "five batches that wait one after the other would take longer"
    )
    assert isinstance(await acceptor.accept(db.new_send(client)), AcceptedNow)
    await acceptor.stop()


@pytest.mark.parametrize("code", ["53100", "53200", "58030"], ids=["disk", "memory", "I/O"])
async def test_a_database_without_space_counts_as_unavailable(line: FaultProxy, code: str) -> None:
    fails = f"DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(TryAgain):
        async with database.connection() as pooled:
            await pooled.execute(fails)
    with pytest.raises(Disconnected):
        async with database.transaction() as tx:
            await tx.execute(fails)
    await assert_whole()


async def test_a_cancelled_statement_raises_try_again(line: FaultProxy) -> None:
    """PostgreSQL cancels a statement at its own timeout, also if its clock was set."""
    lasts = "SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(60)"
    with pytest.raises(Disconnected):
        async with database.transaction() as tx:
            await tx.execute(lasts)
    breaks_off = "DO $$ BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014'; END $$"
    with pytest.raises(TryAgain):
        async with database.connection() as pooled:
            await pooled.execute(breaks_off)
    await assert_whole()
