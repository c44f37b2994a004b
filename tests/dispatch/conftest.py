"""Fixtures of the dispatch tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import worlds


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[str]:
    """The address of the database of the test, which this process is connected to."""
    async with worlds.connected(database_url):
        yield database_url
