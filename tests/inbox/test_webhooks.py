"""Webhook calls over real HTTP: who may call, what is answered and what is stored."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from domain.errors import TryAgain
from domain.inbox.intake import Intake
from domain.inbox.receive import receive_due
from domain.inbox.reports import WAITS_FOR_MESSAGE
from domain.inbox.webhooks import LARGEST_BODY
from ibiki.http import webhooks
from ibiki.http.webhooks import EXTREME_PATH
from persistence import store
from persistence.inbox.events import STORED
from persistence.opening import connect, disconnect
from providers.registry import PARSERS
from tests import db
from tests.inbox.post import RECEIVER, inbound
from tests.inbox.webhook_app import SECRET, SHOWN, WebhookApp, webhook_app
from tests.ledger.cutting_proxy import Moment, proxy_to

pytestmark = pytest.mark.usefixtures("connected")
CALL = inbound("Hello", messageId="abc")
KEYS = [f"whsec_{base64.b64encode(bytes([each]) * 32).decode()}" for each in range(3)]


async def outcomes() -> list[tuple[str, str]]:
    rows = await db.fetch("SELECT outcome, reason FROM webhook_event ORDER BY id")
    return [(row["outcome"], row["reason"]) for row in rows]


async def refusals(here: WebhookApp) -> dict[str, int]:
    """Refused calls by reason, as the operator sees them."""
    await here.intake._counting.stop()  # its write can be under way
    await here.intake._write_refusals()
    rows = await db.fetch("SELECT reason, times, body FROM webhook_event WHERE outcome = 'REFUSED'")
    assert all(row["body"] == b"" for row in rows)
    times: Counter[str] = Counter()
    for row in rows:  # one for each minute, and the next minute may have begun
        times[row["reason"]] += row["times"]
    return times


@pytest.mark.parametrize(
    ("path", "headers"),
    [(EXTREME_PATH, SHOWN), ("/webhooks/extreme", SHOWN), (f"/webhooks/extreme/{SECRET}", {})],
)
async def test_a_call_with_the_secret_is_stored(path: str, headers: dict[str, str]) -> None:
    async with webhook_app() as here:
        answer = await here.post(b'{"from":"+12025550143"}', path, **headers)
        assert (answer.status_code, answer.json()) == (200, {"status": "received"})
    assert [outcome for outcome, _ in await outcomes()] == ["UNROUTED"]


@pytest.mark.parametrize(
    ("headers", "path", "reason"),
    [
        ({}, EXTREME_PATH, webhooks.NO_SECRET),
        ({"x-webhook-secret": ""}, EXTREME_PATH, webhooks.NO_SECRET),
        ({"x-webhook-secret": SECRET[:-1]}, EXTREME_PATH, webhooks.WRONG_SECRET),
        ({"authorization": f"Bearer {SECRET}"}, EXTREME_PATH, webhooks.NO_SECRET),
        ({}, "/webhooks/egosms/guess", webhooks.WRONG_SECRET),
        ({"x-webhook-secret": "wröng"}, EXTREME_PATH, webhooks.WRONG_SECRET),
    ],
)
async def test_a_refused_call_is_counted_and_its_content_is_not_stored(
    headers: dict[str, str], path: str, reason: str
) -> None:
    async with webhook_app() as here:
        content = b'{"from":"+12025550143","message":"secret content"}'
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        for _ in range(3):
            answer = await here.front.http.post(path, content=content, headers=raw)
            assert answer.status_code == 401
        assert await refusals(here) == {reason: 3}


async def test_two_secrets_are_valid_during_a_rotation() -> None:
    async with webhook_app(secrets=["new", "old"]) as here:
        for secret, status in (("new", 200), ("old", 200), ("older", 401)):
            call = {**CALL, "messageId": secret}
            answer = await here.call(call, **{"x-webhook-secret": secret})
            assert answer.status_code == status


async def test_without_a_secret_only_loopback_may_call_and_only_with_the_simulator() -> None:
    async with webhook_app(secrets=[], open_on_loopback=True) as here:
        assert (await here.post(b'{"from":"1"}')).status_code == 200
        proxied = await here.post(b'{"from":"2"}', **{"x-forwarded-for": "203.0.113.7"})
        assert proxied.status_code == 401
    async with webhook_app(secrets=[]) as here:
        assert (await here.post(b'{"from":"3"}')).status_code == 401
        assert await refusals(here) == {webhooks.NOT_CONFIGURED: 2}


async def test_only_addresses_on_the_allow_list_may_call() -> None:
    async with webhook_app(allowed_networks=[ip_network("203.0.113.0/24")]) as here:
        assert (await here.call(CALL)).status_code == 403
        assert await refusals(here) == {webhooks.NOT_ALLOWED: 1}
    async with webhook_app(
        allowed_networks=[ip_network("203.0.113.7"), ip_network("127.0.0.0/8")]
    ) as here:
        assert (await here.call(CALL)).status_code == 200


async def test_too_many_calls_are_answered_with_429() -> None:
    async with webhook_app(requests_per_second=5) as here:
        calls = [{**CALL, "messageId": str(each)} for each in range(30)]
        answers = await asyncio.gather(*(here.call(each) for each in calls))
        late = [answer for answer in answers if answer.status_code == 429]
        assert late
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in late)
        assert await refusals(here) == {webhooks.TOO_MANY: len(late)}


async def test_a_body_may_be_64_kib_and_not_a_byte_more() -> None:
    async with webhook_app() as here:
        frame = b'{"from":"+12025550143","message":"%s"}'
        full = frame % (b"x" * (LARGEST_BODY - len(frame) + 2))
        assert len(full) == LARGEST_BODY
        assert (await here.post(full, **SHOWN)).status_code == 200
        assert (await here.post(full + b" ", **SHOWN)).status_code == 413
        assert await refusals(here) == {webhooks.TOO_LARGE: 1}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"<html>", b"\xff\x00", b'{"message":"x"}'])
async def test_a_malformed_body_is_stored_and_answered_400(body: bytes) -> None:
    async with webhook_app() as here:
        answer = await here.post(body, **SHOWN)
        assert answer.status_code == 400
        sentence = answer.json()["errors"][0]["message"]
        assert await outcomes() == [("INVALID", sentence)]
        again = await here.post(body, **SHOWN)
        assert again.status_code == 400
    kept = await db.fetch("SELECT body FROM webhook_event WHERE outcome = 'INVALID'")
    assert kept == [{"body": body}]


async def test_a_number_a_line_feed_or_a_form_is_read() -> None:
    bodies = [
        b'{"from": 12025550143, "message": 4711}',
        b'{"from": "+12025550143", "message": "two\nlines"}',
        b"from=%2B12025550143&message=Hello",
    ]
    async with webhook_app() as here:
        for body in bodies:
            assert (await here.post(body, **SHOWN)).status_code == 200
    assert [outcome for outcome, _ in await outcomes()] == ["UNROUTED"] * 3


async def test_no_body_is_answered_with_500_or_stops_receiving() -> None:
    chance = random.Random(4711)
    whole = [
        json.dumps(inbound("Hello", modem="m1", messageId="abc", receiver="+1")).encode(),
        b"from=%2B12025550143&message=Hello&messageId=abc",
        json.dumps({"messageId": "x", "status": "delivered", "recipient": "1"}).encode(),
        json.dumps({"MsgFollowUpUniqueCode": "A", "number": "1", "Status": "x"}).encode(),
    ]
    async with webhook_app() as here:
        for each in range(400):
            body = bytearray(chance.choice(whole))
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(body))
                body[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
            path = "/webhooks/egosms" if each % 2 else "/webhooks/extreme"
            answer = await here.post(bytes(body[: chance.randint(1, 300)]), path, **SHOWN)
            assert answer.status_code in (200, 400)
            assert answer.json()
    await receive_due(RECEIVER, most=1_000)
    waiting = await db.fetch("SELECT reason FROM webhook_event WHERE due_at IS NOT NULL")
    assert {row["reason"] for row in waiting} <= {WAITS_FOR_MESSAGE, STORED}


async def test_a_duplicate_is_answered_like_the_first_and_marked() -> None:
    async with webhook_app() as here:
        answers = await asyncio.gather(*(here.call(CALL) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        words = sorted(answer.json()["status"] for answer in answers)
        assert words == ["duplicate"] * 19 + ["received"]
    assert sorted(outcome for outcome, _ in await outcomes()) == ["DUPLICATE"] * 19 + ["UNROUTED"]


async def test_unknown_providers_are_not_found() -> None:
    async with webhook_app() as here:
        for path in ("/webhooks/nobody", "/webhooks", "/webhooks/extreme/a/b/c", "/api/webhook/x"):
            assert (await here.call(CALL, path)).status_code == 404
        get = await here.front.http.get("/webhooks/extreme", headers=SHOWN)
        assert get.status_code == 405
    assert await outcomes() == []


async def test_no_event_is_confirmed_while_the_database_is_unavailable(database_url: str) -> None:
    """During an outage the provider gets 503 and tries again. Each event is stored once."""
    await disconnect()
    try:
        async with proxy_to(database_url) as proxy, db.connected(proxy.url), webhook_app() as here:
            calls = [{**CALL, "messageId": str(each)} for each in range(40)]
            assert {a.status_code for a in await call_all(here, calls[:20])} == {200}
            proxy.cut_at("", Moment.UNSENT, times=1_000_000)
            proxy.line.end_all()
            answers = await call_all(here, calls)
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["retry-after"] for answer in answers)
            proxy.cut_at("", Moment.UNSENT, times=0)
            while {answer.status_code for answer in answers} != {200}:
                answers = await call_all(here, calls)
    finally:
        await connect(database_url, application_name="tests")
    rows = await db.fetch("SELECT count(*) AS events FROM webhook_event WHERE outcome = 'UNROUTED'")
    assert rows == [{"events": 40}]


async def call_all(here: WebhookApp, calls: list[dict[str, object]]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(here.call(each) for each in calls)))


async def test_refusal_counts_survive_an_outage() -> None:
    class Unavailable:
        """A store that fails once."""

        times = 0

        async def count_refusals(self, refusals: object) -> None:
            self.times += 1
            if self.times == 1:
                raise ConnectionError
            await store.count_refusals(refusals)  # type: ignore[arg-type]

    intake = Intake(Unavailable(), PARSERS)  # type: ignore[arg-type]
    intake.refuse("extreme", "why")
    intake.refuse("extreme", "why")
    with pytest.raises(ConnectionError):
        await intake._write_refusals()
    intake.refuse("extreme", "why")
    await intake._write_refusals()
    rows = await db.fetch("SELECT reason, times FROM webhook_event")
    assert rows == [{"reason": "why", "times": 3}]


async def test_stopping_does_not_fail_if_refusals_cannot_be_written() -> None:
    class FailingStore:
        """A store that always fails."""

        async def count_refusals(self, refusals: object) -> None:
            raise TryAgain

    intake = Intake(FailingStore(), PARSERS)  # type: ignore[arg-type]
    intake.start()
    intake.refuse("extreme", "why")
    await intake.stop()


def signed(body: bytes, key: str, *, age_seconds: float = 0.0) -> dict[str, str]:
    """The headers of a call that was signed with the key `age_seconds` ago."""
    moment = datetime.now(UTC) - timedelta(seconds=age_seconds)
    signature = Webhook(key).sign("msg_1", moment, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1a,nonsense {signature}",
    }


async def test_a_signed_call_needs_no_secret() -> None:
    body = json.dumps(CALL).encode()
    async with webhook_app(signing_secrets=KEYS[:2]) as here:
        for key, status in ((KEYS[0], 200), (KEYS[1], 200), (KEYS[2], 401)):
            assert (await here.post(body, **signed(body, key))).status_code == status
        assert (await here.post(body + b" ", **signed(body, KEYS[0]))).status_code == 401
        old = signed(body, KEYS[0], age_seconds=600)
        assert (await here.post(body, **old)).status_code == 401
        broken = {**signed(body, KEYS[0]), "webhook-signature": "nonsense"}
        assert (await here.post(body, **broken, **SHOWN)).status_code == 401
        assert (await here.post(b"\xff", **signed(body, KEYS[0]))).status_code == 401
        assert (await here.post(body, **SHOWN)).status_code == 200
        assert (await here.post(body)).status_code == 401
        assert (await refusals(here))[webhooks.WRONG_SIGNATURE] == 5


async def test_with_signing_keys_only_every_call_must_be_signed() -> None:
    body = json.dumps(CALL).encode()
    async with webhook_app(secrets=[], signing_secrets=KEYS[:1], open_on_loopback=True) as here:
        assert (await here.post(body)).status_code == 401
        assert (await here.post(body, **SHOWN)).status_code == 401
        assert (await here.post(body, **signed(body, KEYS[0]))).status_code == 200
