"""Sends and messages, and all that the API shows of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain import ids
from domain.ids import Kind
from persistence import store
from tests import db
from tests.installations import App

SEND = """query ($id: ID!) { send(id: $id) {
    id createdAt charged valueUsd accepted rejectedCount rejected { input position reason }
    counts { queued submitting sent delivered undelivered rejected unknown cancelled } finished
    messages(first: 2) { nodes { id sendId } pageInfo { hasNextPage } } } }"""
MESSAGE = """query ($id: ID!) { message(id: $id) {
    id direction number text encoding segments status failure isReply sendId
    createdAt updatedAt } }"""
MESSAGES = """query ($status: MessageStatus, $search: String) {
    messages(status: $status, search: $search) { nodes { text } } }"""


async def sent(app: App, count: int = 3) -> tuple[str, list[str]]:
    """A send of the owner: its ID and the IDs of its messages, newest first."""
    requested = await db.accept(app.owner, count, text="Lunch at 12?")
    rows = await db.fetch(
        "SELECT id FROM message WHERE send_id = $1 ORDER BY id DESC", requested.id
    )
    return ids.encode(Kind.SEND, requested.id), [
        ids.encode(Kind.MESSAGE, row["id"]) for row in rows
    ]


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
        "number": db.generated_numbers(1)[0],
        "text": "Lunch at 12?",
        "encoding": "GSM7",
        "segments": 1,
        "status": "QUEUED",
        "failure": None,
        "isReply": False,
        "sendId": send_id,
    }


@pytest.mark.parametrize(
    ("requested", "found"),
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
    app: App, requested: dict[str, str], found: list[str]
) -> None:
    await sent(app, 1)
    await db.accept(app.owner, text="Supper")
    answer = await app.answer("owner", MESSAGES, **requested)
    assert [node["text"] for node in answer["nodes"]] == found


@pytest.mark.parametrize("search", ["x" * 201, "nul\x00", "\ud800"])
async def test_an_invalid_search_is_refused_with_a_message(app: App, search: str) -> None:
    assert await app.code("owner", MESSAGES, search=search) == "BAD_USER_INPUT"


async def test_a_field_that_is_refused_does_not_affect_the_other_fields(app: App) -> None:
    _, [message_id] = await sent(app, 1)
    query = "query ($id: ID!) { message(id: $id) { id port } }"
    assert await app.answer("admin", query, id=message_id) == {"id": message_id, "port": None}
    body = await app.ask("owner", query, id=message_id)
    assert [error["extensions"]["code"] for error in body["errors"]] == ["FORBIDDEN"]
    assert body["data"]["message"] == {"id": message_id, "port": None}


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
