"""Users in a database, and a live server for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.installations import App, running_app
from tests.live.server import FakeAuthenticator, Server, authenticator_of, server


@pytest.fixture
async def people(database_url: str) -> AsyncIterator[App]:
    async with running_app(database_url) as made:
        yield made


@pytest.fixture
def authenticator(people: App) -> FakeAuthenticator:
    return authenticator_of(people)


@pytest.fixture
async def running(people: App, authenticator: FakeAuthenticator) -> AsyncIterator[Server]:
    async with server(people.installation, authenticator) as made:
        yield made
