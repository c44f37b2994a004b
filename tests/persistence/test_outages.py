"""During an outage of PostgreSQL: which errors are raised, what is kept, and how the pool recovers.

Tortoise's own in_transaction() loses connections here and leaves tasks with a dead one permanently.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.connection import get_connections

from domain.errors import InvalidInput, TryAgain
from domain.ids import new_id
from domain.transactions import Disconnected, reason_of
from ibiki.local import embedded
from ibiki.processes import why_not_ready
from persistence import connections
from persistence.database import Connection, connection, pooled_client, transaction
from persistence.identity.models import AccessChange
from persistence.migrating import migrate
from tests import databases, db
from tests.clocks import PATIENCE_SECONDS
from tests.databases import OtherConnection, connection_to
from tests.ledger.cutting_proxy import CuttingProxy, Moment
from tests.persistence.connections import POOL_SIZE, assert_whole, cancel_once, is_there, until

CUT_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = $1 AND application_name = 'tests'
"""


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("statement", ["BEGIN", "INSERT", "COMMIT"])
async def test_a_lost_connection_raises_disconnected_and_leaves_no_trace(
    proxy: CuttingProxy, other_connection: OtherConnection, statement: str, moment: Moment
) -> None:
    row_id = new_id()
    await assert_whole()
    proxy.cut_at(statement, moment)
    try:
        async with transaction() as tx:
            await tx.execute(f"INSERT INTO access_change VALUES ('{row_id}', '{row_id}')")
    except Disconnected:
        confirmed = False
    else:
        confirmed = True
    assert proxy.cuts == 1
    kept = statement == "COMMIT" and moment is not Moment.UNSENT
    assert confirmed is False or moment is Moment.ANSWERED
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await is_there(other_connection, row_id) is not kept:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    await assert_whole()


async def test_an_exception_is_raised_as_it_is_even_if_the_rollback_fails(
    proxy: CuttingProxy,
) -> None:
    async def decide() -> None:
        async with transaction() as tx:
            proxy.cut_at("ROLLBACK", Moment.UNSENT)
            await tx.execute("SELECT 1")
            raise InvalidInput("decided behind the locks")

    with pytest.raises(InvalidInput):
        await decide()
    assert proxy.cuts == 1
    await assert_whole()


async def test_a_read_over_a_lost_connection_raises_try_again(proxy: CuttingProxy) -> None:
    proxy.cut_at("SELECT", Moment.UNANSWERED)
    with pytest.raises(TryAgain):
        async with connection() as pooled:
            await pooled.fetchval("SELECT 1")
    await assert_whole()


@pytest.mark.parametrize("earlier_silences", [0, 1])
async def test_an_outage_raises_disconnected_until_it_is_over(
    proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch, earlier_silences: int
) -> None:
    """After a silence, each connection must answer first: that must not continue for ever."""
    monkeypatch.setattr(connections.health, "_count", earlier_silences)
    proxy.cut_at("", Moment.UNSENT, times=10_000)
    for _ in range(3 * POOL_SIZE):
        with pytest.raises(Disconnected):
            async with transaction():
                pass
    proxy.cut_at("", Moment.UNSENT, times=0)
    await assert_whole()


