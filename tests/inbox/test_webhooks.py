"""Who may call, what is answered, and what is kept of it: over real HTTP and a real database."""

from __future__ import annotations

import asyncio
import base64
import json
import random
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
from persistence.database import connect, disconnect
from persistence.inbox.events import STORED
from providers.registry import PARSERS
from tests import worlds
from tests.inbox.doors import SECRET, SHOWN, Door, door
from tests.inbox.post import RECEIVER, inbound
from tests.ledger.line import Moment, line_to

pytestmark = pytest.mark.usefixtures("connected")
SAID = inbound("Hello", messageId="abc")
KEYS = [f"whsec_{base64.b64encode(bytes([each]) * 32).decode()}" for each in range(3)]


async def outcomes() -> list[tuple[str, str]]:
    rows = await worlds.fetch("SELECT outcome, reason FROM webhook_event ORDER BY id")
    return [(row["outcome"], row["reason"]) for row in rows]


async def refusals(here: Door) -> dict[str, int]:
    """Refused events by reason, as the operator sees them once they are written down."""
    await here.intake._write_refusals()
    rows = await worlds.fetch(
        "SELECT reason, times, body FROM webhook_event WHERE outcome = 'REFUSED'"
    )
    assert all(row["body"] == b"" for row in rows)
    return {row["reason"]: row["times"] for row in rows}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (EXTREME_PATH, SHOWN),
        ("/webhooks/extreme", SHOWN),
        (f"/webhooks/extreme/{SECRET}", {}),
    ],
)
async def test_who_shows_the_secret_is_let_in(path: str, headers: dict[str, str]) -> None:
    async with door() as here:
        answer = await here.knock(b'{"from":"+12025550143"}', path, **headers)
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
async def test_who_does_not_is_counted_and_nothing_of_it_is_kept(
    headers: dict[str, str], path: str, reason: str
) -> None:
    async with door() as here:
        content = b'{"from":"+12025550143","message":"secret content"}'
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        for _ in range(3):
            answer = await here.front.http.post(path, content=content, headers=raw)
            assert answer.status_code == 401
        assert await refusals(here) == {reason: 3}


async def test_two_secrets_hold_while_one_takes_the_place_of_the_other() -> None:
    async with door(secrets=["new", "old"]) as here:
        for secret, status in (("new", 200), ("old", 200), ("older", 401)):
            said = {**SAID, "messageId": secret}
            answer = await here.call(said, **{"x-webhook-secret": secret})
            assert answer.status_code == status


async def test_without_a_secret_only_this_machine_is_let_in_and_only_in_the_sandbox() -> None:
    async with door(secrets=[], open_on_loopback=True) as here:
        assert (await here.knock(b'{"from":"1"}')).status_code == 200
        proxied = await here.knock(b'{"from":"2"}', **{"x-forwarded-for": "203.0.113.7"})
        assert proxied.status_code == 401
    async with door(secrets=[]) as here:
        assert (await here.knock(b'{"from":"3"}')).status_code == 401
        assert await refusals(here) == {webhooks.NOT_CONFIGURED: 2}


async def test_only_addresses_on_the_list_are_let_in() -> None:
    async with door(allowed_networks=[ip_network("203.0.113.0/24")]) as here:
        assert (await here.call(SAID)).status_code == 403
        assert await refusals(here) == {webhooks.NOT_ALLOWED: 1}
    async with door(
        allowed_networks=[ip_network("203.0.113.7"), ip_network("127.0.0.0/8")]
    ) as here:
        assert (await here.call(SAID)).status_code == 200


async def test_who_calls_too_often_is_asked_to_wait() -> None:
    async with door(requests_per_second=5) as here:
        said = [{**SAID, "messageId": str(each)} for each in range(30)]
        answers = await asyncio.gather(*(here.call(each) for each in said))
        late = [answer for answer in answers if answer.status_code == 429]
        assert late
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in late)
        assert await refusals(here) == {webhooks.TOO_MANY: len(late)}


