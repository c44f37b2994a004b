"""A reply uses the line of the message, and a refused one costs nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from domain import ids
from domain.ids import Kind, new_id
from domain.inbox.capture import capture_contacts
from domain.inbox.reply import (
    NOT_ANSWERABLE,
    THROUGH_ANOTHER_ACCOUNT,
    THROUGH_ANOTHER_LINE,
    THROUGH_ANY_LINE,
)
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage
from domain.sending.messages import BY_MESSAGE
from domain.sending.recipients import ProviderRoute
from persistence import store
from tests import db
from tests.dispatch.parts import (
    Scripted,
    answered,
    dispatching,
    marked,
    statuses_become,
)
from tests.inbox import post
from tests.inbox.post import OUR_NUMBER, PHONE, inbound
from tests.installations import App

REPLY = """mutation ($input: ReplyInput!) { reply(input: $input) {
    __typename ... on UserError { message }
    ... on Reply { warning sent { id text number isReply status direction conversation { id } } }
    ... on InsufficientBalance { required available } ... on AccountInactive { status } } }"""
SEND = """mutation ($input: SendInput!) { send(input: $input) { __typename
    ... on Send { accepted } ... on NoValidRecipients { rejected { input position reason } } } }"""
BULK = """mutation ($input: BulkSendInput!) { bulkSend(input: $input) { __typename
    ... on Send { accepted rejected { input reason } } } }"""
MULTI = """mutation ($input: BulkSendMultiInput!) { bulkSendMulti(input: $input) { __typename
    ... on Send { accepted rejected { input reason } } } }"""
QUOTE = """query ($input: QuoteInput!) { quote(input: $input) { accepted cost
    rejected { input reason } } }"""


async def receive(app: App, text: str = "Hello", **rest: Any) -> tuple[str, str]:
    """Receives a message for the owner. Returns the IDs of its conversation and its own."""
    await db.assign_number(app.owner.client_id, OUR_NUMBER)
    (row,) = await post.received(inbound(text, receiver=OUR_NUMBER, **rest))
    (conversation,) = await db.fetch(
        "SELECT id FROM conversation WHERE client_id = $1", app.owner.client_id
    )
    return (
        ids.encode(Kind.CONVERSATION, conversation["id"]),
        ids.encode(Kind.MESSAGE, row["inbound_id"]),
    )


async def answer(app: App, conversation: str, text: str = "Yes?", **rest: Any) -> Any:
    given = {"conversationId": conversation, "text": text, **rest}
    return await app.answer("owner", REPLY, input=given)


async def test_a_reply_uses_the_line_exactly_as_written(app: App) -> None:
    conversation, message = await receive(app, modem=" modem 3", port="07")
    replied = await answer(app, conversation)
    assert replied["warning"] is None
    sent = replied["sent"]
    assert (sent["text"], sent["number"], sent["isReply"]) == ("Yes?", PHONE, True)
    assert sent["conversation"] == {"id": conversation}
    assert await db.held(app.owner.account_id) == 99
    also = {"inboundMessageId": message, "text": "Again"}
    assert (await app.answer("owner", REPLY, input=also))["__typename"] == "Reply"
    provider = Scripted()
    async with dispatching(provider):
        await statuses_become({"SENT": 2})
    assert [call[0] for call in provider.calls] == [
        OutgoingMessage(PHONE, text, " modem 3", "07") for text in ("Yes?", "Again")
    ]


async def test_a_first_message_names_no_line(app: App) -> None:
    await receive(app, modem="m1")
    await db.accept(app.owner, numbers=[PHONE])
    (call,) = await marked(app.pool)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Good morning")


async def test_a_reply_that_is_queued_again_keeps_its_line(app: App) -> None:
    conversation, _ = await receive(app, modem="m1", port="2")
    await answer(app, conversation)
    (call,) = await marked(app.pool)
    await answered(app.pool, call, NotSent("not now"))
    await db.execute("UPDATE message SET due_at = now() WHERE status = 'QUEUED'")
    (again,) = await marked(app.pool)
    assert again.outgoing[0] == OutgoingMessage(PHONE, "Yes?", "m1", "2")


async def test_a_reply_without_a_line_uses_the_clients_route_with_a_warning(app: App) -> None:
    conversation, _ = await receive(app)
    await db.execute(
        "INSERT INTO modem_route (id, client_id, modem, port, learned)"
        " VALUES (gen_random_uuid(), $1, 'own', '1', false)",
        app.owner.client_id,
    )
    assert (await answer(app, conversation))["warning"] == THROUGH_ANOTHER_LINE
    (call,) = await marked(app.pool)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?", "own", "1")


async def test_a_reply_without_any_line_is_sent_with_a_warning(app: App) -> None:
    conversation, _ = await receive(app)
    assert (await answer(app, conversation))["warning"] == THROUGH_ANY_LINE
    (call,) = await marked(app.pool)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?")


async def test_the_line_is_that_of_the_last_message(app: App) -> None:
    await receive(app, "first", modem="m1")
    conversation, _ = await receive(app, "second", modem="m2")
    await answer(app, conversation)
    (call,) = await marked(app.pool)
    assert call.outgoing[0].modem == "m2"


async def test_replies_are_sent_before_everything_else(app: App) -> None:
    conversation, _ = await receive(app, modem="m1")
    await db.accept(app.owner, 20)
    await db.accept(app.loner)
    await answer(app, conversation)
    order: list[OutgoingMessage] = []

    async def note(message: OutgoingMessage) -> Outcome:
        order.append(message)
        return Accepted(None)

    async with dispatching(Scripted(answer=note)):
        await statuses_become({"SENT": 22})
    assert order[0].text == "Yes?"


async def test_the_same_key_replays_the_first_answer(app: App) -> None:
    conversation, _ = await receive(app)
    first = await answer(app, conversation, idempotencyKey="k1")
    await receive(app, modem="m1")
    again = await answer(app, conversation, idempotencyKey="k1")
    assert again == first
    assert first["warning"] == THROUGH_ANY_LINE
    other = await answer(app, conversation, "other words", idempotencyKey="k1")
    assert other["__typename"] == "IdempotencyConflict"
    assert await db.held(app.owner.account_id) == 99


async def test_refusals_cost_nothing(app: App) -> None:
    conversation, message = await receive(app)
    assert (await answer(app, conversation, ""))["__typename"] == "InvalidText"
    assert (await answer(app, "cnv_nonsense"))["__typename"] == "NotFound"
    both = {"conversationId": conversation, "inboundMessageId": message, "text": "x"}
    assert await app.code("owner", REPLY, input=both) == "BAD_USER_INPUT"
    assert await app.code("owner", REPLY, input={"text": "x"}) == "BAD_USER_INPUT"
    app.rate_limiter.requests_left = 0
    assert (await answer(app, conversation))["__typename"] == "RateLimited"
    app.rate_limiter.requests_left = None
    await db.accept(app.owner, 100)
    poor = await answer(app, conversation)
    assert poor["__typename"] == "InsufficientBalance"
    assert (poor["required"], poor["available"]) == (1, 0)
    assert await db.fetch("SELECT FROM send WHERE kind = 'REPLY'") == []


async def test_a_short_code_cannot_be_answered(app: App) -> None:
    conversation, message = await receive(app, sender="68849")
    for named in ({"conversationId": conversation}, {"inboundMessageId": message}):
        answer = await app.ask("owner", REPLY, input={**named, "text": "x"})
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["message"] == NOT_ANSWERABLE
    assert await db.fetch("SELECT FROM send") == []


async def test_an_opted_out_number_is_refused_by_every_mutation(app: App) -> None:
    conversation, _ = await receive(app, "STOP")
    other = "+12025550144"
    assert (await answer(app, conversation))["__typename"] == "OptedOut"
    single = await app.answer("owner", SEND, input={"to": "202 555 0143", "text": "x"})
    assert single == {
        "__typename": "NoValidRecipients",
        "rejected": [{"input": "202 555 0143", "position": 0, "reason": "OPTED_OUT"}],
    }
    rejected = [{"input": PHONE, "reason": "OPTED_OUT"}]
    bulk = await app.answer("owner", BULK, input={"to": [PHONE, other], "text": "x"})
    assert bulk == {"__typename": "Send", "accepted": 1, "rejected": rejected}
    texts = [{"to": PHONE, "text": "x"}, {"to": other, "text": "y"}]
    multi = await app.answer("owner", MULTI, input={"messages": texts})
    assert multi == {"__typename": "Send", "accepted": 1, "rejected": rejected}
    quote = await app.answer("owner", QUOTE, input={"to": [PHONE, other], "text": "x"})
    assert quote == {"accepted": 1, "cost": 1, "rejected": rejected}
    assert await db.held(app.owner.account_id) == 98
    free = await app.answer("sibling", SEND, input={"to": PHONE, "text": "x"})
    assert free == {"__typename": "Send", "accepted": 1}


async def test_a_refused_number_leaves_the_key_unused_and_its_neighbours_alone(app: App) -> None:
    await receive(app, "STOP")
    given = [{"to": PHONE, "text": "x", "idempotencyKey": "k1"}]
    given += [{"to": f"+1202555015{each}", "text": "x"} for each in range(5)]
    answers = await asyncio.gather(*(app.answer("owner", SEND, input=each) for each in given))
    assert [each["__typename"] for each in answers] == ["NoValidRecipients"] + ["Send"] * 5
    await receive(app, "START")
    again = await app.answer("owner", SEND, input=given[0])
    assert again == {"__typename": "Send", "accepted": 1}


@pytest.mark.parametrize("status", ["DORMANT", "Suspended"])
async def test_an_inactive_account_cannot_reply(app: App, status: str) -> None:
    conversation, _ = await receive(app)
    actor = replace(app.owner.actor, client_status=status)
    found = await app.answer(actor, REPLY, input={"conversationId": conversation, "text": "x"})
    assert (found["__typename"], found["status"]) == ("AccountInactive", status.upper())


# An inbound message that came to another account than the client's own


async def a_carrier(app: App, *, fallback: bool = False) -> db.Pool:
    """An account at another provider, and a route of the client's pool that leads there."""
    carrier = await db.add_pool(held=100, provider="kannel", default=False)
    first, then = (app.pool, carrier) if fallback else (carrier, app.pool)
    route = ProviderRoute(new_id(), app.pool.id, "256", first.id, 3, then.id, 4)
    async with store.transaction() as tx:
        await store.add_route(tx, route)
    await app.installation.routes.read()
    return carrier