async def test_a_new_pool_does_not_doubt_its_connections(
    worker_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silence that an earlier pool saw says nothing about the connections of this one."""
    monkeypatch.setattr(connections.health, "_count", 1)
    async with db.connected(worker_database_url):
        requested: list[object] = []
        monkeypatch.setattr(connections, "_answers", requested.append)
        async with connection() as pooled:
            assert await pooled.fetchval("SELECT 1") == 1
    assert requested == []


async def test_an_idle_transaction_that_postgresql_ends_raises_disconnected(
    connected: None,
) -> None:
    async def wait_too_long() -> None:
        async with transaction() as tx:
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = '1ms'")
            await until(lambda: _is_cut(tx))
            await tx.execute("SELECT 1")

    with pytest.raises(Disconnected):
        await wait_too_long()
    await assert_whole()


async def test_looping_tasks_keep_their_speed_after_seven_rounds_of_lost_connections(
    database_url: str, database_server: embedded.EmbeddedDatabase
) -> None:
    """Tortoise's own in_transaction() stops working permanently in this test."""
    done = [0] * 20
    async with db.connected(database_url, pool_size=POOL_SIZE):
        stopping = asyncio.Event()
        tasks = [asyncio.create_task(_loop(done, own, stopping)) for own in range(len(done))]
        for _ in range(7):
            await _until_each_has_done(done, more=3)
            assert await _cut_all(database_server, database_url) > 0
        await _until_each_has_done(done, more=30)
        stopping.set()
        await asyncio.gather(*tasks)
        await assert_whole()
        kept = await db.fetch("SELECT count(*) AS rows FROM access_change")
        assert kept[0]["rows"] >= sum(done)


@pytest.mark.parametrize("refusal", [asyncpg.InvalidPasswordError, asyncpg.InvalidCatalogNameError])
async def test_a_server_that_lets_nobody_in_any_more_is_unavailable(
    connected: None, monkeypatch: pytest.MonkeyPatch, refusal: type[asyncpg.PostgresError]
) -> None:
    """The password was changed, or the database was renamed, while the program runs."""

    async def refuses(**options: object) -> None:
        raise refusal("not any more")

    monkeypatch.setattr(asyncpg, "connect", refuses)
    await pooled_client().pool.expire_connections()
    for context, expected in ((connection, TryAgain), (transaction, Disconnected)):
        with pytest.raises(expected) as raised:
            async with context():
                pass
        assert reason_of(raised.value) == ": not any more"
    assert await why_not_ready() == "The database does not answer."
    monkeypatch.undo()
    await assert_whole()


async def test_a_connection_that_was_lost_between_two_statements_is_named_so(
    connected: None,
) -> None:
    lost = asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is …")
    for context, expected in ((connection, TryAgain), (transaction, Disconnected)):
        with pytest.raises(expected) as raised:
            async with context():
                raise lost
        assert reason_of(raised.value) == ": the connection was lost"


async def test_a_server_that_takes_no_writes_is_not_ready(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    async with db.connected(database_url):
        assert await why_not_ready() is None
        await db.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    async with db.connected(database_url):
        assert (await why_not_ready() or "").startswith("The database takes no writes")


@pytest.mark.parametrize("context", [connection, transaction])
async def test_a_slow_statement_costs_no_connection(
    connected: None, context: Callable[[], AbstractAsyncContextManager[Connection]]
) -> None:
    before = await _backends()
    for _ in range(2):
        with pytest.raises((TryAgain, Disconnected)):
            async with context() as held:
                await held.execute("SELECT pg_sleep(60)", timeout=0.1)
    assert await _backends() == before


async def test_only_the_connection_that_is_dead_is_dropped(connected: None) -> None:
    before = await _backends()
    async with connection() as pooled:
        stopped = int(await pooled.fetchval("SELECT pg_backend_pid()"))

    async def use_it() -> None:
        async with connection() as pooled:  # the pool gives out the last used connection again
            assert await pooled.fetchval("SELECT pg_backend_pid()") == stopped
            os.kill(stopped, signal.SIGSTOP)
            await pooled.fetchval("SELECT 1", timeout=0.1)

    with pytest.raises(TryAgain):
        await use_it()
    os.kill(stopped, signal.SIGCONT)
    assert before - await _backends() == {stopped}


async def test_the_pool_works_again_after_a_restart_of_the_server() -> None:
    with databases.run_directory() as own, embedded.start(own, durable=False) as server:
        await migrate(server.url)
        async with db.connected(server.url, pool_size=POOL_SIZE):
            await assert_whole()
            with pytest.raises(Disconnected):
                await _commit_to_a_stopped_server(own)
            with pytest.raises(TryAgain):
                await _read_until_refused()
            await asyncio.to_thread(server.ensure_running)
            await assert_whole()


async def test_a_cancelled_caller_gets_its_cancellation_during_an_outage(
    proxy: CuttingProxy,
) -> None:
    """For a shutdown during an outage: the cancellation must not be raised as Disconnected."""
    inside = asyncio.Event()

    async def write() -> None:
        async with transaction() as tx:
            proxy.cut_at("SELECT", Moment.UNSENT)
            with pytest.raises(asyncpg.PostgresConnectionError):
                await tx.execute("SELECT 1")
            inside.set()
            await asyncio.Event().wait()

    await cancel_once(write, inside)
    await assert_whole()


async def _loop(done: list[int], own: int, stopping: asyncio.Event) -> None:
    """Runs one transaction after another, even if connections are lost."""
    while not stopping.is_set():
        try:
            async with transaction() as tx:
                row_id = new_id()
                await AccessChange.create(id=row_id, subject_id=row_id)
                await tx.fetchval("SELECT 1")
            done[own] += 1
        except Disconnected:
            await asyncio.sleep(0.001)
    assert not isinstance(get_connections().get("default"), TransactionWrapper)


async def _until_each_has_done(done: list[int], *, more: int) -> None:
    goal = [each + more for each in done]
    await until(lambda: all(has >= wanted for has, wanted in zip(done, goal, strict=True)))


async def _cut_all(server: embedded.EmbeddedDatabase, url: str) -> int:
    async with connection_to(server.superuser_url) as superuser:
        return len(await superuser.fetch(CUT_ALL, urlsplit(url).path.lstrip("/")))


async def _commit_to_a_stopped_server(directory: Path) -> None:
    async with transaction() as tx:
        _stop_immediately(directory)
        await until(lambda: _is_cut(tx))


async def _read_until_refused() -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with connection() as pooled:
                await pooled.execute("SELECT 1")


async def _backends() -> set[int]:
    """The server process of each connection of the pool."""
    barrier = asyncio.Barrier(POOL_SIZE)

    async def backend() -> int:
        async with connection() as pooled:
            await barrier.wait()
            return int(await pooled.fetchval("SELECT pg_backend_pid()"))

    pids = set(await asyncio.gather(*(backend() for _ in range(POOL_SIZE))))
    assert len(pids) == POOL_SIZE
    return pids


def _is_cut(tx: Connection) -> bool:
    return getattr(tx, "_con", None) is None or tx.is_closed()


def _stop_immediately(directory: Path) -> None:
    pid = int((directory / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    os.kill(pid, signal.SIGQUIT)
