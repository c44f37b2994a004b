"""Long reads use a streaming replica while it is good enough, and the main database otherwise."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.identity.access import Everything, OfClient
from domain.ledger.audit import audit, new_audit
from domain.ledger.balances import BalanceView
from domain.pages import Window
from domain.sending.lists import MessageFilter, Period
from ibiki.local import embedded
from ibiki.local.cluster import locate
from ibiki.observability.metrics import Metrics
from ibiki.processes import why_not_ready
from persistence import store
from persistence.database import Connection
from persistence.long_reads import long_read, replica, steady_read, steady_reads
from persistence.opening import connect, disconnect
from tests import db
from tests.conftest import run_directory_of
from tests.databases import connection_to
from tests.dispatch.parts import eventually
from tests.faults.standby import Standby, copied_server, standby_of

ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Servers:
    """A main server with a client, and its standby."""

    url: str
    standby: Standby

    @asynccontextmanager
    async def connected(
        self, read_url: str | None = None, *, most_lag_seconds: float = 60
    ) -> AsyncIterator[db.Tenant]:
        """This process is connected to both. A new client is on both."""
        await connect(
            self.url,
            application_name="tests",
            answer_seconds=ANSWER_SECONDS,
            read_url=read_url or self.standby.url(),
            most_lag_seconds=most_lag_seconds,
        )
        try:
            tenant = await db.add_client(await db.add_pool(held=100, default=False), held=20)
            await db.accept(tenant, 2, text="There from the beginning")
            if read_url is None:
                await eventually(lambda: self._has(tenant))
                await eventually(lambda: _is(_up(), 1.0))
            yield tenant
        finally:
            await disconnect()

    async def _has(self, tenant: db.Tenant) -> bool:
        count = "SELECT count(*) FROM message WHERE client_id = $1"
        return bool(await ask(self.standby.url(), count, tenant.client_id) == 2)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """The standby applies nothing."""
        url = self.standby.url(role="postgres")
        await ask(url, "SELECT pg_wal_replay_pause()")
        wanted = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
        await eventually(lambda: ask(url, wanted))
        try:
            yield
        finally:
            await ask(url, "SELECT pg_wal_replay_resume()")


async def ask(url: str, statement: str, *values: object) -> Any:
    """One value, over a separate connection."""
    async with connection_to(url) as connection:
        return await connection.fetchval(statement, *values)


@pytest.fixture(scope="module")
async def servers(
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    database_template: embedded.EmbeddedDatabase,
) -> AsyncIterator[Servers]:
    directory: Path = tmp_path_factory.mktemp("replica")
    main = await asyncio.to_thread(
        copied_server, locate(run_directory_of(pytestconfig), durable=False), directory / "main"
    )
    try:
        standby = await asyncio.to_thread(standby_of, main.cluster, directory / "standby")
        try:
            yield Servers(main.url(), standby)
        finally:
            standby.stop()
    finally:
        main.stop()


async def found(tenant: db.Tenant, text: str) -> int:
    """How many messages with this text a search finds."""
    page = await store.read_messages(OfClient(tenant.client_id), Window(50), search=text)
    return len(page.items)


def figures() -> dict[str, float]:
    """The metrics about the replica."""
    families = text_string_to_metric_families(Metrics().exposition().decode())
    return {each.name: each.samples[0].value for each in families if "replica" in each.name}


async def test_long_reads_use_the_replica_and_other_reads_do_not(servers: Servers) -> None:
    async with servers.connected() as tenant:
        own, view = OfClient(tenant.client_id), BalanceView(client_id=tenant.client_id)
        now = datetime.now(UTC)
        async with servers.paused():
            send = await db.accept(tenant, 3, text="Quite new")
            assert await found(tenant, "new") == 0
            stats = await store.read_message_stats(
                own, Period.DAY, now - timedelta(days=1), now + timedelta(days=1)
            )
            assert sum(each.messages for each in stats) == 2
            old = await store.read_statement(view, Window(50), may_lag=True)
            assert len(old.items) == 2, "the opening and the first send"

            page = await store.read_messages(own, Window(9), filter=MessageFilter(send_id=send.id))
            assert len(page.items) == 3, "a filter finds what was just written"
            assert len((await store.read_statement(view, Window(50))).items) == 3
            assert math.isnan(figures()["ibiki_replica_lag_seconds"]) is False
        await eventually(lambda: _is(found(tenant, "new"), 3))


async def test_a_replica_that_is_too_far_behind_is_not_used(servers: Servers) -> None:
    async with servers.connected(most_lag_seconds=1.5) as tenant:
        await eventually(lambda: _is(_up(), 1.0))
        async with servers.paused():
            await db.accept(tenant, 3, text="Quite new")
            await eventually(lambda: _is(_up(), 0.0))
            assert figures()["ibiki_replica_lag_seconds"] > 1.5
            assert await found(tenant, "new") == 3
            await db.assert_audit_holds()
        await eventually(lambda: _is(_up(), 1.0))
        assert figures()["ibiki_replica_lag_seconds"] < 1.5


async def test_an_audit_on_a_replica_covers_all_that_was_committed_before(servers: Servers) -> None:
    async with servers.connected() as tenant:
        async with servers.paused():
            await db.accept(tenant, 5, text="Not there yet")
            run = await new_audit(store)
            working = asyncio.create_task(audit(store, run, rest=0))
            await asyncio.sleep(0.2)
            assert not working.done()
        done = await working
        everything = await db.fetch("SELECT count(*) FROM message")
        assert done.holds
        assert done.messages_checked == everything[0]["count"]
        assert (await store.find_audit(Everything(), run.id)).holds


async def test_an_audit_never_returns_to_a_replica_that_failed(servers: Servers) -> None:
    async with servers.connected(), steady_reads():
        assert await steady_read(_is_standby)
        servers.standby.stop()
        assert not await steady_read(_is_standby)
        servers.standby.start()
        await eventually(lambda: _is(_up(), 1.0))
        assert not await steady_read(_is_standby)


async def test_without_its_replica_the_program_is_ready_and_answers(servers: Servers) -> None:
    async with servers.connected() as tenant:
        assert await long_read(_is_standby)
        servers.standby.stop()
        assert await found(tenant, "beginning") == 2, "also before the next check"
        await db.assert_audit_holds()
        await eventually(lambda: _is(_up(), 0.0))
        assert math.isnan(figures()["ibiki_replica_lag_seconds"])
        assert await why_not_ready() is None
        servers.standby.start()
        await eventually(lambda: long_read(_is_standby))


async def test_a_frozen_replica_delays_a_search_once(servers: Servers) -> None:
    async with servers.connected() as tenant:
        assert await long_read(_is_standby)
        with servers.standby.frozen():
            assert await found(tenant, "beginning") == 2
            await eventually(lambda: _is(_up(), 0.0))
            async with asyncio.timeout(ANSWER_SECONDS):
                assert await found(tenant, "beginning") == 2
        await eventually(lambda: long_read(_is_standby))


async def test_a_read_that_replication_cancels_is_repeated_on_the_main_database(
    servers: Servers,
) -> None:
    standby_url = servers.standby.url(role="postgres")
    await asyncio.to_thread(
        servers.standby.cluster.execute, "ALTER SYSTEM SET max_standby_streaming_delay = 0;"
    )
    await ask(standby_url, "SELECT pg_reload_conf()")
    cancelled: list[str | None] = []

    async def read(held: Connection) -> object:
        if not await _is_standby(held):
            return "the main database"
        async with held.transaction(isolation="repeatable_read", readonly=True):
            await held.fetch("SELECT count(*) FROM message")
            await db.execute("UPDATE message SET failure = 'x' WHERE status = 'QUEUED'")
            await db.execute("VACUUM message")
            try:
                return await held.fetchval("SELECT count(*) FROM message, pg_sleep(30)")
            except asyncpg.PostgresError as error:
                cancelled.append(error.sqlstate)
                raise

    async with servers.connected():
        await eventually(lambda: long_read(_is_standby))

        async def is_cancelled() -> bool:
            assert await long_read(read) == "the main database"
            return cancelled != []

        # On a busy machine the standby can be too far behind again, and is not read.
        await eventually(is_cancelled)
    assert cancelled == ["40001"]


async def test_a_server_that_is_not_a_standby_of_the_main_one_is_not_used(
    servers: Servers, database_url: str
) -> None:
    async with servers.connected(servers.url):
        assert not await long_read(_is_standby)
        assert await _up() == 0.0
    await connect(database_url, read_url=servers.standby.url(), application_name="tests")
    try:
        assert not await long_read(_is_standby)
        assert await _up() == 0.0
    finally:
        await disconnect()


async def test_without_the_setting_long_reads_have_their_own_connections(
    worker_database_url: str,
) -> None:
    async with db.connected(worker_database_url, pool_size=2):
        locker = await asyncpg.connect(worker_database_url)
        await locker.execute("SELECT pg_advisory_lock(203)")
        holding = [asyncio.create_task(long_read(_waiting)) for _ in range(6)]
        await eventually(lambda: _is(locker.fetchval(WAITING), 6))
        await db.fetch("SELECT 1")
        await locker.close()
        assert await asyncio.gather(*holding) == [None] * 6
        assert replica() is None
        assert all(math.isnan(each) for each in figures().values())


WAITING = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 203 AND NOT granted
"""


async def _waiting(held: Connection) -> None:
    await held.execute("SELECT pg_advisory_xact_lock(203)")


async def _is_standby(held: Connection) -> bool:
    return bool(await held.fetchval("SELECT pg_is_in_recovery()"))


async def _up() -> float:
    return figures()["ibiki_replica_up"]


async def _is(reading: object, wanted: object) -> bool:
    return bool(await reading == wanted)  # type: ignore[misc]