async def receive_elsewhere(app: App) -> str:
    """A message that came in on a line of the other provider. Returns its conversation."""
    conversation, _ = await receive(app, modem="theirs", port="7")
    await db.execute("UPDATE webhook_event SET provider = 'kannel'")
    return conversation


@pytest.mark.parametrize(("fallback", "cost"), [(False, 3), (True, 4)])
async def test_a_reply_leaves_by_the_account_that_the_message_came_to(
    app: App, fallback: bool, cost: int
) -> None:
    """Any route of the client's pool to that account lets it answer, at the cost of that route."""
    carrier = await a_carrier(app, fallback=fallback)
    conversation = await receive_elsewhere(app)
    assert (await answer(app, conversation))["warning"] is None
    assert not await marked(app.pool)
    (call,) = await marked(carrier)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?", "theirs", "7")
    await answered(carrier, call, NotSent("not now"))
    assert await store.divert_queued(carrier.id, most=10) == 0
    await db.execute("UPDATE message SET due_at = now() WHERE status = 'QUEUED'")
    (again,) = await marked(carrier)
    await answered(carrier, again, Accepted("ref"))
    assert await db.statuses() == {"SENT": 1}
    assert await db.held(app.owner.account_id) == 99
    assert await db.held(carrier.account_id) == 100 - cost
    assert await db.held(app.pool.account_id) == 501
    await db.assert_audit_holds()


