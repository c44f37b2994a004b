"""The endpoints of the REST API: their answers, and every kind of refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from domain import ids
from domain.errors import (
    SENTENCES,
    OutcomeUnknown,
    ProviderUnavailable,
    RateLimited,
    RejectionReason,
    TryAgain,
)
from domain.ids import Kind, new_id
from domain.inbox.reports import REFUSED
from domain.sending.recipients import MOST_LISTED
from ibiki.http.rest.errors import RETRY_SECONDS, refused
from tests import db
from tests.inbox import post as inbound
from tests.installations import App

SINGLE = "/api/v2/sms/sendsingle"
BULK = "/api/v2/sms/sendbulk"
MULTI = "/api/v2/sms/sendbulkmulti"
QUOTE = "/api/v2/sms/quote"
BALANCE = "/api/v2/account/balance"
INBOX = "/api/v2/inbox"
STATUS = "/api/v2/sms/status/"

TO = "+12025550101"
HELLO = {"recipient": TO, "message": "Hello"}
MANY = {"recipients": ["202 555 0101", "nonsense", "2025550102", TO], "content": "Hello"}
POSTS = [(SINGLE, HELLO), (BULK, MANY), (MULTI, [{"recipient": TO, "content": "Hello"}])]
ANYBODY = ["owner", "direct", "sibling", "supervisor", "admin", "nobody"]


def by(who: str) -> dict[str, str]:
    return {"authorization": f"Bearer {who}"}


def failure(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The figures of an error; its sentence is not compared."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body.pop("code"), body.pop("success")) == (status, code, False)
    assert body.pop("error")
    return body


async def stored(web: httpx.AsyncClient, message_id: str) -> tuple[str, str]:
    """The number of a message, and its status in the REST API."""
    status = (await web.get(STATUS + message_id)).json()
    row = await db.fetch(
        "SELECT number FROM message WHERE id = $1", ids.decode(Kind.MESSAGE, message_id)
    )
    return row[0]["number"], status["status"]


async def test_a_single_send_is_charged_and_has_a_status(web: httpx.AsyncClient, app: App) -> None:
    answer = await web.post(SINGLE, json=HELLO)
    body = answer.json()
    message_id = body.pop("messageId")
    assert (answer.status_code, body) == (200, {"success": True, "status": "queued"})
    assert await stored(web, message_id) == (TO, "queued")
    assert (await web.get(BALANCE)).json() == {
        "success": True,
        "balance": 99,
        "currency": "credits",
    }


async def test_a_bulk_send_has_an_id_for_each_accepted_recipient_in_order(
    web: httpx.AsyncClient, app: App
) -> None:
    body = (await web.post(BULK, json=MANY)).json()
    numbers = [(await stored(web, each))[0] for each in body["messageIds"]]
    assert numbers == [TO, "+12025550102"]
    assert (body["success"], body["totalSent"], body["status"]) == (True, 2, "queued")
    assert body["rejectedCount"] == 2
    assert [(each["recipient"], each["position"], each["reason"]) for each in body["rejected"]] == [
        ("nonsense", 1, "INVALID"),
        (TO, 3, "DUPLICATE"),
    ]
    assert await db.held(app.owner.account_id) == 98


async def test_a_multi_send_has_a_result_for_each_item_in_order(web: httpx.AsyncClient) -> None:
    items = [
        {"recipient": TO, "content": "One"},
        {"recipient": "nonsense", "content": "One"},
        {"recipient": TO, "content": "Two"},
        {"recipient": "202 555 0101", "content": "One"},
    ]
    body = (await web.post(MULTI, json=items)).json()
    assert (body["totalSent"], body["totalFailed"]) == (2, 2)
    first, invalid, second, twice = body["results"]
    assert first["messageId"] < second["messageId"]
    assert (first["status"], first["recipient"]) == ("queued", TO)
    assert (invalid["status"], invalid["code"]) == ("failed", "INVALID")
    assert twice == {
        "recipient": "202 555 0101",
        "status": "failed",
        "error": SENTENCES[RejectionReason.DUPLICATE],
        "code": "DUPLICATE",
    }


async def test_an_offset_needs_no_colon(web: httpx.AsyncClient) -> None:
    """The Python clients of openapi-generator write none in a query."""
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    time = later.astimezone(timezone(timedelta(hours=3))).strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    assert time.endswith("+0300")
    answer = await web.post(MULTI, params={"sendAt": time}, json=POSTS[2][1])
    assert answer.status_code == 200, answer.text
    assert (await db.fetch("SELECT send_at FROM send"))[0]["send_at"] == later


async def test_a_result_is_right_after_the_rejected_items_that_a_send_lists(
    app: App, web: httpx.AsyncClient
) -> None:
    many = replace(app.installation.limits, recipients_multi=MOST_LISTED * 2)
    object.__setattr__(app.installation, "limits", many)
    await db.opt_out(app.owner.client_id, "+12025550102")
    wrong = [{"recipient": "x", "content": "Hi"}] * MOST_LISTED
    last = [("2025550102", "Hi"), (TO, "Hi"), ("y", "Hi"), (TO, "Hi")]
    items = [*wrong, *({"recipient": to, "content": text} for to, text in last)]
    results = (await web.post(MULTI, json=items)).json()["results"][MOST_LISTED:]
    assert [each.get("code", "queued") for each in results] == [
        "OPTED_OUT",
        "queued",
        "INVALID",
        "DUPLICATE",
    ]


@pytest.mark.parametrize(("path", "given"), POSTS)
async def test_a_repeated_key_gets_the_first_answer_and_another_body_conflicts(
    web: httpx.AsyncClient, app: App, path: str, given: Any
) -> None:
    keyed = {"idempotency-key": "order-17"}
    first = await web.post(path, json=given, headers=keyed)
    held = await db.held(app.owner.account_id)
    again = await web.post(path, json=given, headers=keyed)
    assert (again.status_code, again.json()) == (200, first.json())
    assert await db.held(app.owner.account_id) == held < 100
    other = [*given, *given] if isinstance(given, list) else {**given, "recipients": [TO]}
    if path == SINGLE:
        other = {**HELLO, "message": "Other"}
    conflict = await web.post(path, json=other, headers=keyed)
    assert failure(conflict, 409, "IDEMPOTENCY_CONFLICT") == {}
    assert "Idempotency-Key" in conflict.text


@pytest.mark.parametrize("keys", [[""], ["x" * 256], ["a", "b"], [b"caf\xc3\xa9"], ["tab\there"]])
async def test_an_unusable_key_is_refused(
    web: httpx.AsyncClient, app: App, keys: list[str | bytes]
) -> None:
    headers = [(b"Idempotency-Key", key.encode() if isinstance(key, str) else key) for key in keys]
    answer = await web.post(SINGLE, json=HELLO, headers=headers)
    assert failure(answer, 400, "INVALID_PARAMS") == {}
    assert await db.held(app.owner.account_id) == 100


async def test_a_quote_has_the_figures_and_the_problem_of_the_send(
    web: httpx.AsyncClient, app: App
) -> None:
    quote = (await web.post(QUOTE, json=MANY)).json()
    rejected = quote.pop("rejected")
    assert quote == {
        "success": True,
        "accepted": 2,
        "rejectedCount": 2,
        "encoding": "GSM7",
        "segments": 1,
        "costlyCharacters": [],
        "cost": 2,
        "balance": 100,
        "affordable": True,
        "held": 0,
        "heldUntil": None,
        "problem": None,
    }
    refusal = {"recipients": ["nonsense"], "content": "Hello"}
    problem = (await web.post(QUOTE, json=refusal)).json()["problem"]
    assert problem == (await web.post(BULK, json=refusal)).json()
    assert len(rejected) == 2
    assert await db.held(app.owner.account_id) == 100


async def test_each_status_has_its_word(web: httpx.AsyncClient, app: App) -> None:
    message_id = (await web.post(SINGLE, json=HELLO)).json()["messageId"]
    key = ids.decode(Kind.MESSAGE, message_id)
    words = {
        "SUBMITTING": "queued",
        "SENT": "sent",
        "DELIVERED": "delivered",
        "UNDELIVERED": "undelivered",
        "UNKNOWN": "unknown",
        "REJECTED": "failed",
        "CANCELLED": "cancelled",
    }
    for status, word in words.items():
        await db.execute(
            "UPDATE message SET status = $2, attempt_id = $3 WHERE id = $1", key, status, new_id()
        )
        body = (await web.get(STATUS + message_id)).json()
        assert (body["status"], bool(body["deliveredAt"])) == (word, status == "DELIVERED")


async def test_a_message_that_is_about_to_be_refunded_is_not_undelivered(
    web: httpx.AsyncClient, app: App
) -> None:
    """A program that asks just then would never ask again, and keep the charge of its client."""
    message_id = (await web.post(SINGLE, json=HELLO)).json()["messageId"]
    await db.execute(
        "UPDATE message SET status = 'UNDELIVERED', failure = $1, attempt_id = id", REFUSED
    )
    assert (await web.get(STATUS + message_id)).json()["status"] == "sent"


async def test_the_inbox_is_read_page_by_page_without_gaps(
    web: httpx.AsyncClient, app: App
) -> None:
    assert (await web.get(INBOX)).json() == {
        "success": True,
        "messages": [],
        "next": None,
        "hasMore": False,
    }
    await db.assign_number(app.owner.client_id, "+12025550111")
    texts = [f"in {each}" for each in range(5)]
    for each in texts:
        await inbound.received(inbound.inbound(each, receiver="+12025550111"))
    read: list[str] = []
    after: dict[str, str] = {}
    more = True
    while more:
        page = (await web.get(INBOX, params={"limit": "2", **after})).json()
        read += [each["message"] for each in page["messages"]]
        after, more = {"after": page["next"]}, page["hasMore"]
    assert read == texts
    rest = (await web.get(INBOX, params=after)).json()
    assert (rest["messages"], rest["next"]) == ([], after["after"])
    await db.execute("DELETE FROM inbound")
    assert (await web.get(INBOX, params=after)).json()["messages"] == []
    for wrong in ("feed_", "feed_0", "feed_-1", "feed_99", "feed_\u0661", "feed_1e0", "feed_1 "):
        failure(await web.get(INBOX, params={"after": wrong}), 404, "NOT_FOUND")
    other = await web.get(INBOX, params=after, headers=by("sibling"))
    assert failure(other, 404, "NOT_FOUND") == {}


@pytest.mark.parametrize("who", ANYBODY)
async def test_roles_are_those_of_graphql(web: httpx.AsyncClient, who: str) -> None:
    message_id = (await web.post(SINGLE, json=HELLO)).json()["messageId"]
    sends = {"owner": 200, "direct": 200, "sibling": 200, "nobody": 401}.get(who, 403)
    for path, given in [*POSTS, (QUOTE, MANY)]:
        assert (await web.post(path, json=given, headers=by(who))).status_code == sends
    assert (await web.get(INBOX, headers=by(who))).status_code == sends
    status = {"sibling": 404, "supervisor": 403, "nobody": 401}.get(who, 200)
    assert (await web.get(STATUS + message_id, headers=by(who))).status_code == status
    balance = await web.get(BALANCE, headers=by(who))
    assert balance.status_code == (401 if who == "nobody" else 200)


async def test_refusals_have_their_figures(web: httpx.AsyncClient, app: App) -> None:
    numbers = [f"+120255501{each:02}" for each in range(100)]
    short = await web.post(BULK, json={"recipients": [*numbers, "3015550123"], "content": "Hi"})
    assert failure(short, 402, "INSUFFICIENT_CREDITS") == {
        "required": 101,
        "available": 100,
        "unit": "credit",
    }
    many = await web.post(BULK, json={"recipients": [TO] * 301, "content": "Hi"})
    assert failure(many, 400, "INVALID_PARAMS") == {"limit": 300}
    nobody = failure(
        await web.post(BULK, json={"recipients": ["x"], "content": "Hi"}), 400, "INVALID_RECIPIENT"
    )
    assert [each["reason"] for each in nobody["rejected"]] == ["INVALID"]
    app.rate_limiter.requests_left = 0
    limited = await web.post(SINGLE, json=HELLO)
    assert failure(limited, 429, "RATE_LIMITED") == {"retryAfterSeconds": 7}
    assert limited.headers["retry-after"] == "7"
    unknown = await web.get(BALANCE, headers=by("nobody"))
    assert failure(unknown, 401, "UNAUTHORIZED") == {}
    assert unknown.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in unknown.json()["error"]
    unavailable = await web.get(BALANCE, headers=by("unavailable"))
    assert failure(unavailable, 503, "UNAVAILABLE") == {"retryAfterSeconds": 1}
    assert unavailable.headers["retry-after"] == "1"


async def test_refusals_that_need_an_outage_have_their_status() -> None:
    send_id = new_id()
    unknown = refused(OutcomeUnknown(send_id=send_id))
    assert (unknown.status, unknown.code) == (504, "OUTCOME_UNKNOWN")
    assert unknown.failure.send_id == ids.encode(Kind.SEND, send_id)
    for refusal, status, wait in (
        (TryAgain(), 503, 1),
        (ProviderUnavailable(), 503, RETRY_SECONDS),
        (RateLimited(3), 429, 3),
    ):
        answer = refused(refusal)
        assert (answer.status, answer.headers) == (status, [(b"retry-after", b"%d" % wait)])
        assert answer.failure.retry_after_seconds == wait


async def test_an_error_of_the_program_has_no_details(web: httpx.AsyncClient, app: App) -> None:
    object.__setattr__(app.installation, "acceptor", None)
    answer = await web.post(SINGLE, json=HELLO)
    assert failure(answer, 500, "INTERNAL").keys() == {"correlationId"}
    assert "NoneType" not in answer.text
