"""A reply is submitted at once, also while a slow provider works on a bulk of 100,000."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests import db
from tests.end_to_end.program import Api, Program, eventually, signed_in

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

BULK = 100_000
REPLIES = 5
PHONE = "+12025550143"
CLIENTS = "{ clients { nodes { id name } } }"
SYNC = "mutation { sync { __typename } }"
ALLOCATE = """mutation ($client: ID!) { allocate(input: {clientId: $client, units: 100000}) {
    __typename } }"""
SET_ROUTE = """mutation ($client: ID!) { setModemRoute(input: {clientId: $client, modem: "m1",
    port: "1"}) { __typename } }"""
BULK_SEND = """mutation ($to: [String!]!) { bulkSend(input: {to: $to, text: "Hello"}) {
    __typename ... on Send { id accepted } } }"""
INBOX = "{ inbox { nodes { id } } }"
REPLY = """mutation ($id: ID!, $text: String!) { reply(input: {conversationId: $id, text: $text}) {
    __typename } }"""
COUNTS = "query ($id: ID!) { send(id: $id) { counts { queued sent } } }"


def test_a_reply_is_submitted_within_a_second_while_a_bulk_drains(program: Program) -> None:
    _prepare(program)
    with signed_in(program, "client@ibiki.test") as client:
        conversation = eventually(lambda: client.ask(INBOX)["inbox"]["nodes"])[0]["id"]
        slow = {"kind": "slow", "times": None, "seconds": 1.0, "path": "/api/v2/sms"}
        _control(program, "fault", slow)
        sent = client.ask(BULK_SEND, to=db.generated_numbers(BULK))["bulkSend"]
        assert sent["accepted"] == BULK
        eventually(lambda: client.ask(COUNTS, id=sent["id"])["send"]["counts"]["sent"])
        waited = [_reply(program, client, conversation, f"reply {each}") for each in range(REPLIES)]
        left = client.ask(COUNTS, id=sent["id"])["send"]["counts"]["queued"]
    assert left > BULK / 2, "the bulk was not draining any more"
    assert statistics.median(waited) < 1.0, waited


def _prepare(program: Program) -> None:
    """Gives the client enough units and one inbound message."""
    assert program.address  # it is up
    _control(program, "balance", {"add": 2 * BULK})
    with signed_in(program, "admin@ibiki.test") as admin:
        nodes = admin.ask(CLIENTS)["clients"]["nodes"]
        client_id = next(each["id"] for each in nodes if each["name"] == "Client")
        assert admin.ask(SYNC)["sync"]["__typename"] == "Synced"
        assert admin.ask(ALLOCATE, client=client_id)["allocate"]["__typename"] == "Allocated"
        admin.ask(SET_ROUTE, client=client_id)
    answer = _control(program, "inbound", {"from": PHONE, "message": "Hi", "modem": "m1"})
    assert answer == {"status": 200}


def _reply(program: Program, client: Api, conversation: str, text: str) -> float:
    """Seconds from the request for a reply until the provider receives it."""
    requested_at = datetime.now(UTC)
    assert client.ask(REPLY, id=conversation, text=text)["reply"]["__typename"] == "Reply"

    def seen() -> Any:
        for request in _log(program):
            if any(message["text"] == text for message in request["messages"]):
                return request
        return None

    seen_at = datetime.fromisoformat(eventually(seen)["at"])
    return (seen_at - requested_at).total_seconds()


def _log(program: Program) -> Any:
    answer = httpx.get(f"{program.simulator}/control/log", timeout=30)
    return reversed(answer.json())


def _control(program: Program, what: str, requested: Mapping[str, object]) -> Any:
    answer = httpx.post(f"{program.simulator}/control/{what}", json=requested, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()
