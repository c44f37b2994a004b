"""What tests of uploads and contacts share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.resolvers.house import Neighbourhood, neighbourhood


@pytest.fixture
async def street(database_url: str) -> AsyncIterator[Neighbourhood]:
    """A house over a real database of the test's own, and the people who ask it."""
    async with neighbourhood(database_url) as street:
        yield street
