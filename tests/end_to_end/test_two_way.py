"""A whole conversation with a simulated phone on the running program."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.program import Api, Program, copy_of, eventually, signed_in, up

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

PHONE = "+12025550177"
PATH = "/api/webhook/extreme"
SEND = """mutation ($to: String!, $text: String!) { send(input: {to: $to, text: $text}) {
    __typename ... on Send { id } } }"""
REPLY = """mutation ($id: ID!, $text: String!) { reply(input: {conversationId: $id, text: $text}) {
    __typename ... on Reply { warning } } }"""
INBOX = """query ($search: String) { inbox(search: $search) { nodes { id number unread pinned
    lastMessage { text direction } messages { nodes { text direction status } } } } }"""
STATUSES = "query ($id: ID!) { send(id: $id) { messages { nodes { status } } charged } }"
MESSAGES = "{ messages(first: 100) { nodes { text } } }"
ROUTED = "{ webhookEvents(first: 100, outcome: ROUTED) { nodes { payload } } }"
SET_ROUTE = """mutation ($client: ID!) { setModemRoute(input: {clientId: $client, modem: "flood",
    port: "1"}) { __typename } }"""


def send(client: Api, to: str, text: str = "Good morning") -> str:
    sent = client.ask(SEND, to=to, text=text)["send"]
    assert sent["__typename"] == "Send"
    return str(sent["id"])


def conversation_with(client: Api, number: str) -> Any:
    nodes = client.ask(INBOX, search=number)["inbox"]["nodes"]
    return nodes[0] if nodes else None


def arrived(client: Api, number: str, text: str) -> Any:
    """Waits until the last message of the conversation is this one. Returns the conversation."""

    def ask() -> Any:
        conversation = conversation_with(client, number)
        last = conversation and conversation["lastMessage"]
        return conversation if last == {"text": text, "direction": "INBOUND"} else None

    return eventually(ask)


def test_a_message_to_the_phone_starts_a_conversation_and_a_reply_goes_back_the_same_way(
    program: Program, client: Api
) -> None:
    send(client, PHONE, "Good morning")
    conversation = arrived(client, PHONE, "Good morning")
    assert (conversation["unread"], conversation["pinned"]) == (1, True)
    replied = client.ask(REPLY, id=conversation["id"], text="And to you")["reply"]
    assert replied == {"__typename": "Reply", "warning": None}
    conversation = arrived(client, PHONE, "And to you")
    texts = [node["text"] for node in conversation["messages"]["nodes"]]
    assert texts == ["And to you", "And to you", "Good morning", "Good morning"]
    log = httpx.get(f"{program.simulator}/control/log", timeout=60).json()
    lines = [
        (request["modem"], request["port"])
        for request in log
        if any(message["recipient"] == PHONE for message in request["messages"])
    ]
    assert lines == [(None, None), ("simulated-modem", "1")]


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("+12025550178", "DELIVERED"),
        ("+12025550179", "DELIVERED"),
        ("+12025550180", "DELIVERED"),
        ("+12025550181", "UNDELIVERED"),
    ],
)
def test_delivery_reports_move_the_message(client: Api, number: str, status: str) -> None:
    sent = send(client, number)

    def ask() -> Any:
        found = client.ask(STATUSES, id=sent)["send"]
        return [node["status"] for node in found["messages"]["nodes"]] == [status] and found

    assert eventually(ask)["charged"] == 1


def test_a_phone_that_says_stop_is_not_written_to_any_more(client: Api) -> None:
    send(client, PHONE, "STOP")
    conversation = arrived(client, PHONE, "STOP")
    assert client.ask(REPLY, id=conversation["id"], text="x")["reply"]["__typename"] == "OptedOut"
    refused = client.ask(SEND, to=PHONE, text="x")["send"]
    assert refused["__typename"] == "NoValidRecipients"


def test_no_acknowledged_event_is_lost_by_kill_9(installation: Path) -> None:
    """Kills the program while events arrive: each acknowledged one is routed once afterwards."""
    with copy_of(installation) as directory:
        with up(directory) as program:
            with signed_in(program, "admin@ibiki.test") as admin:
                clients = admin.ask("{ clients { nodes { id name } } }")["clients"]["nodes"]
                named = {each["name"]: each["id"] for each in clients}
                admin.ask(SET_ROUTE, client=named["Client"])
            answered = _flood(program)
        assert len(answered) > 20
        with up(directory) as program, signed_in(program, "admin@ibiki.test") as admin:
            eventually(lambda: set(answered) <= _routed(admin))
            with signed_in(program, "client@ibiki.test") as client:
                messages = client.ask(MESSAGES)["messages"]["nodes"]
            texts = [each["text"] for each in messages]
            assert len(texts) == len(set(texts))
            assert set(answered) <= set(texts)


def _flood(program: Program) -> list[str]:
    """Sends events until the program is killed. Returns those that were acknowledged."""
    answered: list[str] = []

    def call(number: int) -> None:
        text = f"event {number}"
        body = {
            "from": f"+120255501{number % 60 + 10}",
            "message": text,
            "messageId": text,
            "usedmodem": "flood",
            "port": "1",
        }
        try:
            answer = httpx.post(f"{program.address}{PATH}", json=body, timeout=60)
        except httpx.HTTPError:
            return
        if answer.status_code == 200:
            answered.append(text)
        if len(answered) >= 40:  # several threads count
            program.process.kill()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(80)))
    program.process.wait(60)
    return answered


def _routed(admin: Api) -> set[str]:
    nodes = admin.ask(ROUTED)["webhookEvents"]["nodes"]
    return {node["payload"]["message"] for node in nodes}
