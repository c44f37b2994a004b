"""Changes of conversations and webhook events over real sockets, only to those who may see them."""

from __future__ import annotations

from typing import Any

import pytest

from domain import ids
from domain.ids import Kind, new_id
from domain.inbox.capture import capture_contacts
from domain.inbox.messages import OptOut, OptOutSource
from domain.inbox.receive import receive_due
from domain.inbox.routes import assign_inbound
from domain.inbox.webhooks import NewEvent
from persistence import database, store
from tests import db
from tests.inbox import post
from tests.installations import App
from tests.live.server import Client, Server, client, eventually
from tests.live.test_inbound import NUMBERS, lines, receive, watching

__all__ = ["lines"]

CONVERSATIONS = """subscription {
  conversationUpdated { id unread contact { optedOut } lastMessage { text direction } }
}"""
EVENTS = """subscription {
  webhookReceived { id outcome reason client { name } inbound { text } payload times }
}"""
MARK_READ = """mutation ($id: ID!) { markRead(input: {conversationId: $id}) { __typename } }"""
REPLY = """mutation ($id: ID!, $text: String!) {
  reply(input: {conversationId: $id, text: $text}) { __typename }
}"""

pytestmark = pytest.mark.usefixtures("lines")


async def listening(running: Server, reader: Client, query: str) -> None:
    """The subscriber has received the present state, and receives changes from now on."""
    before = watching(running)
    await reader.subscribe(query)
    await eventually(lambda: watching(running) > before)
    await eventually(lambda: all(map(_is_current, running.live.hub._streams.values())))


def _is_current(stream: Any) -> bool:
    return all(stream.subscribers.values())


async def delivered_until(reader: Client, **expected: Any) -> Any:
    """The event with these values. Anything older may come before it."""
    while True:
        delivered = await reader.delivered()
        if {name: delivered[name] for name in expected} == expected:
            return delivered


async def test_each_change_of_a_conversation_is_delivered(running: Server, people: App) -> None:
    async with client(running, "owner") as reader:
        await listening(running, reader, CONVERSATIONS)
        await receive("Hello", modem="m1")
        conversation = await delivered_until(reader, unread=1)
        assert conversation["lastMessage"] == {"text": "Hello", "direction": "INBOUND"}
        assert conversation["contact"] == {"optedOut": False}
        read = await people.answer("owner", MARK_READ, id=conversation["id"])
        assert read["__typename"] == "Conversation"
        await delivered_until(reader, unread=0)
        replied = await people.answer("owner", REPLY, id=conversation["id"], text="And you?")
        assert replied["__typename"] == "Reply"
        await capture_contacts(store)
        await delivered_until(reader, lastMessage={"text": "And you?", "direction": "OUTBOUND"})
        await receive("STOP")
        await delivered_until(reader, contact={"optedOut": True})
        await receive("START")
        await delivered_until(reader, contact={"optedOut": False})


async def test_every_kind_of_opt_out_is_delivered(running: Server, people: App) -> None:
    await receive("Hello")
    pair = (people.owner.client_id, post.PHONE)
    async with client(running, "owner") as reader:
        await listening(running, reader, CONVERSATIONS)
        await reader.delivered()
        async with store.transaction() as tx:
            await store.write_opt_outs(tx, [OptOut(*pair, OptOutSource.PERSON)])
        assert (await reader.delivered())["contact"] == {"optedOut": True}
        async with store.transaction() as tx:
            await store.drop_opt_outs(tx, [pair])
        assert (await reader.delivered())["contact"] == {"optedOut": False}


async def test_a_conversation_that_an_assignment_begins_is_delivered(
    running: Server, people: App
) -> None:
    (row,) = await post.received(post.inbound("Who are you?", sender="+12025550190"))
    async with client(running, "owner") as reader, client(running, "sibling") as other:
        await listening(running, reader, CONVERSATIONS)
        await listening(running, other, CONVERSATIONS)
        await assign_inbound(
            store, people.installation.receiver, row["id"], people.owner.client_id, remember=False
        )
        assert (await reader.delivered())["lastMessage"]["text"] == "Who are you?"
        with pytest.raises(TimeoutError):
            await other.receive(0.3)


