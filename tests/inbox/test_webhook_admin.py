"""Webhook events and routes, as the operator reads and sets them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from domain import ids
from domain.errors import ProviderUnavailable
from domain.ids import Kind, new_id
from domain.inbox import routing
from domain.inbox.webhooks import NewEvent
from persistence import store
from persistence.inbox.events import DUPLICATE
from tests import db
from tests.inbox import post
from tests.inbox.post import OUR_NUMBER, PHONE, inbound
from tests.installations import App

EVENTS = """query ($outcome: WebhookOutcome, $first: Int, $after: String) {
  webhookEvents(outcome: $outcome, first: $first, after: $after) {
    nodes { id provider outcome reason client { name } inbound { text number } modem port payload
            times } pageInfo { endCursor } } }"""
STATUS = """{ webhookStatus { lastEvent { modem port client { name } } lastRoutedClient { name }
    eventsLastHour unrouted refusedLastHour } }"""
ROUTES = """{ modemRoutes { id client { name } modem port assignedNumbers learned lastSeenAt } }"""
SET = """mutation ($input: SetModemRouteInput!) { setModemRoute(input: $input) { __typename
    ... on UserError { message } ... on InvalidInput { field }
    ... on ModemRoute { id client { name } modem port assignedNumbers learned lastSeenAt } } }"""
DELETE = """mutation ($input: DeleteModemRouteInput!) { deleteModemRoute(input: $input) {
    __typename ... on ModemRoute { id modem } } }"""
ASSIGN = """mutation ($input: AssignInboundInput!) { assignInbound(input: $input) { __typename
    ... on UserError { message }
    ... on WebhookEvent { outcome reason client { name } inbound { text number answerable } } } }"""
READY = """mutation ($input: TestReplyReadinessInput!) { testReplyReadiness(input: $input) {
    __typename ... on ReplyReadiness { ready modem port inbound { text }
    checks { name passed detail } } } }"""


def client_id(tenant: db.Tenant) -> str:
    return ids.encode(Kind.CLIENT, tenant.client_id)


async def event_id(call: object) -> str:
    (row,) = await post.received(call)
    return ids.encode(Kind.WEBHOOK_EVENT, row["id"])


async def set_route(app: App, tenant: db.Tenant, **rest: Any) -> Any:
    given = {"clientId": client_id(tenant), "modem": "m1", "port": "1", **rest}
    return await app.answer("admin", SET, input=given)


async def test_events_are_listed_with_their_payload(app: App) -> None:
    await set_route(app, app.owner)
    call = inbound("Hi", modem="m1", messageId="abc")
    await post.received(call, inbound("nobody's"), call)
    invalid = NewEvent(new_id(), "extreme", b"key".ljust(32), b"\xff not json", invalid="Not JSON.")
    await store.store_events([invalid])
    await store.count_refusals({("extreme", "The secret is wrong."): 7})
    nodes = (await app.answer("admin", EVENTS))["nodes"]
    # Refusals are counted by the minute, so this one is listed at the beginning of its minute.
    (refused,) = (each for each in nodes if each["outcome"] == "REFUSED")
    assert (refused["reason"], refused["times"]) == ("The secret is wrong.", 7)
    assert refused["payload"] == {}
    others = [each for each in nodes if each is not refused]
    assert [(each["outcome"], each["reason"], each["times"]) for each in others] == [
        ("INVALID", "Not JSON.", 1),
        ("DUPLICATE", DUPLICATE, 1),
        ("UNROUTED", routing.NOBODY, 1),
        ("ROUTED", routing.BY_HAND, 1),
    ]
    assert others[0]["payload"] == {"text": "\N{REPLACEMENT CHARACTER} not json"}
    assert others[3]["payload"] == call
    assert others[3]["client"] == {"name": "Acme"}
    assert others[3]["inbound"] == {"text": "Hi", "number": PHONE}
    assert (others[3]["modem"], others[3]["port"]) == ("m1", "1")
    only = (await app.answer("admin", EVENTS, outcome="UNROUTED"))["nodes"]
    assert [each["payload"]["message"] for each in only] == ["nobody's"]
    page = await app.answer("admin", EVENTS, first=2)
    rest = await app.answer("admin", EVENTS, after=page["pageInfo"]["endCursor"])
    assert page["nodes"] + rest["nodes"] == nodes


@pytest.mark.parametrize("body", [b"null", b'{"a":' * 300 + b"[]" + b"}" * 300])
async def test_an_empty_or_deeply_nested_event_can_be_listed(app: App, body: bytes) -> None:
    await store.store_events(
        [NewEvent(new_id(), "extreme", b"key".ljust(32), body, invalid="Not an object.")]
    )
    nodes = (await app.answer("admin", EVENTS))["nodes"]
    assert orjson.loads(orjson.dumps(nodes))[0]["payload"] == {"text": body.decode()}


async def test_the_status_counts_events(app: App) -> None:
    assert await app.answer("admin", STATUS) == {
        "lastEvent": None,
        "lastRoutedClient": None,
        "eventsLastHour": 0,
        "unrouted": 0,
        "refusedLastHour": 0,
    }
    await set_route(app, app.owner)
    await post.received(inbound("Hi", modem="m1"), inbound("nobody's", modem="m9"))
    await store.count_refusals({("extreme", "a"): 2, ("egosms", "b"): 3})
    await store.count_refusals({("extreme", "a"): 1})
    assert await app.answer("admin", STATUS) == {
        "lastEvent": {"modem": "m9", "port": "1", "client": None},
        "lastRoutedClient": {"name": "Acme"},
        "eventsLastHour": 2,
        "unrouted": 1,
        "refusedLastHour": 6,
    }


async def test_a_route_is_set_shown_and_deleted_with_its_numbers(app: App) -> None:
    made = await set_route(app, app.owner, assignedNumbers=["(202) 555-0111"])
    assert made["__typename"] == "ModemRoute"
    assert made["client"] == {"name": "Acme"}
    assert (made["learned"], made["assignedNumbers"]) == (False, [OUR_NUMBER])
    (row,) = await post.received(inbound(receiver=OUR_NUMBER))
    assert row["reason"] == routing.BY_NUMBER
    kept = await set_route(app, app.owner)
    assert (kept["id"], kept["assignedNumbers"]) == (made["id"], [OUR_NUMBER])
    emptied = await set_route(app, app.owner, assignedNumbers=[])
    assert emptied["assignedNumbers"] == []
    await set_route(app, app.owner, assignedNumbers=[OUR_NUMBER])
    (route,) = await app.answer("admin", ROUTES)
    assert route["id"] == made["id"]
    gone = await app.answer("admin", DELETE, input={"id": made["id"]})
    assert gone == {"__typename": "ModemRoute", "id": made["id"], "modem": "m1"}
    assert await app.answer("admin", ROUTES) == []
    assert await db.fetch("SELECT FROM assigned_number") == []
    again = await app.answer("admin", DELETE, input={"id": made["id"]})
    assert again["__typename"] == "NotFound"


async def test_a_learned_route_can_be_assigned_by_hand(app: App) -> None:
    await db.accept(app.owner, numbers=[PHONE])
    await post.submitted(app.pool)
    await post.received(inbound(modem="m1"))
    (learned,) = await app.answer("admin", ROUTES)
    assert learned["learned"] is True
    assert learned["lastSeenAt"] is not None
    fixed = await set_route(app, app.owner)
    assert (fixed["id"], fixed["learned"]) == (learned["id"], False)


async def test_a_line_or_number_of_another_client_is_refused(app: App) -> None:
    await set_route(app, app.owner, assignedNumbers=[OUR_NUMBER])
    line = await set_route(app, app.sibling)
    assert (line["__typename"], line["field"]) == ("InvalidInput", "port")
    number = await set_route(app, app.sibling, port="2", assignedNumbers=[OUR_NUMBER])
    assert (number["__typename"], number["field"]) == ("InvalidInput", "assignedNumbers")
    for given in ({"modem": ""}, {"port": "x" * 129}, {"port": "a\nb"}):
        assert (await set_route(app, app.owner, **given))["__typename"] == "InvalidInput"
    bad = await set_route(app, app.owner, assignedNumbers=["nonsense"])
    assert bad["__typename"] == "InvalidInput"
    assert len(await app.answer("admin", ROUTES)) == 1


async def rehearse(app: App) -> tuple[Any, dict[str, bool]]:
    found = await app.answer("admin", READY, input={"clientId": client_id(app.owner)})
    return found, {each["name"]: each["passed"] for each in found["checks"]}


def balance_detail(found: Any) -> str:
    (detail,) = [each["detail"] for each in found["checks"] if each["name"] == "balance"]
    return str(detail)


async def test_checking_readiness_sends_and_charges_nothing(app: App) -> None:
    found, checks = await rehearse(app)
    assert (found["ready"], checks["inbound"]) == (False, False)
    await set_route(app, app.owner)
    await post.received(inbound("Hi", modem="m1"))
    found, checks = await rehearse(app)
    assert found["ready"], found
    assert (found["modem"], found["port"], found["inbound"]) == ("m1", "1", {"text": "Hi"})
    assert balance_detail(found) == "A reply takes 1 credit. Available: 100 credits."
    assert checks == dict.fromkeys(
        ["account", "inbound", "opt-out", "line", "balance", "provider"], True
    )
    await post.received(inbound("STOP", modem="m1"))
    assert (await rehearse(app))[1]["opt-out"] is False
    await db.execute("UPDATE client SET status = 'DORMANT' WHERE name = 'Acme'")
    await db.execute("UPDATE provider_account SET paused_at = now()")
    _, checks = await rehearse(app)
    assert [name for name, passed in checks.items() if not passed] == [
        "account",
        "opt-out",
        "provider",
    ]
    assert await db.fetch("SELECT FROM send") == []
    assert await db.held(app.owner.account_id) == 100


async def test_a_client_without_balance_or_line_is_not_ready(app: App) -> None:
    await db.assign_number(app.owner.client_id, OUR_NUMBER)
    await post.received(inbound("Hi", receiver=OUR_NUMBER))
    await db.accept(app.owner, 100)

    class NoProviders:
        """No provider is configured."""

        async def of(self, provider_account_id: object) -> Any:
            raise ProviderUnavailable

    installation = replace(app.installation, providers=NoProviders())
    found, checks = await rehearse(replace(app, installation=installation))
    assert not found["ready"]
    assert [name for name, passed in checks.items() if not passed] == [
        "line",
        "balance",
        "provider",
    ]
    assert balance_detail(found) == "A reply takes 1 credit. Available: 0 credits."


@pytest.mark.parametrize(
    ("query", "given"),
    [
        (SET, {"clientId": "x", "modem": "m", "port": "p"}),
        (DELETE, {"id": "x"}),
        (ASSIGN, {"webhookEventId": "x", "clientId": "y"}),
        (READY, {"clientId": "x"}),
    ],
    ids=["setModemRoute", "deleteModemRoute", "assignInbound", "testReplyReadiness"],
)
async def test_an_unknown_id_is_not_found(app: App, query: str, given: dict[str, str]) -> None:
    assert (await app.answer("admin", query, input=given))["__typename"] == "NotFound"
