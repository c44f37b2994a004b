"""The requests to a phone, compared with those of its client library, and its webhook calls."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from android_sms_gateway import APIClient, Message, TextMessage
from android_sms_gateway.enums import ProcessState, WebhookEvent
from android_sms_gateway.errors import APIError
from android_sms_gateway.http import RequestsHttpClient

from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage, new_event
from domain.provider import Accepted, OutgoingMessage, ReportedStatus
from domain.sending.messages import Line
from providers.android import (
    BASE_URL,
    LONGEST_AGE_SECONDS,
    OTHER_EVENT,
    SIGNATURE,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    parse_webhook,
)
from providers.replies import SignedCall
from providers.simulator.accounts import SIMULATED_ACCOUNTS
from tests.providers.recorder import recorder
from tests.providers.simulated import Simulated
from tests.providers.vendors_at import account_of

OWN = SIMULATED_ACCOUNTS["android"]
NUMBER, TEXT, OWN_ID = "+12025550100", "50 % & more? é\n+1 = 你好", "0a" * 16
STATE = {"id": OWN_ID, "state": "Pending", "recipients": []}


async def with_library(base_url: str, *asks: Callable[[APIClient], Any]) -> list[Any]:
    """What the client library returns at this address."""

    def run() -> list[Any]:
        client = APIClient(OWN.username, OWN.password, base_url=base_url, http=None)
        with RequestsHttpClient() as http:
            client.http = http
            return [ask(client) for ask in asks]

    return await asyncio.to_thread(run)


async def test_our_requests_are_those_of_the_client_library_field_by_field() -> None:
    async with recorder("Authorization", "Content-Type", answer=STATE) as simulator:
        texts = [TextMessage(text=TEXT), TextMessage(text="Hello")]
        plain = Message(phone_numbers=[NUMBER], text_message=texts[0])
        own = Message(
            phone_numbers=[NUMBER],
            text_message=texts[1],
            id=OWN_ID,
            sim_number=2,
            device_id="a phone",
        )
        await with_library(
            f"{simulator.base_url}/3rdparty/v1",
            lambda client: client.send(plain),
            lambda client: client.send(own),
            lambda client: client.get_state(OWN_ID),
        )
        theirs = simulator.taken()
        async with account_of("android", simulator.base_url, sender=None) as account:
            assert await account.send(OutgoingMessage(NUMBER, TEXT)) == Accepted(OWN_ID)
            await account.send(OutgoingMessage(NUMBER, "Hello", "a phone", "2", id=OWN_ID))
            await account.status(OWN_ID)  # type: ignore[attr-defined]
        ours = simulator.taken()
    assert len(ours) == 3
    assert ours == theirs


async def test_a_sim_card_of_the_account_sends_unless_it_is_a_reply() -> None:
    async with (
        recorder(answer=STATE) as simulator,
        account_of("android", simulator.base_url, sender="3") as account,
    ):
        for message in (
            OutgoingMessage(NUMBER, "x"),
            OutgoingMessage(NUMBER, "x", "a phone", "1"),
            OutgoingMessage(NUMBER, "x", "a phone", "odd"),
        ):
            await account.send(message)
    assert [each.body.get("simNumber") for each in simulator.requests] == [3, 1, None]


def test_the_library_and_we_have_the_same_address_and_events() -> None:
    assert APIClient("a", "b").base_url == BASE_URL
    assert {each.value for each in ProcessState} >= {"Pending", "Cancelled", "Failed"}
    known = {each.value for each in WebhookEvent}
    assert {"sms:received", "sms:sent", "sms:delivered", "sms:failed", "sms:cancelled"} <= known
    assert "mms:downloaded" in known


@pytest.mark.parametrize("path", ["/3rdparty/v1", ""])
async def test_the_client_library_works_against_the_simulator(
    simulator: Simulated, path: str
) -> None:
    def message(number: str, **more: Any) -> Message:
        return Message(phone_numbers=[number], text_message=TextMessage(text="Hello"), **more)

    base_url = simulator.base_url + path
    send = partial(message, NUMBER, id=OWN_ID)
    sent, found = await with_library(
        base_url, lambda client: client.send(send()), lambda client: client.get_state(OWN_ID)
    )
    assert (sent.id, sent.state) == (OWN_ID, ProcessState.Pending)
    assert found.state is ProcessState.Delivered
    for requested, status in ((send(), 409), (message("+12025550160"), 400)):
        with pytest.raises(APIError) as refused:
            await with_library(base_url, partial(APIClient.send, message=requested))
        assert refused.value.status_code == status
    assert await simulator.took() == [NUMBER]


async def test_a_repeated_call_is_accepted_once(simulator: Simulated) -> None:
    message = OutgoingMessage(NUMBER, "Hello", id=OWN_ID)
    async with account_of("android", simulator.base_url) as account:
        assert await account.send(message) == Accepted(OWN_ID)
        assert await account.send(message) == Accepted(OWN_ID)
    assert await simulator.took() == [NUMBER]


# --- Webhooks

PAYLOAD = {
    "messageId": "abc123",
    "message": "Hello é",
    "sender": NUMBER,
    "recipient": "+12025550199",
    "simNumber": 1,
    "receivedAt": "2026-06-22T15:46:11.000+07:00",
}
KEY = "abc123 2026-06-22T15:46:11.000+07:00"

PHONE = "ffffffffceb0b1db0000018e937c815b"
received = partial(ReceivedMessage, line_repeats=False)
"""A phone is one account: its line does not occur at another one."""


def event(name: object, payload: object, **more: object) -> bytes:
    own = {"deviceId": PHONE, "id": "Ey6ECgOkVVFjz3CL48B8C", "webhookId": "LreFUt-Z3sSq0JufY9uWB"}
    return json.dumps({**own, "event": name, "payload": payload, **more}).encode()


def without(*names: str, **changes: object) -> dict[str, object]:
    return {key: value for key, value in PAYLOAD.items() if key not in names} | changes


CALLS: list[tuple[str, bytes, Parsed]] = [
    (
        "a message",
        event("sms:received", PAYLOAD),
        received(NUMBER, "Hello é", KEY, "+12025550199", Line(PHONE, "1")),
    ),
    (
        "a message of an older version",
        event("sms:received", without("sender", "recipient", phoneNumber=NUMBER)),
        received(NUMBER, "Hello é", KEY, None, Line(PHONE, "1")),
    ),
    (
        "a SIM card that is not known",
        event("sms:received", without(simNumber=None, recipient=None)),
        received(NUMBER, "Hello é", KEY),
    ),
    (
        "a phone without a name",
        event("sms:received", without("recipient", "receivedAt"), deviceId=None),
        received(NUMBER, "Hello é", "abc123"),
    ),
    (
        "pictures with a text",
        event("mms:downloaded", without("message", body="Look", attachments=[])),
        received(NUMBER, "Look", KEY, "+12025550199", Line(PHONE, "1")),
    ),
    (
        "pictures without a text",
        event("mms:downloaded", without("message", "recipient", "simNumber", body=None)),
        received(NUMBER, "", KEY),
    ),
    (
        "pictures with a subject",
        event("mms:downloaded", without("message", "recipient", subject="Look", attachments=[{}])),
        received(NUMBER, "Look", KEY, None, Line(PHONE, "1")),
    ),
    # As the app sends it: it leaves out what is null.
    (
        "pictures only",
        event("mms:downloaded", without("message", "recipient", attachments=[{"partId": 7}, {}])),
        received(NUMBER, "(2 attached, not shown here)", KEY, None, Line(PHONE, "1")),
    ),
    *(
        (
            name,
            event(name, {"messageId": OWN_ID, "recipient": NUMBER, "reason": "x"}),
            DeliveryReport(OWN_ID, name, status),
        )
        for name, status in {
            "sms:sent": ReportedStatus.TAKEN,
            "sms:delivered": ReportedStatus.DELIVERED,
            "sms:failed": ReportedStatus.FAILED,
            "sms:cancelled": ReportedStatus.RETURNED,
        }.items()
    ),
    (
        "a message in bytes",
        event("sms:data-received", without(data="eA==")),
        Malformed(OTHER_EVENT),
    ),
    (
        "a ping",
        event("system:ping", {"health": {}}),
        Malformed("`payload.messageId` is missing: the ID of the message."),
    ),
    (
        "no sender",
        event("sms:received", without("sender")),
        Malformed("`payload.sender` is missing: the sender of the message."),
    ),
    (
        "no text",
        event("sms:received", without("message")),
        Malformed("`payload.message` is missing: the text of the message."),
    ),
    (
        "a payload that is none",
        event("sms:received", [PAYLOAD]),
        Malformed("`event` and `payload` are missing: this is not an event of a phone."),
    ),
]


@pytest.mark.parametrize(
    ("body", "expected"), [each[1:] for each in CALLS], ids=[each[0] for each in CALLS]
)
def test_an_event_is_read(body: bytes, expected: Parsed) -> None:
    assert parse_webhook(body) == expected


def test_a_text_that_is_sent_again_is_another_message_and_a_repeated_event_is_not() -> None:
    first = event("sms:received", PAYLOAD)
    repeated = event("sms:received", PAYLOAD, id="another", webhookId="another")
    later = event("sms:received", without(receivedAt="2026-06-22T15:47:00.000+07:00"))
    keys = [
        new_event("android", parse_webhook(each), each).key for each in (first, repeated, later)
    ]
    assert keys[0] == keys[1] != keys[2]


def signed(body: bytes, *, key: str = "a key", age_seconds: float = 0.0) -> SignedCall:
    """As the app's documents say: the body and the time, HMAC-SHA256 in hexadecimal digits."""
    timestamp = str(int(datetime.now(UTC).timestamp() - age_seconds))
    signature = hmac.new(key.encode(), body + timestamp.encode(), sha256).hexdigest()
    headers = {SIGNATURE_HEADER: signature, TIMESTAMP_HEADER: timestamp}
    return SignedCall("https://sms.example/webhooks/android", headers, body)


def test_a_signature_is_valid_for_five_minutes() -> None:
    body = event("sms:received", PAYLOAD)
    assert SIGNATURE.check(signed(body), "a key")
    assert SIGNATURE.check(signed(body, age_seconds=LONGEST_AGE_SECONDS - 60), "a key")
    for age in (LONGEST_AGE_SECONDS + 60, -LONGEST_AGE_SECONDS - 60):
        assert not SIGNATURE.check(signed(body, age_seconds=age), "a key")


def test_a_changed_event_is_not_signed() -> None:
    body = event("sms:received", PAYLOAD)
    whole = signed(body)
    assert not SIGNATURE.check(whole, "another key")
    assert not SIGNATURE.check(SignedCall(whole.url, whole.headers, body + b" "), "a key")
    for name in (SIGNATURE_HEADER, TIMESTAMP_HEADER):
        for value in ("", "é", "1e9", "9" * 40):
            headers = {**whole.headers, name: value}
            assert not SIGNATURE.check(SignedCall(whole.url, headers, body), "a key")
