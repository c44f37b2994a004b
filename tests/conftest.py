"""Fixtures for every test: real databases.

`database_url` is a migrated, empty database; `new_database_url` is one that no test has used.
`worker_database_url` is one copy for all tests of an xdist worker, for tests that do not depend on
which rows exist. `database_server` has the address of the superuser, for tests that close
connections.
"""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from domain import transactions
from ibiki.local import embedded
from persistence.sending import parts
from tests import databases, db
from tests.copies import Copies
from tests.databases import OtherConnection
from tests.installations import App, running_app
from tests.ledger.cutting_proxy import CuttingProxy, proxy_to
from tests.quicker import quicker_starts

LONGEST_NAME = 80
"""How many characters of a parameter are shown in the name of a test."""

_run_directory = pytest.StashKey[Path]()
_run = pytest.StashKey[ExitStack]()

# The machine may be busy, and a run says the same as the run before it. With
# --hypothesis-profile=random, each run draws other values.
BUSY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ibiki", derandomize=True, **BUSY)
settings.register_profile("random", **BUSY)
settings.load_profile("ibiki")


def pytest_configure(config: pytest.Config) -> None:
    worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[_run_directory] = Path(worker_input["run_directory"])
        return
    if databases.SHARED in os.environ:
        # `make mutants` sets it: one server for many runs.
        config.stash[_run_directory] = Path(os.environ[databases.SHARED])
        return
    config.stash[_run] = ExitStack()
    directory = config.stash[_run].enter_context(databases.run_directory())
    config.stash[_run_directory] = directory
    # In /tmp/pytest-of-USER, each run closes the folders of all others to the user of a database.
    config.option.basetemp = config.option.basetemp or str(directory / "tmp")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["run_directory"] = str(node.config.stash[_run_directory])


def pytest_unconfigure(config: pytest.Config) -> None:
    if _run in config.stash:
        config.stash[_run].close()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A short name for a long value.

    A file that a test makes has the time in it. Its name must not, because the workers of xdist
    must all see the same tests.
    """
    if isinstance(val, bytes) and len(val) > LONGEST_NAME:
        return argname
    if isinstance(val, str) and len(val) > LONGEST_NAME:
        return f"{val[:LONGEST_NAME]}…"
    return None


def pytest_collection_finish() -> None:
    """What was imported and collected stays. The garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


def run_directory_of(config: pytest.Config) -> Path:
    """The directory of the PostgreSQL of this test run."""
    return config.stash[_run_directory]


def pytest_runtest_setup() -> None:
    """Begins each test without an outage: tasks of the last one may still wait for a database."""
    transactions.OUTAGE = transactions.Outage()


@pytest.fixture(scope="session", autouse=True)
def quicker() -> Iterator[None]:
    """Servers and connections of this process start and stop more quickly."""
    with quicker_starts():
        yield


@pytest.fixture(scope="session", autouse=True)
def small_parts() -> Iterator[None]:
    """Also small bulks are parts of the queue, so that all tests meet them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "LEAST_OF_PART", 2)
        yield


@pytest.fixture(scope="session")
def database_server(pytestconfig: pytest.Config) -> Iterator[embedded.EmbeddedDatabase]:
    """The PostgreSQL of this test run."""
    with embedded.start(run_directory_of(pytestconfig), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
async def database_template(
    pytestconfig: pytest.Config, database_server: embedded.EmbeddedDatabase
) -> embedded.EmbeddedDatabase:
    """The server, with the migrated template in it."""
    lock_path = pytestconfig.stash[_run_directory] / "template.lock"
    await databases.ensure_template(database_server, lock_path)
    return database_server


@pytest.fixture(scope="session")
def database_copies(database_template: embedded.EmbeddedDatabase) -> Iterator[Copies]:
    """Databases for the tests of this worker."""
    with closing(Copies(database_template)) as copies:
        yield copies


@pytest.fixture
def database_url(database_copies: Copies, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated, empty database for one test, as the role of the application."""
    url, failed = database_copies.take(), request.session.testsfailed
    yield url
    database_copies.put_back(url, again=request.session.testsfailed == failed)


@pytest.fixture
def new_database_url(database_copies: Copies) -> Iterator[str]:
    """The same, but no test has used it: for tests of plans, statistics, files and counters."""
    url = database_copies.take_new()
    yield url
    database_copies.put_back(url, again=False)


@pytest.fixture(scope="session")
async def worker_database_url(database_template: embedded.EmbeddedDatabase) -> AsyncIterator[str]:
    """A migrated database shared by the tests of one worker."""
    async with databases.fresh_copy(database_template) as url:
        yield url


@pytest.fixture
async def connected(worker_database_url: str) -> AsyncIterator[str]:
    """This process is connected to the database that the tests of this worker share."""
    async with db.connected(worker_database_url):
        yield worker_database_url


@pytest.fixture
async def proxy(worker_database_url: str) -> AsyncIterator[CuttingProxy]:
    """The same, through a connection that the test can cut."""
    async with proxy_to(worker_database_url) as to_server, db.connected(to_server.url):
        yield to_server


@pytest.fixture
async def other_connection(worker_database_url: str) -> AsyncIterator[OtherConnection]:
    """A connection that does not belong to the program."""
    connection = await asyncpg.connect(worker_database_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def undone(other_connection: OtherConnection) -> AsyncIterator[OtherConnection]:
    """A transaction that is rolled back after the test."""
    begun = other_connection.transaction()
    await begun.start()
    yield other_connection
    await begun.rollback()


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    """An installation on a database for this test, with its users."""
    async with running_app(database_url) as app:
        yield app
