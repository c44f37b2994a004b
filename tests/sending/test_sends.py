"""Sends and messages, looked up by everybody: what is not theirs is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from persistence import store
from resolvers import ids
from resolvers.ids import Kind
from tests import worlds
from tests.installations import Neighbourhood

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


async def sent(street: Neighbourhood, count: int = 3) -> tuple[str, list[str]]:
    """A send of the owner's: its id and its messages' ids, newest first."""
    asked = await worlds.accept(street.owner, count, text="Lunch at 12?")
    rows = await worlds.fetch(
        "SELECT id FROM message WHERE send_id = $1 ORDER BY id DESC", asked.id
    )
    return ids.encode(Kind.SEND, asked.id), [ids.encode(Kind.MESSAGE, row["id"]) for row in rows]


async def test_a_send_says_how_it_stands(street: Neighbourhood) -> None:
    send_id, message_ids = await sent(street)
    found = await street.answer("owner", SEND, id=send_id)
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


async def test_a_message_says_how_it_stands(street: Neighbourhood) -> None:
    send_id, [message_id] = await sent(street, 1)
    found = await street.answer("owner", MESSAGE, id=message_id)
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
async def test_another_tenants_id_is_answered_like_an_unknown_one(
    street: Neighbourhood, who: str
) -> None:
    send_id, [message_id, *_] = await sent(street)
    for query, own, unknown in (
        (SEND, send_id, UNKNOWN_SEND),
        (MESSAGE, message_id, UNKNOWN_MESSAGE),
    ):
        code = NO_ACCOUNT.get(who)
        for wrong in (unknown, own.replace("_", "-"), "", "x" * 500, UNKNOWN_SEND[:-1]):
            body = await street.ask(who, query, id=wrong)
            assert await street.code(who, query, id=wrong) == code
            assert list(body["data"].values()) == [None]
        body = await street.ask(who, query, id=own)
        assert await street.code(who, query, id=own) == code
        assert [value is not None for value in body["data"].values()] == [who in THEIRS]


@pytest.mark.parametrize("who", EVERYBODY)
async def test_lists_hold_what_is_the_actors_alone(street: Neighbourhood, who: str) -> None:
    send_id, message_ids = await sent(street)
    code = NO_ACCOUNT.get(who)
    for query, own in ((SENDS, [send_id]), (MESSAGES, message_ids)):
        assert await street.code(who, query) == code
        if code is None:
            found = await street.answer(who, query)
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
async def test_messages_are_narrowed_and_searched(
    street: Neighbourhood, asked: dict[str, str], found: list[str]
) -> None:
    await sent(street, 1)
    await worlds.accept(street.owner, text="Supper")
    answer = await street.answer("owner", MESSAGES, **asked)
    assert [node["text"] for node in answer["nodes"]] == found


@pytest.mark.parametrize("search", ["x" * 201, "nul\x00", "\ud800"])
async def test_a_search_that_nothing_can_match_is_refused_plainly(
    street: Neighbourhood, search: str
) -> None:
    assert await street.code("owner", MESSAGES, search=search) == "BAD_USER_INPUT"


@pytest.mark.parametrize("who", ["owner", "direct", "admin"])
@pytest.mark.parametrize("field", ["client { name }", "modem", "port"])
async def test_whose_a_message_is_and_its_line_are_the_operators_to_know(
    street: Neighbourhood, who: str, field: str
) -> None:
    _, [message_id] = await sent(street, 1)
    body = await street.ask(
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


async def test_whose_a_send_is_is_the_operators_to_know(street: Neighbourhood) -> None:
    send_id, _ = await sent(street)
    query = "query ($id: ID!) { send(id: $id) { client { name group { name } } } }"
    assert await street.answer("admin", query, id=send_id) == {
        "client": {"name": "Acme", "group": {"name": "MG888"}}
    }
    assert await street.code("owner", query, id=send_id) == "FORBIDDEN"


async def test_the_messages_of_a_page_of_sends_are_read_together(street: Neighbourhood) -> None:
    first, _ = await sent(street, 2)
    second, _ = await sent(street, 3)
    query = """{ sends { nodes { id messages(first: 2) { nodes { sendId } }
        done: messages(status: SENT) { nodes { id } } client { name } } } }"""
    counted = Counted()
    installation = replace(street.installation, store=counted, directory=counted)
    answer = await replace(street, installation=installation).answer("admin", query)
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
    """The store, with a list of what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(store, name)
