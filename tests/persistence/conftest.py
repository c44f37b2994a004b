"""Connections for tests of persistence."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import db
from tests.ledger.cutting_proxy import CuttingProxy, proxy_to
from tests.persistence.connections import POOL_SIZE


@pytest.fixture
def database_url(new_database_url: str) -> str:
    """Tests of statements look at plans, statistics and counters."""
    return new_database_url


@pytest.fixture
async def connected(worker_database_url: str) -> AsyncIterator[None]:
    """This process is connected to a database."""
    async with db.connected(worker_database_url, pool_size=POOL_SIZE):
        yield


@pytest.fixture
async def proxy(worker_database_url: str) -> AsyncIterator[CuttingProxy]:
    """This process is connected over a connection that the test can cut."""
    async with (
        proxy_to(worker_database_url) as to_server,
        db.connected(to_server.url, pool_size=POOL_SIZE),
    ):
        yield to_server
