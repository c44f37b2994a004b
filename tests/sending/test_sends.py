"""Sends and messages, read by every role: others' do not exist for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from persistence import store
from resolvers import ids
from resolvers.ids import Kind
from tests import worlds
from tests.installations import App

EVERYBODY = ["owner", "direct", "admin", "sibling", "supervisor", "other_supervisor", "nobody"]
NO_ACCOUNT = {
    "supervisor": "FORBIDDEN",
    "other_supervisor": "FORBIDDEN",
    "nobody": "UNAUTHENTICATED",
}
THEIRS = {"owner", "direct", "admin"}

SEND = """query ($id: ID!) { send(id: $id) {
    id createdAt charged valueUsd accepted rejectedCount rejected { input position reason }
    counts { queued submitting sent delivered undelivered rejected unknown cancelled } finished
    messages(first: 2) { nodes { id sendId } pageInfo { hasNextPage } } } }"""
MESSAGE = """query ($id: ID!) { message(id: $id) {
    id direction number text encoding segments status failure isReply sendId
    createdAt updatedAt } }"""
SENDS = "query ($first: Int) { sends(first: $first) { nodes { id } totalCount } }"
MESSAGES = """query ($status: MessageStatus, $search: String) {
    messages(status: $status, search: $search) { nodes { id text } totalCount } }"""
UNKNOWN_SEND = ids.encode(Kind.SEND, UUID(int=404))
UNKNOWN_MESSAGE = ids.encode(Kind.MESSAGE, UUID(int=404))


async def sent(app: App, count: int = 3) -> tuple[str, list[str]]:
    """A send of the owner: its ID and the IDs of its messages, newest first."""
    asked = await worlds.accept(app.owner, count, text="Lunch at 12?")
    rows = await worlds.fetch(
        "SELECT id FROM message WHERE send_id = $1 ORDER BY id DESC", asked.id
    )
    return ids.encode(Kind.SEND, asked.id), [ids.encode(Kind.MESSAGE, row["id"]) for row in rows]


async def test_a_send_has_all_its_fields(app: App) -> None:
    send_id, message_ids = await sent(app)
    found = await app.answer("owner", SEND, id=send_id)
    assert found.pop("createdAt").endswith("Z")
    counts = found.pop("counts")
    assert counts.pop("queued") == 3
    assert set(counts.values()) == {0}
    assert found == {
        "id": send_id,
        "charged": 3,
        "valueUsd": None,
        "accepted": 3,
        "rejectedCount": 0,
        "rejected": [],
        "finished": False,
        "messages": {
            "nodes": [{"id": each, "sendId": send_id} for each in message_ids[:2]],
            "pageInfo": {"hasNextPage": True},
        },
    }


async def test_a_message_has_all_its_fields(app: App) -> None:
    send_id, [message_id] = await sent(app, 1)
    found = await app.answer("owner", MESSAGE, id=message_id)
    assert found.pop("createdAt") == found.pop("updatedAt")
    assert found == {
        "id": message_id,
        "direction": "OUTBOUND",
        "number": worlds.generated_numbers(1)[0],
        "text": "Lunch at 12?",
        "encoding": "GSM7",
        "segments": 1,
        "status": "QUEUED",
        "failure": None,
        "isReply": False,
        "sendId": send_id,
    }


@pytest.mark.parametrize("who", EVERYBODY)
async def test_the_id_of_another_tenant_gets_the_same_answer_as_an_unknown_one(
    app: App, who: str
) -> None:
    send_id, [message_id, *_] = await sent(app)
    for query, own, unknown in (
        (SEND, send_id, UNKNOWN_SEND),
        (MESSAGE, message_id, UNKNOWN_MESSAGE),
    ):
        code = NO_ACCOUNT.get(who)
        for wrong in (unknown, own.replace("_", "-"), "", "x" * 500, UNKNOWN_SEND[:-1]):
            body = await app.ask(who, query, id=wrong)
            assert await app.code(who, query, id=wrong) == code
            assert list(body["data"].values()) == [None]
        body = await app.ask(who, query, id=own)
        assert await app.code(who, query, id=own) == code
        assert [value is not None for value in body["data"].values()] == [who in THEIRS]


@pytest.mark.parametrize("who", EVERYBODY)
async def test_lists_contain_only_what_belongs_to_the_actor(app: App, who: str) -> None:
    send_id, message_ids = await sent(app)
    code = NO_ACCOUNT.get(who)
    for query, own in ((SENDS, [send_id]), (MESSAGES, message_ids)):
        assert await app.code(who, query) == code
        if code is None:
            found = await app.answer(who, query)
            assert [node["id"] for node in found["nodes"]] == (own if who in THEIRS else [])
            assert found["totalCount"] is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["Supper", "Lunch at 12?"]),
        ({"search": "  lunch "}, ["Lunch at 12?"]),
        ({"search": "%"}, []),
        ({"search": "  "}, ["Supper", "Lunch at 12?"]),
        ({"status": "QUEUED"}, ["Supper", "Lunch at 12?"]),
        ({"status": "SENT"}, []),
        ({"status": "QUEUED", "search": "supper"}, ["Supper"]),
    ],
)
async def test_messages_are_filtered_by_status_and_searched(
    app: App, asked: dict[str, str], found: list[str]
) -> None:
    await sent(app, 1)
    await worlds.accept(app.owner, text="Supper")
    answer = await app.answer("owner", MESSAGES, **asked)
    assert [node["text"] for node in answer["nodes"]] == found


@pytest.mark.parametrize("search", ["x" * 201, "nul\x00", "\ud800"])
async def test_an_invalid_search_is_refused_with_a_message(app: App, search: str) -> None:
    assert await app.code("owner", MESSAGES, search=search) == "BAD_USER_INPUT"


@pytest.mark.parametrize("who", ["owner", "direct", "admin"])
@pytest.mark.parametrize("field", ["client { name }", "modem", "port"])
async def test_only_an_admin_sees_the_client_and_the_line_of_a_message(
    app: App, who: str, field: str
) -> None:
    _, [message_id] = await sent(app, 1)
    body = await app.ask(
        who, f"query ($id: ID!) {{ message(id: $id) {{ id {field} }} }}", id=message_id
    )
    shown = {"client": {"name": "Acme"}} if field.startswith("client") else {field: None}
    if who == "admin":
        assert body == {"data": {"message": {"id": message_id, **shown}}}
    else:
        [error] = body["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert body["data"]["message"]["id"] == message_id
        assert body["data"]["message"][field.split()[0]] is None


async def test_only_an_admin_sees_the_client_of_a_send(app: App) -> None:
    send_id, _ = await sent(app)
    query = "query ($id: ID!) { send(id: $id) { client { name group { name } } } }"
    assert await app.answer("admin", query, id=send_id) == {
        "client": {"name": "Acme", "group": {"name": "MG888"}}
    }
    assert await app.code("owner", query, id=send_id) == "FORBIDDEN"


async def test_the_messages_of_a_page_of_sends_are_read_in_one_query(app: App) -> None:
    first, _ = await sent(app, 2)
    second, _ = await sent(app, 3)
    query = """{ sends { nodes { id messages(first: 2) { nodes { sendId } }
        done: messages(status: SENT) { nodes { id } } client { name } } } }"""
    counted = Counted()
    installation = replace(app.installation, store=counted, directory=counted)
    answer = await replace(app, installation=installation).answer("admin", query)
    nodes = answer["nodes"]
    assert [node["id"] for node in nodes] == [second, first]
    for node in nodes:
        assert [each["sendId"] for each in node["messages"]["nodes"]] == [node["id"]] * 2
        assert node["done"]["nodes"] == []
        assert node["client"] == {"name": "Acme"}
    assert sorted(counted.calls) == [
        "find_clients",
        "read_messages_of_sends",
        "read_messages_of_sends",
        "read_sends",
    ]


class Counted:
    """The store, with a list of its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(store, name)
