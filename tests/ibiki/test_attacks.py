"""Attacks on sign-in over real HTTP: aliases, wrong tokens, and a hundred sign-ins at once.

docs/attacks.md lists all attacks and their tests.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ibiki.live.subscribing import SocketRules
from ibiki.observability.metrics import Metrics
from ibiki.passwords import MEMORY_KIB, MOST_THREADS
from ibiki.web_app import AppParts, build_app
from tests import people
from tests.installations import running_app
from tests.servers import serving_app

SIGN_IN = """{name}: signIn(input: {{email: "{email}", password: "{password}"}}) {{
  __typename ... on Session {{ accessToken refreshToken }} }}"""
EMAIL = "ada@ibiki.test"
GUESSES = 5
"""The number of wrong passwords of an account and address before the limit applies."""


@dataclass
class Setup:
    """An installation over HTTP, with one user."""

    http: httpx.AsyncClient

    async def sign_in(self, *passwords: str, email: str = EMAIL) -> dict[str, Any]:
        """The response to a document that signs in with each password, using aliases."""
        fields = [
            SIGN_IN.format(name=f"a{number}", email=email, password=password)
            for number, password in enumerate(passwords)
        ]
        answer = await self.http.post(
            "/graphql", json={"query": f"mutation {{ {' '.join(fields)} }}"}
        )
        body: dict[str, Any] = answer.json()
        return body

    async def kinds(self, *passwords: str, email: str = EMAIL) -> list[str]:
        """The type of each result."""
        body = await self.sign_in(*passwords, email=email)
        assert "errors" not in body, body
        return [each["__typename"] for each in body["data"].values()]

    async def viewer(self, credential: str) -> Any:
        """The viewer of this credential."""
        headers = {"authorization": f"Bearer {credential}"}
        given = {"query": "{ viewer { email } }"}
        return (await self.http.post("/graphql", json=given, headers=headers)).json()


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with running_app(database_url) as app, httpx.AsyncClient(timeout=200) as http:
        await people.add_user(EMAIL)

        async def is_ready() -> str | None:
            return None

        parts = AppParts(
            installation=app.installation,
            authenticator=app.installation.actors,
            metrics=Metrics(),
            is_ready=is_ready,
        )
        async with serving_app(build_app(parts)) as url:
            http.base_url = httpx.URL(url)
            yield Setup(http)


async def test_fifteen_guesses_in_one_document_are_refused(setup: Setup) -> None:
    body = await setup.sign_in(*[f"guess {each}" for each in range(14)], people.PASSWORD)
    assert body["errors"][0]["extensions"]["code"] == "TOO_COMPLEX"
    assert "data" not in body
    assert await setup.kinds("wrong") == ["InvalidCredentials"], "a refused document counts"


async def test_guesses_by_aliases_count_like_guesses_one_by_one(setup: Setup) -> None:
    kinds = await setup.kinds(*[f"guess {each}" for each in range(9)], people.PASSWORD)
    assert kinds == ["InvalidCredentials"] * GUESSES + ["RateLimited"] * 5


async def test_an_unknown_email_is_answered_and_slowed_like_a_known_one(setup: Setup) -> None:
    guesses = [f"guess {each}" for each in range(8)]
    known = await setup.sign_in(*guesses)
    unknown = await setup.sign_in(*guesses, email="eve@ibiki.test")
    assert known == unknown


async def test_a_refresh_token_is_not_an_access_token(setup: Setup) -> None:
    session = (await setup.sign_in(people.PASSWORD))["data"]["a0"]
    assert await setup.viewer(session["accessToken"]) == {"data": {"viewer": {"email": EMAIL}}}
    refused = await setup.viewer(session["refreshToken"])
    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_socket_has_three_seconds_to_initialise() -> None:
    assert SocketRules().init_seconds == 3.0


HUNDRED = """
import asyncio, resource
from ibiki.passwords import Argon2Passwords

async def main():
    passwords = Argon2Passwords()
    kept = await passwords.hash("password")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    matches = await asyncio.gather(*[passwords.verify("password", kept) for _ in range(100)])
    assert all(matches)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main())
"""


def test_a_hundred_concurrent_sign_ins_use_bounded_memory() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", HUNDRED], capture_output=True, text=True, timeout=200, check=True
    )
    assert int(ran.stdout) < MOST_THREADS * MEMORY_KIB * 3 // 2
