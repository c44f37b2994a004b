"""How the adapter calls ExtremeSMS, and how it reads answers for many messages and balances."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Reading, Rejected, Unknown
from providers import extreme
from providers.extreme import CONTRADICTION, ExtremeSMS
from providers.transport import Exchange
from tests.providers.scripted import (
    CONFIG,
    HTML,
    ID,
    ONE,
    OTHER_ID,
    TWO,
    TWO_OTHERWISE,
    UNKNOWN,
    ScriptedTransport,
    account,
    agrees,
    answer,
)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([ID, OTHER_ID], [Accepted(ID), Accepted(OTHER_ID)]),
        ([ID], [Accepted(None)] * 2),
        ([ID, OTHER_ID, "x"], [Accepted(None)] * 2),
        ([ID, OTHER_ID, OTHER_ID], [Accepted(None)] * 2),
        ([ID, ID], [Accepted(None)] * 2),
        ([ID, None], [Accepted(None)] * 2),
        ([ID, {"id": OTHER_ID}], [Accepted(None)] * 2),
        ([], [Accepted(None)] * 2),
        (None, [Accepted(None)] * 2),
        ("ab", [Accepted(None)] * 2),
    ],
)
async def test_references_of_one_text_are_taken_in_order_only_if_each_message_has_its_own(
    ids: object, expected: list[Outcome]
) -> None:
    content = {"success": True, "messageIds": ids, "totalSent": 2, "status": "queued"}
    assert await account(answer(200, content)).send_many([ONE, TWO]) == expected


async def test_a_call_without_references_says_so_and_nothing_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        await account(answer(200, {"success": True, "messageIds": [ID]})).send_many([ONE, TWO])
    assert caplog.messages == ["2 messages accepted without references: 1 in the response"]


def item(number: str | None, message_id: str | None = None, **more: object) -> dict[str, object]:
    return {"recipient": number, "messageId": message_id, "status": "queued", **more}


TAKEN, TAKEN_TOO = item(ONE.number, ID), item(TWO.number, OTHER_ID)
REFUSED = "The network refused this message."
FAILED = item(TWO.number, None, status="failed", error="Nope")
BOTH = [Accepted(ID), Accepted(OTHER_ID)]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([TAKEN, TAKEN_TOO], BOTH),
        ([TAKEN_TOO, TAKEN], BOTH),
        ([item(None, ID), item(None, OTHER_ID)], BOTH),
        ([item("12025550100", ID), item("1 (202) 555-0101", OTHER_ID)], BOTH),
        ([item(ONE.number, ID, status=None), item(TWO.number, OTHER_ID, status="new")], BOTH),
        ([TAKEN, FAILED], [Accepted(ID), Rejected("The network refused this message.")]),
        ([FAILED, TAKEN], [Accepted(ID), Rejected("The network refused this message.")]),
        (
            [TAKEN, {**FAILED, "code": "INVALID_RECIPIENT"}],
            [Accepted(ID), Rejected(extreme.REFUSES_MESSAGE["INVALID_RECIPIENT"])],
        ),
        (
            [TAKEN, {**FAILED, "code": "INSUFFICIENT_CREDITS"}],
            [Accepted(ID), NotSent("The account has no credits left.", refuses_account=True)],
        ),
        ([TAKEN, {**FAILED, "status": "Failed"}], [Accepted(ID), Rejected(REFUSED)]),
        (
            [TAKEN, {**FAILED, "messageId": OTHER_ID, "status": "FAILED"}],
            [Accepted(ID), Unknown(CONTRADICTION, OTHER_ID)],
        ),
        (
            [TAKEN, {**FAILED, "code": "invalid_recipient"}],
            [Accepted(ID), Rejected(extreme.REFUSES_MESSAGE["INVALID_RECIPIENT"])],
        ),
        ([TAKEN, item(TWO.number)], [Accepted(ID), Accepted(None)]),
        ([TAKEN, item(TWO.number, ID)], [Accepted(None), Accepted(None)]),
        ([TAKEN, item(TWO.number, status="?")], [Accepted(ID), UNKNOWN]),
        ([TAKEN, item("+12025550199", OTHER_ID)], [Accepted(ID), UNKNOWN]),
        ([TAKEN], [Accepted(ID), UNKNOWN]),
        ([TAKEN, TAKEN], [UNKNOWN, UNKNOWN]),
        ([TAKEN, None], [Accepted(ID), UNKNOWN]),
        ([TAKEN, "queued"], [Accepted(ID), UNKNOWN]),
        ([item(None, ID)], [UNKNOWN, UNKNOWN]),
        ([[], {}], [UNKNOWN, UNKNOWN]),
        ([], [Accepted(None)] * 2),
        (None, [Accepted(None)] * 2),
        (True, [Accepted(None)] * 2),
    ],
)
async def test_each_message_of_many_texts_has_the_outcome_that_its_own_item_names(
    results: object, expected: list[str | Outcome]
) -> None:
    content = {"success": True, "results": results, "totalSent": 2, "totalFailed": 0}
    outcomes = await account(answer(200, content)).send_many([ONE, TWO_OTHERWISE])
    assert len(outcomes) == 2
    assert all(map(agrees, outcomes, expected)), outcomes


async def test_two_texts_to_one_number_are_matched_by_position_only() -> None:
    twice = [ONE, OutgoingMessage(ONE.number, "Again")]
    in_order = {"success": True, "results": [TAKEN, item(ONE.number, OTHER_ID)]}
    assert await account(answer(200, in_order)).send_many(twice) == BOTH
    one_of_them = {"success": True, "results": [TAKEN]}
    outcomes = await account(answer(200, one_of_them)).send_many(twice)
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)


async def test_failures_without_items_leave_all_messages_unknown() -> None:
    content = {"success": True, "totalSent": 1, "totalFailed": 1}
    outcomes = await account(answer(200, content)).send_many([ONE, TWO_OTHERWISE])
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)


@pytest.mark.parametrize("status", [200, 207, 400])
async def test_items_are_read_if_all_of_them_failed(status: int) -> None:
    content = {"success": False, "results": [{**FAILED, "recipient": ONE.number}, FAILED]}
    outcomes = await account(answer(status, content)).send_many([ONE, TWO_OTHERWISE])
    assert outcomes == [Rejected("The network refused this message.")] * 2


@pytest.mark.parametrize("status", [402, 429, 500, 503])
async def test_items_of_a_refused_call_make_the_messages_unknown(status: int) -> None:
    content = {"success": False, "results": [{**FAILED, "recipient": ONE.number}, FAILED]}
    outcomes = await account(answer(status, content)).send_many([ONE, TWO_OTHERWISE])
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)


@pytest.mark.parametrize("messages", [[ONE], [ONE, TWO]])
async def test_items_are_ignored_in_a_call_with_one_text(messages: list[OutgoingMessage]) -> None:
    content = {"success": False, "results": [TAKEN, TAKEN_TOO]}
    outcomes = await account(answer(200, content)).send_many(messages)
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)


async def test_an_item_that_was_taken_in_a_call_that_failed_is_unknown() -> None:
    content = {"success": False, "results": [TAKEN, FAILED]}
    first, second = await account(answer(200, content)).send_many([ONE, TWO_OTHERWISE])
    assert isinstance(first, Unknown)
    assert isinstance(second, Rejected)


@pytest.mark.parametrize(
    ("messages", "path", "body"),
    [
        ([ONE], extreme.SEND_ONE, {"recipient": ONE.number, "message": "Hello"}),
        (
            [ONE, TWO],
            extreme.SEND_ONE_TEXT,
            {"recipients": [ONE.number, TWO.number], "content": "Hello"},
        ),
        (
            [ONE, TWO_OTHERWISE],
            extreme.SEND_MANY_TEXTS,
            [
                {"recipient": ONE.number, "content": "Hello"},
                {"recipient": TWO.number, "content": "Good day"},
            ],
        ),
    ],
)
async def test_one_request_is_made_in_the_shape_that_fits(
    messages: list[OutgoingMessage], path: str, body: object
) -> None:
    transport = ScriptedTransport(answer(500))
    await ExtremeSMS(CONFIG, transport).send_many(messages)
    (requested,) = transport.requests
    assert (requested.method, requested.path, requested.body) == ("POST", path, body)
    assert requested.headers["Authorization"] == "Bearer not-to-be-seen"


@pytest.mark.parametrize(
    ("modem", "port", "named"),
    [
        ("7", "3", {"usemodem": "7", "port": "3"}),
        ("7", None, {"usemodem": "7"}),
        (None, "3", {"port": "3"}),
        (None, None, {}),
    ],
)
async def test_a_reply_names_its_modem_and_port(
    modem: str | None, port: str | None, named: dict[str, str]
) -> None:
    transport = ScriptedTransport(answer(500))
    await ExtremeSMS(CONFIG, transport).send(OutgoingMessage(ONE.number, "Hello", modem, port))
    assert transport.requests[0].body == {"recipient": ONE.number, "message": "Hello", **named}


async def test_text_beyond_ascii_arrives_as_it_was_written() -> None:
    transport = ScriptedTransport(answer(500))
    await ExtremeSMS(CONFIG, transport).send(OutgoingMessage(ONE.number, 'Ünï "🎉" \n'))
    assert transport.requests[0].body == {"recipient": ONE.number, "message": 'Ünï "🎉" \n'}


async def test_no_messages_cause_no_call() -> None:
    transport = ScriptedTransport(answer(500))
    assert await ExtremeSMS(CONFIG, transport).send_many([]) == []
    assert transport.requests == []


@pytest.mark.parametrize(
    "messages", [[ONE] * 101, [ONE, OutgoingMessage(TWO.number, "Hello", modem="7")]]
)
async def test_an_invalid_batch_is_refused_before_anything_is_sent(
    messages: list[OutgoingMessage],
) -> None:
    transport = ScriptedTransport(answer(200, {"success": True}))
    with pytest.raises(ValueError, match="call"):
        await ExtremeSMS(CONFIG, transport).send_many(messages)
    assert transport.requests == []


@pytest.mark.parametrize(
    ("word", "raw"),
    [
        (b"250", "250"),
        (b"0", "0"),
        (b"-3", "-3"),
        (b"250.75", "250.75"),
        (b"0.10", "0.10"),
        (b"249.99999999999997", "249.99999999999997"),
        (b'"250"', "250"),
        (b'" 250.5 "', "250.5"),
        (b"999999999999999", "999999999999999"),
    ],
)
async def test_a_balance_is_read_exactly_as_it_was_written(word: bytes, raw: str) -> None:
    content = b'{"success":true,"balance":' + word + b',"currency":"credits"}'
    assert await account(answer(200, content)).balance() == Reading(raw, Decimal(raw))


@pytest.mark.parametrize(
    "word",
    [
        b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity", b"1e3", b"1e999999999",
        b'"NaN"', b'"1,000"', b'"250 credits"', b'""', b'"\\u0661"', b"[250]", b'{"value":250}',
        b"1000000000000000", b"9" * 5000,
    ],
)  # fmt: skip
async def test_a_balance_that_is_not_a_plain_figure_is_not_guessed(word: bytes) -> None:
    with pytest.raises(ProviderUnavailable):
        await account(answer(200, b'{"success":true,"balance":' + word + b"}")).balance()


@pytest.mark.parametrize(
    "exchange",
    [
        NotSent("Refused."),
        Unknown("Broken."),
        answer(200, {"balance": 250}),
        answer(200, {"success": False, "balance": 250}),
        answer(200, {"success": True}),
        answer(200, HTML),
        answer(200, b""),
        answer(200, b'{"success":true,"balance":25'),
        answer(200, [250]),
        answer(200, b"[" * 100_000),
        answer(401, {"error": "Invalid API key"}),
        answer(403, HTML),
        answer(404, HTML),
        answer(429, {"success": True, "balance": 250}),
        answer(500, {"success": True, "balance": 250}),
        answer(503, HTML),
    ],
)
async def test_a_balance_that_cannot_be_read_is_unavailable_in_our_words(
    exchange: Exchange,
) -> None:
    with pytest.raises(ProviderUnavailable) as refusal:
        await account(exchange).balance()
    assert refusal.value.reason.startswith("The SMS network ")


async def test_closing_the_account_closes_its_transport() -> None:
    transport = ScriptedTransport(answer(500))
    provider = ExtremeSMS(CONFIG, transport)
    await provider.send(ONE)
    await provider.close()
    assert transport.requests == []
