"""Connections for tests of persistence."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import worlds
from tests.ledger.line import Line, line_to
from tests.persistence.connections import POOL_SIZE


@pytest.fixture
def database_url(new_database_url: str) -> str:
    """Tests of statements look at plans, statistics and counters."""
    return new_database_url


@pytest.fixture
async def connected(worker_database_url: str) -> AsyncIterator[None]:
    """This process is connected to a database."""
    async with worlds.connected(worker_database_url, pool_size=POOL_SIZE):
        yield


@pytest.fixture
async def line(worker_database_url: str) -> AsyncIterator[Line]:
    """This process is connected over a line that the test can cut."""
    async with (
        line_to(worker_database_url) as to_server,
        worlds.connected(to_server.url, pool_size=POOL_SIZE),
    ):
        yield to_server
