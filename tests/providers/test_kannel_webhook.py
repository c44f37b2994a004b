"""How the calls of Kannel are read: delivery reports and inbound messages in the query of a URL."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage, new_event
from domain.provider import ReportedStatus
from domain.sending.messages import Line
from providers.kannel import parse_webhook

REF = "0193a1b2c3d47e8f9a0b1c2d3e4f5061"
PHONE, OURS = "12025550143", "12025550111"
RECEIPT = "id:7 sub:001 dlvrd:001 done date:2611290700 stat:{} err:000 text:Hi"


def report(status: str, answer: str = "") -> bytes:
    return urlencode({"ref": REF, "status": status, "answer": answer}).encode()


def inbound(text: bytes, charset: str = "UTF-8", **rest: str) -> bytes:
    fields = {"id": "8b1e-1", "from": f"+{PHONE}", "to": OURS, "charset": charset, **rest}
    return f"{urlencode(fields)}&text={quote(text)}".encode()


REPORTS = [
    ("delivered", report("1", RECEIPT.format("DELIVRD")), "1 DELIVRD", ReportedStatus.DELIVERED),
    ("not delivered", report("2", RECEIPT.format("UNDELIV")), "2 UNDELIV", ReportedStatus.FAILED),
    ("expired", report("2", RECEIPT.format("EXPIRED")), "2 EXPIRED", ReportedStatus.FAILED),
    ("failed without a receipt", report("2"), "2", ReportedStatus.FAILED),
    ("failed, but the network does not know", report("2", RECEIPT.format("UNKNOWN")),
     "2 UNKNOWN", None),
    ("the same in small letters", report("2", "stat:unknown"), "2 UNKNOWN", None),
    ("delivered, in small letters", report("2", RECEIPT.format("delivrd")),
     "2 DELIVRD", ReportedStatus.DELIVERED),
    ("on its way, in small letters", report("2", RECEIPT.format("enroute")), "2 ENROUTE", None),
    ("delivered, in full", report("2", RECEIPT.format("Delivered")),
     "2 DELIVERED", ReportedStatus.DELIVERED),
    ("delivered, after a blank", report("2", RECEIPT.format(" DELIVRD")),
     "2 DELIVRD", ReportedStatus.DELIVERED),
    ("accepted, in full", report("2", RECEIPT.format("ACCEPTED")), "2 ACCEPTED", None),
    ("on its way, in other words", report("2", RECEIPT.format("Buffered")), "2 BUFFERED", None),
    ("expired, in a field of the receipt", report("34"), "34", ReportedStatus.FAILED),
    ("buffered", report("4", RECEIPT.format("ENROUTE")), "4 ENROUTE", None),
    ("accepted by the network", report("8", "ACK/"), "8", ReportedStatus.TAKEN),
    ("refused by the network", report("16", "NACK/0x0000000b/Invalid Destination Address"),
     "16", ReportedStatus.REFUSED),
    ("given up by the gateway", report("16", "NACK/Retries Exceeded"), "16", ReportedStatus.FAILED),
    ("a type that is not known", report("32"), "32", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "word", "status"), [pytest.param(*each[1:], id=each[0]) for each in REPORTS]
)
def test_a_report_is_read(query: bytes, word: str, status: ReportedStatus | None) -> None:
    assert parse_webhook(query) == DeliveryReport(REF, word, status)


def test_a_receipt_without_a_verdict_is_not_a_duplicate_of_a_later_one_with_a_verdict() -> None:
    queries = [report("2", RECEIPT.format(state)) for state in ("UNKNOWN", "UNDELIV")]
    keys = {new_event("kannel", parse_webhook(each), each).key for each in queries}
    assert len(keys) == 2


CALL = ReceivedMessage(f"+{PHONE}", "Hello", key="8b1e-1", receiver=OURS)
INBOUND = [
    ("a text", inbound(b"Hello"), CALL),
    ("with a line", inbound(b"Hello", smsc="sim 1"),
     ReceivedMessage(f"+{PHONE}", "Hello", "8b1e-1", OURS, Line("sim 1", OURS))),
    ("in UTF-8", inbound("Привет".encode()),
     ReceivedMessage(f"+{PHONE}", "Привет", "8b1e-1", OURS)),
    ("in UCS-2", inbound("Привет".encode("utf-16-be"), "UTF-16BE"),
     ReceivedMessage(f"+{PHONE}", "Привет", "8b1e-1", OURS)),
    ("in Latin-1", inbound("été".encode("latin-1"), "ISO-8859-1"),
     ReceivedMessage(f"+{PHONE}", "été", "8b1e-1", OURS)),
    ("with a plus sign and an ampersand", inbound(b"1+1 & more"),
     ReceivedMessage(f"+{PHONE}", "1+1 & more", "8b1e-1", OURS)),
    ("binary data", inbound(b"\xff\x00A", "8-BIT"),
     ReceivedMessage(f"+{PHONE}", "(binary data, not shown here)", "8b1e-1", OURS)),
    ("a text as binary data", inbound("Grüße\r\n".encode(), "8-BIT"),
     ReceivedMessage(f"+{PHONE}", "Grüße\r\n", "8b1e-1", OURS)),
    ("a text in Latin-1 as binary data", inbound("Grüße".encode("latin-1"), "8-BIT"),
     ReceivedMessage(f"+{PHONE}", "Grüße", "8b1e-1", OURS)),
    ("a codec of Python that is not a charset", inbound(b"Hello", "punycode"), CALL),
    ("an empty text", inbound(b""), ReceivedMessage(f"+{PHONE}", "", "8b1e-1", OURS)),
    ("no ID", b"from=1&text=x&charset=UTF-8", ReceivedMessage("1", "x")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"), [pytest.param(*each[1:], id=each[0]) for each in INBOUND]
)
def test_an_inbound_message_is_read(query: bytes, expected: Parsed) -> None:
    assert parse_webhook(query) == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (b"", "`from`"),
        (b"from=1", "`text`"),
        (b"from=1&text=x", "`charset`"),
        (b"from=&text=x&charset=UTF-8", "`from`"),
        (b"ref=&status=1", "`ref`"),
        (b"ref=a&status=", "`status`"),
        (b"ref=a", "`status`"),
        (b"&".join(b"a=1" for _ in range(21)), "20 fields"),
    ],
)
def test_a_query_that_is_not_set_up_as_documented_is_malformed_with_the_reason(
    query: bytes, named: str
) -> None:
    parsed = parse_webhook(query)
    assert isinstance(parsed, Malformed)
    assert named in parsed.reason
