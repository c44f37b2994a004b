"""Fixtures of the dispatch tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import db


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[str]:
    """The address of the database of the test, which this process is connected to."""
    async with db.connected(database_url):
        yield database_url


@pytest.fixture
async def connected_to_new(new_database_url: str) -> AsyncIterator[str]:
    """The same, with a database that no test has used."""
    async with db.connected(new_database_url):
        yield new_database_url
