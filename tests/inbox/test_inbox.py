"""The inbox in the API: conversations, unread counts, and messages of both directions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.identity.access import OfClient
from domain.ids import Kind
from domain.inbox.capture import capture_contacts
from persistence import store
from tests import db
from tests.inbox import post
from tests.inbox.post import OUR_NUMBER, PHONE, inbound
from tests.installations import App

INBOX = """query ($first: Int, $after: String, $last: Int, $before: String, $unreadOnly: Boolean,
    $search: String) {
  inbox(first: $first, after: $after, last: $last, before: $before, unreadOnly: $unreadOnly,
        search: $search) {
    nodes { id number unread pinned contact { number name optedOut }
            lastMessage { text direction } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
CONVERSATION = """query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  conversation(id: $id) { number unread
    messages(first: $first, after: $after, last: $last, before: $before) {
      nodes { id text direction status isReply sendId failure segments conversation { id } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
MARK_READ = """mutation ($input: MarkReadInput!) { markRead(input: $input) {
    __typename ... on Conversation { id unread } ... on UserError { message } } }"""
MESSAGES = """query ($search: String, $status: MessageStatus, $first: Int, $after: String) {
  messages(search: $search, status: $status, first: $first, after: $after) {
    nodes { id text direction } pageInfo { hasNextPage endCursor } } }"""
MESSAGE = "query ($id: ID!) { message(id: $id) { text direction status number } }"
MODEM = "query ($id: ID!) { message(id: $id) { modem port } }"


@pytest.fixture
async def conversation(app: App) -> str:
    """The ID of the owner's conversation with PHONE, which has one inbound message."""
    await db.assign_number(app.owner.client_id, OUR_NUMBER)
    await receive("Good morning", firstname="Ada", modem="m1")
    return conversation_id((await rows("conversation"))[0]["id"])


async def receive(text: str, **rest: Any) -> UUID:
    """Receives a message for the owner. Returns its ID."""
    (row,) = await post.received(inbound(text, receiver=OUR_NUMBER, **rest))
    assert row["outcome"] == "ROUTED"
    return UUID(str(row["id"]))


async def send(app: App, text: str, number: str = PHONE) -> None:
    await db.accept(app.owner, numbers=[number], text=text)
    await capture_contacts(store)


async def rows(table: str) -> list[dict[str, Any]]:
    return await db.fetch(f"SELECT * FROM {table}")


def conversation_id(key: UUID) -> str:
    return ids.encode(Kind.CONVERSATION, key)


async def test_a_conversation_shows_what_a_person_needs(app: App, conversation: str) -> None:
    page = await app.answer("owner", INBOX)
    assert page["nodes"] == [
        {
            "id": conversation,
            "number": PHONE,
            "unread": 1,
            "pinned": True,
            "contact": {"number": PHONE, "name": "Ada", "optedOut": False},
            "lastMessage": {"text": "Good morning", "direction": "INBOUND"},
        }
    ]


async def test_both_directions_are_listed_in_one_order(app: App, conversation: str) -> None:
    await send(app, "out 1")
    await receive("in 2")
    await send(app, "to somebody else", "+12025550144")
    await send(app, "out 3")
    found = await app.answer("owner", CONVERSATION, id=conversation)
    nodes = found["messages"]["nodes"]
    assert [node["text"] for node in nodes] == ["out 3", "in 2", "out 1", "Good morning"]
    assert [node["direction"] for node in nodes] == ["OUTBOUND", "INBOUND"] * 2
    assert [node["status"] for node in nodes] == ["QUEUED", None, "QUEUED", None]
    assert {node["conversation"]["id"] for node in nodes} == {conversation}
    (last,) = (await app.answer("owner", INBOX))["nodes"]
    assert last["lastMessage"] == {"text": "out 3", "direction": "OUTBOUND"}


async def test_earlier_sends_are_listed_in_a_new_conversation(app: App) -> None:
    await db.accept(app.owner, numbers=[PHONE], text="out 1")
    await post.submitted(app.pool)
    await post.received(inbound("in 2"))
    (conversation,) = await rows("conversation")
    found = await app.answer("owner", CONVERSATION, id=conversation_id(conversation["id"]))
    assert [node["text"] for node in found["messages"]["nodes"]] == ["in 2", "out 1"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_of_a_conversation_meet_without_a_gap(
    app: App, conversation: str, size: int
) -> None:
    expected = ["Good morning"]
    for each in range(3):
        await send(app, f"out {each}")
        await receive(f"in {each}")
        expected = [f"in {each}", f"out {each}", *expected]
    seen: list[str] = []
    after = None
    while True:
        found = await app.answer("owner", CONVERSATION, id=conversation, first=size, after=after)
        seen += [node["text"] for node in found["messages"]["nodes"]]
        after = found["messages"]["pageInfo"]["endCursor"]
        if not found["messages"]["pageInfo"]["hasNextPage"]:
            break
    assert seen == expected
    back = await app.answer("owner", CONVERSATION, id=conversation, last=2, before=after)
    assert [node["text"] for node in back["messages"]["nodes"]] == expected[-3:-1]


async def test_inboxes_are_paged_by_last_message(app: App, conversation: str) -> None:
    for each in range(4, 9):
        await receive(f"from {each}", sender=f"+1202555010{each}")
    await send(app, "again", PHONE)
    first = await app.answer("owner", INBOX, first=2)
    assert [node["number"] for node in first["nodes"]] == [PHONE, "+12025550108"]
    after = first["pageInfo"]["endCursor"]
    rest = await app.answer("owner", INBOX, after=after)
    assert [node["number"][-1] for node in rest["nodes"]] == ["7", "6", "5", "4"]
    assert not rest["pageInfo"]["hasNextPage"]


async def test_marking_as_read_clears_the_unread_count(app: App, conversation: str) -> None:
    await receive("again")
    assert (await app.answer("owner", INBOX, unreadOnly=True))["nodes"][0]["unread"] == 2
    read = await app.answer("owner", MARK_READ, input={"conversationId": conversation})
    assert read == {"__typename": "Conversation", "id": conversation, "unread": 0}
    assert (await app.answer("owner", INBOX, unreadOnly=True))["nodes"] == []
    await receive("and again")
    assert (await app.answer("owner", INBOX, unreadOnly=True))["nodes"][0]["unread"] == 1


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ada", 1),
        ("Áda", 1),
        ("555 0143", 1),
        ("+12025550143", 1),
        ("Bob", 0),
        ("0199", 0),
        ("%", 0),
    ],
)
async def test_a_conversation_is_found_by_number_and_name(
    app: App, conversation: str, search: str, found: int
) -> None:
    assert len((await app.answer("owner", INBOX, search=search))["nodes"]) == found


async def test_messages_list_both_directions(app: App, conversation: str) -> None:
    await send(app, "Bread and cake")
    await receive("cake please")
    page = await app.answer("owner", MESSAGES)
    assert [node["text"] for node in page["nodes"]] == [
        "cake please",
        "Bread and cake",
        "Good morning",
    ]
    page = await app.answer("owner", MESSAGES, search="CAKE", first=1)
    assert [node["text"] for node in page["nodes"]] == ["cake please"]
    page = await app.answer("owner", MESSAGES, search="CAKE", after=page["pageInfo"]["endCursor"])
    assert [node["text"] for node in page["nodes"]] == ["Bread and cake"]
    page = await app.answer("owner", MESSAGES, status="QUEUED")
    assert [node["text"] for node in page["nodes"]] == ["Bread and cake"]
    page = await app.answer("owner", MESSAGES, search="0143")
    assert len(page["nodes"]) == 3


async def test_an_inbound_message_is_found_by_its_id(app: App, conversation: str) -> None:
    key = await receive("by id", modem="m7", port="3")
    message_id = ids.encode(Kind.MESSAGE, key)
    expected = {"text": "by id", "direction": "INBOUND", "status": None, "number": PHONE}
    assert await app.answer("owner", MESSAGE, id=message_id) == expected
    assert await app.answer("admin", MODEM, id=message_id) == {"modem": "m7", "port": "3"}
    for field in ("modem", "port", "client { name }"):
        requested = MODEM.replace("modem port", field)
        assert await app.code("owner", requested, id=message_id) == "FORBIDDEN"


async def test_an_inbound_message_is_visible_to_its_tenant_only(
    app: App, conversation: str
) -> None:
    key = ids.encode(Kind.MESSAGE, await receive("secret"))
    for who in ("owner", "direct", "admin"):
        assert (await app.answer(who, MESSAGE, id=key))["text"] == "secret"
        assert len((await app.answer(who, MESSAGES))["nodes"]) == 2
    for who in ("sibling", "loner"):
        assert await app.answer(who, MESSAGE, id=key) is None
        assert (await app.answer(who, MESSAGES))["nodes"] == []


async def test_messages_say_whether_they_can_be_answered_or_mention_an_opt_out(
    app: App, conversation: str
) -> None:
    await receive("Please stop the tap", modem="m1")
    await receive("Code 1234", sender="SUPPORT")
    await send(app, "Good evening")
    flags = "{ messages { nodes { text answerable mentionsOptOut } } }"
    nodes = (await app.answer("owner", flags))["nodes"]
    assert [tuple(node.values()) for node in nodes] == [
        ("Good evening", True, False),
        ("Code 1234", False, False),
        ("Please stop the tap", True, True),
        ("Good morning", True, False),
    ]
    answerable = "{ inbox { nodes { number answerable contact { answerable } } } }"
    nodes = (await app.answer("owner", answerable))["nodes"]
    assert [tuple(node.values()) for node in nodes] == [
        (PHONE, True, {"answerable": True}),
        ("SUPPORT", False, {"answerable": False}),
    ]


async def test_contacts_say_who_has_opted_out(app: App, conversation: str) -> None:
    await receive("STOP")
    (node,) = (await app.answer("owner", INBOX))["nodes"]
    assert node["contact"]["optedOut"] is True
    contacts = "{ contacts { nodes { number optedOut } } }"
    page = await app.answer("owner", contacts)
    assert page["nodes"] == [{"number": PHONE, "optedOut": True}]


async def test_the_feed_is_read_in_order_from_any_number(app: App, conversation: str) -> None:
    for each in range(3):
        await receive(f"in {each}")
    client_id = app.owner.client_id
    assert await store.last_in_feed(OfClient(client_id)) == 4
    messages = await store.read_feed(OfClient(client_id), after=2, most=10)
    assert [(each.feed, each.text) for each in messages] == [(3, "in 1"), (4, "in 2")]
    assert await store.last_in_feed(OfClient(app.loner.client_id)) == 0
