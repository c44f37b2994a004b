"""Every reply of Twilio and its outcome: the table of cases."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

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
    Unknown,
)
from providers.transport import Exchange
from providers.twilio import REFUSES_MESSAGE, REFUSES_SENDER, REJECTED, SENDER_REFUSED, Twilio
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

SID = "SM" + "0a" * 16
QUEUED = {"sid": SID, "status": "queued", "error_code": None, "to": "+12025550100"}
TOKEN = NotSent("The account's ID or token was refused.", refuses_account=True)
NOT_ACTIVE = NotSent("The account is not active.", refuses_account=True)
LIMIT = NotSent("The account has reached its limit of messages for a day.", refuses_account=True)
SENDER = NotSent(SENDER_REFUSED, refuses_account=True)
OPTED_OUT = Rejected("This number has asked not to receive messages.")
ACCOUNT = replace(
    CONFIG,
    credentials=Credentials("AC" + "5" * 32, "not-to-be-seen"),
    sender="+12025550199",
    unit_cost=Decimal("0.0083"),
)


def error(status: int, code: object, **more: object) -> dict[str, object]:
    page = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": "A sentence.", "more_info": page, "status": status, **more}


CASES: list[Case] = [
    *COMMON,
    *nonsense(200, QUEUED),
    *nonsense(201, QUEUED),
    ("201", answer(201, QUEUED), Accepted(SID)),
    ("200", answer(200, QUEUED), Accepted(SID)),
    ("a message of a service", answer(201, {"sid": SID, "status": "accepted"}), Accepted(SID)),
    ("an ID and nothing else", answer(201, {"sid": SID}), Accepted(SID)),
    ("a message that failed at once", answer(201, {"sid": SID, "status": "failed"}), Accepted(SID)),
    ("201 without an ID", answer(201, {"status": "queued"}), UNKNOWN),
    ("201 with an empty ID", answer(201, {"sid": "", "status": "queued"}), UNKNOWN),
    ("201 with an ID that is not a text", answer(201, {"sid": [SID]}), UNKNOWN),
    ("201 with an ID that is too long", answer(201, {"sid": "S" * 129}), UNKNOWN),
    ("a wrong token", answer(401, error(401, 20003)), TOKEN),
    ("401 without a code", answer(401, {"detail": "no"}), TOKEN),
    ("401 in HTML", answer(401, HTML), TOKEN),
    ("an account that is closed", answer(401, error(401, 20005)), NOT_ACTIVE),
    ("an account that is suspended", answer(403, error(403, 90010)), NOT_ACTIVE),
    ("an account without money", answer(400, error(400, 10001)), NOT_ACTIVE),
    (
        "403",
        answer(403, HTML),
        NotSent("The account is not allowed to send.", refuses_account=True),
    ),
    ("402", answer(402), NotSent("The account has no money left.", refuses_account=True)),
    (
        "an account that does not exist",
        answer(404, error(404, 20404)),
        NotSent("The account does not exist.", refuses_account=True),
    ),
    ("an invalid number", answer(400, error(400, 21211)), Rejected(REFUSES_MESSAGE[21211])),
    ("an unreachable number", answer(400, error(400, 21214)), Rejected(REFUSES_MESSAGE[21214])),
    ("an opted-out number", answer(400, error(400, 21610)), OPTED_OUT),
    ("the same with 403", answer(403, error(403, 21610)), OPTED_OUT),
    ("a landline", answer(400, error(400, 21614)), Rejected(REFUSES_MESSAGE[21614])),
    ("a long text", answer(400, error(400, 21617)), Rejected(REFUSES_MESSAGE[21617])),
    ("a country", answer(400, error(400, 21408)), Rejected(REFUSES_MESSAGE[21408])),
    ("another code with 400", answer(400, error(400, 21999)), Rejected(REJECTED)),
    ("400 without a code", answer(400, {"message": "A sentence.", "status": 400}), UNKNOWN),
    ("400 with a code in words", answer(400, error(400, "invalid")), UNKNOWN),
    ("400 with a code that is true", answer(400, error(400, True)), UNKNOWN),
    (
        "codes that are texts",
        answer(400, error(400, "21211") | {"status": "400"}),
        Rejected(REFUSES_MESSAGE[21211]),
    ),
    ("400 that is not the API's own", answer(400, error(422, 21211)), UNKNOWN),
    ("400 in HTML", answer(400, HTML), UNKNOWN),
    ("a refusal with an ID", answer(400, error(400, 21211, sid=SID)), UNKNOWN),
    ("401 with an ID", answer(401, error(401, 20003, sid=SID)), UNKNOWN),
    ("429 with an ID", answer(429, error(429, 20429, sid=SID)), UNKNOWN),
    ("429", answer(429, error(429, 20429)), WAIT),
    ("429 in HTML", answer(429, HTML), WAIT),
    ("429 with a wait", answer(429, b"", Retry_After="7"), replace(WAIT, retry_after_seconds=7.0)),
    ("a full queue of the sender", answer(429, error(429, 21611)), WAIT),
    ("20429 with 400", answer(400, error(400, 20429)), WAIT),
    ("a full queue of the sender with 400", answer(400, error(400, 21611)), WAIT),
    ("maintenance", answer(400, error(400, 21730)), WAIT),
    ("too many messages in a second", answer(400, error(400, 63017)), WAIT),
    *(
        (f"too many messages in a day, with {status}", answer(status, error(status, 63038)), LIMIT)
        for status in (400, 403, 429)
    ),
    (
        "an address for reports that is not public",
        answer(400, error(400, 21609)),
        NotSent("The address for delivery reports was refused.", refuses_account=True),
    ),
    ("another code with 404", answer(404, error(404, 20409)), UNKNOWN),
    ("409", answer(409, error(409, 20409)), UNKNOWN),
    ("500", answer(500, error(500, 20500)), UNKNOWN),
    ("500 with the code of a refusal", answer(500, error(500, 21211)), UNKNOWN),
    ("503", answer(503, error(503, 20503), Retry_After="1"), UNKNOWN),
    ("503 with nothing", answer(503, b"", Retry_After="1"), UNKNOWN),
    ("500 with an ID", answer(500, QUEUED), UNKNOWN),
    ("a redirect", answer(307, QUEUED, Location="http://127.0.0.1/"), UNKNOWN),
    ("half a body", answer(201, b'{"sid": "SM0a0a'), UNKNOWN),
]


def twilio(exchange: Exchange) -> tuple[Twilio, ScriptedTransport]:
    transport = ScriptedTransport(exchange)
    return Twilio(ACCOUNT, transport), transport


@each(CASES)
async def test_a_reply_has_its_outcome(exchange: Exchange, expected: str | Outcome) -> None:
    for outcome in (
        await twilio(exchange)[0].send(ONE),
        *await twilio(exchange)[0].send_many([ONE]),
    ):
        assert agrees(outcome, expected), outcome


@pytest.mark.parametrize("code", sorted(REFUSES_SENDER))
async def test_a_refused_sender_is_the_accounts_fault_except_in_a_reply(code: int) -> None:
    exchange = answer(400, error(400, code))
    assert await twilio(exchange)[0].send(ONE) == SENDER
    reply = OutgoingMessage("+12025550100", "Hello", "AC5", "+12025550198")
    assert await twilio(exchange)[0].send(reply) == Rejected(REJECTED)


@pytest.mark.parametrize("code", sorted(REFUSES_SENDER))
async def test_a_short_code_that_cannot_send_to_a_country_does_not_stop_the_account(
    code: int,
) -> None:
    exchange = answer(400, error(400, code))
    account = Twilio(replace(ACCOUNT, sender="22384"), ScriptedTransport(exchange))
    expected = Rejected(REJECTED) if code in (21606, 21659) else SENDER
    assert await account.send(ONE) == expected


async def test_only_one_message_fits_into_a_call() -> None:
    account, transport = twilio(answer(201, QUEUED))
    with pytest.raises(ValueError, match="one message"):
        await account.send_many([ONE, TWO])
    assert transport.requests == []
    assert await account.send_many([]) == []


@pytest.mark.parametrize(
    ("balance", "raw", "units"),
    [
        ("20.00", "20.00 USD", 2409),
        (20, "20 USD", 2409),
        ("0.0083", "0.0083 USD", 1),
        ("0.0082999", "0.0082999 USD", 0),
        ("-1.50", "-1.50 USD", -181),
        ("0", "0 USD", 0),
    ],
)
async def test_a_balance_is_counted_in_messages(balance: object, raw: str, units: int) -> None:
    exchange = answer(200, {"account_sid": "AC5", "balance": balance, "currency": "USD"})
    reading = await twilio(exchange)[0].balance()
    assert (reading.raw, int(reading.value)) == (raw, units)


@pytest.mark.parametrize(
    "exchange",
    [
        NotSent("Refused."),
        Unknown("It broke."),
        answer(401, error(401, 20003)),
        answer(404, error(404, 20404)),
        answer(429),
        answer(500),
        answer(200, HTML),
        answer(200),
        answer(200, {"balance": "1,000.00", "currency": "USD"}),
        answer(200, {"balance": "20.00"}),
        answer(200, {"balance": "20.00", "currency": 840}),
        answer(200, {"balance": "1e9", "currency": "USD"}),
        answer(200, {"balance": None, "currency": "USD"}),
    ],
)
async def test_anything_else_is_not_a_balance(exchange: Exchange) -> None:
    with pytest.raises(ProviderUnavailable) as unavailable:
        await twilio(exchange)[0].balance()
    assert "wilio" not in str(unavailable.value)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (answer(200, {"sid": SID, "status": "queued"}), ReportedStatus.TAKEN),
        (answer(200, {"sid": SID, "status": "sent"}), ReportedStatus.TAKEN),
        (answer(200, {"sid": SID, "status": "delivered"}), ReportedStatus.DELIVERED),
        (answer(200, {"sid": SID, "status": "undelivered"}), ReportedStatus.FAILED),
        (answer(200, {"sid": SID, "status": "failed"}), ReportedStatus.FAILED),
        (answer(200, {"sid": SID, "status": "new"}), None),
        (answer(200, {"sid": SID, "status": 7}), None),
        (answer(200), None),
        (answer(404, error(404, 20404)), None),
    ],
)
async def test_a_status_is_read(exchange: Exchange, expected: ReportedStatus | None) -> None:
    account, transport = twilio(exchange)
    assert await account.status(SID) is expected
    assert transport.requests[0].path.endswith(f"/Messages/{SID}.json")


@pytest.mark.parametrize(
    "exchange",
    [Unknown("It broke."), answer(401), answer(429), answer(503), answer(302), answer(200, HTML)],
)
async def test_a_status_that_cannot_be_read_now_is_requested_later(exchange: Exchange) -> None:
    with pytest.raises(ProviderUnavailable):
        await twilio(exchange)[0].status(SID)


@pytest.mark.parametrize(
    "change", [{"credentials": None}, {"sender": None}, {"sender": ""}, {"unit_cost": None}]
)
def test_an_account_needs_a_sign_in_a_sender_and_a_cost(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Twilio(replace(ACCOUNT, **change))  # type: ignore[arg-type]
