"""What tests of the inbox share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import worlds


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[str]:
    """This program is connected to a database of the test's own. Its address."""
    async with worlds.connected(database_url):
        yield database_url