async def test_without_a_route_there_a_reply_leaves_by_the_clients_account_and_says_so(
    app: App,
) -> None:
    await db.add_pool(held=100, provider="kannel", default=False)
    conversation = await receive_elsewhere(app)
    assert (await answer(app, conversation))["warning"] == THROUGH_ANOTHER_ACCOUNT
    (call,) = await marked(app.pool)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?")


@pytest.mark.parametrize(
    "change", ["DELETE FROM webhook_event", "UPDATE provider_account SET provider = 'simulated'"]
)
async def test_a_message_of_the_same_or_no_known_provider_is_answered_as_before(
    app: App, change: str
) -> None:
    conversation, _ = await receive(app, modem="m1", port="2")
    await db.execute(change)
    assert (await answer(app, conversation))["warning"] is None
    (call,) = await marked(app.pool)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?", "m1", "2")


async def test_a_line_that_is_known_by_one_message_serves_for_its_reply_alone(app: App) -> None:
    """No message is routed by it, so another client's conversation gets nothing."""
    await db.execute("UPDATE provider_account SET provider = 'ibiki'")
    await post.submitted(app.pool)
    await db.accept(app.owner, numbers=[PHONE])
    await post.submitted(app.pool)
    await capture_contacts(store)
    data = {"id": "msg_1", "number": PHONE, "text": "Hello"}
    body = {"id": "evt_1", "type": "message.received", "data": data}
    (row,) = await post.received(body, provider="ibiki")
    assert (row["outcome"], row["client_id"]) == ("ROUTED", app.owner.client_id)
    (conversation,) = await db.fetch("SELECT id FROM conversation")
    replied = await answer(app, ids.encode(Kind.CONVERSATION, conversation["id"]))
    assert replied["warning"] is None
    (call,) = await marked(app.pool)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?", BY_MESSAGE, "msg_1")
    await capture_contacts(store)
    assert await db.fetch("SELECT FROM modem_route") == []
    assert await db.fetch("SELECT FROM conversation_line") == []
