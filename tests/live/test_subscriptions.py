"""Who receives what, on a real database: the present state first, then every change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import ids
from domain.dispatch.cancel import cancel_send
from domain.identity.access import Role
from domain.identity.clients import GroupChange, update_group
from domain.ids import Kind, new_id
from domain.provider import Accepted, Rejected
from persistence import store
from schema.engine import Engine, NotExecuted
from schema.limits import DocumentLimits
from schema.schema import build_schema
from tests import db
from tests.dispatch.parts import answered, marked
from tests.installations import App
from tests.live.server import Client, FakeAuthenticator, Server, client
from tests.schema.fakes import context_with

BALANCE = """subscription ($client: ID) {
  balanceUpdated(clientId: $client) {
    version account { balance ratePerUnitUsd } group { balance unallocated }
    platform { pool allocated remaining inFlight state }
  }
}"""
PROGRESS = """subscription ($send: ID!) {
  sendProgress(sendId: $send) { finished charged counts { queued submitting sent cancelled } }
}"""
MESSAGES = "subscription ($send: ID) { messageUpdated(sendId: $send) { id sendId status failure } }"


async def test_the_present_comes_first_and_then_every_change(running: Server, people: App) -> None:
    async with client(running, "owner") as reader:
        await reader.subscribe(BALANCE)
        first = await reader.delivered()
        assert first["account"]["balance"] == 100
        assert first["platform"] is None
        await db.accept(people.owner)
        then = await reader.delivered()
        assert then["account"]["balance"] == 99
        assert then["group"]["balance"] == first["group"]["balance"] - 1
        assert then["version"] > first["version"]


async def test_a_state_that_was_written_before_the_subscription_is_delivered(
    running: Server, people: App
) -> None:
    async with client(running, "owner") as first, client(running, "owner") as second:
        await first.subscribe(BALANCE)
        await first.delivered()
        await db.accept(people.owner)
        await second.subscribe(BALANCE)  # shares a stream that was read before
        assert (await second.delivered())["account"]["balance"] == 99


async def test_the_operator_sees_what_is_in_flight_fall(running: Server, people: App) -> None:
    await db.accept(people.owner)
    async with client(running, "admin") as reader:
        await reader.subscribe(BALANCE)
        assert (await reader.delivered())["platform"]["inFlight"] == 1
        (call,) = await marked(people.pool)
        await answered(people.pool, call, Accepted("ref"))
        while (await reader.delivered())["platform"]["inFlight"]:
            pass


async def test_a_charge_of_a_member_is_delivered_to_its_group_only(
    running: Server, people: App
) -> None:
    async with (
        client(running, "supervisor") as leader,
        client(running, "other_supervisor") as other,
        client(running, "sibling") as sibling,
    ):
        for each in (leader, other, sibling):
            await each.subscribe(BALANCE)
        before = await leader.delivered()
        await other.delivered()
        await sibling.delivered()
        await db.accept(people.owner)
        assert (await leader.delivered())["group"]["balance"] == before["group"]["balance"] - 1
        assert (await sibling.delivered())["account"]["balance"] == 20
        with pytest.raises(TimeoutError):
            await other.receive(0.3)


async def test_new_terms_are_delivered(running: Server, people: App) -> None:
    async with client(running, "owner") as reader:
        await reader.subscribe(BALANCE)
        assert (await reader.delivered())["account"]["ratePerUnitUsd"] == "0.03"
        await update_group(store, people.group.id, GroupChange(rate_per_unit_usd=Decimal("0.05")))
        assert (await reader.delivered())["account"]["ratePerUnitUsd"] == "0.05"


async def test_progress_is_complete_when_the_send_is_finished(running: Server, people: App) -> None:
    send = await db.accept(people.owner, 3)
    async with client(running, "owner") as reader:
        await reader.subscribe(PROGRESS, send=ids.encode(Kind.SEND, send.id))
        first = await reader.delivered()
        assert first["counts"]["queued"] == first["charged"] == 3
        assert not first["finished"]
        await cancel_send(store, people.owner.actor, send.id)
        last = await reader.delivered()
        assert last["counts"]["cancelled"] == 3
        assert last["finished"]
        assert last["charged"] == 0
        assert await reader.receive() == {"type": "complete", "id": "1"}


async def test_progress_of_a_finished_send_is_delivered_once(running: Server, people: App) -> None:
    send = await db.accept(people.owner)
    await cancel_send(store, people.owner.actor, send.id)
    async with client(running, "owner") as reader:
        await reader.subscribe(PROGRESS, send=ids.encode(Kind.SEND, send.id))
        assert (await reader.delivered())["finished"]
        assert (await reader.receive())["type"] == "complete"


async def test_each_step_of_a_message_is_delivered(running: Server, people: App) -> None:
    async with client(running, "owner") as reader:
        await reader.subscribe(MESSAGES)
        await db.accept(people.owner)
        (call,) = await marked(people.pool)
        assert (await reader.delivered())["status"] == "SUBMITTING"
        await answered(people.pool, call, Rejected("Blocked."))
        assert await delivered_until(reader, "REJECTED") == "Blocked."


async def test_a_send_begins_with_its_messages_as_they_are(running: Server, people: App) -> None:
    send, other = await db.accept(people.owner, 2), await db.accept(people.owner)
    async with client(running, "owner") as reader:
        send_id = ids.encode(Kind.SEND, send.id)
        await reader.subscribe(MESSAGES, send=send_id)
        first = [await reader.delivered(), await reader.delivered()]
        assert [each["status"] for each in first] == ["QUEUED", "QUEUED"]
        await cancel_send(store, people.owner.actor, other.id)
        await cancel_send(store, people.owner.actor, send.id)
        then = [await reader.delivered(), await reader.delivered()]
        assert {each["status"] for each in then} == {"CANCELLED"}
        assert {each["sendId"] for each in then} == {send_id}


async def test_changes_of_a_slow_transaction_are_delivered_first(
    running: Server, people: App
) -> None:
    send = await db.accept(people.owner)
    await cancel_send(store, people.owner.actor, send.id)
    committing = timedelta(seconds=10)
    await db.execute("UPDATE message SET updated_at = updated_at - $1::interval", committing)
    async with client(running, "owner") as reader:
        await reader.subscribe(MESSAGES)
        assert (await reader.delivered())["status"] == "CANCELLED"


@pytest.mark.parametrize(
    ("who", "query", "whose", "code"),
    [
        (None, BALANCE, None, "UNAUTHENTICATED"),
        ("sibling", PROGRESS, "owner", "BAD_USER_INPUT"),
        ("sibling", MESSAGES, "owner", "BAD_USER_INPUT"),
        ("supervisor", MESSAGES, None, "FORBIDDEN"),
    ],
)
async def test_a_subscription_to_an_object_of_others_is_refused(
    running: Server, people: App, who: str | None, query: str, whose: str, code: str
) -> None:
    send = await db.accept(people.owner)
    async with client(running, who) as reader:
        variables = {"send": ids.encode(Kind.SEND, send.id)} if whose else {}
        await reader.subscribe(query, **variables)
        answer = await reader.receive()
        assert answer["type"] == "error"
        assert answer["payload"][0]["extensions"]["code"] == code
        assert running.live.hub.count == 0


@pytest.mark.parametrize(
    ("who", "whose", "sees"),
    [
        ("admin", "owner", 100),
        ("supervisor", "sibling", 20),
        ("supervisor", "loner", None),
        ("owner", "owner", 100),
        ("owner", "sibling", None),
        ("other_supervisor", "owner", None),
    ],
)
async def test_the_balance_of_another_client_is_seen_only_by_those_who_may(
    running: Server, people: App, who: str, whose: str, sees: int | None
) -> None:
    tenant = getattr(people, whose)
    async with client(running, who) as reader:
        await reader.subscribe(BALANCE, client=ids.encode(Kind.CLIENT, tenant.client_id))
        answer = await reader.receive()
        if sees is None:
            assert answer["type"] == "error"
            assert answer["payload"][0]["message"] == "No such client."
        else:
            balance = answer["payload"]["data"]["balanceUpdated"]["account"]["balance"]
            assert balance == sees


@pytest.mark.parametrize(
    "query",
    [
        "subscription { mine: sendProgress(sendId: %s) { id } }",
        "subscription { ...b } fragment b on Subscription { mine: sendProgress(sendId: %s) {id} }",
        "subscription { ... { mine: webhookEndpointUpdated(id: %s) { id } } }",
    ],
)
async def test_what_cannot_be_watched_is_an_error_of_its_field(running: Server, query: str) -> None:
    kind = Kind.SEND if "send" in query else Kind.HOOK_ENDPOINT
    async with client(running, "owner") as reader:
        await reader.subscribe(query % json.dumps(ids.encode(kind, new_id())))
        (error,) = (await reader.receive())["payload"]
        assert error["path"] == ["mine"]
        assert error["locations"] == [{"line": 1, "column": query.index("mine") + 1}]


async def test_a_document_over_the_bounds_is_not_watched() -> None:
    engine = Engine(build_schema(), limits=DocumentLimits(rows=10))
    context = context_with(db.ADMIN)
    query = 'subscription { sendProgress(sendId: "x") { messages(first: %d) { nodes { id } } } }'
    operation = engine.find(query % 11)
    with pytest.raises(NotExecuted) as rejected:
        await engine.watch(operation, None, context)
    assert "at most 10 rows" in rejected.value.errors[0].message
    with pytest.raises(NotExecuted) as rejected:
        await engine.watch(engine.find(query % 9), None, context)
    assert "No such send" in str(rejected.value.errors[0])


async def test_users_of_one_client_share_and_another_role_does_not(
    running: Server, people: App, authenticator: FakeAuthenticator
) -> None:
    colleague = replace(people.owner.actor, user_id=db.ADMIN.user_id)
    authenticator.actors["colleague"] = colleague
    authenticator.actors["promoted"] = replace(
        colleague, role=Role.SUPERVISOR, group_id=people.group.id
    )
    async with (
        client(running, "owner") as one,
        client(running, "colleague") as two,
        client(running, "promoted") as three,
    ):
        for each in (one, two, three):
            await each.subscribe(BALANCE)
            await each.delivered()
        assert running.live.hub.count == 2


async def delivered_until(reader: Client, status: str) -> str | None:
    """The failure delivered with this status. Anything may come before it."""
    while (delivered := await reader.delivered())["status"] != status:
        pass
    failure: str | None = delivered["failure"]
    return failure
