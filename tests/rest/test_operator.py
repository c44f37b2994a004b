"""The endpoints that consoles call: replies, as in GraphQL, and webhook events for the operator."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from domain import ids
from domain.identity.access import Actor
from domain.ids import Kind
from tests import db
from tests.inbox import post
from tests.installations import App, KnownUsers
from tests.rest.test_parity import CODES, figures, pair, stored, user_of
from tests.rest.test_rest import by, failure

__all__ = ["pair"]

REPLY = "/api/sms/reply"
EVENTS = "/api/admin/webhook/events"
LAST = "/api/admin/webhook/last"
BY_GRAPHQL = """
mutation ($input: ReplyInput!) { reply(input: $input) { __typename
  ... on Reply { sent { id } warning } ... on UserError { message }
  ... on InsufficientBalance { required available unit } ... on AccountInactive { status }
  ... on RateLimited { retryAfterSeconds } } }"""
EVENTS_BY_GRAPHQL = """
query ($outcome: WebhookOutcome) { webhookEvents(first: 50, outcome: $outcome) { nodes {
  id receivedAt provider outcome reason sender optOutPending client { id } inbound { id }
  modem port payload times } } }"""
CASES: list[tuple[str, str | None]] = [
    ("", None),
    ("Thanks", "inactive"),
    ("Thanks", "limited"),
    ("Thanks", None),
    ("Thanks", "inactive"),
    ("Other", None),
]
"""Texts with one key: refused ones leave it unused, and the first success is repeated."""


async def received(client: db.Tenant, number: str, **fields: Any) -> tuple[str, str]:
    """A message from a phone to the client. Returns the IDs of it and of its conversation."""
    await db.assign_number(client.client_id, number)
    await post.received(post.inbound("Hello?", receiver=number, **fields))
    [row] = await db.fetch(
        "SELECT i.id, c.id AS conversation_id FROM inbound i"
        " JOIN conversation c USING (client_id) WHERE i.client_id = $1",
        client.client_id,
    )
    return ids.encode(Kind.MESSAGE, row["id"]), ids.encode(
        Kind.CONVERSATION, row["conversation_id"]
    )


@pytest.mark.parametrize("named", ["inboundMessageId", "conversationId"])
async def test_a_reply_does_the_same_as_in_graphql(
    web: httpx.AsyncClient,
    app: App,
    pair: list[db.Tenant],
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    one, two = pair
    position = ("inboundMessageId", "conversationId").index(named)
    first = (await received(one, "+12025550111", modem="7"))[position]
    second = (await received(two, "+12025550112", modem="7"))[position]
    for text, case in CASES:
        rest_user = user_of(case, two)
        monkeypatch.setattr(KnownUsers, "actor_for", lambda *_, user=rest_user: returned(user))
        app.rate_limiter.requests_left = 0 if case == "limited" else None
        input = {named: first, "text": text, "idempotencyKey": "r-1"}
        by_graphql = await app.answer(user_of(case, one), BY_GRAPHQL, input=input)
        app.rate_limiter.requests_left = 0 if case == "limited" else None
        given, key = {named: second, "message": text}, {"idempotency-key": "r-1"}
        body = (await web.post(REPLY, json=given, headers=key)).json()
        code = ({**CODES, "Reply": None})[by_graphql["__typename"]]
        assert (body["success"], body.get("code")) == (code is None, code), (by_graphql, body)
        if code is None:
            assert body["warning"] is by_graphql["warning"] is None
            assert body["status"] == "queued"
        else:
            assert body["error"] == by_graphql["message"].replace(
                "idempotencyKey", "Idempotency-Key"
            )
            assert figures(body) == figures(by_graphql)
        assert (await stored(one))[:3] == (await stored(two))[:3]
    lines = await db.fetch("SELECT modem, port FROM send")
    assert lines == [{"modem": "7", "port": "1"}] * 2


async def returned(actor: Actor) -> Actor:
    return actor


async def test_a_reply_without_a_known_line_has_a_warning(web: httpx.AsyncClient, app: App) -> None:
    inbound_id, _ = await received(app.owner, "+12025550111")
    body = (await web.post(REPLY, json={"inboundMessageId": inbound_id, "message": "Hi"})).json()
    assert body["success"]
    assert "may show another number" in body["warning"]


async def test_a_wrong_reply_is_refused_with_its_reason(web: httpx.AsyncClient, app: App) -> None:
    inbound_id, conversation_id = await received(app.owner, "+12025550111")
    both = {"inboundMessageId": inbound_id, "conversationId": conversation_id, "message": "Hi"}
    assert failure(await web.post(REPLY, json=both), 400, "INVALID_PARAMS") == {}
    assert failure(await web.post(REPLY, json={"message": "Hi"}), 400, "INVALID_PARAMS") == {}
    other = {"conversationId": conversation_id, "message": "Hi"}
    assert failure(await web.post(REPLY, json=other, headers=by("sibling")), 404, "NOT_FOUND") == {}
    for wrong in ("x", "msg_1", inbound_id):
        answer = await web.post(REPLY, json={"conversationId": wrong, "message": "Hi"})
        assert failure(answer, 404, "NOT_FOUND") == {}
    for who, status in (("supervisor", 403), ("admin", 403), ("nobody", 401)):
        assert (await web.post(REPLY, json=other, headers=by(who))).status_code == status
    named = await web.post(REPLY, json={**other, "port": "1"})
    assert failure(named, 400, "INVALID_PARAMS") == {"field": "port"}
    assert await db.held(app.owner.account_id) == 100


async def test_the_operator_reads_the_events_that_graphql_has(
    web: httpx.AsyncClient, app: App
) -> None:
    admin = by("admin")
    nothing = (await web.get(LAST, headers=admin)).json()
    assert (nothing["event"], nothing["unrouted"]) == (None, 0)
    await received(app.owner, "+12025550111", modem="7", messageId="a" * 24)
    await post.received(post.inbound("Anybody?"), post.inbound("Hello?", sender="SUPPORT"))
    events = (await web.get(EVENTS, headers=admin)).json()["events"]
    in_graphql = await app.answer("admin", EVENTS_BY_GRAPHQL)
    for ours, theirs in zip(events, in_graphql["nodes"], strict=True):
        theirs["clientId"] = (theirs.pop("client") or {}).get("id")
        theirs["messageId"] = (theirs.pop("inbound") or {}).get("id")
        assert ours.pop("receivedAt")
        assert theirs.pop("receivedAt")
        assert ours == theirs
    routed = (await web.get(f"{EVENTS}?limit=50&outcome=ROUTED", headers=admin)).json()["events"]
    assert [each["outcome"] for each in routed] == ["ROUTED"]
    assert len((await web.get(f"{EVENTS}?limit=2&outcome=", headers=admin)).json()["events"]) == 2
    last = (await web.get(LAST, headers=admin)).json()
    assert last["event"]["id"] == events[0]["id"]
    assert (last["eventsLastHour"], last["unrouted"]) == (3, 2)
    assert last["lastRoutedClientId"] == routed[0]["clientId"]


async def test_nobody_else_sees_events(web: httpx.AsyncClient) -> None:
    for path in (EVENTS, LAST, f"{EVENTS}?outcome=x"):
        for who in ("owner", "direct", "supervisor", "sibling"):
            answer = await web.get(path, headers=by(who))
            assert failure(answer, 403, "FORBIDDEN") == {}
        assert failure(await web.get(path, headers=by("nobody")), 401, "UNAUTHORIZED") == {}


async def test_a_wrong_parameter_is_named(web: httpx.AsyncClient) -> None:
    for query in ("outcome=routed", "outcome=%00", "limit=0", "limit=101", "limit=%D9%A1x", "x=1"):
        answer = await web.get(f"{EVENTS}?{query}", headers=by("admin"))
        assert failure(answer, 400, "INVALID_PARAMS") == {"field": query.split("=")[0]}
