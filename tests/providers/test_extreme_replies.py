"""Every reply of ExtremeSMS: the outcome of a message, and what it says about the state of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import (
    Accepted,
    NotSent,
    Outcome,
    OutgoingMessage,
    Rejected,
    ReportedStatus,
    Unknown,
)
from providers import extreme
from providers.extreme import CONTRADICTION, ExtremeSMS
from providers.transport import Exchange
from tests.providers.scripted import (
    COMMON,
    CONFIG,
    HTML,
    ID,
    ONE,
    TWO,
    TWO_OTHERWISE,
    UNKNOWN,
    WAIT,
    Case,
    ScriptedTransport,
    account,
    agrees,
    answer,
    each,
    nonsense,
)

NO_NUMBER = {"success": False, "error": "Invalid recipient", "code": "INVALID_RECIPIENT"}
NO_PARAMS = {"success": False, "error": "Invalid parameters", "code": "INVALID_PARAMS"}
NO_CREDITS = {"success": False, "error": "No credits", "code": "INSUFFICIENT_CREDITS"}
SAYS_NO = {"success": False, "error": "Sorry"}

# What any call may be answered, and what that means for each message in it.
SHARED: list[Case] = [
    *COMMON,
    *nonsense(200),
    (
        "401",
        answer(401, {"error": "Invalid API key"}),
        NotSent("The account's key was refused.", refuses_account=True),
    ),
    ("401 in HTML", answer(401, HTML), NotSent("The account's key was refused.", True)),
    ("402", answer(402, NO_CREDITS), NotSent("The account has no credits left.", True)),
    ("402 with nothing", answer(402), NotSent("The account has no credits left.", True)),
    (
        "no credits in a 400",
        answer(400, NO_CREDITS),
        NotSent("The account has no credits left.", True),
    ),
    (
        "no credits in a 200",
        answer(200, NO_CREDITS),
        NotSent("The account has no credits left.", True),
    ),
    ("403", answer(403, SAYS_NO), NotSent("The account is not allowed to send.", True)),
    ("429", answer(429, SAYS_NO), WAIT),
    ("429 with nothing", answer(429), WAIT),
    ("429 in HTML", answer(429, HTML), WAIT),
    (
        "429 with seconds to wait",
        answer(429, SAYS_NO, Retry_After="7"),
        replace(WAIT, retry_after_seconds=7.0),
    ),
    (
        "429 with a date that is past",
        answer(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        replace(WAIT, retry_after_seconds=0.0),
    ),
    (
        "429 with a wait that is none",
        answer(429, Retry_After="soon"),
        WAIT,
    ),
    (
        "503 that says no",
        answer(503, SAYS_NO, Retry_After="9"),
        replace(WAIT, retry_after_seconds=9.0),
    ),
    (
        "503 with an error alone",
        answer(503, {"error": "Closed"}),
        WAIT,
    ),
    (
        "503 with only a wait",
        answer(503, b"", Retry_After="9"),
        replace(WAIT, retry_after_seconds=9.0),
    ),
    ("503 with nothing", answer(503), UNKNOWN),
    ("503 in JSON of somebody else", answer(503, {"message": "no healthy upstream"}), UNKNOWN),
    ("500", answer(500, SAYS_NO), UNKNOWN),
    ("404 in JSON", answer(404, SAYS_NO), UNKNOWN),
    ("408", answer(408), UNKNOWN),
    ("413", answer(413, HTML), UNKNOWN),
    ("400 in HTML", answer(400, HTML), UNKNOWN),
    ("400 with nothing", answer(400), UNKNOWN),
    ("400 without a code", answer(400, SAYS_NO), UNKNOWN),
    ("400 with a code not listed", answer(400, {**SAYS_NO, "code": "DUPLICATE"}), UNKNOWN),
    (
        "400 with a code of a wrong type",
        answer(400, {**SAYS_NO, "code": ["INVALID_PARAMS"]}),
        UNKNOWN,
    ),
    ("400 that names a message", answer(400, {**NO_NUMBER, "messageId": ID}), UNKNOWN),
    ("400 that claims success", answer(400, {**NO_NUMBER, "success": True}), UNKNOWN),
    ("402 that claims success", answer(402, {"success": True, "messageId": ID}), UNKNOWN),
    ("429 that claims success", answer(429, {"success": True, "messageId": ID}), UNKNOWN),
    ("200 with half a JSON", answer(200, b'{"success":true,"messageId":"65'), UNKNOWN),
    ("200 with an empty object", answer(200, {}), UNKNOWN),
    ("200 without success", answer(200, {"messageId": ID, "status": "queued"}), UNKNOWN),
    ("200 with success as text", answer(200, {"success": "true", "messageId": ID}), UNKNOWN),
    ("200 with success as a number", answer(200, {"success": 1, "messageId": ID}), UNKNOWN),
    ("200 that says no, for no reason", answer(200, SAYS_NO), UNKNOWN),
    ("200 in Latin-1", answer(200, b'{"success":true,"note":"caf\xe9"}'), Accepted(None)),
    ("200 with a line feed", answer(200, b'{"success":true,"note":"a\nb"}'), Accepted(None)),
    (
        "no credits in small letters, in Latin-1",
        answer(400, b'{"success":false,"error":"\xe9puis\xe9","code":" insufficient_credits"}'),
        NotSent("The account has no credits left.", True),
    ),
    ("200 with an endless number", answer(200, b'{"success":' + b"1" * 10_000 + b"}"), UNKNOWN),
]


@each(SHARED)
async def test_each_reply_is_one_outcome_for_a_single_message(
    exchange: Exchange, expected: str | Outcome
) -> None:
    reply = OutgoingMessage(ONE.number, "Hello", modem="modem-77", port="port-88")
    for message in (ONE, reply):
        outcome = await account(exchange).send(message)
        assert agrees(outcome, expected), outcome
        shown = repr(outcome).lower()
        for secret in ("extreme", "127.0.0.1", "not-to-be-seen", "modem", "port-88", "2025550100"):
            assert secret not in shown


@pytest.mark.parametrize("second", [TWO, TWO_OTHERWISE], ids=["one text", "many texts"])
@each(SHARED)
async def test_each_reply_is_the_same_outcome_for_all_messages_of_a_call(
    exchange: Exchange, expected: str | Outcome, second: OutgoingMessage
) -> None:
    outcomes = await account(exchange).send_many([ONE, second])
    assert len(outcomes) == 2
    assert all(agrees(outcome, expected) for outcome in outcomes), outcomes


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"success": True, "messageId": ID, "status": "queued"}, Accepted(ID)),
        ({"success": True, "messageId": f" {ID}\n"}, Accepted(ID)),
        ({"success": True, "messageId": 7007}, Accepted("7007")),
        ({"success": True, "status": "queued"}, Accepted(None)),
        ({"success": True, "messageId": None}, Accepted(None)),
        ({"success": True, "messageId": ""}, Accepted(None)),
        ({"success": True, "messageId": True}, Accepted(None)),
        ({"success": True, "messageId": {"id": ID}}, Accepted(None)),
        ({"success": True, "messageId": "a\x00b"}, Accepted(None)),
        ({"success": True, "messageId": "\ud800"}, Accepted(None)),
        ({"success": True, "messageId": "a" * 129}, Accepted(None)),
        ({"success": True, "messageId": ID, "status": "failed"}, Unknown(CONTRADICTION, ID)),
        ({"success": True, "messageId": ID, "status": " FAILED"}, Unknown(CONTRADICTION, ID)),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
async def test_a_message_that_was_taken_keeps_the_reference_that_can_be_read(
    status: int, body: dict[str, object], expected: str | Outcome
) -> None:
    outcome = await account(answer(status, body)).send(ONE)
    assert agrees(outcome, expected), outcome


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize(("body"), [NO_NUMBER, NO_PARAMS])
async def test_a_refusal_of_the_message_itself_is_rejected_in_our_words(
    status: int, body: dict[str, object]
) -> None:
    outcome = await account(answer(status, body)).send(ONE)
    assert outcome == Rejected(extreme.REFUSES_MESSAGE[str(body["code"])])


@pytest.mark.parametrize("second", [TWO, TWO_OTHERWISE], ids=["one text", "many texts"])
@pytest.mark.parametrize("body", [NO_NUMBER, NO_PARAMS])
async def test_a_refused_call_took_nothing_and_each_message_is_sent_again_alone(
    body: dict[str, object], second: OutgoingMessage
) -> None:
    outcomes = await account(answer(400, body)).send_many([ONE, second])
    assert outcomes == [NotSent("The network refused the call as a whole.", alone=True)] * 2


def with_status(word: object, **rest: object) -> Exchange:
    return answer(200, {"success": True, "messageId": ID, "status": word, **rest})


STATUS_ANSWERS = [
    ("queued", with_status("queued"), ReportedStatus.TAKEN),
    ("pending", with_status("pending"), ReportedStatus.TAKEN),
    ("sent", with_status("sent"), ReportedStatus.TAKEN),
    (
        "delivered",
        with_status("delivered", deliveredAt="2026-11-20T08:30:00Z"),
        ReportedStatus.DELIVERED,
    ),
    ("in capitals", with_status(" Delivered "), ReportedStatus.DELIVERED),
    ("failed", with_status("failed"), ReportedStatus.FAILED),
    ("expired", with_status("expired"), ReportedStatus.FAILED),
    ("an unknown word", with_status("seen"), None),
    ("no word", with_status(None), None),
    ("a number", with_status({}), None),
    ("not a success", answer(200, {"success": False, "status": "delivered"}), None),
    ("unknown there", answer(404, {"success": False, "error": "Message not found"}), None),
    ("a wrong path", answer(404, HTML), None),
    ("canceled", with_status("canceled"), ReportedStatus.FAILED),
    ("rejected", with_status("Rejected"), ReportedStatus.FAILED),
    ("nothing", answer(200), None),
    ("a bad request", answer(400, {"success": False, "status": "failed"}), None),
]
UNAVAILABLE = [
    NotSent("refused"),
    Unknown("timeout"),
    answer(401, {"error": "Invalid API key"}),
    answer(402),
    answer(429, Retry_After="5"),
    answer(500),
    answer(503, HTML),
    answer(200, HTML),
    answer(302, b"", Location="http://127.0.0.1/"),
]


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [pytest.param(each[1], each[2], id=each[0]) for each in STATUS_ANSWERS],
)
async def test_a_status_is_read(exchange: Exchange, expected: ReportedStatus | None) -> None:
    assert await account(exchange).status(ID) is expected


@pytest.mark.parametrize("exchange", UNAVAILABLE, ids=str)
async def test_a_failed_status_query_raises_provider_unavailable(exchange: Exchange) -> None:
    with pytest.raises(ProviderUnavailable):
        await account(exchange).status(ID)


async def test_any_reference_is_escaped_in_the_path() -> None:
    transport = ScriptedTransport(with_status("sent"))
    await ExtremeSMS(CONFIG, transport).status("a/b?c=d")
    (requested,) = transport.requests
    assert (requested.method, requested.path) == ("GET", "/api/v2/sms/status/a%2Fb%3Fc%3Dd")
    assert requested.headers["Authorization"] == "Bearer not-to-be-seen"
