"""One embedded PostgreSQL for a whole test run, one template database, and a copy for each test.

The main process of pytest owns a directory. The first xdist worker that needs a database starts the
server in it, and the last one stops it. At the end, the main process stops it if it still runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from ibiki.local import embedded

SHARED = "IBIKI_TESTS_DIRECTORY"
"""Names the environment variable with the directory of another run, whose server is used."""

OtherConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_PREFIX = "ibiki-tests-"
_TEMPLATE = "ibiki_template"
_DRAFT = "ibiki_template_draft"
_LOCK = "run.lock"


@contextmanager
def run_directory() -> Iterator[Path]:
    """A new directory for this test run. It is removed afterwards, and its server is stopped."""
    clear_up_after_killed_runs()
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with _owned(directory):
        yield directory
        _remove(directory)


async def ensure_template(server: embedded.EmbeddedDatabase, lock_path: Path) -> None:
    """Creates and migrates the template database, unless another worker has done it."""
    from persistence.migrating import migrate

    with _locked(lock_path):
        if await _exists(server, _TEMPLATE):
            return
        # It would change statistics and plans in the middle of a test, and it reads new pages for
        # BRIN indexes, which counts as scans of their tables.
        await execute(server.superuser_url, "ALTER SYSTEM SET autovacuum = off")
        await execute(server.superuser_url, "SELECT pg_reload_conf()")
        await execute(server.superuser_url, f"DROP DATABASE IF EXISTS {_DRAFT}")
        await execute(server.superuser_url, f"CREATE DATABASE {_DRAFT} OWNER ibiki")
        await migrate(_url_of(server, _DRAFT))
        await execute(server.superuser_url, f"ALTER DATABASE {_DRAFT} RENAME TO {_TEMPLATE}")


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[OtherConnection]:
    """A connection that does not belong to the program."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def fresh_copy(server: embedded.EmbeddedDatabase) -> AsyncIterator[str]:
    """The address of a new database for this caller: migrated and empty. Dropped afterwards."""
    url = await copied(server)
    try:
        yield url
    finally:
        await drop(server, url)


async def copied(server: embedded.EmbeddedDatabase) -> str:
    """The address of a new copy of the template."""
    name = f"test_{uuid4().hex}"
    # FILE_COPY takes 35 ms for our 8 MB, WAL_LOG 110 ms (fsync is off).
    await execute(
        server.superuser_url,
        f"CREATE DATABASE {name} OWNER ibiki TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY",
    )
    return _url_of(server, name)


async def drop(server: embedded.EmbeddedDatabase, url: str) -> None:
    """Drops a database and ends its connections."""
    name = urlsplit(url).path.removeprefix("/")
    await execute(server.superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(url: str, statement: str) -> None:
    """Runs one statement over a separate connection."""
    async with connection_to(url) as connection:
        await connection.execute(statement)


async def _exists(server: embedded.EmbeddedDatabase, name: str) -> bool:
    async with connection_to(server.superuser_url) as connection:
        return bool(await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name))


def _url_of(server: embedded.EmbeddedDatabase, name: str) -> str:
    return urlsplit(server.url)._replace(path=f"/{name}").geturl()


def clear_up_after_killed_runs() -> None:
    """Removes the directories of this user's runs that were killed, and stops their servers."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            status = directory.stat()
            if status.st_uid == os.geteuid() and time.time() - status.st_ctime >= 60:
                with _owned(directory):
                    _remove(directory)
        except OSError:
            continue  # its run is active, or another run has just removed it


def _remove(directory: Path) -> None:
    if (directory / "postgres").exists():
        embedded.stop(directory)
    # The lock goes last: while it exists, no other run removes anything here.
    for each in directory.iterdir():
        if each.name != _LOCK:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    shutil.rmtree(directory)


@contextmanager
def _owned(directory: Path) -> Iterator[None]:
    with (directory / _LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
