"""While a balance is read, no message is marked, and no mark waits for ever."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest

from domain.errors import ProviderUnavailable
from domain.ids import new_id
from domain.ledger.sync import SyncRules
from domain.provider import Accepted
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection
from tests.dispatch.parts import answered, marked
from tests.ledger.upstream import Upstream, account_of, is_paused, pool_of, synced
from tests.locks import blocked, locked

SHORT = SyncRules(lease_seconds=0.2, deadline_seconds=0.05)

pytestmark = pytest.mark.usefixtures("connected")


async def test_marks_wait_while_a_balance_is_read_and_continue_afterwards() -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool)
    await db.accept(client)
    upstream = Upstream(1_000)

    async def try_to_mark() -> None:
        assert await marked(pool) == ()

    upstream.meanwhile = try_to_mark
    assert (await synced(pool, upstream)).in_flight == 1
    assert len(await marked(pool)) == 1


async def test_a_reading_waits_for_the_calls_that_are_open() -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool, held=100)
    upstream = Upstream(100)
    await db.accept(client)
    (call,) = await marked(pool)
    reading = asyncio.create_task(synced(pool, upstream))
    await _until_paused(pool)
    upstream.take("the call")
    assert upstream.readings == 0
    await answered(pool, call, Accepted("ref"))
    done = await reading
    assert (done.in_flight, upstream.readings) == (0, 1)
    assert await pool_of(pool) == 99 == upstream.balance_now


async def test_a_reading_waits_for_a_mark_that_is_not_committed_yet(
    worker_database_url: str,
) -> None:
    pool = await db.add_pool(default=False)
    upstream = Upstream(100)
    share = "SELECT FROM provider_account WHERE id = $1 FOR SHARE"
    async with locked(worker_database_url, share, pool.id) as elsewhere:
        reading = asyncio.create_task(synced(pool, upstream))
        await blocked(reading)
        await elsewhere.execute(
            "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages,"
            " started_at, lease_until)"
            " VALUES ($1, $1, $1, 0, 1, now(), clock_timestamp() + interval '1 min')",
            pool.id,
        )
    await _until_paused(pool)
    await asyncio.sleep(0.1)
    assert upstream.readings == 0, "the call of that mark is open"
    await db.execute(
        "UPDATE attempt SET ended_at = now(), outcome = 'ACCEPTED' WHERE id = $1", pool.id
    )
    await reading
    assert upstream.readings == 1


async def test_a_reading_cannot_begin_in_the_transaction_of_a_mark(
    other_connection: OtherConnection,
) -> None:
    pool = await db.add_pool(default=False)
    begins = "SELECT FROM provider_account WHERE id = $1 FOR NO KEY UPDATE NOWAIT"
    async with store.transaction() as tx:
        await store.lock_provider_account(tx, pool.id)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other_connection.execute(begins, pool.id)
    await other_connection.execute(begins, pool.id)


async def test_two_syncs_at_once_read_one_after_the_other() -> None:
    pool = await db.add_pool(default=False)
    await db.add_client(pool, held=30)
    upstream = Upstream(500)
    upstream.meanwhile = lambda: asyncio.sleep(0.05)
    done = await asyncio.gather(*(synced(pool, upstream) for _ in range(3)))
    assert upstream.most_readings_at_once == 1
    assert sorted(each.change for each in done) == [0, 0, 470]
    assert (await account_of(pool)).epoch == 3
    assert await pool_of(pool) == 500
    assert not await is_paused(pool)
    await db.assert_audit_holds()


@pytest.mark.parametrize("stage", ["waiting for a call", "reading", "writing"])
async def test_a_sync_that_is_cancelled_leaves_no_pause(
    stage: str, worker_database_url: str
) -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool)
    upstream, inside = Upstream(500), asyncio.Event()
    holding = AsyncExitStack()
    if stage == "waiting for a call":
        await db.accept(client)
        await marked(pool)

    async def meanwhile() -> None:
        if stage == "writing":
            lock = "SELECT FROM account WHERE id = $1 FOR UPDATE"
            await holding.enter_async_context(locked(worker_database_url, lock, pool.account_id))
        inside.set()
        if stage == "reading":
            await asyncio.Event().wait()

    upstream.meanwhile = meanwhile
    async with holding:
        caller = asyncio.create_task(synced(pool, upstream))
        await _until_paused(pool)
        if stage != "waiting for a call":
            await asyncio.wait_for(inside.wait(), PATIENCE_SECONDS)
        if stage == "writing":
            await blocked(caller)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await _until_paused(pool, paused=False)
    assert await pool_of(pool) == 1_000 - (stage == "waiting for a call")
    assert (await account_of(pool)).epoch == 0


async def test_a_pause_that_runs_out_starts_over_with_a_new_reading() -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool, held=100)
    await db.accept(client)
    upstream = Upstream(100)

    async def send_during_the_reading() -> None:
        if upstream.readings == 1:
            await db.execute("UPDATE provider_account SET reading_until = now()")
            # Marks continue. What is submitted now is not in the reading.
            (call,) = await marked(pool)
            upstream.take("the call")
            await answered(pool, call, Accepted("ref"))

    upstream.meanwhile = send_during_the_reading
    done = await synced(pool, upstream)
    assert upstream.readings == 2
    assert done.in_flight == 0
    assert await pool_of(pool) == 99 == upstream.balance_now
    rows = await db.fetch("SELECT reading FROM sync WHERE provider_account_id = $1", pool.id)
    assert [row["reading"] for row in rows] == [99]


async def test_a_reading_is_not_written_in_the_pause_of_another_sync() -> None:
    pool = await db.add_pool(default=False)
    upstream = Upstream(100)

    async def another_pauses() -> None:
        await db.execute("UPDATE provider_account SET reading_until = now()")
        assert await store.begin_reading(pool.id, reader_id=new_id(), seconds=60)

    upstream.meanwhile = another_pauses
    with pytest.raises(ProviderUnavailable, match="in progress"):
        await synced(pool, upstream, rules=SHORT)
    assert (await account_of(pool)).epoch == 0
    assert await is_paused(pool), "the pause of the other sync is not lifted"


async def test_a_balance_that_can_never_be_read_in_time_is_given_up() -> None:
    pool = await db.add_pool(default=False)
    upstream = Upstream(100)
    upstream.meanwhile = lambda: asyncio.sleep(SHORT.pause_seconds + 0.05)
    with pytest.raises(ProviderUnavailable, match="too long"):
        await synced(pool, upstream, rules=SHORT)
    assert upstream.readings == 3
    assert await pool_of(pool) == 0
    assert not await is_paused(pool)


async def test_a_sync_during_a_long_sync_is_refused_with_the_reason() -> None:
    pool = await db.add_pool(default=False)
    upstream, go_on = Upstream(100), asyncio.Event()

    async def wait() -> None:
        await go_on.wait()

    upstream.meanwhile = wait
    long = SyncRules(lease_seconds=30, deadline_seconds=1)
    first = asyncio.create_task(synced(pool, upstream, rules=long))
    await _until_paused(pool)
    with pytest.raises(ProviderUnavailable, match="in progress"):
        await synced(pool, upstream, rules=SHORT)
    assert await is_paused(pool), "the second sync must not lift the pause of the first"
    go_on.set()
    assert (await first).change == 100


async def _until_paused(pool: db.Pool, *, paused: bool = True) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await is_paused(pool) is not paused:  # noqa: ASYNC110 - another connection's work
            await asyncio.sleep(0.002)


async def test_sync_gives_up_if_a_call_stays_open() -> None:
    pool = await db.add_pool(default=False)
    client = await db.add_client(pool)
    await db.accept(client)
    (call,) = await marked(pool)
    await db.execute(
        "UPDATE attempt SET lease_until = clock_timestamp() + interval '1 h' WHERE id = $1",
        call.attempt_id,
    )
    upstream = Upstream(1_000)
    with pytest.raises(ProviderUnavailable, match="call to the provider"):
        await synced(pool, upstream, rules=SHORT)
    assert upstream.readings == 0
    assert not await is_paused(pool)
