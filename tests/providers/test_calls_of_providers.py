"""What providers call us with is read leniently, and what makes no sense is told apart."""

from __future__ import annotations

import json

import pytest

from domain.inbox.webhooks import InboundCall, Malformed, Parsed, ReportCall, key_of
from domain.outcomes import Verdict
from domain.sending.sends import Line
from providers import egosms, extreme
from providers.registry import PARSERS

FULL = {
    "from": "+12025550143",
    "firstname": "Ada",
    "lastname": "Lovelace",
    "business": "Engines",
    "message": "Good morning",
    "status": "received",
    "matchedBlockWord": None,
    "receiver": "+12025550111",
    "usedmodem": "modem-3",
    "port": "07",
    "timestamp": "2026-11-20T08:30:00Z",
    "messageId": "64b7f1c2a3d4e5f601234567",
}
READ = InboundCall(
    sender="+12025550143",
    text="Good morning",
    key="64b7f1c2a3d4e5f601234567",
    receiver="+12025550111",
    line=Line("modem-3", "07"),
    name="Ada Lovelace",
    business="Engines",
)

EXTREME = [
    ("a whole one", FULL, READ),
    ("only what it needs", {"from": "12025550143"}, InboundCall("12025550143", "")),
    (
        "contact fields of null",
        {"from": "1", "message": "x", "firstname": None, "lastname": None, "business": None},
        InboundCall("1", "x"),
    ),
    ("a last name alone", {"from": "1", "lastname": " L\n"}, InboundCall("1", "", name="L")),
    ("a short code", {"from": "72345", "message": "x"}, InboundCall("72345", "x")),
    (
        "numbers as numbers",
        {"from": 12025550143, "port": 7, "usedmodem": 3},
        InboundCall("12025550143", "", line=Line("3", "7")),
    ),
    ("half a line", {"from": "1", "usedmodem": "3", "port": ""}, InboundCall("1", "")),
    (
        "a line to the letter",
        {"from": "1", "usedmodem": " a ", "port": "07"},
        InboundCall("1", "", line=Line(" a ", "07")),
    ),
    (
        "blocked",
        {"from": "1", "message": "stop", "status": "blocked"},
        InboundCall("1", "stop", blocked=True),
    ),
    ("a status of its own", {"from": "1", "status": "read"}, InboundCall("1", "")),
    (
        "what no database holds",
        {"from": "1\0", "message": "a\0b\ud800c"},
        InboundCall(
            "1\N{REPLACEMENT CHARACTER}", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
        ),
    ),
    (
        "a report",
        {"messageId": "abc", "status": "Delivered", "deliveredAt": None},
        ReportCall("abc", "Delivered", Verdict.DELIVERED),
    ),
    (
        "a report with its number",
        {"messageId": 7, "status": "failed", "recipient": "+12025550143"},
        ReportCall("7", "failed", Verdict.FAILED, "+12025550143"),
    ),
    (
        "a report with another word",
        {"messageId": "abc", "status": "seen"},
        ReportCall("abc", "seen", None),
    ),
    (
        "nobody's message",
        {"message": "x"},
        Malformed("`from` is missing: the number that the message came from."),
    ),
    (
        "from null",
        FULL | {"from": None},
        Malformed("`from` is missing: the number that the message came from."),
    ),
    (
        "from a list",
        FULL | {"from": ["+1"]},
        Malformed("`from` is missing: the number that the message came from."),
    ),
    (
        "an object for a message",
        {"from": "1", "message": {}},
        Malformed("`message` is not a text."),
    ),
]
EGOSMS = [
    (
        "a report",
        {
            "MsgFollowUpUniqueCode": "A1",
            "number": "12025550143",
            "Status": "Success",
            "deliveryDate": "2026-11-20 08:30:00",
        },
        ReportCall("A1", "Success", Verdict.DELIVERED, "+12025550143"),
    ),
    (
        "another word",
        {"MsgFollowUpUniqueCode": "A1", "number": "+12025550143", "Status": "Seen"},
        ReportCall("A1", "Seen", None, "+12025550143"),
    ),
    (
        "a failure",
        {"MsgFollowUpUniqueCode": 17, "number": "1", "Status": "FAILED"},
        ReportCall("17", "FAILED", Verdict.FAILED, "+1"),
    ),
    (
        "without a code",
        {"number": "1", "Status": "Success"},
        Malformed("`MsgFollowUpUniqueCode` is missing: the code of the message."),
    ),
    (
        "without a number",
        {"MsgFollowUpUniqueCode": "A1", "Status": "Success"},
        Malformed("`number` is missing: whose message the report is about."),
    ),
    (
        "without a status",
        {"MsgFollowUpUniqueCode": "A1", "number": "1"},
        Malformed("`Status` is missing: what became of the message."),
    ),
]
NONSENSE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"<html>",
    b"\xff\xfe",
    b"[" * 50_000,
    b'"from"',
    b"{}",
    b"NaN",
]


@pytest.mark.parametrize(("said", "expected"), [pytest.param(*e[1:], id=e[0]) for e in EXTREME])
def test_a_call_of_extremesms_is_read(said: dict[str, object], expected: Parsed) -> None:
    assert extreme.read_call(json.dumps(said).encode()) == expected


@pytest.mark.parametrize(("said", "expected"), [pytest.param(*e[1:], id=e[0]) for e in EGOSMS])
def test_a_call_of_egosms_is_read(said: dict[str, object], expected: Parsed) -> None:
    assert egosms.read_call(json.dumps(said).encode()) == expected


@pytest.mark.parametrize("provider", sorted(PARSERS))
@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body[:8]))
def test_what_is_no_call_is_malformed_in_a_plain_sentence(provider: str, body: bytes) -> None:
    parsed = PARSERS[provider](body)
    assert isinstance(parsed, Malformed)
    assert parsed.reason.endswith(".")


def test_the_providers_own_id_tells_a_second_one_of_the_same() -> None:
    first = extreme.read_call(json.dumps(FULL).encode())
    again = extreme.read_call(json.dumps(FULL | {"message": "Hi", "timestamp": "later"}).encode())
    assert key_of("extreme", first, b"1") == key_of("extreme", again, b"2")
    assert key_of("extreme", first, b"1") != key_of("other", first, b"1")


def test_without_an_id_the_whole_is_compared() -> None:
    call = InboundCall("+12025550143", "Hi")
    assert key_of("extreme", call, b"1") == key_of("extreme", call, b"1")
    assert key_of("extreme", call, b"1") != key_of("extreme", call, b"2")


def test_reports_differ_by_code_number_and_word() -> None:
    reports = [
        ReportCall(code, word, None, number)
        for code in ("a", "b")
        for word in ("sent", "delivered")
        for number in (None, "+12025550143", "+12025550144")
    ]
    assert len({key_of("egosms", each, b"") for each in reports}) == len(reports)
    inbound = InboundCall("1", "", key="a")
    assert key_of("egosms", inbound, b"") not in {key_of("egosms", each, b"") for each in reports}
