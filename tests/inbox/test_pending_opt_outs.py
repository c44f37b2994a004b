"""A STOP that may concern several clients blocks its number for all of them until the decision."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.ids import Kind
from domain.inbox import routing
from domain.inbox.capture import capture_contacts
from persistence import store
from tests import db
from tests.inbox import post
from tests.inbox.post import PHONE, inbound
from tests.installations import App

EVENTS = """query ($outcome: WebhookOutcome, $first: Int, $after: String, $last: Int,
    $before: String) {
  webhookEvents(outcome: $outcome, first: $first, after: $after, last: $last, before: $before) {
    nodes { id optOutPending sender reason }
    pageInfo { hasNextPage startCursor endCursor } } }"""
STATUS = "{ webhookStatus { unrouted pendingOptOuts } }"
ASSIGN = """mutation ($input: AssignInboundInput!) { assignInbound(input: $input) { __typename
    ... on WebhookEvent { outcome optOutPending client { name } inbound { text } } } }"""
SEND = """mutation ($input: SendInput!) { send(input: $input) { __typename } }"""


async def written_to(app: App, *tenants: db.Tenant) -> None:
    """Each client sends to the phone, and queues one more message to it."""
    for tenant in tenants:
        await db.accept(tenant, numbers=[PHONE])
    await post.submitted(app.pool)
    for tenant in tenants:
        await db.accept(tenant, numbers=[PHONE])
    await capture_contacts(store)


async def stop(text: str = "STOP", **rest: Any) -> dict[str, Any]:
    (row,) = await post.received(inbound(text, **rest))
    return row


async def assign(app: App, event: dict[str, Any], tenant: db.Tenant, **rest: Any) -> Any:
    given = {
        "webhookEventId": ids.encode(Kind.WEBHOOK_EVENT, event["id"]),
        "clientId": ids.encode(Kind.CLIENT, tenant.client_id),
        **rest,
    }
    return await app.answer("admin", ASSIGN, input=given)


async def opt_outs() -> dict[UUID, str]:
    rows = await db.fetch("SELECT client_id, source FROM opt_out")
    return {row["client_id"]: row["source"] for row in rows}


@pytest.mark.parametrize("call", [{"text": "STOP"}, {"text": "leave me", "status": "blocked"}])
async def test_a_pending_opt_out_blocks_the_number_for_every_client_that_sent_to_it(
    app: App, caplog: pytest.LogCaptureFixture, call: dict[str, str]
) -> None:
    await written_to(app, app.owner, app.sibling)
    with caplog.at_level(logging.ERROR):
        event = await stop(**call)
    assert (event["outcome"], event["opt_out_pending"]) == ("UNROUTED", True)
    assert event["reason"].startswith(routing.SEVERAL_WROTE)
    assert "blocked for 2 clients" in event["reason"]
    pending = dict.fromkeys([app.owner.client_id, app.sibling.client_id], "PENDING")
    assert await opt_outs() == pending
    assert await db.statuses() == {"SENT": 2, "CANCELLED": 2}
    for who in ("owner", "sibling"):
        sent = await app.answer(who, SEND, input={"to": PHONE, "text": "x"})
        assert sent["__typename"] == "NoValidRecipients"
    (alarm,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert PHONE not in alarm.getMessage()
    assert await post.inbox_of(app.owner.client_id) == []
    await db.assert_audit_holds()


async def test_the_operator_decides_which_client_an_opt_out_concerns(app: App) -> None:
    await written_to(app, app.owner, app.sibling)
    event = await stop()
    assert await app.answer("admin", STATUS) == {"unrouted": 1, "pendingOptOuts": 1}
    assert (await store.read_backlog()).pending_opt_outs == 1
    assigned = await assign(app, event, app.owner)
    assert assigned == {
        "__typename": "WebhookEvent",
        "outcome": "ROUTED",
        "optOutPending": False,
        "client": {"name": "Acme"},
        "inbound": {"text": "STOP"},
    }
    assert await opt_outs() == {app.owner.client_id: "KEYWORD"}
    assert await app.answer("admin", STATUS) == {"unrouted": 0, "pendingOptOuts": 0}
    sent = await app.answer("sibling", SEND, input={"to": PHONE, "text": "x"})
    assert sent["__typename"] == "Send"
    assert await assign(app, event, app.owner) == assigned


async def test_the_operator_can_opt_the_number_out_for_all(app: App) -> None:
    await written_to(app, app.owner, app.sibling)
    await assign(app, await stop(), app.owner, optOutAll=True)
    keyword = dict.fromkeys([app.owner.client_id, app.sibling.client_id], "KEYWORD")
    assert await opt_outs() == keyword


async def test_the_block_stays_while_another_stop_of_the_phone_is_pending(app: App) -> None:
    await written_to(app, app.owner, app.sibling)
    first, second = await stop(), await stop("stop please")
    await assign(app, first, app.owner)
    expected = {app.owner.client_id: "KEYWORD", app.sibling.client_id: "PENDING"}
    assert await opt_outs() == expected
    await assign(app, second, app.owner)
    assert await opt_outs() == {app.owner.client_id: "KEYWORD"}


async def test_a_stronger_opt_out_is_neither_weakened_nor_lifted(app: App) -> None:
    await written_to(app, app.owner, app.sibling)
    await db.opt_out(app.sibling.client_id, PHONE)
    await assign(app, await stop(), app.owner)
    expected = {app.owner.client_id: "KEYWORD", app.sibling.client_id: "PERSON"}
    assert await opt_outs() == expected


async def test_start_to_one_client_ends_only_its_block(app: App) -> None:
    await written_to(app, app.owner, app.sibling)
    await stop()
    await db.assign_number(app.owner.client_id, post.OUR_NUMBER)
    await post.received(inbound("START", receiver=post.OUR_NUMBER))
    assert await opt_outs() == {app.sibling.client_id: "PENDING"}


async def test_a_stop_from_an_unknown_number_blocks_no_client(app: App) -> None:
    event = await stop()
    assert (event["outcome"], event["opt_out_pending"]) == ("UNROUTED", False)
    assert await opt_outs() == {}


async def test_a_stop_long_after_the_last_message_blocks_its_sender(app: App) -> None:
    await written_to(app, app.owner)
    await db.execute("DELETE FROM sent_to")
    await db.execute(
        "INSERT INTO sent_to (number, client_id, message_id) VALUES ($1, $2, $3)",
        PHONE,
        app.owner.client_id,
        UUID(int=1_600_000_000_000 << 80),
    )
    event = await stop()
    assert event["opt_out_pending"]
    assert await opt_outs() == {app.owner.client_id: "PENDING"}


async def test_pending_ones_are_first_among_the_unrouted_on_every_page(app: App) -> None:
    await written_to(app, app.owner, app.sibling)
    rows = []
    for each in range(6):
        text = "STOP" if each % 3 == 0 else "Hello"
        call = inbound(f"{text}{'!' * each}", sender=PHONE if each % 3 == 0 else "68849")
        rows += await post.received(call)
    expected = [ids.encode(Kind.WEBHOOK_EVENT, rows[each]["id"]) for each in (3, 0, 5, 4, 2, 1)]
    for size in (1, 2, 4, 6):
        assert await paged(app, size) == expected
        assert await paged(app, size, backwards=True) == expected
    page = await app.answer("admin", EVENTS)
    newest_first = [ids.encode(Kind.WEBHOOK_EVENT, row["id"]) for row in reversed(rows)]
    assert [each["id"] for each in page["nodes"]] == newest_first
    first = await app.answer("admin", EVENTS, first=2)
    rest = await app.answer("admin", EVENTS, after=first["pageInfo"]["endCursor"])
    assert [each["id"] for each in first["nodes"] + rest["nodes"]] == newest_first


async def test_a_page_continues_after_its_last_event_was_decided(app: App) -> None:
    await written_to(app, app.owner, app.sibling)
    events = [await stop("STOP" + "!" * each) for each in range(3)]
    first = await app.answer("admin", EVENTS, outcome="UNROUTED", first=1)
    await assign(app, events[2], app.owner)
    after = first["pageInfo"]["endCursor"]
    rest = await app.answer("admin", EVENTS, outcome="UNROUTED", after=after)
    left = [ids.encode(Kind.WEBHOOK_EVENT, event["id"]) for event in (events[1], events[0])]
    assert [each["id"] for each in rest["nodes"]] == left


async def paged(app: App, size: int, *, backwards: bool = False) -> list[str]:
    """IDs of unrouted events, read page by page."""
    found: list[str] = []
    cursor = None
    while True:
        window: dict[str, Any] = {"first": size, "after": cursor}
        if backwards:
            window = {"last": size, "before": cursor}
        page = await app.answer("admin", EVENTS, outcome="UNROUTED", **window)
        some = [each["id"] for each in page["nodes"]]
        if not some:
            return found
        found = some + found if backwards else found + some
        cursor = page["pageInfo"]["startCursor" if backwards else "endCursor"]
