"""What was accepted with a key, for a caller that has lost the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from domain.errors import ProviderUnavailable
from domain.ids import new_id
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Rejected, Unknown
from domain.sending.messages import BY_MESSAGE
from providers.config import ProviderConfig
from providers.ibiki import NEVER_ACCEPTED, NOT_LISTED, SETTLE, Ibiki
from tests import db
from tests.inbox.post import PHONE
from tests.installations import App
from tests.providers.scripted import CONFIG, HTML, ScriptedTransport, answer
from tests.rest.test_operator import received
from tests.rest.test_rest import BULK, HELLO, MANY, MULTI, SINGLE, TO, by, failure
from tests.sending import test_sending as graphql

KEY = "order-17"
OTHER = "+12025550102"
OPTED_OUT = "+12025550199"
UNUSED = {"success": True, "accepted": False, "results": []}


async def settled(web: httpx.AsyncClient, who: str = "owner", key: str = KEY) -> Any:
    found = await web.post(SETTLE, json={"idempotencyKey": key}, headers=by(who))
    assert found.status_code == 200, found.text
    return found.json()


async def sent(web: httpx.AsyncClient, path: str, body: Any) -> httpx.Response:
    return await web.post(path, json=body, headers={"idempotency-key": KEY})


@pytest.mark.parametrize(
    ("path", "body", "numbers", "codes"),
    [
        (SINGLE, HELLO, [TO], []),
        (BULK, MANY, [TO, OTHER], ["INVALID", "DUPLICATE"]),
        (MULTI, [{"recipient": TO, "content": each} for each in ("a", "b")], [TO, TO], []),
    ],
)
async def test_what_was_accepted_with_a_key_is_listed(
    web: httpx.AsyncClient, app: App, path: str, body: Any, numbers: list[str], codes: list[str]
) -> None:
    made = (await sent(web, path, body)).json()
    accepted = made.get("messageIds") or [each["messageId"] for each in made.get("results", [made])]
    first = await settled(web)
    assert first["accepted"] is True
    listed = [each for each in first["results"] if "messageId" in each]
    assert [(each["recipient"], each["messageId"]) for each in listed] == list(
        zip(numbers, accepted, strict=True)
    )
    assert [each["code"] for each in first["results"] if "code" in each] == codes
    assert await settled(web) == first
    assert (await sent(web, path, body)).json() == made, "the key can still be used"
    assert await db.held(app.owner.account_id) == 100 - len(numbers)
    assert await settled(web, "sibling") == UNUSED, "keys belong to a client"


async def test_a_key_that_was_not_used_is_closed(web: httpx.AsyncClient, app: App) -> None:
    assert [await settled(web), await settled(web)] == [UNUSED, UNUSED]
    for path, body in ((SINGLE, HELLO), (BULK, MANY), (SINGLE, {**HELLO, "recipient": "x"})):
        failure(await sent(web, path, body), 409, "IDEMPOTENCY_CONFLICT")
    again = {"to": TO, "text": "Hello", "idempotencyKey": KEY}
    assert (await app.answer("owner", graphql.SEND, input=again))["__typename"] == (
        "IdempotencyConflict"
    )
    assert await db.held(app.owner.account_id) == 100
    assert await settled(web) == UNUSED


async def test_a_refusal_leaves_a_key_unused(web: httpx.AsyncClient) -> None:
    failure(await sent(web, SINGLE, {**HELLO, "recipient": "x"}), 400, "INVALID_RECIPIENT")
    assert await settled(web) == UNUSED


async def test_a_send_and_the_question_at_once_agree(web: httpx.AsyncClient, app: App) -> None:
    """Whoever is first: the answer is what becomes of the send."""
    kept = 0
    for at in range(25):
        key = {"idempotency-key": f"{KEY}-{at}"}
        sending = web.post(SINGLE, json=HELLO, headers=key)
        send, found = await asyncio.gather(sending, settled(web, key=f"{KEY}-{at}"))
        assert found["accepted"] is (send.status_code == 200), send.text
        assert send.status_code == 200 or send.json()["code"] == "IDEMPOTENCY_CONFLICT"
        kept += found["accepted"]
    assert await db.held(app.owner.account_id) == 100 - kept


async def test_wrong_questions_are_refused(web: httpx.AsyncClient) -> None:
    failure(await web.post(SETTLE, json={}), 400, "INVALID_PARAMS")
    failure(await web.post(SETTLE, json={"idempotencyKey": ""}), 400, "INVALID_PARAMS")
    body = {"idempotencyKey": KEY}
    failure(await web.post(SETTLE, json=body, headers=by("stranger")), 401, "UNAUTHORIZED")
    failure(await web.post(SETTLE, json=body, headers=by("admin")), 403, "FORBIDDEN")


async def test_too_many_questions_are_refused_and_close_no_key(
    web: httpx.AsyncClient, app: App
) -> None:
    app.rate_limiter.requests_left = 0
    refused = failure(await web.post(SETTLE, json={"idempotencyKey": KEY}), 429, "RATE_LIMITED")
    assert refused["retryAfterSeconds"] > 0
    app.rate_limiter.requests_left = None
    assert (await sent(web, SINGLE, HELLO)).status_code == 200


# --- The adapter


def outgoing(to: str, text: str, attempt: str) -> OutgoingMessage:
    return OutgoingMessage(to, text, attempt=attempt)


@pytest.fixture
async def upstream(web: httpx.AsyncClient, app: App) -> AsyncIterator[Ibiki]:
    await db.opt_out(app.owner.client_id, OPTED_OUT)
    config = ProviderConfig(base_url=str(web.base_url), api_key="owner", loopback_only=True)
    account = Ibiki(config)
    yield account
    await account.close()


async def test_a_lost_answer_of_each_kind_of_call_is_found(upstream: Ibiki) -> None:
    calls = [
        [(TO, "Hello")],
        [(TO, "Hello"), (OPTED_OUT, "Hello"), (OTHER, "Hello")],
        [(TO, "One"), (OTHER, "Two"), (TO, "Three"), (OPTED_OUT, "Four")],
    ]
    for each in calls:
        attempt = new_id().hex
        call = [outgoing(to, text, attempt) for to, text in each]
        outcomes = await upstream.send_many(call)
        lost = [replace(one, text="") for one in call]
        assert await upstream.settle(lost) == outcomes
        assert await upstream.settle(lost[:1]) == [
            NOT_LISTED if len({to for to, _ in each}) < len(each) else outcomes[0]
        ]
        assert {type(outcome) for outcome in outcomes} <= {Accepted, Rejected}


async def test_a_lost_reply_is_found(upstream: Ibiki, app: App) -> None:
    inbound_id, _ = await received(app.owner, "+12025550111")
    reply = OutgoingMessage(PHONE, "And to you", BY_MESSAGE, inbound_id, attempt=new_id().hex)
    outcome = await upstream.send(reply)
    assert isinstance(outcome, Accepted)
    assert await upstream.settle([outgoing(PHONE, "", reply.attempt)]) == [outcome]


async def test_a_call_that_comes_after_the_question_is_not_accepted(
    upstream: Ibiki, app: App
) -> None:
    late = outgoing(TO, "Hello", new_id().hex)
    assert await upstream.settle([late]) == [NEVER_ACCEPTED]
    assert isinstance(await upstream.send(late), Unknown)
    assert await db.held(app.owner.account_id) == 100


ITEM = {"recipient": TO, "messageId": "m1", "status": "queued"}
FAILED = {"recipient": TO, "status": "failed", "code": "INVALID", "error": "no"}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([ITEM], Accepted("m1")),
        ([FAILED], Rejected("The network refused this message.")),
        ([{**FAILED, "code": "DUPLICATE"}], NotSent),
        ([{**ITEM, "recipient": OTHER}], NOT_LISTED),
        ([ITEM, ITEM], NOT_LISTED),
        ([{**ITEM, "messageId": None}], NOT_LISTED),
        ([{**FAILED, "messageId": "m1"}], NOT_LISTED),
        (["m1", None], NOT_LISTED),
        ([], NOT_LISTED),
    ],
)
async def test_only_the_item_of_a_message_decides_it(
    results: list[object], expected: Outcome | type[Outcome]
) -> None:
    body = {"success": True, "accepted": True, "results": results}
    account = Ibiki(CONFIG, ScriptedTransport(answer(200, body)))
    [outcome] = await account.settle([outgoing(TO, "", "a")])
    assert outcome == expected or (isinstance(expected, type) and isinstance(outcome, expected))


async def test_two_messages_to_a_number_of_which_one_failed_are_not_decided() -> None:
    body = {"success": True, "accepted": True, "results": [ITEM, FAILED]}
    account = Ibiki(CONFIG, ScriptedTransport(answer(200, body)))
    assert await account.settle([outgoing(TO, "", "a")] * 2) == [NOT_LISTED] * 2


@pytest.mark.parametrize(
    "exchange",
    [
        NotSent("refused"),
        Unknown("no answer"),
        answer(404, {"success": False, "error": "Not found.", "code": "NOT_FOUND"}),
        answer(404, HTML),
        answer(429, {"success": False, "error": "x", "code": "RATE_LIMITED"}),
        answer(503, {"success": False, "error": "x", "code": "UNAVAILABLE"}),
        answer(504, {"success": False, "error": "x", "code": "OUTCOME_UNKNOWN"}),
        answer(200, HTML),
        answer(200, {"success": True}),
        answer(200, {"success": True, "accepted": False}),
        answer(200, {"success": False, "accepted": False, "results": []}),
    ],
)
async def test_without_a_clear_answer_nothing_is_concluded(exchange: Any) -> None:
    account = Ibiki(CONFIG, ScriptedTransport(exchange))
    with pytest.raises(ProviderUnavailable):
        await account.settle([outgoing(TO, "", "a")])


async def test_an_answer_without_a_clear_no_accepts_and_refuses_nothing() -> None:
    for accepted in (None, "no", 0):
        body: object = {"success": True, "accepted": accepted, "results": []}
        account = Ibiki(CONFIG, ScriptedTransport(answer(200, body)))
        assert await account.settle([outgoing(TO, "", "a")]) == [NOT_LISTED]


async def test_a_call_names_its_attempt_as_its_key() -> None:
    transport = ScriptedTransport(answer(200, {"success": True, "messageId": "m1"}))
    account = Ibiki(CONFIG, transport)
    await account.send(outgoing(TO, "Hello", "a1"))
    await account.send(OutgoingMessage(TO, "Hello", BY_MESSAGE, "msg_1", attempt="a2"))
    await account.send_many([outgoing(TO, "Hello", "a3"), outgoing(OTHER, "Hello", "a3")])
    await account.send_many([outgoing(TO, "Hello", "a4"), outgoing(OTHER, "Hi", "a4")])
    keys = [each.headers.get("Idempotency-Key") for each in transport.requests]
    assert keys == ["a1", "a2", "a3", "a4"]
