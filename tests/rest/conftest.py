"""A server of the REST API on the app's database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from ibiki.http.middleware import BodyLimit
from ibiki.http.rest.rest import Rest
from tests.ibiki.http_server import running_server
from tests.installations import App, KnownUsers

LIMIT = BodyLimit(size=1_000_000)


@pytest.fixture
async def web(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server. The bearer token is the name of a user of the app."""
    routes = Rest(app.installation, KnownUsers(app)).routes()
    async with running_server(routes=routes, body=LIMIT) as made:
        made.http.headers["authorization"] = "Bearer owner"
        yield made.http
