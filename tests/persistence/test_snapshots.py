"""Each row is read once after its commit, for any order in which transactions begin and commit."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from uuid import UUID

import asyncpg
import pytest

from domain.ids import new_id
from persistence.identity.actors import read_access_changes
from tests import db
from tests.databases import OtherConnection
from tests.persistence.connections import INSERT

WRITERS = 5


class Writer:
    """A connection that begins, writes, commits and rolls back when the test says so."""

    def __init__(self, database: OtherConnection) -> None:
        self._database = database
        self._written: set[UUID] = set()
        self.is_open = False

    async def write(self) -> None:
        """Writes a row in a subtransaction, in a transaction that stays open."""
        if not self.is_open:
            await self._database.execute("BEGIN")
            self.is_open = True
        row_id = new_id()
        await self._database.execute("SAVEPOINT sub")
        await self._database.execute(INSERT, row_id)
        await self._database.execute("RELEASE SAVEPOINT sub")
        self._written.add(row_id)

    async def end(self, how: str) -> set[UUID]:
        """The rows that are committed by it."""
        written, self._written = self._written, set()
        if self.is_open:
            await self._database.execute(how)
            self.is_open = False
        return written if how == "COMMIT" else set()


@pytest.mark.parametrize("seed", range(4))
async def test_each_row_is_read_once_at_the_first_read_after_its_commit(
    database_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(db.connected(database_url, pool_size=1))
        writers = []
        for _ in range(WRITERS):
            database = await asyncpg.connect(database_url)
            stack.push_async_callback(database.close)
            writers.append(Writer(database))
        snapshot, _ = await read_access_changes(None)
        expected: set[UUID] = set()
        for _ in range(150):
            writer = chance.choice(writers)
            match chance.choice(["write", "write", "COMMIT", "ROLLBACK", "read"]):
                case "write":
                    await writer.write()
                case "read":
                    snapshot, found = await read_access_changes(snapshot)
                    assert sorted(found) == sorted(expected)
                    expected = set()
                case how:
                    expected |= await writer.end(how)


async def test_rows_restored_from_another_server_are_not_read_again_and_again(
    database_url: str,
) -> None:
    """A dump keeps the transaction IDs of the server that it was made on."""
    async with db.connected(database_url, pool_size=1):
        snapshot, _ = await read_access_changes(None)
        await db.execute(
            "INSERT INTO access_change (id, subject_id, transaction_id)"
            " VALUES ($1, $1, 999999999999)",
            new_id(),
        )
        for _ in range(3):
            snapshot, found = await read_access_changes(snapshot)
            assert not found


async def test_a_read_uses_the_index(database_url: str) -> None:
    async with db.connected(database_url):
        await db.execute(
            "INSERT INTO access_change (id, subject_id, transaction_id)"
            " SELECT gen_random_uuid(), gen_random_uuid(), each"
            " FROM generate_series(1, 20000) AS each"
        )
        await db.execute("ANALYZE access_change")
        rows = await db.fetch(
            "EXPLAIN SELECT subject_id FROM access_change"
            " WHERE transaction_id >= pg_snapshot_xmin('19990:19990:'::pg_snapshot)::text::bigint"
        )
        plan = "\n".join(row["QUERY PLAN"] for row in rows)
        assert "access_change_by_transaction" in plan
