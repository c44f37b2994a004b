"""Several accounts at one provider: a message, a report and a reply are of the right one."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain import ids
from domain.ids import Kind, new_id
from domain.inbox.capture import capture_contacts
from domain.inbox.reply import THROUGH_ANOTHER_ACCOUNT
from domain.inbox.routing import BY_CONVERSATION, BY_HAND, BY_LINE, NOBODY, WHICH_ACCOUNT
from domain.provider import OutgoingMessage
from domain.sending.messages import Line, modem_at_provider
from domain.sending.recipients import ProviderRoute
from persistence import store
from tests import db
from tests.dispatch.parts import marked
from tests.inbox import post
from tests.inbox.post import PHONE, inbound
from tests.installations import App

STRANGER = "+12025550144"
REPLY = """mutation ($input: ReplyInput!) { reply(input: $input) {
    __typename ... on UserError { message } ... on Reply { warning } } }"""


def test_a_line_of_an_account_has_the_name_that_its_provider_gave_it() -> None:
    line = Line("m1", "1")
    first, second = line.at(UUID(int=1)), line.at(UUID(int=2))
    assert len({line, first, second}) == 3
    assert {modem_at_provider(each.modem) for each in (line, first, second)} == {"m1"}
    assert modem_at_provider("a (account of ours)") == "a (account of ours)"
    assert line.can_be_at(UUID(int=1))
    assert first.can_be_at(UUID(int=1))
    assert not second.can_be_at(UUID(int=1))


@pytest.fixture
async def second(app: App) -> db.Pool:
    """A second account at the same provider. The owner has the line m1 of the first one by hand,
    and is the only client that was seen on its line m2.
    """
    await db.execute(
        "INSERT INTO modem_route (id, client_id, modem, port, learned)"
        " VALUES ($1, $2, 'm1', '1', false)",
        new_id(),
        app.owner.client_id,
    )
    await db.accept(app.owner, numbers=[PHONE])
    await post.submitted(app.pool, "first")
    await capture_contacts(store)
    await post.received(inbound("Hello", modem="m2"))
    await db.execute("UPDATE message SET status = 'CANCELLED'")
    return await db.add_pool(held=100, default=False)


async def routed(app: App, account_id: UUID | None, *, sender: str, modem: str) -> tuple[bool, str]:
    """Whether the owner got a message that came in this way, and why."""
    body = inbound("Hi", sender=sender, modem=modem, messageId=new_id().hex)
    [row] = await post.received(body, account_id=account_id)
    assert row["client_id"] in (None, app.owner.client_id)
    return row["client_id"] is not None, row["reason"]


async def test_the_line_of_one_account_is_not_a_line_of_another(app: App, second: db.Pool) -> None:
    """Otherwise a client would get the messages of another one's number."""
    for sender in (PHONE, STRANGER):
        assert await routed(app, second.id, sender=sender, modem="m1") == (False, NOBODY)
        assert await routed(app, app.pool.id, sender=sender, modem="m1") == (True, BY_HAND)
        assert await routed(app, None, sender=sender, modem="m1") == (True, BY_HAND)
    assert await routed(app, app.pool.id, sender=PHONE, modem="m2") == (True, BY_CONVERSATION)
    assert await routed(app, app.pool.id, sender="+12025550146", modem="m2") == (True, BY_LINE)
    for sender in (PHONE, "+12025550147"):
        assert await routed(app, second.id, sender=sender, modem="m2") == (False, NOBODY)
        assert await routed(app, None, sender=sender, modem="m2") == (False, WHICH_ACCOUNT)
    twice = inbound("The same", modem="m1", messageId="1")
    for account_id in (app.pool.id, second.id):
        [row] = await post.received(twice, account_id=account_id)
        assert row["outcome"] != "DUPLICATE"


async def test_lines_of_the_second_account_are_learned_and_assigned(
    app: App, second: db.Pool
) -> None:
    body = inbound("Hi", sender=STRANGER, modem="m1", messageId="2")
    [event] = await post.received(body, account_id=second.id)
    assert event["client_id"] is None
    assign = """mutation ($input: AssignInboundInput!) { assignInbound(input: $input) {
        __typename ... on UserError { message } ... on WebhookEvent { modem } } }"""
    given = {
        "webhookEventId": ids.encode(Kind.WEBHOOK_EVENT, event["id"]),
        "clientId": ids.encode(Kind.CLIENT, app.sibling.client_id),
        "remember": True,
    }
    done = await app.answer("admin", assign, input=given)
    assert done["modem"] == Line("m1", "1").at(second.id).modem
    body = inbound("Again", sender="+12025550145", modem="m1", messageId="3")
    [event] = await post.received(body, account_id=second.id)
    assert (event["client_id"], event["reason"]) == (app.sibling.client_id, BY_HAND)
    assert await routed(app, app.pool.id, sender=STRANGER, modem="m1") == (True, BY_HAND)


async def test_a_report_of_one_account_says_nothing_about_the_messages_of_another(
    app: App, second: db.Pool
) -> None:
    await db.accept(app.owner)
    await post.submitted(app.pool, "ref")
    body = {"messageId": "ref", "status": "delivered"}
    for account_id, status in ((second.id, "SENT"), (app.pool.id, "DELIVERED")):
        await post.stored(body, account_id=account_id)
        await post.receive_all()
        assert await db.statuses() == {status: 1, "CANCELLED": 1}


async def test_a_reply_leaves_by_the_account_that_the_call_named(app: App, second: db.Pool) -> None:
    body = inbound("Hi", sender=PHONE, modem="m9", messageId="4")
    await db.execute(
        "INSERT INTO modem_route (id, client_id, modem, port, learned)"
        " VALUES ($1, $2, $3, '1', false)",
        new_id(),
        app.owner.client_id,
        Line("m9", "1").at(second.id).modem,
    )
    [event] = await post.received(body, account_id=second.id)
    [conversation] = await db.fetch(
        "SELECT id FROM conversation WHERE client_id = $1", app.owner.client_id
    )
    given = {"conversationId": ids.encode(Kind.CONVERSATION, conversation["id"]), "text": "Yes?"}
    warning = (await app.answer("owner", REPLY, input=given))["warning"]
    assert warning == THROUGH_ANOTHER_ACCOUNT, "no route of the client's pool leads there"
    [call] = await marked(app.pool)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?", None, None)
    async with store.transaction() as tx:
        await store.add_route(
            tx, ProviderRoute(new_id(), app.pool.id, "256", second.id, 3, None, None)
        )
    await app.installation.routes.read()
    assert (await app.answer("owner", REPLY, input=given))["warning"] is None
    [call] = await marked(second)
    assert call.outgoing[0] == OutgoingMessage(PHONE, "Yes?", "m9", "1")
    assert event["modem"] != "m9", "the operator sees whose line it is"
    await capture_contacts(store)
    [answered_on] = {
        row["modem"]
        for row in await db.fetch(
            "SELECT modem FROM conversation_line WHERE number = $1 AND modem LIKE 'm9%'", PHONE
        )
    }
    assert answered_on == event["modem"]
