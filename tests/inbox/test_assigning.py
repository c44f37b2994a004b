"""Inbound messages that the operator assigns to a client by hand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain import ids
from domain.ids import Kind, new_id
from domain.inbox import routing
from domain.inbox.routes import ASSIGNED
from domain.inbox.webhooks import WebhookOutcome, new_event
from persistence import store
from providers.registry import PARSERS
from tests import db
from tests.inbox import post
from tests.inbox.post import PHONE, inbound
from tests.inbox.test_senders import AMBIGUOUS
from tests.inbox.test_webhook_admin import ASSIGN, client_id, event_id, set_route
from tests.installations import App


async def test_an_assigned_message_is_received_like_any_other(app: App) -> None:
    send = await db.accept(app.owner, numbers=[PHONE])
    key = await event_id(inbound("STOP", modem="m1", firstname="Ada"))
    given = {"webhookEventId": key, "clientId": client_id(app.owner)}
    assigned = await app.answer("admin", ASSIGN, input=given)
    assert assigned == {
        "__typename": "WebhookEvent",
        "outcome": "ROUTED",
        "reason": ASSIGNED,
        "client": {"name": "Acme"},
        "inbound": {"text": "STOP", "number": PHONE, "answerable": True},
    }
    assert (await db.fetch("SELECT number FROM opt_out")) == [{"number": PHONE}]
    assert await db.statuses(send.id) == {"CANCELLED": 1}
    (conversation,) = await db.fetch("SELECT unread FROM conversation")
    assert conversation["unread"] == 1
    assert await app.answer("admin", ASSIGN, input=given) == assigned
    assert len(await post.inbox_of(app.owner.client_id)) == 1
    given["clientId"] = client_id(app.sibling)
    assert await app.code("admin", ASSIGN, input=given) == "BAD_USER_INPUT"
    await db.assert_audit_holds()


async def assign(app: App, event: UUID, **rest: Any) -> Any:
    """Assigns an event to the owner. Returns the code of the error, or the inbound message."""
    given = {
        "webhookEventId": ids.encode(Kind.WEBHOOK_EVENT, event),
        "clientId": client_id(app.owner),
        **rest,
    }
    answer = await app.ask("admin", ASSIGN, input=given)
    if "errors" in answer:
        return answer["errors"][0]["extensions"]["code"]
    return answer["data"]["assignInbound"]["inbound"]


async def invalid_event(body: bytes = b"\xff nonsense") -> UUID:
    event = new_event("extreme", PARSERS["extreme"](body), body)
    assert await store.store_events([event]) == [WebhookOutcome.INVALID]
    return event.id


async def test_an_event_that_could_not_be_read_is_assigned_with_sender_and_text(app: App) -> None:
    event = await invalid_event()
    assert await assign(app, event) == "BAD_USER_INPUT"
    assert await assign(app, event, sender=PHONE) == "BAD_USER_INPUT"
    assert await assign(app, event, text="STOP") == "BAD_USER_INPUT"
    for text in ("", "\0", "\ud800", "x" * 5_001):
        assert await assign(app, event, sender=PHONE, text=text) == "BAD_USER_INPUT"
    by_hand = {"sender": "(202) 555-0143", "text": "STOP"}
    message = {"text": "STOP", "number": PHONE, "answerable": True}
    assert await assign(app, event, **by_hand) == message
    assert await assign(app, event, **by_hand) == message
    assert len(await post.inbox_of(app.owner.client_id)) == 1
    assert await db.fetch("SELECT source FROM opt_out") == [{"source": "KEYWORD"}]


async def test_a_duplicate_can_be_assigned(app: App) -> None:
    call = inbound("Yes", messageId="1")
    await post.received(call)
    (again,) = await post.received(call)
    assert (again["outcome"], again["body"]) == ("DUPLICATE", b"")
    assert (await assign(app, again["id"]))["text"] == "Yes"


async def test_a_short_code_is_assigned_as_it_is_or_with_its_number(app: App) -> None:
    rows = await post.received(*(inbound(f"{each}", sender="68849") for each in range(2)))
    kept = {"text": "0", "number": "68849", "answerable": False}
    assert await assign(app, rows[0]["id"]) == kept
    known = {"text": "1", "number": PHONE, "answerable": True}
    assert await assign(app, rows[1]["id"], sender=PHONE) == known


async def test_values_by_hand_do_not_replace_what_could_be_read(app: App) -> None:
    (row,) = await post.received(inbound("Hello"))
    assert await assign(app, row["id"], sender="+12025550144") == "BAD_USER_INPUT"
    assert await assign(app, row["id"], text="Bye") == "BAD_USER_INPUT"
    assert (await assign(app, row["id"]))["text"] == "Hello"


async def test_refusals_and_reports_cannot_be_assigned(app: App) -> None:
    await store.count_refusals({("extreme", "The secret is wrong."): 1})
    (refused,) = await db.fetch("SELECT id FROM webhook_event")
    report = await post.stored({"messageId": "x", "status": "delivered"})
    for event in (refused["id"], *report):
        assert await assign(app, event, sender=PHONE, text="x") == "BAD_USER_INPUT"


async def test_an_assigned_sender_is_the_number_that_the_client_sent_to(app: App) -> None:
    await db.accept(app.owner, numbers=[f"+{AMBIGUOUS}"])
    await db.accept(app.sibling, numbers=[f"+1{AMBIGUOUS}"])
    await post.submitted(app.pool)
    (row,) = await post.received(inbound("Hello", sender=AMBIGUOUS))
    assert row["outcome"] == "UNROUTED"
    assert (await assign(app, row["id"]))["number"] == f"+{AMBIGUOUS}"


async def test_an_assignment_that_is_remembered_assigns_the_line(app: App) -> None:
    key = await event_id(inbound("Hi", modem="m1"))
    given = {"webhookEventId": key, "clientId": client_id(app.owner), "remember": True}
    await app.answer("admin", ASSIGN, input=given)
    (row,) = await post.received(inbound("again", sender="+12025550199", modem="m1"))
    assert (row["client_id"], row["reason"]) == (app.owner.client_id, routing.BY_HAND)


async def test_an_assignment_that_is_refused_changes_nothing(app: App) -> None:
    owner = client_id(app.owner)
    for call, remember in (
        (inbound("no line"), True),
        (inbound("the sibling's line", modem="m2"), True),
    ):
        key = await event_id(call)
        await set_route(app, app.sibling, modem="m2")
        given = {"webhookEventId": key, "clientId": owner, "remember": remember}
        assert await app.code("admin", ASSIGN, input=given) == "BAD_USER_INPUT"
    assert await post.inbox_of(app.owner.client_id) == []
    for named in (
        {"webhookEventId": "evt_x", "clientId": owner},
        {"webhookEventId": key, "clientId": ids.encode(Kind.CLIENT, new_id())},
        {"webhookEventId": ids.encode(Kind.WEBHOOK_EVENT, new_id()), "clientId": owner},
    ):
        assert (await app.answer("admin", ASSIGN, input=named))["__typename"] == "NotFound"
