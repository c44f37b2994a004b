"""Databases for the tests of one worker, made ready while other tests run.

A test gets a new copy of the template, or a used one that was emptied: to copy takes 0.1 s, and to
empty 0.02 s. A used database is dropped if its tables, triggers or rights have changed, if it has
grown, or if the test has failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from ibiki.local.embedded import EmbeddedDatabase
from tests.databases import OtherConnection, connection_to, copied, drop

Result = TypeVar("Result")

MOST_GROWTH_BYTES = 4_000_000
"""Rows that were deleted stay in the files for a while, and make scans slow."""

# Changed by every DDL statement, also by TRUNCATE. ANALYZE and VACUUM leave xmin as it is.
CATALOGS = (
    "pg_class",
    "pg_attribute",
    "pg_attrdef",
    "pg_constraint",
    "pg_index",
    "pg_inherits",
    "pg_proc",
    "pg_trigger",
)
CATALOG = "SELECT concat_ws(' ', {}, {})".format(
    ", ".join(f"(SELECT (count(*), max(xmin::text::bigint)) FROM {each})" for each in CATALOGS),
    "(SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase"
    " WHERE datname = current_database())",
)
SIZE = "SELECT pg_database_size(current_database())"
TABLES = """
SELECT pg_class.oid::regclass::text
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = 'public' AND relkind = 'r'
"""
SEQUENCES = """
SELECT format('PERFORM setval(%L, %s, %L);', format('%I.%I', schemaname, sequencename),
              coalesce(last_value, start_value), last_value IS NOT NULL) FROM pg_sequences
"""
END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass(frozen=True, slots=True)
class New:
    """What a new copy is like, and the statement that makes a used one like it."""

    catalog: str
    size: int
    empty: str

    @classmethod
    async def of(cls, connection: OtherConnection) -> New:
        """Read from a new copy."""
        statements = []
        for (table,) in await connection.fetch(TABLES):
            statements.append(f"IF EXISTS (SELECT FROM {table}) THEN DELETE FROM {table}; END IF;")
            rows = await connection.fetchval(f"SELECT json_agg(each) FROM {table} AS each")
            if rows is not None:
                statements.append(
                    f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM"
                    f" json_populate_recordset(NULL::{table}, $rows${rows}$rows$);"
                )
        statements += [statement for (statement,) in await connection.fetch(SEQUENCES)]
        # As on a replica: no foreign key is checked, and no trigger runs.
        head = "SET LOCAL session_replication_role = replica;"
        empty = f"DO $do$ BEGIN {head} {' '.join(statements)} END $do$"
        return cls(await connection.fetchval(CATALOG), await connection.fetchval(SIZE), empty)

    async def restore(self, connection: OtherConnection) -> bool:
        """Makes a used database like this. False if that is not possible."""
        await connection.execute(END_OTHERS)
        if await connection.fetchval(CATALOG) != self.catalog:
            return False
        if await connection.fetchval(SIZE) > self.size + MOST_GROWTH_BYTES:
            return False
        await connection.execute(self.empty)
        return True


class Copies:
    """The databases of one worker."""

    def __init__(self, server: EmbeddedDatabase) -> None:
        self._server = server
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="databases")
        self._ready: list[str] = []
        self._new: New | None = None
        self._next = self._prepared()
        self._put_back: Future[None] | None = None

    def take(self) -> str:
        """The address of an empty database."""
        taken, self._next = self._next, self._prepared()
        return taken.result()

    def take_new(self) -> str:
        """The address of a database that no test has used."""
        return self._thread.submit(lambda: asyncio.run(copied(self._server))).result()

    def put_back(self, url: str, *, again: bool) -> None:
        """`again`: another test may use it. Raises what went wrong with the one before."""
        if self._put_back is not None:
            self._put_back.result()
        self._put_back = self._thread.submit(lambda: asyncio.run(self._return(url, again=again)))

    def close(self) -> None:
        """Ends the work. What is left goes with the server."""
        self._thread.shutdown(cancel_futures=True)

    def _prepared(self) -> Future[str]:
        return self._thread.submit(lambda: asyncio.run(self._prepare()))

    async def _prepare(self) -> str:
        if self._ready:
            return self._ready.pop()
        url = await copied(self._server)
        if self._new is None:
            self._new = await self._as_superuser(url, New.of)
        return url

    async def _return(self, url: str, *, again: bool) -> None:
        assert self._new is not None
        if again and await self._as_superuser(url, self._new.restore):
            self._ready.append(url)
        else:
            await drop(self._server, url)

    async def _as_superuser(
        self, url: str, work: Callable[[OtherConnection], Awaitable[Result]]
    ) -> Result:
        address = urlsplit(self._server.superuser_url)._replace(path=urlsplit(url).path)
        async with connection_to(address.geturl()) as connection:
            return await work(connection)
