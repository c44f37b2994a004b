"""Every reply of Africa's Talking and its outcome: the table of cases."""

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
    Unknown,
)
from providers.africastalking import (
    CONTRADICTION,
    REFUSES_MESSAGE,
    REJECTED,
    SENDER_REFUSED,
    AfricasTalking,
)
from providers.transport import Exchange
from tests.providers.scripted import (
    COMMON,
    CONFIG,
    HTML,
    ONE,
    TWO,
    TWO_OTHERWISE,
    UNKNOWN,
    WAIT,
    Case,
    ScriptedTransport,
    agrees,
    answer,
    each,
    nonsense,
)

ID, OTHER_ID = "ATXid_" + "0a" * 16, "ATXid_" + "0b" * 16
KEY = NotSent("The account's user name or key was refused.", refuses_account=True)
NO_MONEY = NotSent("The account has no money left.", refuses_account=True)
SENDER = NotSent(SENDER_REFUSED, refuses_account=True)
ALONE = NotSent("The network refused the call as a whole.", alone=True)
LEFT = NotSent("The call had another text, or the same number.", alone=True)
ACCOUNT = replace(
    CONFIG, credentials=Credentials("kanda", "not-to-be-seen"), unit_cost=Decimal("0.8")
)


def item(**changes: object) -> dict[str, object]:
    """The item of an accepted message to ONE."""
    usual = {"statusCode": 101, "number": ONE.number, "status": "Success", "cost": "KES 0.8000"}
    return {**usual, "messageId": ID, **changes}


def refused(code: object, status: object = "x", **changes: object) -> dict[str, object]:
    return item(statusCode=code, status=status, cost="0", messageId="None", **changes)


def listed(*recipients: object, message: object = "Sent to 1/1 Total Cost: KES 0.8000") -> object:
    return {"SMSMessageData": {"Message": message, "Recipients": list(recipients)}}


CASES: list[Case] = [
    *COMMON,
    *nonsense(200, listed(item())),
    *nonsense(201, listed(item())),
    ("sent", answer(201, listed(item())), Accepted(ID)),
    ("processed", answer(201, listed(item(statusCode=100))), Accepted(ID)),
    ("queued", answer(200, listed(item(statusCode=102))), Accepted(ID)),
    ("a code that is a text", answer(201, listed(item(statusCode="101"))), Accepted(ID)),
    ("a code with blanks", answer(201, listed(item(statusCode=" 101\n"))), Accepted(ID)),
    ("two codes, but a name", answer(201, listed(item(statusCode="101,102"))), Accepted(ID)),
    ("no code, but its name", answer(201, listed(item(statusCode=None))), Accepted(ID)),
    ("a number in another form", answer(201, listed(item(number="12025550100"))), Accepted(ID)),
    ("a local number", answer(201, listed(item(number="2025550100"))), Accepted(ID)),
    ("accepted without an ID", answer(201, listed(item(messageId="None"))), Accepted(None)),
    (
        "accepted with an ID that is not a text",
        answer(201, listed(item(messageId=[]))),
        Accepted(None),
    ),
    *(
        (f"code {code}", answer(201, listed(refused(code))), Rejected(words))
        for code, words in REFUSES_MESSAGE.items()
    ),
    (
        "a refusal by its name",
        answer(201, listed(refused(None, "UserInBlacklist"))),
        Rejected(REFUSES_MESSAGE[406]),
    ),
    ("no money for it", answer(201, listed(refused(405, "InsufficientBalance"))), NO_MONEY),
    ("a wrong sender", answer(201, listed(refused(402, "InvalidSenderId"))), SENDER),
    ("held for a review", answer(201, listed(refused(401, "RiskHold"))), UNKNOWN),
    ("an error there", answer(201, listed(refused(500, "InternalServerError"))), UNKNOWN),
    ("an error of the gateway", answer(201, listed(refused(501, "GatewayError"))), UNKNOWN),
    ("a code that is not known", answer(201, listed(refused(499))), UNKNOWN),
    ("a code that is neither", answer(201, listed(refused([], 7))), UNKNOWN),
    ("a refusal with an ID", answer(201, listed(refused(403) | {"messageId": ID})), UNKNOWN),
    ("an item that is none", answer(201, listed("Success")), UNKNOWN),
    ("no item", answer(201, listed()), UNKNOWN),
    (
        "no item, none sent",
        answer(201, listed(message="Sent to 0/1 Total Cost: 0")),
        Rejected(REJECTED),
    ),
    ("no item, a wrong sender", answer(201, listed(message="InvalidSenderId")), SENDER),
    ("no item, no money", answer(201, listed(message="InsufficientBalance")), NO_MONEY),
    ("no item, another word", answer(201, listed(message=["InvalidSenderId"])), UNKNOWN),
    ("items that are not a list", answer(201, {"SMSMessageData": {"Recipients": item()}}), UNKNOWN),
    ("two items for one message", answer(201, listed(item(), item(messageId=OTHER_ID))), UNKNOWN),
    (
        "another number among two",
        answer(201, listed(item(number="+1"), item(number="+2"))),
        UNKNOWN,
    ),
    ("a wrong key", answer(401, b"The supplied authentication is invalid"), KEY),
    ("401 in HTML", answer(401, HTML), KEY),
    ("402", answer(402), NO_MONEY),
    ("403", answer(403), NotSent("The account is not allowed to send.", refuses_account=True)),
    ("429", answer(429, HTML), WAIT),
    ("429 with a wait", answer(429, b"", Retry_After="7"), replace(WAIT, retry_after_seconds=7.0)),
    (
        "409 with a refused item, as at night in Nigeria",
        answer(409, listed(refused(409, "DoNotDisturbRejection"), message="Sent to 0/1")),
        Rejected(REFUSES_MESSAGE[409]),
    ),
    (
        "409 with an accepted item",
        answer(409, listed(item())),
        replace(CONTRADICTION, reference=ID),
    ),
    ("409 with an item without a verdict", answer(409, listed(refused(500))), UNKNOWN),
    ("409 with an item for the account", answer(409, listed(refused(405))), UNKNOWN),
    ("409 without items", answer(409, listed(message="Sent to 0/1")), UNKNOWN),
    ("409 with nothing", answer(409), UNKNOWN),
    ("429 with items", answer(429, listed(item())), UNKNOWN),
    ("401 with items", answer(401, listed(item())), UNKNOWN),
    ("400 in a sentence", answer(400, b"Request is missing a field"), Rejected(REJECTED)),
    ("400 in HTML", answer(400, HTML), UNKNOWN),
    ("400 in JSON", answer(400, {"error": "no"}), UNKNOWN),
    ("400 with nothing", answer(400), UNKNOWN),
    ("404", answer(404, b"Not found"), UNKNOWN),
    ("500 with items", answer(500, listed(item())), UNKNOWN),
    ("500", answer(500, b"Internal server error"), UNKNOWN),
    ("503", answer(503, b"", Retry_After="7"), UNKNOWN),
    ("XML, as without the Accept header", answer(201, b"<AfricasTalkingResponse/>"), UNKNOWN),
    ("half a body", answer(201, b'{"SMSMessageData": {"Mess'), UNKNOWN),
    ("another shape", answer(201, {"SMSMessageData": [item()]}), UNKNOWN),
]


