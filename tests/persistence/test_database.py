"""Transactions commit or roll back correctly, even if a caller is cancelled."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.errors import InvalidInput, TryAgain
from domain.ids import new_id
from domain.transactions import Disconnected
from ibiki.local import embedded
from persistence import connections
from persistence.database import connection, transaction
from persistence.identity.models import AccessChange
from tests import databases, db
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection
from tests.persistence.connections import INSERT, POOL_SIZE, assert_whole, cancel_once, is_there

SESSION_STATE = """
SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'jit'
UNION ALL
SELECT 'advisory lock', objid::text FROM pg_locks
WHERE locktype = 'advisory' AND pid = pg_backend_pid()
ORDER BY 1, 2
"""


# How it ends


async def test_a_transaction_is_committed_at_its_end(
    connected: None, other_connection: OtherConnection
) -> None:
    row_id = new_id()
    async with transaction() as tx:
        await tx.execute(INSERT, row_id)
        assert not await is_there(other_connection, row_id)
    assert await is_there(other_connection, row_id)


@pytest.mark.parametrize("failure", [InvalidInput("no"), KeyError("defect"), SystemExit(1)])
async def test_an_exception_rolls_back_and_is_raised_as_it_is(
    connected: None, other_connection: OtherConnection, failure: BaseException
) -> None:
    row_id = new_id()

    async def write_and_fail() -> None:
        async with transaction() as tx:
            await tx.execute(INSERT, row_id)
            raise failure

    with pytest.raises(type(failure)):
        await write_and_fail()
    assert not await is_there(other_connection, row_id)
    await assert_whole()


@pytest.mark.parametrize("steps_after_the_answer", range(6))
async def test_a_cancellation_just_after_the_commit_is_not_lost(
    connected: None, steps_after_the_answer: int
) -> None:
    """Otherwise a loop that is cancelled continues, and the program does not stop."""

    answered = asyncio.Event()

    def see(query: asyncpg.connection.LoggedQuery) -> None:
        if query.query == "COMMIT;":
            answered.set()

    async def commit() -> None:
        async with transaction() as tx:
            tx.add_query_logger(see)

    committing = asyncio.create_task(commit())
    await answered.wait()
    for _ in range(steps_after_the_answer):
        await asyncio.sleep(0)
    if committing.cancel():
        with pytest.raises(asyncio.CancelledError):
            await committing


async def test_a_queryset_joins_the_transaction_of_its_task(
    connected: None, other_connection: OtherConnection
) -> None:
    row_id = new_id()

    async def write_and_fail() -> None:
        async with transaction():
            await AccessChange.create(id=row_id, subject_id=row_id)
            assert await AccessChange.filter(id=row_id).exists()
            assert not await is_there(other_connection, row_id)
            raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        await write_and_fail()
    assert not await AccessChange.filter(id=row_id).exists()


async def test_querysets_of_parallel_transactions_do_not_mix(connected: None) -> None:
    ids = [new_id() for _ in range(20)]

    async def write(row_id: UUID, *, keep: bool) -> None:
        async with transaction():
            await AccessChange.create(id=row_id, subject_id=row_id)
            await asyncio.sleep(0)
            if not keep:
                raise InvalidInput("no")

    await asyncio.gather(
        *(write(row_id, keep=place % 2 == 0) for place, row_id in enumerate(ids)),
        return_exceptions=True,
    )
    kept = await AccessChange.filter(id__in=ids).values_list("id", flat=True)
    assert set(kept) == set(ids[::2])


async def test_a_nested_transaction_is_refused_without_harm(
    connected: None, other_connection: OtherConnection
) -> None:
    row_id = new_id()
    async with transaction() as tx:
        for forbidden in (transaction, connection):
            with pytest.raises(RuntimeError, match="open already"):
                async with forbidden():
                    pass
        await tx.execute(INSERT, row_id)
    assert await is_there(other_connection, row_id)
    await assert_whole()


async def test_a_programming_error_is_not_reported_as_an_outage(connected: None) -> None:
    with pytest.raises(asyncpg.InterfaceError):
        async with transaction() as tx:
            await tx.fetch("SELECT $1::int", 1, 2)
    with pytest.raises(asyncpg.InterfaceError):
        async with connection() as pooled:
            await pooled.fetch("SELECT $1::int", 1, 2)
    with pytest.raises(asyncpg.DataError):
        async with transaction() as tx:
            await tx.fetch("SELECT $1::text", "\ud800")
    await assert_whole()


# When the caller is cancelled

ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"


@pytest.mark.parametrize("statement", ["SELECT pg_sleep(60)", None])
async def test_a_cancelled_caller_rolls_back(
    connected: None, other_connection: OtherConnection, statement: str | None
) -> None:
    row_id, inside = new_id(), asyncio.Event()

    async def write() -> None:
        async with transaction() as tx:
            await tx.execute(INSERT, row_id)
            # PostgreSQL forgets a cancellation that comes before the statement has begun.
            begun = asyncio.create_task(_has_begun(other_connection, statement, inside))
            await (tx.execute(statement) if statement else asyncio.Event().wait())
            await begun

    await cancel_once(write, inside)
    assert not await is_there(other_connection, row_id)
    await assert_whole()


async def test_a_caller_that_is_cancelled_again_in_its_rollback_leaves_no_open_transaction(
    connected: None, other_connection: OtherConnection
) -> None:
    row_id, inside = new_id(), asyncio.Event()
    statement = "SELECT pg_sleep(60)"

    async def write() -> None:
        async with transaction() as tx:
            await tx.execute(INSERT, row_id)
            begun = asyncio.create_task(_has_begun(other_connection, statement, inside))
            await tx.execute(statement)
            await begun

    task = asyncio.create_task(write())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await inside.wait()
    for _ in range(3):  # as anyio cancels, whose streams serve our subscriptions
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await is_there(other_connection, row_id)
    await assert_whole()


async def test_a_deadlock_is_reported_as_an_outage_so_that_callers_repeat_it(
    connected: None, caplog: pytest.LogCaptureFixture
) -> None:
    deadlock = "DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = 'deadlock_detected'; END $$"
    with pytest.raises(Disconnected):
        async with transaction() as tx:
            await tx.execute(deadlock)
    with pytest.raises(TryAgain):
        async with connection() as pooled:
            await pooled.execute(deadlock)
    assert "ended a deadlock" in caplog.text
    await assert_whole()


async def _has_begun(
    other_connection: OtherConnection, statement: str | None, inside: asyncio.Event
) -> None:
    while statement and not await other_connection.fetchval(ACTIVE, statement):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    inside.set()


async def test_callers_cancelled_while_waiting_for_a_connection_lose_none(connected: None) -> None:
    async def hold(release: asyncio.Event) -> None:
        async with transaction():
            await release.wait()

    release = asyncio.Event()
    holders = [asyncio.create_task(hold(release)) for _ in range(POOL_SIZE)]
    waiters = [asyncio.create_task(hold(release)) for _ in range(POOL_SIZE)]
    await asyncio.sleep(0.05)
    release.set()  # in the same step in which the waiters are cancelled
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*holders)
    ended = await asyncio.gather(*waiters, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended)
    await assert_whole()


async def test_a_wait_for_a_connection_has_a_limit(
    connected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, within = asyncio.Event(), asyncio.Barrier(POOL_SIZE + 1)

    async def hold() -> None:
        async with transaction():
            await within.wait()
            await release.wait()

    holders = [asyncio.create_task(hold()) for _ in range(POOL_SIZE)]
    await within.wait()
    with monkeypatch.context() as short:  # after the holders have opened theirs
        short.setattr(connections.health, "answer_seconds", 0.05)
        with pytest.raises(Disconnected):
            async with transaction():
                pass
        with pytest.raises(TryAgain):
            async with connection():
                pass
        with pytest.raises(TryAgain):
            await AccessChange.all().count()
    release.set()
    await asyncio.gather(*holders)
    await assert_whole()


# What stays on a connection


async def test_no_session_state_stays_on_a_connection(database_url: str) -> None:
    """Connections are released without a reset, so nothing may set session state."""
    async with db.connected(database_url, pool_size=2):
        client = await db.add_client(await db.add_pool(held=10))
        await db.accept(client)
        await db.accept(client, 600)
        await db.assert_audit_holds()
        async with transaction() as tx:
            await tx.execute("SET LOCAL statement_timeout = '1s'")
            await tx.execute("SELECT pg_advisory_xact_lock(1)")
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with transaction() as tx:
                await tx.execute("SELECT 1 / 0")
        assert await _session_states(2) == [[], []]


# Migrations


async def test_two_programs_that_migrate_at_once_apply_each_migration_once(
    database_server: embedded.EmbeddedDatabase,
) -> None:
    name = f"migrating_{uuid4().hex}"
    await databases.execute(database_server.superuser_url, f"CREATE DATABASE {name} OWNER ibiki")
    url = database_server.url.replace("/ibiki?", f"/{name}?")
    try:
        script = f"""
import asyncio
from persistence.migrating import migrate
asyncio.run(migrate({url!r}))
"""
        programs = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", script) for _ in range(2)
        ]
        assert [await program.wait() for program in programs] == [0, 0]
        async with db.connected(url):
            applied = await db.fetch("SELECT app, name FROM tortoise_migrations")
            assert len({row["name"] for row in applied}) == len(applied) > 0
    finally:
        await databases.execute(database_server.superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _session_states(size: int) -> list[list[tuple[str, str]]]:
    """Settings and locks of each connection of the pool, except `jit`, which asyncpg sets."""
    barrier = asyncio.Barrier(size)

    async def look() -> list[tuple[str, str]]:
        async with connection() as pooled:
            await barrier.wait()
            return [(row[0], row[1]) for row in await pooled.fetch(SESSION_STATE)]

    return await asyncio.wait_for(asyncio.gather(*(look() for _ in range(size))), PATIENCE_SECONDS)
