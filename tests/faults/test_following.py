"""PostgreSQL with a streaming standby: what a COMMIT waits for, and which server is used."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from domain.errors import TryAgain
from domain.ids import new_id
from domain.transactions import CommitLost, Disconnected
from persistence import opening
from persistence.database import connection, transaction
from persistence.servers import credentials, reach
from tests import databases, db
from tests.clocks import PATIENCE_SECONDS
from tests.end_to_end.program import fresh_directory
from tests.faults.following import NAME, follow, promote, set_synchronous
from tests.faults.postgres import Postgres
from tests.persistence.connections import INSERT, assert_whole

pytestmark = [pytest.mark.xdist_group("standby"), pytest.mark.timeout(600)]

TABLE = "CREATE TABLE access_change (id uuid PRIMARY KEY, subject_id uuid)"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
ABSENT = "absent"
ANSWER_SECONDS = 1.0


@dataclass
class Pair:
    """A primary and its standby."""

    primary: Postgres
    standby: Postgres

    @property
    def url(self) -> str:
        """The address of both servers, the standby first."""
        folders = [quote(str(each.socket.parent)) for each in (self.standby, self.primary)]
        return f"postgresql://ibiki@/ibiki?host={','.join(folders)}"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with fresh_directory() as directory:
        primary = Postgres(directory / "one", {})
        primary.create()
        try:
            asyncio.run(databases.execute(primary.url, TABLE))
            standby = asyncio.run(follow(primary, directory / "two"))
            yield Pair(primary, standby)
            standby.stop()
        finally:
            primary.stop()


async def test_only_the_server_that_takes_writes_is_used(pair: Pair) -> None:
    async with db.connected(pair.url), connection() as pooled:
        assert not await pooled.fetchval("SELECT pg_is_in_recovery()")


async def test_a_standby_is_used_if_the_address_asks_for_one(pair: Pair) -> None:
    reached = await reach(**credentials(f"{pair.url}&target_session_attrs=standby"))
    assert await reached.fetchval("SELECT pg_is_in_recovery()")
    await reached.close()


async def test_a_server_that_does_not_answer_delays_the_next_one_only_for_a_moment(
    pair: Pair,
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        servers = [silent.getsockname(), (str(pair.primary.socket.parent), 5432)]
        reached = await reach(servers=servers, user="ibiki", database="ibiki", timeout=300)
    assert await reached.fetchval("SELECT 1") == 1
    await reached.close()


async def test_a_write_to_a_standby_raises_try_again(pair: Pair) -> None:
    async with db.connected(pair.standby.url):
        with pytest.raises(TryAgain):
            async with connection() as pooled:
                await pooled.execute(INSERT, new_id())
        with pytest.raises(Disconnected):
            async with transaction() as tx:
                await tx.execute(INSERT, new_id())


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_write_is_not_confirmed_and_not_visible_before_the_standby_has_it(
    pair: Pair, cancelled: bool
) -> None:
    row_id = new_id()

    async def write() -> None:
        async with transaction() as tx:
            await tx.execute(INSERT, row_id)

    async def is_seen() -> bool:
        return bool(await pair.primary.ask(f"SELECT 1 FROM access_change WHERE id = '{row_id}'"))

    await set_synchronous(pair.primary, ABSENT)
    answer_seconds = 2 * PATIENCE_SECONDS if cancelled else ANSWER_SECONDS
    await opening.connect(pair.primary.url, pool_size=5, answer_seconds=answer_seconds)
    try:
        if cancelled:
            writing = asyncio.create_task(write())
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await pair.primary.ask(WAITING) == 0:  # noqa: ASYNC110 - the server's
                    await asyncio.sleep(0.02)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
        else:
            with pytest.raises(CommitLost):
                await write()
        # Each of these opens a connection. A cancellation would have arrived before that.
        assert await pair.primary.ask(WAITING) == 1
        assert not await is_seen()
        await set_synchronous(pair.primary, "")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await is_seen():  # noqa: ASYNC110 - the server changes it
                await asyncio.sleep(0.02)
        await assert_whole()
    finally:
        await set_synchronous(pair.primary, "")
        await opening.disconnect()


async def test_confirmed_writes_survive_a_failover_and_new_writes_succeed(pair: Pair) -> None:
    await set_synchronous(pair.primary, NAME)
    confirmed = [new_id() for _ in range(50)]
    async with db.connected(pair.url):
        for row_id in confirmed:
            async with transaction() as tx:
                await tx.execute(INSERT, row_id)
        await pair.primary.kill()
        with pytest.raises((Disconnected, TryAgain)):
            async with transaction() as tx:
                await tx.execute(INSERT, new_id())
        await promote(pair.standby)
        async with transaction() as tx:
            await tx.execute(INSERT, new_id())
            kept = await tx.fetchval(
                "SELECT count(*) FROM access_change WHERE id = ANY($1::uuid[])", confirmed
            )
    assert kept == len(confirmed)
