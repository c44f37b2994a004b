"""Fixtures of the inbox tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import db


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[str]:
    """The URL of a database of the test, which this process is connected to."""
    async with db.connected(database_url):
        yield database_url