async def test_a_body_may_be_64_kib_and_not_a_byte_more() -> None:
    async with door() as here:
        frame = b'{"from":"+12025550143","message":"%s"}'
        full = frame % (b"x" * (LARGEST_BODY - len(frame) + 2))
        assert len(full) == LARGEST_BODY
        assert (await here.knock(full, **SHOWN)).status_code == 200
        assert (await here.knock(full + b" ", **SHOWN)).status_code == 413
        assert await refusals(here) == {webhooks.TOO_LARGE: 1}


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"<html>", b"\xff\x00", b'{"message":"x"}'])
async def test_what_is_malformed_is_kept_and_answered_400_in_a_plain_sentence(
    body: bytes,
) -> None:
    async with door() as here:
        answer = await here.knock(body, **SHOWN)
        assert answer.status_code == 400
        sentence = answer.json()["errors"][0]["message"]
        assert await outcomes() == [("INVALID", sentence)]
        again = await here.knock(body, **SHOWN)
        assert again.status_code == 400
    kept = await worlds.fetch("SELECT body FROM webhook_event WHERE outcome = 'INVALID'")
    assert kept == [{"body": body}]


async def test_a_number_a_line_feed_or_a_form_is_read() -> None:
    bodies = [
        b'{"from": 12025550143, "message": 4711}',
        b'{"from": "+12025550143", "message": "two\nlines"}',
        b"from=%2B12025550143&message=Hello",
    ]
    async with door() as here:
        for body in bodies:
            assert (await here.knock(body, **SHOWN)).status_code == 200
    assert [outcome for outcome, _ in await outcomes()] == ["UNROUTED"] * 3