def account(exchange: Exchange, **changes: object) -> tuple[AfricasTalking, ScriptedTransport]:
    transport = ScriptedTransport(exchange)
    return AfricasTalking(replace(ACCOUNT, **changes), transport), transport  # type: ignore[arg-type]


@each(CASES)
async def test_a_reply_has_its_outcome(exchange: Exchange, expected: str | Outcome) -> None:
    outcome = await account(exchange)[0].send(ONE)
    assert agrees(outcome, expected), outcome
    assert agrees((await account(exchange)[0].send_many([ONE]))[0], expected)


async def test_a_message_that_is_held_keeps_its_id() -> None:
    outcome = await account(answer(201, listed(item(statusCode=401))))[0].send(ONE)
    assert isinstance(outcome, Unknown)
    assert outcome.reference == ID


async def test_in_a_reply_a_wrong_sender_is_the_messages_own_fault() -> None:
    reply = OutgoingMessage(ONE.number, "Hello", "number", "22384")
    assert await account(answer(201, listed(refused(402))))[0].send(reply) == Rejected(REJECTED)


async def test_an_account_may_know_further_codes() -> None:
    more = {"accepted_codes": "103, 104", "rejected_codes": "499"}
    assert await account(answer(201, listed(item(statusCode=104))), **more)[0].send(
        ONE
    ) == Accepted(ID)
    assert await account(answer(201, listed(refused(499))), **more)[0].send(ONE) == Rejected(
        REJECTED
    )


