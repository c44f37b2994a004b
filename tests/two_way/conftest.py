"""What tests of two-way messaging share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests import worlds
from tests.resolvers.house import Neighbourhood, neighbourhood


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[str]:
    """This program is connected to a database of the test's own. Its address."""
    async with worlds.connected(database_url):
        yield database_url


@pytest.fixture
async def street(database_url: str) -> AsyncIterator[Neighbourhood]:
    """A house over a real database of the test's own, and the people who ask it."""
    async with neighbourhood(database_url) as street:
        yield street