async def test_no_body_is_answered_with_500_or_stops_receiving() -> None:
    chance = random.Random(4711)
    whole = [
        json.dumps(inbound("Hello", modem="m1", messageId="abc", receiver="+1")).encode(),
        b"from=%2B12025550143&message=Hello&messageId=abc",
        json.dumps({"messageId": "x", "status": "delivered", "recipient": "1"}).encode(),
        json.dumps({"MsgFollowUpUniqueCode": "A", "number": "1", "Status": "x"}).encode(),
    ]
    async with door() as here:
        for each in range(400):
            body = bytearray(chance.choice(whole))
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(body))
                body[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
            path = "/webhooks/egosms" if each % 2 else "/webhooks/extreme"
            answer = await here.knock(bytes(body[: chance.randint(1, 300)]), path, **SHOWN)
            assert answer.status_code in (200, 400)
            assert answer.json()
    await receive_due(RECEIVER, most=1_000)
    waiting = await worlds.fetch("SELECT reason FROM webhook_event WHERE due_at IS NOT NULL")
    assert {row["reason"] for row in waiting} <= {WAITS_FOR_MESSAGE, STORED}


async def test_a_duplicate_is_answered_like_the_first_and_marked() -> None:
    async with door() as here:
        answers = await asyncio.gather(*(here.call(SAID) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        words = sorted(answer.json()["status"] for answer in answers)
        assert words == ["duplicate"] * 19 + ["received"]
    assert sorted(outcome for outcome, _ in await outcomes()) == ["DUPLICATE"] * 19 + ["UNROUTED"]


async def test_only_providers_that_are_known_have_a_door() -> None:
    async with door() as here:
        for path in ("/webhooks/nobody", "/webhooks", "/webhooks/extreme/a/b", "/api/webhook/x"):
            assert (await here.call(SAID, path)).status_code == 404
        get = await here.front.http.get("/webhooks/extreme", headers=SHOWN)
        assert get.status_code == 405
    assert await outcomes() == []


async def test_while_the_database_is_away_nothing_is_answered_as_taken(
    database_url: str,
) -> None:
    """Cut off, then back: whoever was told 503 tries again, and each event is there once."""
    await disconnect()
    try:
        async with line_to(database_url) as line, worlds.connected(line.url), door() as here:
            said = [{**SAID, "messageId": str(each)} for each in range(40)]
            assert {a.status_code for a in await call_all(here, said[:20])} == {200}
            line.cut_at("", Moment.UNSENT, times=1_000_000)
            for call in list(line._calls):
                call.cancel()
            answers = await call_all(here, said)
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["retry-after"] for answer in answers)
            line.cut_at("", Moment.UNSENT, times=0)
            while {answer.status_code for answer in answers} != {200}:
                answers = await call_all(here, said)
    finally:
        await connect(database_url, application_name="tests")
    rows = await worlds.fetch(
        "SELECT count(*) AS events FROM webhook_event WHERE outcome = 'UNROUTED'"
    )
    assert rows == [{"events": 40}]


async def call_all(here: Door, said: list[dict[str, object]]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(here.call(each) for each in said)))


async def test_refusals_outlive_a_database_that_is_away() -> None:
    class Away:
        """A store that is away once."""

        times = 0

        async def count_refusals(self, refusals: object) -> None:
            self.times += 1
            if self.times == 1:
                raise ConnectionError
            await store.count_refusals(refusals)  # type: ignore[arg-type]

    intake = Intake(Away(), PARSERS)  # type: ignore[arg-type]
    intake.refuse("extreme", "why")
    intake.refuse("extreme", "why")
    with pytest.raises(ConnectionError):
        await intake._write_refusals()
    intake.refuse("extreme", "why")
    await intake._write_refusals()
    rows = await worlds.fetch("SELECT reason, times FROM webhook_event")
    assert rows == [{"reason": "why", "times": 3}]


async def test_a_program_ends_in_order_where_refusals_cannot_be_written_down() -> None:
    class Gone:
        """A store that is away for good."""

        async def count_refusals(self, refusals: object) -> None:
            raise TryAgain

    intake = Intake(Gone(), PARSERS)  # type: ignore[arg-type]
    intake.start()
    intake.refuse("extreme", "why")
    await intake.stop()


def signed(body: bytes, key: str, *, age_seconds: float = 0.0) -> dict[str, str]:
    """The headers of who signs this with the key, so long ago."""
    moment = datetime.now(UTC) - timedelta(seconds=age_seconds)
    signature = Webhook(key).sign("msg_1", moment, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1a,nonsense {signature}",
    }


async def test_who_signs_needs_to_show_no_secret() -> None:
    body = json.dumps(SAID).encode()
    async with door(signing_secrets=KEYS[:2]) as here:
        for key, status in ((KEYS[0], 200), (KEYS[1], 200), (KEYS[2], 401)):
            assert (await here.knock(body, **signed(body, key))).status_code == status
        assert (await here.knock(body + b" ", **signed(body, KEYS[0]))).status_code == 401
        old = signed(body, KEYS[0], age_seconds=600)
        assert (await here.knock(body, **old)).status_code == 401
        broken = {**signed(body, KEYS[0]), "webhook-signature": "nonsense"}
        assert (await here.knock(body, **broken, **SHOWN)).status_code == 401
        assert (await here.knock(b"\xff", **signed(body, KEYS[0]))).status_code == 401
        assert (await here.knock(body, **SHOWN)).status_code == 200
        assert (await here.knock(body)).status_code == 401
        assert (await refusals(here))[webhooks.WRONG_SIGNATURE] == 5


async def test_where_only_keys_are_configured_every_call_is_to_be_signed() -> None:
    body = json.dumps(SAID).encode()
    async with door(secrets=[], signing_secrets=KEYS[:1], open_on_loopback=True) as here:
        assert (await here.knock(body)).status_code == 401
        assert (await here.knock(body, **SHOWN)).status_code == 401
        assert (await here.knock(body, **signed(body, KEYS[0]))).status_code == 200
