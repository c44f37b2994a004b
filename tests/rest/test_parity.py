"""The same cases through GraphQL and REST: the same charges, refusals and stored rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from domain.identity.access import Actor
from domain.identity.quiet_hours import QuietHours
from tests import db
from tests.installations import App, KnownUsers
from tests.rest.test_rest import BULK, HELLO, MANY, MULTI, SINGLE, TO
from tests.sending import test_sending as graphql

CODES = {
    "Send": None,
    "InsufficientBalance": "INSUFFICIENT_CREDITS",
    "NoValidRecipients": "INVALID_RECIPIENT",
    "TooManyRecipients": "INVALID_PARAMS",
    "InvalidText": "INVALID_PARAMS",
    "InvalidInput": "INVALID_PARAMS",
    "NotFound": "NOT_FOUND",
    "AccountInactive": "ACCOUNT_INACTIVE",
    "RateLimited": "RATE_LIMITED",
    "IdempotencyConflict": "IDEMPOTENCY_CONFLICT",
}
NAMES = {"recipient": "to", "recipients": "to", "message": "text", "content": "text"}
FIGURES = ("required", "available", "unit", "limit", "status", "retryAfterSeconds")
FORTY = [f"20255501{each:02}" for each in range(40)]
OPTED_OUT = "+12025550199"
SCHOOL_BULK = "/api/v1/communications/bulk-sms"
SINGLES = (SINGLE, "/api/v1/communications/single-sms", "/api/sms/send")
LATER = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}T08:30:00+02:00"
LIMITED = "limited"
READY = {"name": "ready", "values": {"No": "7"}}
INACTIVE = "inactive"
QUIET = "quiet"

CASES: list[tuple[str, Any, str | None]] = [
    *((each, HELLO, None) for each in SINGLES),
    *((each, {**HELLO, "recipient": "nonsense"}, None) for each in SINGLES),
    *((each, HELLO, INACTIVE) for each in SINGLES),
    (SINGLE, {**HELLO, "recipient": "(202) 555-0101"}, None),
    (SINGLE, {**HELLO, "recipient": OPTED_OUT}, None),
    (SINGLE, {**HELLO, "message": ""}, None),
    (SINGLE, {**HELLO, "message": "a\0b"}, None),
    (SINGLE, {**HELLO, "message": "ünï – ☃" * 200}, None),
    (SINGLE, {**HELLO, "message": "Line\nbreak ☃"}, None),
    (SINGLE, HELLO, LIMITED),
    (BULK, MANY, None),
    (BULK, {**MANY, "recipients": []}, None),
    (BULK, {**MANY, "recipients": [OPTED_OUT, TO]}, None),
    (BULK, {**MANY, "recipients": FORTY}, None),
    (BULK, {**MANY, "recipients": [TO] * 301}, None),
    (BULK, MANY, LIMITED),
    (BULK, MANY, INACTIVE),
    (SCHOOL_BULK, {"recipients": MANY["recipients"], "message": "Hello"}, None),
    (SCHOOL_BULK, {"recipients": FORTY, "message": "Hello"}, None),
    (SCHOOL_BULK, {"recipients": [TO] * 301, "message": "Hello"}, None),
    (SCHOOL_BULK, {"recipients": [TO], "message": "Hello"}, LIMITED),
    (SCHOOL_BULK, {"recipients": [TO], "message": "Hello"}, INACTIVE),
    (MULTI, [{"recipient": each, "content": each} for each in [*FORTY[:3], "x", TO, TO]], None),
    (MULTI, [{"recipient": TO, "content": "Hi"}, {"recipient": TO, "content": ""}], None),
    (MULTI, [], None),
    (MULTI, [{"recipient": each, "content": "Hi"} for each in FORTY], None),
    (MULTI, [{"recipient": TO, "content": "Hi"}] * 201, None),
    (MULTI, [{"recipient": TO, "content": "Hi"}], INACTIVE),
    *((each, {**HELLO, "sendAt": LATER}, None) for each in SINGLES),
    (SINGLE, {**HELLO, "sendAt": "2020-01-01T00:00:00Z"}, None),
    (SINGLE, {**HELLO, "sendAt": None}, None),
    (BULK, {**MANY, "sendAt": LATER}, None),
    (BULK, {**MANY, "sendAt": "2999-01-01T00:00:00+03:00"}, None),
    (SINGLE, {"recipient": TO, "template": READY}, None),
    (SINGLE, {"recipient": TO, "template": {**READY, "name": "Unknown"}}, None),
    (SINGLE, {"recipient": TO, "template": {**READY, "values": {}}}, None),
    (BULK, {"recipients": FORTY[:3], "template": READY}, None),
    (
        MULTI,
        [
            {"recipient": FORTY[0], "template": READY},
            {"recipient": FORTY[0], "template": READY},
            {"recipient": FORTY[1], "template": {**READY, "values": {"no": " "}}},
            {"recipient": FORTY[1], "template": READY},
            {"recipient": FORTY[2], "content": "Plain"},
        ],
        None,
    ),
    (SINGLE, HELLO, QUIET),
    (SINGLE, {**HELLO, "ignoreQuietHours": True}, QUIET),
    (BULK, {**MANY, "sendAt": LATER}, QUIET),
    (SCHOOL_BULK, {"recipients": [TO], "message": "Hello", "sendAt": LATER}, None),
    (MULTI, [{"recipient": TO, "content": "Hi"}], QUIET),
    (f"{MULTI}?sendAt=LATER", [{"recipient": TO, "content": "Hi"}], None),
    (f"{MULTI}?sendAt=2020-01-01T00:00:00Z", [{"recipient": TO, "content": "Hi"}], None),
]


@pytest.fixture
async def pair(app: App) -> list[db.Tenant]:
    """Two clients that hold the same, and that the same number has opted out of."""
    clients = [await db.add_client(app.pool, held=30, name=each) for each in ("one", "two")]
    for each in clients:
        await db.opt_out(each.client_id, OPTED_OUT)
        await db.execute(
            "INSERT INTO template (id, client_id, name, text)"
            " VALUES ($1, $1, 'Ready', 'Order {{no}} is ready.')",
            each.client_id,
        )
    return clients


def as_graphql(path: str, given: Any) -> tuple[str, dict[str, Any]]:
    """The mutation and its input for a request of the REST API."""
    path, _, query = path.partition("?sendAt=")
    if path == MULTI:
        messages = [in_graphql(each) for each in given]
        return graphql.MULTI, {"messages": messages, "sendAt": query or None}
    return graphql.SEND if path in SINGLES else graphql.BULK, in_graphql(given)


def in_graphql(given: dict[str, Any]) -> dict[str, Any]:
    """A body in the words of an input."""
    input = {NAMES.get(name, name): value for name, value in given.items()}
    if "template" in input:
        values = input["template"]["values"].items()
        pairs = [{"name": name, "value": value} for name, value in values]
        input["template"] = {**input["template"], "values": pairs}
    return input


async def stored(client: db.Tenant) -> tuple[Any, ...]:
    """What a client holds, and its sends and messages without their IDs."""
    sends = await db.fetch(
        "SELECT kind, text, price, accepted, rejected_count, rejected, value_usd, send_at, held,"
        " due_until FROM send WHERE client_id = $1 ORDER BY id",
        client.client_id,
    )
    messages = await db.fetch(
        "SELECT number, text, status, priority, price, send_at FROM message"
        " WHERE client_id = $1 ORDER BY id",
        client.client_id,
    )
    keys = await db.fetch(
        "SELECT key, input_hash FROM idempotency_key WHERE scope_id = $1", client.client_id
    )
    return await db.held(client.account_id), sends, messages, keys


def figures(of: dict[str, Any]) -> dict[str, Any]:
    """The figures of an error, and its rejected recipients, in the words of GraphQL."""
    rejected = of.get("rejected") or []
    return {
        **{name: of[name] for name in FIGURES if name in of},
        "rejected": [
            (each.get("input", each.get("recipient")), each["position"], each["reason"])
            for each in rejected
        ],
    }


def user_of(case: str | None, client: db.Tenant) -> Actor:
    """The user of a client in this case."""
    if case == QUIET:
        # Everywhere: only one minute of a day is not quiet.
        payer = replace(client.payer, quiet_hours=QuietHours("12:01", "12:00", "UTC"))
        return replace(client.actor, payer=payer)
    return replace(client.actor, client_status="DORMANT") if case == INACTIVE else client.actor


@pytest.mark.parametrize(("path", "given", "case"), CASES)
async def test_graphql_and_rest_do_the_same(
    web: httpx.AsyncClient,
    app: App,
    pair: list[db.Tenant],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    given: Any,
    case: str | None,
) -> None:
    one, two = pair
    # The name of a test must not have the time in it: the workers of xdist must see the same tests.
    path = path.replace("LATER", LATER)
    document, input = as_graphql(path, given)

    async def actor_for(_users: KnownUsers, _credential: str) -> Actor:
        return user_of(case, two)

    monkeypatch.setattr(KnownUsers, "actor_for", actor_for)
    # Twice: a repeated request with the same key must charge nothing more in either API.
    for _ in range(2):
        app.rate_limiter.requests_left = 0 if case == LIMITED else None
        keyed = {**input, "idempotencyKey": "order-17"}
        by_graphql = await app.answer(user_of(case, one), document, input=keyed)
        app.rate_limiter.requests_left = 0 if case == LIMITED else None
        answer = await web.post(path, json=given, headers={"idempotency-key": "order-17"})
        body = answer.json()
        code = CODES[by_graphql["__typename"]]
        assert (body["success"], body.get("code")) == (code is None, code), (by_graphql, body)
        if code is not None:
            assert body["error"] == by_graphql["message"]
            assert figures(body) == figures(by_graphql)
        if case == QUIET and code is None:
            rows = await db.fetch("SELECT held, due_until FROM send")
            assert body.get("held", 0) == rows[0]["held"]
            assert ("heldUntil" in body) == bool(rows[0]["held"])
        assert await stored(one) == await stored(two)
