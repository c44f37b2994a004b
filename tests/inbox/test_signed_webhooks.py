"""Webhook calls that a provider signs in its own way, over real HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

import pytest
from twilio.request_validator import RequestValidator

from domain import ids
from domain.errors import TryAgain
from domain.ids import Kind
from domain.inbox.webhooks import LARGEST_BODY
from ibiki.http import webhooks
from ibiki.http.webhooks import LARGEST_WITH_FILES
from providers import android
from tests import db
from tests.inbox.webhook_app import SECRET, SHOWN, webhook_app

pytestmark = pytest.mark.usefixtures("connected")
TOKEN, PUBLIC, PATH = "the-auth-token", "https://sms.example", "/webhooks/twilio"
FORM = "application/x-www-form-urlencoded"
SID = "SM" + "0a" * 16
FIELDS = {"MessageSid": SID, "From": "+12025550143", "To": "+12025550199", "Body": "Hello"}
BODY = urlencode(FIELDS).encode()


def signed(url: str, token: str = TOKEN) -> dict[str, str]:
    signature = RequestValidator(token).compute_signature(url, FIELDS)
    return {"x-twilio-signature": signature, "content-type": FORM}


FIRST, SECOND = UUID(int=1), UUID(int=2)


async def keys(provider: str) -> dict[UUID, list[str]]:
    """Two accounts at Twilio, and one at a provider that does not sign."""
    if provider == "extreme":
        return {FIRST: []}
    return {FIRST: ["another token"], SECOND: ["old", TOKEN]} if provider == "twilio" else {}


async def accounts() -> list[UUID | None]:
    rows = await db.fetch(
        "SELECT provider_account_id FROM webhook_event WHERE outcome <> 'REFUSED' ORDER BY id"
    )
    return [row["provider_account_id"] for row in rows]


async def outcomes() -> list[str]:
    rows = await db.fetch("SELECT outcome FROM webhook_event ORDER BY id")
    return [row["outcome"] for row in rows]


async def test_a_signed_call_needs_no_secret_and_is_answered_in_xml() -> None:
    async with webhook_app(accounts=keys, public_url=f"{PUBLIC}/") as here:
        for path, url in ((PATH, PUBLIC + PATH), (f"{PATH}?a=b", f"{PUBLIC}{PATH}?a=b")):
            answer = await here.post(BODY, path, **signed(url))
            assert (answer.status_code, answer.text) == (200, "<Response/>")
            assert answer.headers["content-type"].startswith("text/xml")
    assert await outcomes() == ["UNROUTED", "DUPLICATE"]


async def test_the_query_of_a_signed_url_is_a_part_of_the_event() -> None:
    path = f"{PATH}?attempt={'0f' * 16}"
    async with webhook_app(accounts=keys, public_url=PUBLIC) as here:
        assert (await here.post(BODY, path, **signed(PUBLIC + path))).status_code == 200
        assert (await here.post(BODY, path, **signed(PUBLIC + PATH))).status_code == 401
    [row] = await db.fetch("SELECT body FROM webhook_event WHERE outcome <> 'REFUSED'")
    assert row["body"] == BODY + f"&attempt={'0f' * 16}".encode()


async def test_without_a_public_url_the_url_of_the_request_is_signed() -> None:
    async with webhook_app(accounts=keys) as here:
        url = f"{str(here.front.http.base_url).rstrip('/')}{PATH}"
        assert (await here.post(BODY, PATH, **signed(url))).status_code == 200


async def test_a_wrong_signature_is_refused_and_its_content_is_not_stored() -> None:
    async with webhook_app(accounts=keys, public_url=PUBLIC) as here:
        for headers in (signed(PUBLIC + PATH, "a guess"), signed(f"{PUBLIC}/other")):
            answer = await here.post(BODY, PATH, **headers)
            assert answer.status_code == 401
            assert webhooks.WRONG_SIGNATURE in answer.text
        assert (await here.post(BODY, PATH)).status_code == 401
        assert await outcomes() == []


async def test_the_secret_is_enough_also_beside_a_signature_of_another_account() -> None:
    async with webhook_app(accounts=keys, public_url=PUBLIC) as here:
        path = f"{PATH}/{SECRET}"
        assert (await here.post(BODY, path, **signed(PUBLIC + path, "other"))).status_code == 200
        assert (await here.post(BODY, PATH, **SHOWN)).status_code == 200
        wrong = await here.post(BODY, f"{PATH}/guess")
        assert (wrong.status_code, webhooks.WRONG_SECRET in wrong.text) == (401, True)


async def test_a_signature_does_not_open_another_provider() -> None:
    async with webhook_app(accounts=keys, public_url=PUBLIC) as here:
        path = "/webhooks/extreme"
        assert (await here.post(BODY, path, **signed(PUBLIC + path))).status_code == 401


async def test_without_any_secret_only_signed_calls_are_taken() -> None:
    async with webhook_app(secrets=[], accounts=keys, public_url=PUBLIC) as here:
        assert (await here.post(BODY, PATH)).status_code == 401
        assert (await here.post(BODY, PATH, **signed(PUBLIC + PATH))).status_code == 200


async def test_while_the_accounts_cannot_be_read_a_signed_call_is_sent_again() -> None:
    async def unavailable(provider: str) -> dict[UUID, list[str]]:
        raise TryAgain

    async with webhook_app(accounts=unavailable, public_url=PUBLIC) as here:
        answer = await here.post(BODY, PATH, **signed(PUBLIC + PATH))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert await outcomes() == []


async def test_a_signed_call_is_about_the_account_that_signed_it() -> None:
    own, other = (f"{PATH}/{ids.encode(Kind.PROVIDER_ACCOUNT, each)}" for each in (SECOND, FIRST))
    async with webhook_app(accounts=keys, public_url=PUBLIC) as here:
        for path in (PATH, own):
            assert (await here.post(BODY, path, **signed(PUBLIC + path))).status_code == 200
        assert (await here.post(BODY, other, **signed(PUBLIC + other))).status_code == 401
    assert await accounts() == [SECOND, SECOND]


async def test_an_address_names_the_account_that_a_call_is_about() -> None:
    own = f"/webhooks/extreme/{ids.encode(Kind.PROVIDER_ACCOUNT, FIRST)}"
    unknown = f"/webhooks/extreme/{ids.encode(Kind.PROVIDER_ACCOUNT, SECOND)}"
    call = {"from": "+12025550143", "message": "Hello", "messageId": "1"}
    async with webhook_app(accounts=keys) as here:
        assert (await here.call(call, own)).status_code == 200
        assert (await here.post(b"{}", f"{own}/{SECRET}")).status_code == 400
        assert (await here.call(call, "/webhooks/extreme")).json() == {"status": "received"}
        for path in (unknown, f"/webhooks/extreme/pac_1/{SECRET}", "/webhooks/extreme/pac_1/guess"):
            answer = await here.call(call, path)
            assert (answer.status_code, webhooks.NO_ACCOUNT in answer.text) == (404, True)
        for path in (own, f"{own}/guess", unknown):
            assert (await here.post(b"{}", path)).status_code == 401
    assert await accounts() == [FIRST, FIRST, None]


def picture(data: str, **more: object) -> bytes:
    """An event of a phone, with a picture of this size in it."""
    attachment = {"partId": 7, "contentType": "image/jpeg", "size": 3, "data": data}
    own = {"messageId": "12", "sender": "+12025550143", "attachments": [attachment], **more}
    return json.dumps({"event": "mms:downloaded", "payload": own}).encode()


async def test_pictures_are_removed_from_an_event_that_is_too_large_with_them() -> None:
    async def key(provider: str) -> dict[UUID, list[str]]:
        return {FIRST: ["the-signing-key"]}

    def signed_by_phone(body: bytes) -> dict[str, str]:
        timestamp = str(int(datetime.now(UTC).timestamp()))
        return {
            "x-timestamp": timestamp,
            "x-signature": android.signature_of(body, timestamp, "the-signing-key"),
        }

    async with webhook_app(accounts=key) as here:
        body = picture("A" * 1_000_000, body="Look")
        answer = await here.post(body, "/webhooks/android", **signed_by_phone(body))
        assert answer.status_code == 200, answer.text
        [row] = await db.fetch("SELECT body FROM webhook_event")
        assert json.loads(row["body"])["payload"]["attachments"] == [
            {"partId": 7, "contentType": "image/jpeg", "size": 3}
        ]
        for much in (picture("A", body="x" * LARGEST_BODY), picture("A" * LARGEST_WITH_FILES)):
            answer = await here.post(much, "/webhooks/android", **signed_by_phone(much))
            assert (answer.status_code, webhooks.TOO_LARGE in answer.text) == (413, True)
        refused = await here.post(picture("A" * LARGEST_BODY), PATH, **SHOWN)
        assert refused.status_code == 413
