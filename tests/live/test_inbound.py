"""Inbound messages over real sockets: in order, from any position, only to their client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain import ids
from domain.errors import TryAgain
from domain.ids import Kind
from domain.inbox.routes import assign_inbound
from domain.retention.rules import Clients
from ibiki.retention import erase
from persistence import database, store
from tests import db
from tests.inbox import post
from tests.installations import App
from tests.live.server import Client, FakeAuthenticator, Server, client, eventually, server
from tests.live.test_sse import Events

INBOUND = """subscription ($since: ID) {
  inboundMessage(since: $since) { id direction text number conversation { unread pinned } }
}"""
NUMBERS = {"owner": "+12025550111", "sibling": "+12025550112", "loner": "+12025550113"}


@pytest.fixture
async def lines(people: App) -> None:
    """Each tenant has its own number."""
    for who, number in NUMBERS.items():
        await db.assign_number(getattr(people, who).client_id, number)


pytestmark = pytest.mark.usefixtures("lines")


async def receive(text: str, who: str = "owner", **rest: Any) -> str:
    """A message to a tenant, in its inbox; its id as the API shows it."""
    (row,) = await post.received(post.inbound(text, receiver=NUMBERS[who], **rest))
    assert row["outcome"] == "ROUTED"
    return shown(row["id"])


def shown(key: UUID) -> str:
    return ids.encode(Kind.MESSAGE, key)


async def listening(running: Server, reader: Client, **variables: Any) -> None:
    """The subscriber receives changes from now on."""
    before = watching(running)
    await reader.subscribe(INBOUND, **variables)
    await eventually(lambda: watching(running) > before)


def watching(running: Server) -> int:
    """The number of open subscriptions, of all kinds."""
    return sum(len(stream.subscribers) for stream in running.live.hub._streams.values())


async def test_new_messages_are_delivered_from_now_on(running: Server) -> None:
    await receive("before")
    async with client(running, "owner") as reader:
        await listening(running, reader)
        key = await receive("Hello", modem="m1")
        assert await reader.delivered() == {
            "id": key,
            "direction": "INBOUND",
            "text": "Hello",
            "number": post.PHONE,
            "conversation": {"unread": 2, "pinned": True},
        }


async def test_what_came_after_a_message_is_delivered_first(running: Server) -> None:
    keys = [await receive(f"in {each}") for each in range(5)]
    async with client(running, "owner") as reader:
        await reader.subscribe(INBOUND, since=keys[1])
        assert [(await reader.delivered())["id"] for _ in range(3)] == keys[2:]
        last = await receive("in 5")
        assert (await reader.delivered())["id"] == last


async def test_a_subscriber_resumes_after_a_message_that_was_erased(
    running: Server, people: App
) -> None:
    other = "+12025550191"
    keys = [await receive(f"in {i}", sender=[other, post.PHONE][i % 2]) for i in range(4)]
    theirs = await receive("theirs", "sibling")
    clients = Clients(only=frozenset({people.owner.client_id, people.sibling.client_id}))
    async for _ in erase(store, post.PHONE, clients, dry_run=False, rest=0):
        pass
    async with client(running, "owner") as reader:
        await reader.subscribe(INBOUND, since=keys[1])
        assert (await reader.delivered())["id"] == keys[2]
        last = await receive("in 4")
        assert (await reader.delivered())["id"] == last
    async with client(running, "owner") as reader:
        await reader.subscribe(INBOUND, since=theirs)
        assert (await reader.receive())["payload"][0]["message"] == "No such message."


class Unavailable:
    """The store. The next `times` reads of conversations fail."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(store, name)

    async def find_conversations_with(self, *requested: Any) -> Any:
        if self.times:
            self.times -= 1
            raise TryAgain
        return await store.find_conversations_with(*requested)


async def test_a_message_is_delivered_complete_after_its_other_fields_failed(
    people: App, authenticator: FakeAuthenticator
) -> None:
    unavailable = Unavailable(times=2)
    installation = replace(people.installation, store=unavailable)
    async with server(installation, authenticator) as running, client(running, "owner") as reader:
        await listening(running, reader)
        key = await receive("Hello")
        delivered = await reader.delivered()
    assert (delivered["id"], delivered["conversation"]["unread"]) == (key, 1)
    assert unavailable.times == 0


async def test_server_sent_events_begin_after_the_given_message_too(running: Server) -> None:
    keys = [await receive(f"in {each}") for each in range(3)]
    headers = {"accept": "text/event-stream", "authorization": "Bearer owner"}
    given = {"query": INBOUND, "variables": {"since": keys[0]}}
    async with (
        httpx.AsyncClient(timeout=30) as http,
        http.stream("POST", f"{running.url}/graphql", headers=headers, json=given) as response,
    ):
        events = Events(response)
        assert [(await events.delivered())["id"] for _ in range(2)] == keys[1:]
        last = await receive("in 3")
        assert (await events.delivered())["id"] == last


async def test_a_message_that_is_assigned_later_is_delivered_then(
    running: Server, people: App
) -> None:
    stranger = "+12025550190"
    (row,) = await post.received(post.inbound("Who are you?", sender=stranger))
    assert row["outcome"] == "UNROUTED"
    later = await receive("later")
    async with client(running, "owner") as reader:
        await reader.subscribe(INBOUND, since=later)
        await assign_inbound(
            store, people.installation.receiver, row["id"], people.owner.client_id, remember=False
        )
        assert (await reader.delivered())["id"] == shown(row["id"])
        assert shown(row["id"]) < later, "older by its id, and newer in the feed"


