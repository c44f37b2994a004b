"""Every reply of SMS Gateway for Android and its outcome: the table of cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import (
    Accepted,
    Credentials,
    NotSent,
    Outcome,
    OutgoingMessage,
    Rejected,
    ReportedStatus,
    SupportsBalance,
    Unknown,
)
from providers.android import PHONE_MISSING, REJECTED, Android
from providers.transport import Exchange
from tests.providers.scripted import (
    COMMON,
    CONFIG,
    HTML,
    ONE,
    TWO,
    UNKNOWN,
    WAIT,
    Case,
    ScriptedTransport,
    agrees,
    answer,
    each,
    nonsense,
)

OWN_ID = "0a" * 16
MESSAGE = OutgoingMessage("+12025550100", "Hello", id=OWN_ID)
REPLY = replace(MESSAGE, modem="a phone", port="2")
ACCOUNT = replace(CONFIG, credentials=Credentials("SMSGATE", "not-to-be-seen"))
PENDING = {
    "id": OWN_ID,
    "deviceId": "a phone",
    "state": "Pending",
    "isHashed": False,
    "isEncrypted": False,
    "recipients": [{"phoneNumber": "+12025550100", "state": "Pending", "error": None}],
    "states": {},
}
SIGN_IN = NotSent("The account's user name or password was refused.", refuses_account=True)
NO_PHONE = NotSent(PHONE_MISSING, refuses_account=True)


def with_message(message: object) -> dict[str, object]:
    return {"message": message}


CASES: list[Case] = [
    *COMMON,
    *nonsense(200, PENDING),
    *nonsense(202, PENDING),
    ("202", answer(202, PENDING), Accepted(OWN_ID)),
    ("201 of an older version", answer(201, PENDING), Accepted(OWN_ID)),
    ("200", answer(200, PENDING), Accepted(OWN_ID)),
    (
        "an ID that it chose itself",
        answer(202, {"id": "V1StGXR8_Z5jdHi6B-myT"}),
        Accepted("V1StGXR8_Z5jdHi6B-myT"),
    ),
    ("a state that failed at once", answer(202, {**PENDING, "state": "Failed"}), Accepted(OWN_ID)),
    ("202 without an ID", answer(202, {"state": "Pending"}), UNKNOWN),
    ("202 with an ID that is not a text", answer(202, {"id": {}}), UNKNOWN),
    (
        "the ID is known there",
        answer(409, with_message("message with the same ID already exists")),
        Accepted(OWN_ID),
    ),
    (
        "the same, at a phone",
        answer(409, with_message("Message with such ID exists")),
        Accepted(OWN_ID),
    ),
    ("409 in HTML", answer(409, HTML), UNKNOWN),
    ("409 with nothing", answer(409), UNKNOWN),
    ("a wrong password", answer(401), SIGN_IN),
    ("401 in JSON", answer(401, with_message("Unauthorized")), SIGN_IN),
    (
        "403",
        answer(403, HTML),
        NotSent("The account is not allowed to send.", refuses_account=True),
    ),
    (
        "an invalid number",
        answer(400, with_message("failed to enqueue message: invalid phone number")),
        Rejected(REJECTED),
    ),
    ("an empty text", answer(400, with_message("Text message is empty")), Rejected(REJECTED)),
    ("no phone", answer(400, with_message("record not found")), NO_PHONE),
    ("another phone", answer(400, with_message("Invalid device ID")), NO_PHONE),
    ("400 in HTML", answer(400, HTML), UNKNOWN),
    ("400 with a sentence that is none", answer(400, with_message(7)), UNKNOWN),
    ("400 with an ID", answer(400, PENDING | with_message("no")), UNKNOWN),
    ("429", answer(429, HTML), WAIT),
    ("429 with a wait", answer(429, b"", Retry_After="7"), replace(WAIT, retry_after_seconds=7.0)),
    (
        "a full queue",
        answer(503, with_message("queue limits exceeded: too many pending messages: 9 / 9")),
        WAIT,
    ),
    ("another 503", answer(503, with_message("Service Unavailable")), UNKNOWN),
    ("500", answer(500, with_message("failed to handle request")), UNKNOWN),
    ("500 with an ID", answer(500, PENDING), UNKNOWN),
    ("404", answer(404, with_message("Not Found")), UNKNOWN),
    ("half a body", answer(202, b'{"id": "0a0a'), UNKNOWN),
]


def android(exchange: Exchange) -> tuple[Android, ScriptedTransport]:
    transport = ScriptedTransport(exchange)
    return Android(ACCOUNT, transport), transport


@each(CASES)
async def test_a_reply_has_its_outcome(exchange: Exchange, expected: str | Outcome) -> None:
    outcome = await android(exchange)[0].send(MESSAGE)
    assert agrees(outcome, expected), outcome
    if isinstance(outcome, Unknown):
        assert outcome.reference == OWN_ID, "a report can find the message later"


async def test_without_an_id_of_ours_a_conflict_says_nothing() -> None:
    outcome = await android(answer(409, with_message("exists")))[0].send(ONE)
    assert isinstance(outcome, Unknown)
    assert outcome.reference is None


@pytest.mark.parametrize("sentence", ["record not found", "Invalid device ID"])
async def test_a_reply_through_a_missing_phone_is_rejected_alone(sentence: str) -> None:
    assert await android(answer(400, with_message(sentence)))[0].send(REPLY) == Rejected(REJECTED)


async def test_only_one_message_fits_into_a_call() -> None:
    account, transport = android(answer(202, PENDING))
    with pytest.raises(ValueError, match="one message"):
        await account.send_many([ONE, TWO])
    assert transport.requests == []
    assert await account.send_many([MESSAGE]) == [Accepted(OWN_ID)]


def test_a_phone_has_no_balance() -> None:
    assert not isinstance(android(answer(200))[0], SupportsBalance)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("Pending", ReportedStatus.TAKEN),
        ("Processed", ReportedStatus.TAKEN),
        ("Sent", ReportedStatus.TAKEN),
        ("Delivered", ReportedStatus.DELIVERED),
        ("Failed", ReportedStatus.FAILED),
        ("Cancelled", ReportedStatus.RETURNED),
        ("Cancelling", None),
        (7, None),
    ],
)
async def test_a_state_is_read(state: object, expected: ReportedStatus | None) -> None:
    account, transport = android(answer(200, {**PENDING, "state": state}))
    assert await account.status(OWN_ID) is expected
    assert transport.requests[0].path == f"/messages/{OWN_ID}"


@pytest.mark.parametrize("exchange", [answer(404, with_message("message not found")), answer(404)])
async def test_a_message_that_is_not_known_has_no_state(exchange: Exchange) -> None:
    assert await android(exchange)[0].status(OWN_ID) is None


async def test_an_answer_in_html_says_to_check_the_address() -> None:
    for status in (200, 404):
        with pytest.raises(ProviderUnavailable, match="check the address"):
            await android(answer(status, HTML))[0].status(OWN_ID)


@pytest.mark.parametrize(
    "exchange", [Unknown("It broke."), answer(401), answer(403), answer(429), answer(500)]
)
async def test_a_state_that_cannot_be_read_now_is_requested_later(exchange: Exchange) -> None:
    with pytest.raises(ProviderUnavailable):
        await android(exchange)[0].status(OWN_ID)


@pytest.mark.parametrize("change", [{"credentials": None}, {"sender": "4"}, {"sender": "Kanda"}])
def test_an_account_needs_a_sign_in_and_a_sim_card(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"(needs|SIM card)"):
        Android(replace(ACCOUNT, **change))  # type: ignore[arg-type]
