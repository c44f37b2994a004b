"""One idempotency key through GraphQL, REST and the APIs of other vendors: one send, one charge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from ibiki.http.rest import egosms
from ibiki.http.rest.egosms import EgoSms
from ibiki.http.rest.rest import Rest
from ibiki.http.twilio.facade import TwilioFacade
from tests import db
from tests.ibiki.http_server import running_server
from tests.installations import App, KnownUsers
from tests.rest.conftest import LIMIT
from tests.rest.test_egosms import PATH, Keys, send
from tests.rest.test_rest import BULK, MULTI, SINGLE, TO
from tests.sending import test_sending as graphql
from tests.twilio.conftest import PREFIX, account_of

KEY = {"idempotency-key": "order-17"}
TEXT = "Hello"

Call = Callable[[httpx.AsyncClient, App], Awaitable[bool]]


def by_rest(path: str, body: Any) -> Call:
    """Whether REST accepts it. Otherwise the key must be in conflict."""

    async def call(http: httpx.AsyncClient, app: App) -> bool:
        answer = await http.post(path, json=body, headers=KEY)
        assert answer.status_code in (200, 409), answer.text
        return answer.status_code == 200

    return call


def by_graphql(document: str, **input: Any) -> Call:
    """Whether GraphQL accepts it. Otherwise the key must be in conflict."""

    async def call(http: httpx.AsyncClient, app: App) -> bool:
        given = {**input, "idempotencyKey": KEY["idempotency-key"]}
        kind = (await app.answer("owner", document, input=given))["__typename"]
        assert kind in ("Send", "IdempotencyConflict")
        return bool(kind == "Send")

    return call


async def by_twilio(http: httpx.AsyncClient, app: App) -> bool:
    path = f"{PREFIX}/Accounts/{account_of(app.owner)}/Messages.json"
    answer = await http.post(path, data={"To": TO, "Body": TEXT}, headers=KEY)
    assert answer.status_code in (201, 409), answer.text
    return answer.status_code == 201


async def by_egosms(http: httpx.AsyncClient, app: App) -> bool:
    body = (await http.post(PATH, json=send(TO, text=TEXT), headers=KEY)).json()
    assert body["Status"] == "OK" or "Idempotency-Key" in body["Message"], body
    return bool(body["Status"] == "OK")


SINGLES = (
    by_graphql(graphql.SEND, to=TO, text=TEXT),
    by_rest(SINGLE, {"recipient": TO, "message": TEXT}),
    by_rest("/api/sms/send", {"recipient": TO, "message": TEXT}),
    by_rest("/api/v1/communications/single-sms", {"recipient": TO, "message": TEXT}),
    by_twilio,
    by_egosms,
)
BULKS = (
    by_graphql(graphql.BULK, to=[TO], text=TEXT),
    by_rest(BULK, {"recipients": [TO], "content": TEXT}),
    by_rest("/api/v1/communications/bulk-sms", {"recipients": [TO], "message": TEXT}),
)
MULTIS = (
    by_graphql(graphql.MULTI, messages=[{"to": TO, "text": TEXT}]),
    by_rest(MULTI, [{"recipient": TO, "content": TEXT}]),
)
KINDS = (SINGLES, BULKS, MULTIS)


@pytest.fixture
async def apis(app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A server of all APIs but GraphQL, called by the owner."""
    users = KnownUsers(app)
    routes = [
        *Rest(app.installation, users).routes(),
        *TwilioFacade(app.installation, users).routes(),
        *EgoSms(app.installation, Keys(app)).routes(),
    ]
    limits = dict.fromkeys(egosms.PATHS, egosms.LIMIT)
    async with running_server(routes=routes, body=LIMIT, body_by_path=limits) as made:
        made.http.headers["authorization"] = "Bearer owner"
        yield made.http


async def assert_one_charge(app: App) -> None:
    assert await db.held(app.owner.account_id) == 99
    assert len(await db.fetch("SELECT FROM message")) == 1


@pytest.mark.parametrize("kind", KINDS, ids=["single", "bulk", "multi"])
async def test_the_same_request_is_one_send_in_all_apis_at_once(
    apis: httpx.AsyncClient, app: App, kind: tuple[Call, ...]
) -> None:
    assert all(await asyncio.gather(*(each(apis, app) for each in kind * 3)))
    await assert_one_charge(app)


@pytest.mark.parametrize("kind", KINDS, ids=["single", "bulk", "multi"])
async def test_another_kind_of_send_is_in_conflict_in_all_apis(
    apis: httpx.AsyncClient, app: App, kind: tuple[Call, ...]
) -> None:
    assert await kind[-1](apis, app)
    others = [each for group in KINDS if group is not kind for each in group]
    assert not any([await each(apis, app) for each in others])
    await assert_one_charge(app)
