"""A server of the Twilio-compatible API on the app's database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from domain.ids import SidKind, sid_of
from domain.inbox.capture import capture_contacts
from ibiki.http.middleware import BodyLimit
from ibiki.http.twilio.facade import TwilioFacade
from persistence import store
from tests import db
from tests.ibiki.http_server import running_server
from tests.installations import App, KnownUsers

PREFIX = "/2010-04-01"
TO = "+12025550101"
HELLO = {"To": TO, "From": "+12025550111", "Body": "Hello"}


def account_of(tenant: db.Tenant) -> str:
    """The account SID of a client."""
    return sid_of(SidKind.ACCOUNT, tenant.client_id)


@dataclass
class Web:
    """A client of the server. Each password is the name of a user of the app."""

    http: httpx.AsyncClient
    app: App

    @property
    def account(self) -> str:
        """The account SID of the owner."""
        return account_of(self.app.owner)

    async def call(
        self, method: str, path: str, *, who: str = "owner", **request: Any
    ) -> httpx.Response:
        """A request for a path of the owner's account."""
        headers = {"authorization": f"Bearer {who}"} | dict(request.pop("headers", {}))
        url = f"{PREFIX}/Accounts/{self.account}{path}"
        return await self.http.request(method, url, headers=headers, **request)

    async def create(self, form: Any = None, **request: Any) -> httpx.Response:
        """Sends a message."""
        request |= {"data": HELLO} if form is None else {"data": form}
        return await self.call("POST", "/Messages.json", **request)

    async def created(self, **form: str) -> dict[str, Any]:
        """A message that was accepted."""
        answer = await self.create({**HELLO, **form})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def listed(self, **query: str) -> list[dict[str, Any]]:
        """The messages of the first page."""
        answer = await self.call("GET", "/Messages.json", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["messages"])


def failure(answer: httpx.Response, status: int, code: int) -> str:
    """The sentence of an error, which has exactly Twilio's keys."""
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body.keys() == {"code", "message", "more_info", "status"}
    assert answer.headers["content-type"].startswith("application/json")
    return str(body["message"])


@pytest.fixture
async def web(app: App) -> AsyncIterator[Web]:
    """The server, called by the owner."""
    routes = TwilioFacade(app.installation, KnownUsers(app)).routes()
    async with running_server(routes=routes, body=BodyLimit(size=1_000_000)) as made:
        yield Web(made.http, app)


async def statuses(status: str, message: Mapping[str, Any]) -> None:
    """Gives a message a status."""
    await db.execute(
        "UPDATE message SET status = $2, attempt_id = gen_random_uuid() WHERE id = $1",
        message["sid"][2:],
        status,
    )


async def assign(web: Web, *numbers: str) -> None:
    """Gives the owner its own numbers."""
    for number in numbers:
        await db.assign_number(web.app.owner.client_id, number)


async def captured() -> None:
    """Messages are found by their number from now on."""
    while await capture_contacts(store):
        pass
