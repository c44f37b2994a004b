"""One embedded PostgreSQL for a whole test run, a template made once, copies of it for tests.

The process that pytest was started as owns a directory; whichever xdist worker first needs a
database starts the server in it, the last to leave stops it, and the owner sees to it in the end.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from ibiki.local import embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SHARED = "IBIKI_TESTS_DIRECTORY"
"""Names the environment variable with the directory of another run, whose server is used."""

_PREFIX = "ibiki-tests-"
_TEMPLATE = "ibiki_template"
_DRAFT = "ibiki_template_draft"


@contextmanager
def run_directory() -> Iterator[Path]:
    """A directory of this test run's own; no server runs in it and it is gone afterwards."""
    _clear_up_after_killed_runs()
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with _owned(directory):
        yield directory
        _remove(directory)


async def ensure_template(server: embedded.EmbeddedDatabase, lock_path: Path) -> None:
    """The template database exists, migrated; made by the first worker that comes here."""
    from persistence.migrating import migrate

    with _locked(lock_path):
        if await _exists(server, _TEMPLATE):
            return
        await execute(server.superuser_url, f"DROP DATABASE IF EXISTS {_DRAFT}")
        await execute(server.superuser_url, f"CREATE DATABASE {_DRAFT} OWNER ibiki")
        await migrate(_url_of(server, _DRAFT))
        await execute(server.superuser_url, f"ALTER DATABASE {_DRAFT} RENAME TO {_TEMPLATE}")


@asynccontextmanager
async def fresh_copy(server: embedded.EmbeddedDatabase) -> AsyncIterator[str]:
    """The address of a database that only this caller has: migrated, empty, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    # FILE_COPY: 35 ms for our 8 MB where WAL_LOG takes 110 ms (fsync is off).
    await execute(
        server.superuser_url,
        f"CREATE DATABASE {name} OWNER ibiki TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY",
    )
    try:
        yield _url_of(server, name)
    finally:
        await execute(server.superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(url: str, statement: str) -> None:
    """Runs one statement over a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _exists(server: embedded.EmbeddedDatabase, name: str) -> bool:
    connection = await asyncpg.connect(server.superuser_url)
    try:
        return bool(await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name))
    finally:
        await connection.close()


def _url_of(server: embedded.EmbeddedDatabase, name: str) -> str:
    return urlsplit(server.url)._replace(path=f"/{name}").geturl()


def _clear_up_after_killed_runs() -> None:
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if directory.stat().st_uid != os.geteuid() or time.time() - directory.stat().st_ctime < 60:
            continue
        try:
            with _owned(directory):
                _remove(directory)
        except BlockingIOError:
            continue


def _remove(directory: Path) -> None:
    if (directory / "postgres").exists():
        embedded.stop(directory)
    shutil.rmtree(directory)


@contextmanager
def _owned(directory: Path) -> Iterator[None]:
    with (directory / "run.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
