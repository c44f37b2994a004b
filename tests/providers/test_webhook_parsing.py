"""Webhook calls are read leniently, and what cannot be read is malformed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage, new_event
from domain.provider import ReportedStatus
from domain.sending.messages import Line
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
READ = ReceivedMessage(
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
    ("only what it needs", {"from": "12025550143"}, ReceivedMessage("12025550143", "")),
    (
        "contact fields of null",
        {"from": "1", "message": "x", "firstname": None, "lastname": None, "business": None},
        ReceivedMessage("1", "x"),
    ),
    ("a last name alone", {"from": "1", "lastname": " L\n"}, ReceivedMessage("1", "", name="L")),
    ("a short code", {"from": "72345", "message": "x"}, ReceivedMessage("72345", "x")),
    (
        "numbers as numbers",
        {"from": 12025550143, "port": 7, "usedmodem": 3},
        ReceivedMessage("12025550143", "", line=Line("3", "7")),
    ),
    ("half a line", {"from": "1", "usedmodem": "3", "port": ""}, ReceivedMessage("1", "")),
    (
        "a line to the letter",
        {"from": "1", "usedmodem": " a ", "port": "07"},
        ReceivedMessage("1", "", line=Line(" a ", "07")),
    ),
    (
        "blocked",
        {"from": "1", "message": "stop", "status": "blocked"},
        ReceivedMessage("1", "stop", blocked=True),
    ),
    ("an unknown status", {"from": "1", "status": "read"}, ReceivedMessage("1", "")),
    (
        "what no database holds",
        {"from": "1\0", "message": "a\0b\ud800c"},
        ReceivedMessage(
            "1\N{REPLACEMENT CHARACTER}", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
        ),
    ),
    (
        "a report",
        {"messageId": "abc", "status": "Delivered", "deliveredAt": None},
        DeliveryReport("abc", "Delivered", ReportedStatus.DELIVERED),
    ),
    (
        "a report with its number",
        {"messageId": 7, "status": "failed", "recipient": "+12025550143"},
        DeliveryReport("7", "failed", ReportedStatus.FAILED, "+12025550143"),
    ),
    (
        "a report with another word",
        {"messageId": "abc", "status": "seen"},
        DeliveryReport("abc", "seen", None),
    ),
    (
        "nobody's message",
        {"message": "x"},
        Malformed("`from` is missing: the sender of the message."),
    ),
    (
        "from null",
        FULL | {"from": None},
        Malformed("`from` is missing: the sender of the message."),
    ),
    (
        "from a list",
        FULL | {"from": ["+1"]},
        Malformed("`from` is missing: the sender of the message."),
    ),
    (
        "an object for a message",
        {"from": "1", "message": {}},
        Malformed("`message` is not a string."),
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
        DeliveryReport("A1", "Success", ReportedStatus.DELIVERED, "12025550143"),
    ),
    (
        "another word",
        {"MsgFollowUpUniqueCode": "A1", "number": "+12025550143", "Status": "Seen"},
        DeliveryReport("A1", "Seen", None, "+12025550143"),
    ),
    (
        "a failure",
        {"MsgFollowUpUniqueCode": 17, "number": "1", "Status": "FAILED"},
        DeliveryReport("17", "FAILED", ReportedStatus.FAILED, "1"),
    ),
    (
        "without a code",
        {"number": "1", "Status": "Success"},
        Malformed("`MsgFollowUpUniqueCode` is missing: the code of the message."),
    ),
    (
        "without a number",
        {"MsgFollowUpUniqueCode": "A1", "Status": "Success"},
        Malformed("`number` is missing: the recipient of the message."),
    ),
    (
        "without a status",
        {"MsgFollowUpUniqueCode": "A1", "number": "1"},
        Malformed("`Status` is missing: the status of the message."),
    ),
]
NONSENSE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"<html>",
    b"\xff\xfe",
    b"\xff\x00",
    b"[" * 100_000,
    b'"from"',
    b"{}",
    b"NaN",
    b'{"event": 1}',
    b"a=%zz",
]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = st.sampled_from([*FULL, "MsgFollowUpUniqueCode", "number", "Status", "recipient"])
BODIES = [
    st.binary(max_size=200),
    st.dictionaries(_FIELDS, _VALUES, max_size=8).map(lambda call: json.dumps(call).encode()),
    st.dictionaries(_FIELDS, st.text(max_size=20), max_size=8).map(
        lambda call: "&".join(f"{name}={value}" for name, value in call.items()).encode(
            errors="surrogatepass"
        )
    ),
]


@pytest.mark.parametrize(("call", "expected"), [pytest.param(*e[1:], id=e[0]) for e in EXTREME])
def test_a_call_of_extremesms_is_read(call: dict[str, object], expected: Parsed) -> None:
    assert extreme.parse_webhook(json.dumps(call).encode()) == expected


@pytest.mark.parametrize(("call", "expected"), [pytest.param(*e[1:], id=e[0]) for e in EGOSMS])
def test_a_call_of_egosms_is_read(call: dict[str, object], expected: Parsed) -> None:
    assert egosms.parse_webhook(json.dumps(call).encode()) == expected


@pytest.mark.parametrize("provider", sorted(PARSERS))
@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body[:8]))
def test_a_body_that_is_not_a_call_is_malformed_with_a_reason(provider: str, body: bytes) -> None:
    parsed = PARSERS[provider](body)
    assert isinstance(parsed, Malformed)
    assert parsed.reason.endswith(".")


LENIENT = [
    ("a number for a text", b'{"from": "1", "message": 4711}', ReceivedMessage("1", "4711")),
    ("a fraction as written", b'{"from": "1", "message": 47.110}', ReceivedMessage("1", "47.110")),
    ("a boolean", b'{"from": "1", "message": true}', ReceivedMessage("1", "true")),
    ("a raw line feed", b'{"from": "1", "message": "a\nb"}', ReceivedMessage("1", "a\nb")),
    ("a raw tab", b'{"from": "1", "message": "a\tb"}', ReceivedMessage("1", "a\tb")),
    (
        "a form",
        b"from=%2B12025550143&message=Hello+there%21&usedmodem=m+1&port=07&messageId=a1",
        ReceivedMessage("+12025550143", "Hello there!", key="a1", line=Line("m 1", "07")),
    ),
    ("a form with an empty text", b"from=1&message=", ReceivedMessage("1", "")),
    ("a form in Latin-1", b"from=1&message=%E9t%E9", ReceivedMessage("1", "\u00e9t\u00e9")),
    ("a form with a name twice", b"from=1&from=2&message=x", ReceivedMessage("1", "x")),
    ("JSON in Latin-1", b'{"from": "1", "message": "\xe9"}', ReceivedMessage("1", "\u00e9")),
    ("JSON with a mark", b'\xef\xbb\xbf{"from": "1"}', ReceivedMessage("1", "")),
    ("JSON in UTF-16", '{"from": "1"}'.encode("utf-16"), ReceivedMessage("1", "")),
    (
        "a status in capitals",
        b'{"from": "1", "message": "x", "status": "BLOCKED"}',
        ReceivedMessage("1", "x", blocked=True),
    ),
    (
        "a huge number",
        b'{"from": "1", "message": ' + b"9" * 5_000 + b"}",
        ReceivedMessage("1", "9" * 5_000),
    ),
]


@pytest.mark.parametrize(("body", "expected"), [pytest.param(*e[1:], id=e[0]) for e in LENIENT])
def test_an_unusual_body_is_read(body: bytes, expected: Parsed) -> None:
    assert extreme.parse_webhook(body) == expected


def test_a_report_is_read_from_a_form() -> None:
    body = b"MsgFollowUpUniqueCode=A1&number=12025550143&Status=Success"
    expected = DeliveryReport("A1", "Success", ReportedStatus.DELIVERED, "12025550143")
    assert egosms.parse_webhook(body) == expected


@given(st.sampled_from(sorted(PARSERS)), st.one_of(BODIES))
def test_no_body_makes_a_parser_raise(provider: str, body: bytes) -> None:
    parsed = PARSERS[provider](body)
    event = new_event(provider, parsed, body)
    assert (event.invalid is not None) == isinstance(parsed, Malformed)


def key(call: Parsed, body: bytes = b"", provider: str = "extreme") -> bytes:
    return new_event(provider, call, body).key


def test_the_same_id_with_the_same_sender_and_text_is_a_repetition() -> None:
    first = extreme.parse_webhook(json.dumps(FULL).encode())
    again = extreme.parse_webhook(json.dumps(FULL | {"timestamp": "later"}).encode())
    assert key(first, b"1") == key(again, b"2")
    assert key(first) != key(first, provider="other")
    assert not new_event("extreme", first, b"").expires


@pytest.mark.parametrize("other", [{"from": "+12025550144"}, {"message": "Hi"}])
def test_the_same_id_with_another_sender_or_text_is_a_new_message(other: dict[str, str]) -> None:
    first = extreme.parse_webhook(json.dumps(FULL).encode())
    assert key(first) != key(extreme.parse_webhook(json.dumps(FULL | other).encode()))


def test_without_an_id_the_whole_body_is_compared_for_a_while() -> None:
    call = ReceivedMessage("+12025550143", "Hi")
    assert key(call, b"1") == key(call, b"1")
    assert key(call, b"1") != key(call, b"2")
    assert new_event("extreme", call, b"1").expires


def test_reports_differ_by_reference_number_and_status() -> None:
    reports = [
        DeliveryReport(code, word, None, number)
        for code in ("a", "b")
        for word in ("sent", "delivered")
        for number in (None, "+12025550143", "+12025550144")
    ]
    assert len({key(each) for each in reports}) == len(reports)
    assert key(ReceivedMessage("1", "", key="a")) not in {key(each) for each in reports}