# The messages of a call, the exchange, and their outcomes.
TWO_ITEMS = listed(item(number=TWO.number, messageId=OTHER_ID), item())
THIRD = OutgoingMessage("+12025550102", "Hello")
BATCHES: list[tuple[str, list[OutgoingMessage], Exchange, list[str | Outcome]]] = [
    (
        "items in another order",
        [ONE, TWO],
        answer(201, TWO_ITEMS),
        [Accepted(ID), Accepted(OTHER_ID)],
    ),
    (
        "one of two refused",
        [ONE, TWO],
        answer(201, listed(item(), refused(403, number=TWO.number))),
        [Accepted(ID), Rejected(REFUSES_MESSAGE[403])],
    ),
    (
        "money for one of two",
        [ONE, TWO],
        answer(201, listed(item(), refused(405, number=TWO.number))),
        [Accepted(ID), NO_MONEY],
    ),
    (
        "a sender that is not registered in the country of one of two",
        [ONE, TWO],
        answer(201, listed(item(), refused(402, number=TWO.number))),
        [Accepted(ID), Rejected(REJECTED)],
    ),
    (
        "a sender that is refused for both",
        [ONE, TWO],
        answer(201, listed(refused(402), refused(402, number=TWO.number))),
        [SENDER] * 2,
    ),
    ("an item is missing", [ONE, TWO], answer(201, listed(item())), [Accepted(ID), UNKNOWN]),
    (
        "a number twice in the answer",
        [ONE, TWO],
        answer(201, listed(item(), item())),
        [UNKNOWN] * 2,
    ),
    (
        "an item too many",
        [ONE, TWO],
        answer(201, listed(item(), item(number=TWO.number, messageId=OTHER_ID), item(number="+9"))),
        [Accepted(ID), Accepted(OTHER_ID)],
    ),
    ("no items", [ONE, TWO], answer(201, listed()), [UNKNOWN] * 2),
    (
        "none sent",
        [ONE, TWO],
        answer(201, listed(message="Sent to 0/2 Total Cost: 0")),
        [ALONE] * 2,
    ),
    ("a refused call", [ONE, TWO], answer(400, b"Invalid request"), [ALONE] * 2),
    ("a refused account", [ONE, TWO], answer(401), [KEY] * 2),
    ("a lost call", [ONE, TWO], Unknown("It broke."), [UNKNOWN] * 2),
    ("another text", [ONE, TWO_OTHERWISE], answer(201, listed(item())), [Accepted(ID), LEFT]),
    ("a number twice", [ONE, ONE], answer(201, listed(item())), [Accepted(ID), LEFT]),
    ("no message", [], answer(201, listed()), []),
]


@pytest.mark.parametrize(
    ("messages", "exchange", "expected"),
    [each[1:] for each in BATCHES],
    ids=[each[0] for each in BATCHES],
)
async def test_a_batch_has_its_outcomes(
    messages: list[OutgoingMessage], exchange: Exchange, expected: list[str | Outcome]
) -> None:
    opened, transport = account(exchange)
    outcomes = await opened.send_many(messages)
    assert len(outcomes) == len(expected)
    assert all(map(agrees, outcomes, expected)), outcomes
    assert len(transport.requests) == bool(messages)


async def test_a_batch_has_a_limit() -> None:
    opened, transport = account(answer(201, listed()), largest_batch=2)
    with pytest.raises(ValueError, match="At most 2"):
        await opened.send_many([ONE, TWO, THIRD])
    assert transport.requests == []


@pytest.mark.parametrize(
    ("balance", "raw", "units"),
    [("KES 1785.50", "1785.50 KES", 2231), ("UGX 0", "0 UGX", 0), (" KES -0.5 ", "-0.5 KES", -1)],
)
async def test_a_balance_is_counted_in_messages(balance: str, raw: str, units: int) -> None:
    opened, transport = account(answer(200, {"UserData": {"balance": balance}}))
    reading = await opened.balance()
    assert (reading.raw, int(reading.value)) == (raw, units)
    assert transport.requests[0].path == "/version1/user?username=kanda"


@pytest.mark.parametrize(
    "exchange",
    [
        NotSent("Refused."),
        Unknown("It broke."),
        answer(401, b"The supplied authentication is invalid"),
        answer(429),
        answer(500, {"UserData": {"balance": "KES 1"}}),
        answer(200, HTML),
        answer(200),
        answer(200, {"UserData": {"balance": "1785.50"}}),
        answer(200, {"UserData": {"balance": "KES 1,785.50"}}),
        answer(200, {"UserData": {"balance": "Ksh 5"}}),
        answer(200, {"UserData": {"balance": 5}}),
        answer(200, {"UserData": "KES 5"}),
    ],
)
async def test_anything_else_is_not_a_balance(exchange: Exchange) -> None:
    with pytest.raises(ProviderUnavailable) as unavailable:
        await account(exchange)[0].balance()
    assert "Talking" not in str(unavailable.value)


@pytest.mark.parametrize(
    "change",
    [{"credentials": None}, {"unit_cost": None}, {"accepted_codes": "a"}, {"rejected_codes": "1,"}],
)
def test_an_account_needs_a_sign_in_a_cost_and_codes_that_are_numbers(
    change: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match=r"(needs|whole numbers)"):
        account(answer(200), **change)
