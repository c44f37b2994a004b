"""Every reply of EgoSMS and its outcome: the table of cases of both APIs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import Accepted, Credentials, NotSent, Outcome, Reading, Rejected, Unknown
from providers.egosms import REJECTED, UNREADABLE, EgoSMSJson, EgoSMSPlain
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

LOGIN = NotSent("The account's user name or password was refused.", refuses_account=True)
NO_USER = NotSent("The account does not exist or is not active.", refuses_account=True)
NO_MONEY = NotSent("The account has no money left.", refuses_account=True)
INCOMPLETE = NotSent("The account's settings are incomplete.", refuses_account=True)
CODE = "FUC-2026"
OK = {"Status": "OK", "Message": "Success", "MsgFollowUpUniqueCode": CODE, "Cost": 0.5}


def failed(message: object) -> dict[str, object]:
    return {"Status": "Failed", "Message": message}


# What any call of both APIs may be answered.
SHARED: list[Case] = [
    *COMMON,
    *nonsense(200, OK),
    ("401", answer(401, b"no"), LOGIN),
    ("401 in HTML", answer(401, HTML), LOGIN),
    ("402", answer(402), NO_MONEY),
    ("403", answer(403), NotSent("The account is not allowed to send.", refuses_account=True)),
    ("429", answer(429), WAIT),
    (
        "429 with a wait",
        answer(429, HTML, Retry_After="7"),
        replace(WAIT, retry_after_seconds=7.0),
    ),
    ("429 that claims success", answer(429, OK), UNKNOWN),
    ("401 that claims success", answer(401, OK), UNKNOWN),
    ("401 that says Ok", answer(401, b"Ok"), UNKNOWN),
    ("500", answer(500, b"Invalid number"), UNKNOWN),
    ("500 that says Ok", answer(500, b"Ok"), UNKNOWN),
    ("500 with status OK", answer(500, OK), UNKNOWN),
    ("503 with nothing", answer(503), UNKNOWN),
    ("200 with blanks", answer(200, b" \r\n"), UNKNOWN),
]

PLAIN: list[Case] = [
    ("Ok", answer(200, b"Ok"), Accepted(None)),
    ("OK in capitals, with blanks", answer(200, b" OK \r\n"), Accepted(None)),
    ("Sent", answer(200, b"Sent"), Accepted(None)),
    ("sent", answer(200, b"sent."), Accepted(None)),
    ("a wrong login", answer(200, b"Wrong UserName Or Password"), LOGIN),
    ("a wrong login, otherwise", answer(200, b"wrong username or password. "), LOGIN),
    ("an empty value", answer(200, b"One Of The Values Is Empty"), INCOMPLETE),
    ("no money", answer(200, b"Money Not Enough To Send This Batch of Msgs."), NO_MONEY),
    ("no user", answer(200, b"That user does not exist or user not active"), NO_USER),
    ("another sentence", answer(200, b"Invalid number format"), Rejected(REJECTED)),
    ("a refusal with the word sent", answer(200, b"Message not sent"), Rejected(REJECTED)),
    ("a sentence of a success", answer(200, b"Message sent successfully"), UNKNOWN),
    *(
        (words, answer(200, words.encode()), UNKNOWN)
        for words in (
            "Request received and being processed",
            "Message submitted to the network",
            "Already delivered to this number",
            "Your message is scheduled",
        )
    ),
    *(
        (words, answer(200, words.encode()), Rejected(REJECTED))
        for words in (
            "Unable to process the request",
            "Message was rejected, and is pending review",
            "No credit received",
        )
    ),
    ("Ok and more", answer(200, b"Ok 1 message"), UNKNOWN),
    ("Ok after a byte order mark", answer(200, b"\xef\xbb\xbfOk"), Accepted(None)),
    ("Ok in quotes", answer(200, b'"Ok"'), Accepted(None)),
    (
        "no money, after a byte order mark",
        answer(200, b"\xef\xbb\xbfMoney Not Enough To Send This Batch of Msgs."),
        NO_MONEY,
    ),
    ("a wrong login, in quotes", answer(200, b'"Wrong UserName Or Password"'), LOGIN),
    ("a text of many lines", answer(200, b"Fatal error\non line 3"), UNKNOWN),
    ("a long text", answer(200, b"word " * 60), UNKNOWN),
    ("markup without html", answer(200, b"<b>Warning</b>: mysql"), UNKNOWN),
    ("the answer of the JSON API", answer(200, OK), UNKNOWN),
    ("one word", answer(200, b"Array"), UNKNOWN),
    ("half an Ok", answer(200, b"O"), UNKNOWN),
]

JSON: list[Case] = [
    ("OK", answer(200, OK), Accepted(CODE)),
    ("ok in small letters", answer(200, OK | {"Status": "ok"}), Accepted(CODE)),
    ("a key that is not documented", answer(200, OK | {"Currency": "UGX"}), Accepted(CODE)),
    ("a cost as text", answer(200, OK | {"Cost": "0.50"}), Accepted(CODE)),
    ("OK with a message that sounds like an error", answer(200, OK | failed("x") | OK),
     Accepted(CODE)),
    ("OK without a code", answer(200, {"Status": "OK", "Message": "Success"}), Accepted(None)),
    ("OK with a code of a wrong type", answer(200, OK | {"MsgFollowUpUniqueCode": [1]}),
     Accepted(None)),
    ("invalid credentials", answer(200, failed("Invalid credentials")), LOGIN),
    ("no money", answer(200, failed("Insufficient balance")), NO_MONEY),
    ("no money in a 400", answer(400, failed("Insufficient Balance.")), NO_MONEY),
    ("no user", answer(200, failed("That user does not exist or user not active")), NO_USER),
    ("another reason", answer(200, failed("Invalid number")), Rejected(REJECTED)),
    ("failed, with words of a success", answer(200, failed("Some messages were sent")), UNKNOWN),
    ("failed without a reason", answer(200, {"Status": "Failed"}), UNKNOWN),
    ("failed with a reason of a wrong type", answer(200, failed(["x"])), UNKNOWN),
    ("failed, but it names a code", answer(200, failed("x") | {"MsgFollowUpUniqueCode": CODE}),
     UNKNOWN),
    ("400 with status OK", answer(400, OK), UNKNOWN),
    ("500 with status Failed", answer(500, failed("Invalid number")), UNKNOWN),
    ("503 with status Failed", answer(503, failed("Closed"), Retry_After="9"),
     replace(WAIT, retry_after_seconds=9.0)),
    ("another status", answer(200, OK | {"Status": "Pending"}), UNKNOWN),
    ("a status of a wrong type", answer(200, OK | {"Status": True}), UNKNOWN),
    ("no status", answer(200, {"Message": "Success"}), UNKNOWN),
    ("a sentence", answer(200, b"Invalid number"), UNKNOWN),
    ("half an answer", answer(200, b'{"Status":"OK","Mess'), UNKNOWN),
]  # fmt: skip

CREDENTIALS = Credentials("a school", "pass & word+é")
EGO = replace(CONFIG, credentials=CREDENTIALS, sender="Kanda")


def plain(exchange: Exchange) -> EgoSMSPlain:
    return EgoSMSPlain(EGO, ScriptedTransport(exchange))


def in_json(exchange: Exchange) -> EgoSMSJson:
    return EgoSMSJson(EGO, ScriptedTransport(exchange))


@each(SHARED + PLAIN)
async def test_a_reply_of_the_plain_api_has_its_outcome(
    exchange: Exchange, expected: str | Outcome
) -> None:
    assert agrees(await plain(exchange).send(ONE), expected)


@each(SHARED + JSON)
async def test_a_reply_of_the_json_api_has_its_outcome(
    exchange: Exchange, expected: str | Outcome
) -> None:
    assert agrees(await in_json(exchange).send(ONE), expected)


@each(SHARED + JSON)
async def test_a_reply_of_the_json_api_counts_for_all_messages_of_a_call(
    exchange: Exchange, expected: str | Outcome
) -> None:
    if isinstance(expected, Rejected):
        expected = NotSent("A call for many was refused as a whole.", alone=True)
    outcomes = await in_json(exchange).send_many([ONE, TWO])
    assert len(outcomes) == 2
    assert all(agrees(outcome, expected) for outcome in outcomes)


async def test_a_number_is_named_once_in_a_call() -> None:
    outcomes = await in_json(answer(200, OK)).send_many([ONE, TWO, TWO_OTHERWISE])
    twice = NotSent("The number was in the call already.", alone=True)
    assert outcomes == [Accepted(CODE), Accepted(CODE), twice]


async def test_a_batch_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="Only one"):
        await plain(answer(200, b"Ok")).send_many([ONE, TWO])
    account = in_json(answer(200, OK))
    with pytest.raises(ValueError, match="At most 100"):
        await account.send_many([ONE] * 101)


REFUSED = "The SMS network refused the account. "
NONSENSE: list[tuple[Exchange, str]] = [
    (Unknown("x"), "The SMS network cannot be reached at the moment. Try again later."),
    (NotSent("x"), "The SMS network cannot be reached at the moment. Try again later."),
    (answer(429), "The SMS network cannot be reached at the moment. Try again later."),
    (answer(401), REFUSED + LOGIN.reason),
    (answer(500, b"70000"), UNREADABLE),
    (answer(200, HTML), UNREADABLE),
    (answer(200), UNREADABLE),
    (answer(200, b"null"), UNREADABLE),
]


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        *NONSENSE,
        (answer(200, b"Wrong UserName Or Password"), REFUSED + LOGIN.reason),
        (answer(200, b"Database error"), UNREADABLE),
        (answer(200, b"UGX 70000"), UNREADABLE),
        (answer(200, b"70000 UGX"), UNREADABLE),
        (answer(200, b"70,000"), UNREADABLE),
        (answer(200, b"7e4"), UNREADABLE),
        (answer(200, b"NaN"), UNREADABLE),
        (answer(200, "７００".encode()), UNREADABLE),
        (answer(200, b"70000\n<br>"), UNREADABLE),
    ],
)
async def test_the_plain_api_does_not_say_a_balance(exchange: Exchange, message: str) -> None:
    with pytest.raises(ProviderUnavailable) as refused:
        await plain(exchange).balance()
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        *NONSENSE,
        (answer(200, failed("Invalid credentials")), REFUSED + LOGIN.reason),
        (answer(200, failed("Sorry")), UNREADABLE),
        (answer(200, failed("x") | {"Balance": 70000}), UNREADABLE),
        (answer(200, {"Status": "OK", "Balance": "UGX 70000"}), UNREADABLE),
        (answer(200, {"Status": "OK", "Balance": "70,000"}), UNREADABLE),
        (answer(200, {"Status": "OK", "Balance": None}), UNREADABLE),
        (answer(200, {"Status": "OK", "Balance": True}), UNREADABLE),
        (answer(200, {"Status": "OK", "Balance": [1]}), UNREADABLE),
        (answer(200, {"Status": "OK"}), UNREADABLE),
        (answer(200, b'{"Status":"OK","Balance":NaN}'), UNREADABLE),
        (answer(200, b"70000"), UNREADABLE),
    ],
)
async def test_the_json_api_does_not_say_a_balance(exchange: Exchange, message: str) -> None:
    with pytest.raises(ProviderUnavailable) as refused:
        await in_json(exchange).balance()
    assert str(refused.value) == message


@pytest.mark.parametrize("word", ["70000", "0", "70000.50", "-35"])
async def test_a_balance_is_kept_as_it_was_written(word: str) -> None:
    expected = Reading(word, Decimal(word))
    assert await plain(answer(200, f" {word}\r\n".encode())).balance() == expected
    assert await plain(answer(200, f"\ufeff{word}".encode())).balance() == expected
    as_number = f'{{"Status":"OK","Message":"Success","Balance":{word}}}'.encode()
    assert await in_json(answer(200, as_number)).balance() == expected
    as_text = {"Status": "ok", "Balance": word, "Currency": "UGX"}
    assert await in_json(answer(200, as_text)).balance() == expected
