"""People in a database, and a live server that they can ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.installations import App, running_app
from tests.live.rig import Desk, Server, desk_of, server


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[App]:
    async with running_app(database_url) as made:
        yield made


@pytest.fixture
def desk(people: App) -> Desk:
    return desk_of(people)


@pytest.fixture
async def running(people: App, desk: Desk) -> AsyncIterator[Server]:
    async with server(people.installation, desk) as made:
        yield made