async def test_recent_changes_are_delivered_first(running: Server) -> None:
    await receive("Hello")
    async with client(running, "owner") as reader:
        await reader.subscribe(CONVERSATIONS)
        assert (await reader.delivered())["unread"] == 1


async def test_the_operator_receives_each_event_and_its_result(
    running: Server, people: App
) -> None:
    call = post.inbound("Hello", receiver=NUMBERS["owner"])
    async with client(running, "admin") as reader:
        await listening(running, reader, EVENTS)
        (key,) = await post.stored(call)
        await receive_due(post.RECEIVER)
        then = await reader.delivered()
        assert (then["id"], then["outcome"]) == (shown(key), "ROUTED")
        assert (then["client"], then["inbound"]) == ({"name": "Acme"}, {"text": "Hello"})
        assert then["payload"] == call
        [again] = [post.event(call)]
        await store.store_events([again])
        assert (await delivered_until(reader, outcome="DUPLICATE"))["id"] == shown(again.id)
        bad = NewEvent(new_id(), "extreme", b"key".ljust(32), b"[1]", invalid="Not an object.")
        await store.store_events([bad])
        assert (await reader.delivered())["reason"] == "Not an object."


async def test_an_event_that_waits_for_the_operator_is_delivered_as_pending(
    running: Server,
) -> None:
    async with client(running, "admin") as reader:
        await listening(running, reader, EVENTS)
        (key,) = await post.stored(post.inbound("Hello", receiver=NUMBERS["owner"]))
        first = await reader.delivered()
        assert (first["id"], first["outcome"]) == (shown(key), "UNROUTED")
        assert first["client"] is first["inbound"] is None
        await receive_due(post.RECEIVER)
        assert (await reader.delivered())["outcome"] == "ROUTED"


async def test_an_event_that_is_assigned_later_is_delivered_again(
    running: Server, people: App
) -> None:
    (row,) = await post.received(post.inbound("Who are you?", sender="+12025550190"))
    async with client(running, "admin") as reader:
        await listening(running, reader, EVENTS)
        await assign_inbound(
            store, people.installation.receiver, row["id"], people.owner.client_id, remember=False
        )
        delivered = await delivered_until(reader, outcome="ROUTED")
        assert (delivered["id"], delivered["client"]) == (shown(row["id"]), {"name": "Acme"})


async def test_refusals_are_reported_together_and_without_content(running: Server) -> None:
    async with client(running, "admin") as reader:
        await listening(running, reader, EVENTS)
        for times in (3, 2):
            await store.count_refusals({("extreme", "The secret is not right."): times})
        delivered = await reader.delivered()
        while delivered["times"] == 3:
            delivered = await reader.delivered()
        assert delivered["outcome"] == "REFUSED"
        assert delivered["payload"] == {}
        assert delivered["client"] is delivered["inbound"] is None


async def test_lost_hints_cost_a_second_and_no_change(
    running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client(running, "owner") as owner, client(running, "admin") as admin:
        await listening(running, owner, CONVERSATIONS)
        await listening(running, admin, EVENTS)
        monkeypatch.setattr(database, "_publish", lambda topics: None)
        await receive("Hello")
        assert (await owner.delivered())["unread"] == 1
        await delivered_until(admin, outcome="ROUTED")
        await receive("STOP")
        await delivered_until(owner, contact={"optedOut": True})
        await db.execute("UPDATE webhook_event SET updated_at = clock_timestamp()")
        (key,) = await post.stored(post.inbound("Again"))
        await delivered_until(admin, id=shown(key))


def shown(key: Any) -> str:
    return ids.encode(Kind.WEBHOOK_EVENT, key)
