"""The console's session endpoints: the cookie, and the requests that are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from domain.identity.access import Role
from ibiki.http.console_session import ConsoleSession
from ibiki.http.middleware import AllowedOrigins
from ibiki.observability.metrics import Metrics
from ibiki.web_app import AppParts, build_app
from tests import people
from tests.installations import App
from tests.people import PASSWORD
from tests.servers import serving_app

EMAIL = "ada@ibiki.test"
COOKIE = "ibiki_session"


@dataclass(frozen=True)
class Setup:
    """An installation on loopback, and a browser's cookies."""

    url: str
    http: httpx.AsyncClient

    async def post(self, operation: str, body: object = None, **headers: str) -> httpx.Response:
        return await self.http.post(f"/session/{operation}", json=body or {}, headers=headers)

    async def sign_in(self) -> httpx.Response:
        return await self.post("sign-in", {"email": EMAIL, "password": PASSWORD})

    async def viewer(self, token: str) -> str | None:
        requested = await self.http.post(
            "/graphql",
            json={"query": "{ viewer { email } }"},
            headers={"authorization": f"Bearer {token}"},
        )
        data = requested.json()["data"]
        return str(data["viewer"]["email"]) if data else None


@pytest.fixture
async def setup(app: App) -> AsyncIterator[Setup]:
    installation = app.installation
    await people.add_user(EMAIL, Role.CLIENT, client_id=app.owner.client_id)
    installation.actors.start()

    async def is_ready() -> str | None:
        return None

    web = build_app(
        AppParts(
            installation=installation,
            authenticator=installation.actors,
            metrics=Metrics(),
            is_ready=is_ready,
            origins=AllowedOrigins(frozenset({"https://other.example"}), loopback=True),
            routes=ConsoleSession(installation, refresh_days=30).routes(),
        )
    )
    async with serving_app(web) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        yield Setup(url, http)
    await installation.actors.stop()


async def test_the_refresh_token_is_only_in_a_cookie_that_scripts_cannot_read(setup: Setup) -> None:
    answer = await setup.sign_in()
    assert set(answer.json()) == {"accessToken", "expiresIn"}
    assert 0 < answer.json()["expiresIn"] <= 15 * 60
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(COOKIE)
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/session", "max-age=2592000"} <= attributes
    assert "secure" not in attributes, "a browser would drop it on plain http"
    assert await setup.viewer(answer.json()["accessToken"]) == EMAIL


async def test_each_refresh_gives_a_token_and_another_cookie(setup: Setup) -> None:
    first = await setup.sign_in()
    second = await setup.post("refresh")
    assert second.status_code == 200
    assert await setup.viewer(second.json()["accessToken"]) == EMAIL
    assert second.headers["set-cookie"] != first.headers["set-cookie"]


async def test_signing_out_ends_the_session_and_its_tokens_at_once(setup: Setup) -> None:
    token = (await setup.sign_in()).json()["accessToken"]
    kept = dict(setup.http.cookies)
    answer = await setup.post("sign-out")
    assert answer.status_code == 204
    assert not dict(setup.http.cookies)
    assert await setup.viewer(token) is None
    setup.http.cookies.update(kept)
    late = await setup.post("refresh")
    assert late.status_code == 401
    assert "max-age=0" in late.headers["set-cookie"].lower(), "a useless cookie is removed"


async def test_a_refresh_without_a_session_is_not_an_error(setup: Setup) -> None:
    assert (await setup.post("refresh")).status_code == 204


@pytest.mark.parametrize("email", [EMAIL, "nobody@ibiki.test"])
async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(
    setup: Setup, email: str
) -> None:
    answer = await setup.post("sign-in", {"email": email, "password": "wrong"})
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == "The email or the password is wrong."
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://other.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_pages_of_other_origins_are_refused(setup: Setup, headers: dict[str, str]) -> None:
    await setup.sign_in()
    for operation in ("sign-in", "refresh", "sign-out"):
        answer = await setup.post(operation, **headers)
        assert answer.status_code == 403
    assert (await setup.post("refresh")).status_code == 200, "the session has not ended"


async def test_a_form_of_another_page_is_refused(setup: Setup) -> None:
    await setup.sign_in()
    answer = await setup.http.post("/session/sign-out", data={"a": "b"})
    assert answer.status_code == 415


async def test_its_own_page_is_served(setup: Setup) -> None:
    headers = {"origin": setup.url, "sec-fetch-site": "same-origin"}
    answer = await setup.post("sign-in", {"email": EMAIL, "password": PASSWORD}, **headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("body", [{"email": EMAIL}, {"email": 1, "password": "x"}, {}])
async def test_incomplete_credentials_are_refused(setup: Setup, body: dict[str, object]) -> None:
    assert (await setup.post("sign-in", body)).status_code == 400


@pytest.mark.parametrize("body", [b"no json", b"[]", b'"' + b"x" * 10_000 + b'"'])
async def test_other_bodies_are_refused(setup: Setup, body: bytes) -> None:
    answer = await setup.http.post(
        "/session/sign-in", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in {400, 413}
