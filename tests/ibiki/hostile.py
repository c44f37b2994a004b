"""A whole installation over real HTTP and a real database, for callers who mean ill."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from domain.identity.access import Actor
from ibiki.http.app import AppParts, build_app
from ibiki.http.server import serving
from ibiki.local.embedded import EmbeddedDatabase
from ibiki.observability.metrics import Metrics
from persistence.identity.models import User
from tests import databases
from tests.installations import App, running_app

SOON_SECONDS = 5.0
"""Far above what any of these takes, so that a busy machine does not matter."""

REFUSED = {"BAD_USER_INPUT", "TOO_COMPLEX"}


@dataclass(frozen=True, slots=True)
class Web:
    """The installation over HTTP; a credential is the word for who is asking."""

    http: httpx.AsyncClient

    async def post(self, body: bytes | str, who: str = "owner", **headers: str) -> httpx.Response:
        """Posts a body as it is; the answer has come soon, and is no defect."""
        given = {"authorization": f"Bearer {who}", "content-type": "application/json", **headers}
        started = time.perf_counter()
        response = await self.http.post("/graphql", content=body, headers=given)
        assert time.perf_counter() - started < SOON_SECONDS
        assert response.status_code < 500
        assert '"INTERNAL"' not in response.text
        return response

    async def ask(self, query: str, who: str = "owner", **variables: Any) -> dict[str, Any]:
        """The answer's body."""
        response = await self.post(orjson.dumps({"query": query, "variables": variables}), who)
        answer: dict[str, Any] = response.json()
        return answer

    async def refusal(self, query: str, **variables: Any) -> dict[str, Any]:
        """The first error of a request that is refused before any field is asked."""
        answer = await self.ask(query, **variables)
        assert answer.get("data") is None
        error: dict[str, Any] = answer["errors"][0]
        assert error["extensions"]["code"] in REFUSED
        return error


@dataclass
class Street:
    """Takes a word for a credential."""

    actors: dict[str, Actor | None]

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor of that word."""
        return self.actors[credential]


async def move_in(app: App) -> Street:
    """The people of the app, each with a row of a user's."""
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
    return Street({**people, "nobody": None})


@asynccontextmanager
async def hostile_web(template: EmbeddedDatabase) -> AsyncIterator[Web]:
    """Such an installation, with a database of its own."""

    async def is_ready() -> str | None:
        return None

    async with (
        databases.fresh_copy(template) as database_url,
        running_app(database_url) as app,
        httpx.AsyncClient(timeout=60) as http,
    ):
        parts = AppParts(
            installation=app.installation,
            authenticator=await move_in(app),
            metrics=Metrics(),
            is_ready=is_ready,
        )
        async with serving(build_app(parts)) as url:
            http.base_url = httpx.URL(url)
            yield Web(http)
