"""An installation over real HTTP and a real database, for tests of hostile requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from domain.errors import TryAgain
from domain.identity.access import Actor
from ibiki.local.embedded import EmbeddedDatabase
from ibiki.observability.metrics import Metrics
from ibiki.web_app import AppParts, build_app
from persistence.identity.models import User
from tests import databases
from tests.clocks import stopwatch
from tests.installations import App, running_app
from tests.servers import serving_app

SOON_SECONDS = 5.0
"""Far more than any request takes, so that a busy machine does not matter."""

REFUSED = {"BAD_USER_INPUT", "TOO_COMPLEX"}


@dataclass(frozen=True, slots=True)
class Web:
    """The installation over HTTP. The credential is the name of an actor."""

    http: httpx.AsyncClient

    async def post(self, body: bytes | str, who: str = "owner", **headers: str) -> httpx.Response:
        """Posts a body. Asserts that the response is quick and not an internal error."""
        given = {"authorization": f"Bearer {who}", "content-type": "application/json", **headers}
        async with stopwatch() as watch:
            response = await self.http.post("/graphql", content=body, headers=given)
            assert watch.seconds < SOON_SECONDS
        assert response.status_code < 500
        assert '"INTERNAL"' not in response.text
        return response

    async def ask(self, query: str, who: str = "owner", **variables: Any) -> dict[str, Any]:
        """The body of the response."""
        response = await self.post(orjson.dumps({"query": query, "variables": variables}), who)
        answer: dict[str, Any] = response.json()
        return answer

    async def refusal(self, query: str, **variables: Any) -> dict[str, Any]:
        """The first error of a request that is refused before a field is resolved."""
        answer = await self.ask(query, **variables)
        assert answer.get("data") is None
        error: dict[str, Any] = answer["errors"][0]
        assert error["extensions"]["code"] in REFUSED
        return error


@dataclass
class NameAuthenticator:
    """Accepts the name of an actor as the credential. "unavailable": the store is unavailable."""

    actors: Mapping[str, Actor | None]

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor with this name."""
        if credential == "unavailable":
            raise TryAgain
        return self.actors.get(credential)


async def add_users(app: App) -> NameAuthenticator:
    """Creates a user for each actor of the app."""
    people = {who: app.actor(who) for who in ("owner", "loner", "admin", "supervisor")}
    for who, actor in people.items():
        assert actor is not None
        await User.create(
            id=actor.user_id,
            email=f"{who}@ibiki.test",
            password_hash="none",
            role=actor.role.value,
            client_id=actor.client_id,
            group_id=actor.group_id,
        )
    return NameAuthenticator({**people, "nobody": None})


@asynccontextmanager
async def hostile_web(template: EmbeddedDatabase) -> AsyncIterator[Web]:
    """Runs such an installation with its own database."""

    async def is_ready() -> str | None:
        return None

    async with (
        databases.fresh_copy(template) as database_url,
        running_app(database_url) as app,
        httpx.AsyncClient(timeout=60) as http,
    ):
        parts = AppParts(
            installation=app.installation,
            authenticator=await add_users(app),
            metrics=Metrics(),
            is_ready=is_ready,
        )
        async with serving_app(build_app(parts)) as url:
            http.base_url = httpx.URL(url)
            yield Web(http)
