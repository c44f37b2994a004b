"""Webhook calls of a provider that calls by GET: Kannel, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from domain.inbox.webhooks import LARGEST_BODY
from ibiki.http.webhooks import EXTREME_PATH
from tests import db
from tests.inbox.webhook_app import SECRET, SHOWN, WebhookApp, webhook_app

pytestmark = pytest.mark.usefixtures("connected")
PATH = f"/webhooks/kannel/{SECRET}"
CALL = {"id": "1", "from": "+12025550143", "text": "Hello", "charset": "UTF-8"}


@pytest.fixture
async def here(connected: str) -> AsyncIterator[WebhookApp]:
    async with webhook_app() as app:
        yield app


async def bodies() -> list[bytes]:
    rows = await db.fetch("SELECT body FROM webhook_event ORDER BY id")
    return [row["body"] for row in rows]


async def test_the_query_is_stored_as_it_is_and_the_answer_is_200_without_a_body(
    here: WebhookApp,
) -> None:
    query = urlencode(CALL)
    for _ in range(2):
        answer = await here.front.http.get(f"{PATH}?{query}")
        assert (answer.status_code, answer.content) == (200, b"")
    rows = await db.fetch("SELECT outcome, body FROM webhook_event ORDER BY id")
    assert rows == [
        {"outcome": "UNROUTED", "body": query.encode()},
        {"outcome": "DUPLICATE", "body": b""},
    ]


@pytest.mark.parametrize("text", ["Bearer of bad news", "bearer x", "eyJhbGci.eyJzdWIi.c2ln"])
async def test_a_text_that_looks_like_a_credential_is_received(here: WebhookApp, text: str) -> None:
    answer = await here.front.http.get(f"{PATH}?{urlencode(CALL | {'text': text, 'id': text})}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", PATH, "GET"),
        ("HEAD", PATH, "GET"),
        ("GET", f"/webhooks/extreme/{SECRET}", "POST"),
        ("GET", f"/webhooks/egosms/{SECRET}", "POST"),
    ],
)
async def test_each_provider_calls_by_its_own_method(
    here: WebhookApp, method: str, path: str, allowed: str
) -> None:
    answer = await here.front.http.request(method, f"{path}?{urlencode(CALL)}")
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert await bodies() == []


async def test_the_fixed_path_of_another_provider_takes_no_get(here: WebhookApp) -> None:
    answer = await here.front.http.get(f"{EXTREME_PATH}?{urlencode(CALL)}", headers=SHOWN)
    assert answer.status_code == 405


async def test_a_wrong_token_is_refused_and_nothing_is_stored(here: WebhookApp) -> None:
    for path in ("/webhooks/kannel/guess", "/webhooks/kannel"):
        answer = await here.front.http.get(f"{path}?{urlencode(CALL)}")
        assert answer.status_code == 401
    assert await bodies() == []


async def test_a_query_that_is_not_a_call_is_answered_with_400_and_the_reason(
    here: WebhookApp,
) -> None:
    answer = await here.front.http.get(f"{PATH}?from=1")
    assert answer.status_code == 400
    assert "`text` is missing" in answer.text


async def test_a_query_that_is_too_large_is_refused(here: WebhookApp) -> None:
    query = urlencode(CALL | {"text": "x" * LARGEST_BODY}).encode()
    target = f"{PATH.replace(' ', '%20')}?".encode() + query
    answer = await here.front.raw(b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    status = int(answer.split()[1])
    assert status in (400, 413), "the server itself may refuse so long a URL"
    assert await bodies() == []
