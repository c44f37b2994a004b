"""People in a database, and a live server that they can ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.installations import Neighbourhood, neighbourhood
from tests.live.rig import Desk, Server, desk_of, server


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[Neighbourhood]:
    async with neighbourhood(database_url) as made:
        yield made


@pytest.fixture
def desk(people: Neighbourhood) -> Desk:
    return desk_of(people)


@pytest.fixture
async def running(people: Neighbourhood, desk: Desk) -> AsyncIterator[Server]:
    async with server(people.installation, desk) as made:
        yield made
