"""Every reply of ExtremeSMS and the outcome it is: the table of cases of the adapter."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from domain.errors import ProviderUnavailable
from domain.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from domain.provider import Outgoing, Reading
from providers import extreme
from providers.extreme import ExtremeSMS
from providers.transport import Exchange, Lost, NotConnected
from tests.providers.scripted import CONFIG, ScriptedTransport, answer

ID = "652f1c0d9e8b7a6655443322"
OTHER_ID = "652f1c0d9e8b7a6655443323"
HTML = b"<!DOCTYPE html><html><body>Not here</body></html>"
ONE = Outgoing("+12025550100", "Hello")
TWO = Outgoing("+12025550101", "Hello")
TWO_OTHERWISE = Outgoing("+12025550101", "Good day")

NO_NUMBER = {"success": False, "error": "Invalid recipient", "code": "INVALID_RECIPIENT"}
NO_PARAMS = {"success": False, "error": "Invalid parameters", "code": "INVALID_PARAMS"}
NO_CREDITS = {"success": False, "error": "No credits", "code": "INSUFFICIENT_CREDITS"}
SAYS_NO = {"success": False, "error": "Sorry"}

# What any call may be answered, and what that means for each message in it.
UNKNOWN = "unknown"
SHARED: list[tuple[str, Exchange, str | NotSent]] = [
    ("a connection that was never made", NotConnected("Refused."), NotSent("Refused.")),
    ("a line that broke", Lost("The line broke."), UNKNOWN),
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
    ("429", answer(429, SAYS_NO), NotSent("The network asked to wait.")),
    ("429 with nothing", answer(429), NotSent("The network asked to wait.")),
    ("429 in HTML", answer(429, HTML), NotSent("The network asked to wait.")),
    (
        "429 with seconds to wait",
        answer(429, SAYS_NO, Retry_After="7"),
        NotSent("The network asked to wait.", retry_after_seconds=7.0),
    ),
    (
        "429 with a date that is past",
        answer(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        NotSent("The network asked to wait.", retry_after_seconds=0.0),
    ),
    (
        "429 with a wait that is none",
        answer(429, Retry_After="soon"),
        NotSent("The network asked to wait."),
    ),
    (
        "503 that says no",
        answer(503, SAYS_NO, Retry_After="9"),
        NotSent("The network asked to wait.", retry_after_seconds=9.0),
    ),
    (
        "503 with an error alone",
        answer(503, {"error": "Closed"}),
        NotSent("The network asked to wait."),
    ),
    (
        "503 with nothing but a wait",
        answer(503, b"", Retry_After="9"),
        NotSent("The network asked to wait.", retry_after_seconds=9.0),
    ),
    ("503 with nothing", answer(503), UNKNOWN),
    ("503 in HTML", answer(503, HTML), UNKNOWN),
    ("503 in HTML with a wait", answer(503, HTML, Retry_After="9"), UNKNOWN),
    ("503 in JSON of somebody else", answer(503, {"message": "no healthy upstream"}), UNKNOWN),
    ("500", answer(500, SAYS_NO), UNKNOWN),
    ("500 in HTML", answer(500, HTML), UNKNOWN),
    ("502", answer(502, HTML), UNKNOWN),
    ("504", answer(504, HTML), UNKNOWN),
    ("404 in HTML, a wrong path", answer(404, HTML), UNKNOWN),
    ("404 in JSON", answer(404, SAYS_NO), UNKNOWN),
    ("408", answer(408), UNKNOWN),
    ("413", answer(413, HTML), UNKNOWN),
    ("a redirect", answer(302, b"", Location="http://127.0.0.1/"), UNKNOWN),
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
    ("200 in HTML", answer(200, HTML), UNKNOWN),
    ("200 with nothing", answer(200), UNKNOWN),
    ("204", answer(204), UNKNOWN),
    ("200 with half a JSON", answer(200, b'{"success":true,"messageId":"65'), UNKNOWN),
    ("200 with a list", answer(200, [True]), UNKNOWN),
    ("200 with a number", answer(200, 1), UNKNOWN),
    ("200 with null", answer(200, None), UNKNOWN),
    ("200 with an empty object", answer(200, {}), UNKNOWN),
    ("200 without success", answer(200, {"messageId": ID, "status": "queued"}), UNKNOWN),
    ("200 with success as text", answer(200, {"success": "true", "messageId": ID}), UNKNOWN),
    ("200 with success as a number", answer(200, {"success": 1, "messageId": ID}), UNKNOWN),
    ("200 that says no, for no reason", answer(200, SAYS_NO), UNKNOWN),
    ("200 that is not UTF-8", answer(200, b'{"success":true,"messageId":"\xff"}'), UNKNOWN),
    ("200 with JSON too deep to read", answer(200, b"[" * 100_000), UNKNOWN),
    ("200 with an endless number", answer(200, b'{"success":' + b"1" * 10_000 + b"}"), UNKNOWN),
]
NAMES = [name for name, _, _ in SHARED]


def account(exchange: Exchange) -> ExtremeSMS:
    return ExtremeSMS(CONFIG, ScriptedTransport(exchange))


def agrees(outcome: Outcome, expected: str | Outcome) -> bool:
    if expected == UNKNOWN:
        return isinstance(outcome, Unknown) and bool(outcome.reason)
    return outcome == expected


@pytest.mark.parametrize(("exchange", "expected"), [case[1:] for case in SHARED], ids=NAMES)
async def test_each_reply_is_one_outcome_for_a_single_message(
    exchange: Exchange, expected: str | Outcome
) -> None:
    outcome = await account(exchange).send(ONE)
    assert agrees(outcome, expected), outcome


@pytest.mark.parametrize("second", [TWO, TWO_OTHERWISE], ids=["one text", "many texts"])
@pytest.mark.parametrize(("exchange", "expected"), [case[1:] for case in SHARED], ids=NAMES)
async def test_each_reply_is_the_same_outcome_for_all_messages_of_a_call(
    exchange: Exchange, expected: str | Outcome, second: Outgoing
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
        ({"success": True, "messageId": ID, "status": "failed"}, UNKNOWN),
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
    body: dict[str, object], second: Outgoing
) -> None:
    outcomes = await account(answer(400, body)).send_many([ONE, second])
    assert outcomes == [NotSent("A call for many was refused as a whole.", alone=True)] * 2


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
    said = {"success": True, "messageIds": ids, "totalSent": 2, "status": "queued"}
    assert await account(answer(200, said)).send_many([ONE, TWO]) == expected


async def test_a_call_without_references_says_so_and_nothing_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        await account(answer(200, {"success": True, "messageIds": [ID]})).send_many([ONE, TWO])
    assert caplog.messages == ["2 messages were taken without references: 1 given"]


def item(number: str | None, message_id: str | None = None, **more: object) -> dict[str, object]:
    return {"recipient": number, "messageId": message_id, "status": "queued", **more}


TAKEN, TAKEN_TOO = item(ONE.number, ID), item(TWO.number, OTHER_ID)
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
    said = {"success": True, "results": results, "totalSent": 2, "totalFailed": 0}
    outcomes = await account(answer(200, said)).send_many([ONE, TWO_OTHERWISE])
    assert len(outcomes) == 2
    assert all(map(agrees, outcomes, expected)), outcomes


async def test_two_texts_to_one_number_are_told_apart_by_position_alone() -> None:
    twice = [ONE, Outgoing(ONE.number, "Again")]
    in_order = {"success": True, "results": [TAKEN, item(ONE.number, OTHER_ID)]}
    assert await account(answer(200, in_order)).send_many(twice) == BOTH
    one_of_them = {"success": True, "results": [TAKEN]}
    outcomes = await account(answer(200, one_of_them)).send_many(twice)
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)


async def test_failures_without_items_leave_all_messages_unknown() -> None:
    said = {"success": True, "totalSent": 1, "totalFailed": 1}
    outcomes = await account(answer(200, said)).send_many([ONE, TWO_OTHERWISE])
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)


@pytest.mark.parametrize("status", [200, 207, 400])
async def test_items_are_read_where_all_of_them_failed(status: int) -> None:
    said = {"success": False, "results": [{**FAILED, "recipient": ONE.number}, FAILED]}
    outcomes = await account(answer(status, said)).send_many([ONE, TWO_OTHERWISE])
    assert outcomes == [Rejected("The network refused this message.")] * 2


async def test_an_item_that_was_taken_in_a_call_that_failed_is_unknown() -> None:
    said = {"success": False, "results": [TAKEN, FAILED]}
    first, second = await account(answer(200, said)).send_many([ONE, TWO_OTHERWISE])
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
    messages: list[Outgoing], path: str, body: object
) -> None:
    transport = ScriptedTransport(answer(500))
    await ExtremeSMS(CONFIG, transport).send_many(messages)
    (asked,) = transport.asked
    assert (asked.method, asked.path, asked.body) == ("POST", path, body)
    assert asked.headers["Authorization"] == "Bearer not-to-be-seen"


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
    await ExtremeSMS(CONFIG, transport).send(Outgoing(ONE.number, "Hello", modem, port))
    assert transport.asked[0].body == {"recipient": ONE.number, "message": "Hello", **named}


async def test_text_beyond_ascii_arrives_as_it_was_written() -> None:
    transport = ScriptedTransport(answer(500))
    await ExtremeSMS(CONFIG, transport).send(Outgoing(ONE.number, 'Ünï "🎉" \n'))
    assert transport.asked[0].body == {"recipient": ONE.number, "message": 'Ünï "🎉" \n'}


async def test_nothing_is_asked_for_no_messages() -> None:
    transport = ScriptedTransport(answer(500))
    assert await ExtremeSMS(CONFIG, transport).send_many([]) == []
    assert transport.asked == []


@pytest.mark.parametrize("messages", [[ONE] * 101, [ONE, Outgoing(TWO.number, "Hello", modem="7")]])
async def test_a_batch_that_cannot_be_one_is_refused_before_anything_is_sent(
    messages: list[Outgoing],
) -> None:
    transport = ScriptedTransport(answer(200, {"success": True}))
    with pytest.raises(ValueError, match="call"):
        await ExtremeSMS(CONFIG, transport).send_many(messages)
    assert transport.asked == []


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
    said = b'{"success":true,"balance":' + word + b',"currency":"credits"}'
    assert await account(answer(200, said)).balance() == Reading(raw, Decimal(raw))


@pytest.mark.parametrize(
    "word",
    [
        b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity", b"1e3", b"1e999999999",
        b'"NaN"', b'"1,000"', b'"250 credits"', b'""', b'"\\u0661"', b"[250]", b'{"value":250}',
        b"1000000000000000", b"9" * 5000,
    ],
)  # fmt: skip
async def test_a_balance_that_is_no_plain_figure_is_not_guessed(word: bytes) -> None:
    with pytest.raises(ProviderUnavailable):
        await account(answer(200, b'{"success":true,"balance":' + word + b"}")).balance()


@pytest.mark.parametrize(
    "exchange",
    [
        NotConnected("Refused."),
        Lost("Broken."),
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
async def test_a_balance_that_cannot_be_had_is_unavailable_in_our_words(exchange: Exchange) -> None:
    with pytest.raises(ProviderUnavailable) as refusal:
        await account(exchange).balance()
    assert refusal.value.reason.startswith("The SMS network ")


@pytest.mark.parametrize("exchange", [case[1] for case in SHARED], ids=NAMES)
async def test_no_outcome_names_the_provider_its_key_a_modem_or_a_number(
    exchange: Exchange,
) -> None:
    reply = Outgoing(ONE.number, "Hello", modem="modem-77", port="port-88")
    said = repr(await account(exchange).send(reply)).lower()
    for secret in ("extreme", "127.0.0.1", "not-to-be-seen", "modem", "port-88", "2025550100"):
        assert secret not in said


async def test_closing_the_account_closes_its_transport() -> None:
    transport = ScriptedTransport(answer(500))
    provider = ExtremeSMS(CONFIG, transport)
    await provider.send(ONE)
    await provider.close()
    assert transport.asked == []