async def test_users_receive_messages_of_the_account_that_they_send_from(
    running: Server, people: App
) -> None:
    async with client(running, "direct") as direct, client(running, "sibling") as sibling:
        await listening(running, direct)
        await listening(running, sibling)
        await receive("for the owner")
        theirs = await receive("for the sibling", "sibling")
        assert (await direct.delivered())["text"] == "for the owner"
        assert (await sibling.delivered())["id"] == theirs
        with pytest.raises(TimeoutError):
            await direct.receive(0.3)


@pytest.mark.parametrize(
    ("who", "since", "code"),
    [
        (None, "sibling", "UNAUTHENTICATED"),
        ("admin", "owner", "FORBIDDEN"),
        ("owner", "sibling", "BAD_USER_INPUT"),
        ("owner", "sent", "BAD_USER_INPUT"),
    ],
)
async def test_other_roles_are_refused_and_since_must_be_a_message_of_the_client(
    running: Server, people: App, who: str | None, since: str, code: str
) -> None:
    await db.accept(people.owner)
    [sent] = await db.fetch("SELECT id FROM message")
    places = {
        "owner": await receive("mine"),
        "sibling": await receive("theirs", "sibling"),
        "sent": shown(sent["id"]),
    }
    async with client(running, who) as reader:
        await reader.subscribe(INBOUND, since=places[since])
        answer = await reader.receive()
        assert answer["type"] == "error", answer
        assert answer["payload"][0]["extensions"]["code"] == code
        assert code != "BAD_USER_INPUT" or answer["payload"][0]["message"] == "No such message."
        assert running.live.hub.count == 0


async def test_subscribers_with_different_positions_share_one_stream(
    running: Server, people: App, authenticator: FakeAuthenticator
) -> None:
    keys = [await receive(f"in {each}") for each in range(3)]
    authenticator.actors["colleague"] = replace(people.owner.actor, user_id=db.ADMIN.user_id)
    async with client(running, "owner") as one, client(running, "colleague") as two:
        await one.subscribe(INBOUND, since=keys[0])
        await two.subscribe(INBOUND, since=keys[1])
        assert [(await one.delivered())["id"] for _ in range(2)] == keys[1:]
        assert (await two.delivered())["id"] == keys[2]
        assert running.live.hub.count == 1
        last = await receive("in 3")
        assert (await one.delivered())["id"] == (await two.delivered())["id"] == last


async def test_new_rights_neither_double_nor_lose_a_message(
    running: Server, people: App, authenticator: FakeAuthenticator
) -> None:
    keys = [await receive(f"in {each}") for each in range(2)]
    async with client(running, "owner") as reader:
        await reader.subscribe(INBOUND, since=keys[0])
        assert (await reader.delivered())["id"] == keys[1]
        await listening(running, reader, id="2")
        for status in ("DORMANT", "ACTIVE", "DORMANT"):
            keys.append(await receive(f"before {len(keys)}"))
            authenticator.change("owner", replace(people.owner.actor, client_status=status))
            keys.append(await receive(f"after {len(keys)}"))
        arrived: dict[str, list[str]] = {"1": [], "2": []}
        while min(map(len, arrived.values())) < 6:
            message = await reader.receive()
            arrived[message["id"]].append(message["payload"]["data"]["inboundMessage"]["id"])
        assert arrived == {"1": keys[2:], "2": keys[2:]}


async def test_a_user_who_was_moved_receives_the_state_of_the_new_client(
    running: Server, people: App, authenticator: FakeAuthenticator
) -> None:
    keys = [await receive(f"in {each}") for each in range(2)]
    async with client(running, "owner") as reader:
        await reader.subscribe(INBOUND, since=keys[0])
        await reader.delivered()
        await listening(running, reader, id="2")
        authenticator.change("owner", people.sibling.actor)
        refused = await reader.receive()
        assert (refused["id"], refused["type"]) == ("1", "error")
        await eventually(lambda: watching(running) == 1)
        theirs = await receive("for the sibling", "sibling")
        assert (await reader.delivered())["id"] == theirs


async def test_a_lost_hint_costs_a_second_and_no_message(
    running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client(running, "owner") as reader:
        await listening(running, reader)
        await eventually(lambda: bool(running.live.hub._fingerprints))
        monkeypatch.setattr(database, "_publish", lambda topics: None)
        keys = [await receive(f"in {each}") for each in range(3)]
        assert [(await reader.delivered())["id"] for _ in keys] == keys


@pytest.fixture
async def crowd(running: Server) -> AsyncIterator[list[Client]]:
    async with client(running, "owner") as one, client(running, "owner") as two:
        yield [one, two]


async def test_many_messages_at_once_are_delivered_in_the_order_of_the_feed(
    running: Server, people: App, crowd: list[Client]
) -> None:
    for reader in crowd:
        await listening(running, reader)
    first = await receive("the first")
    await asyncio.gather(*[reader.delivered() for reader in crowd])
    calls = [post.inbound(f"in {each}", receiver=NUMBERS["owner"]) for each in range(150)]
    await post.received(*calls)
    expected = [shown(row["id"]) for row in await post.inbox_of(people.owner.client_id)]
    for reader in crowd:
        assert [(await reader.delivered())["id"] for _ in calls] == expected[1:]
    assert expected[0] == first
