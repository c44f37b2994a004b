"""A connected database for tests of the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import worlds
from tests.ledger.line import Line, line_to


@pytest.fixture
async def connected(worker_database_url: str) -> AsyncIterator[None]:
    """This process is connected to a database that other tests write to as well."""
    async with worlds.connected(worker_database_url):
        yield


@pytest.fixture
async def line(worker_database_url: str) -> AsyncIterator[Line]:
    """The same, over a line that can be cut."""
    async with line_to(worker_database_url) as to_server, worlds.connected(to_server.url):
        yield to_server
