"""Every reply of Kannel and its outcome, and how the adapter calls it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.provider import (
    Accepted,
    Credentials,
    NotSent,
    Outcome,
    OutgoingMessage,
    Rejected,
    SupportsBalance,
)
from domain.sending.text import GSM7_DEFAULT, GSM7_EXTENSION
from providers.kannel import REJECTED, Kannel, report_url
from providers.transport import Exchange
from tests.providers.scripted import (
    COMMON,
    CONFIG,
    HTML,
    UNKNOWN,
    WAIT,
    Case,
    ScriptedTransport,
    agrees,
    answer,
    each,
    nonsense,
)

ATTEMPT = "0193a1b2c3d47e8f9a0b1c2d3e4f5061"
REPORTS = "http://127.0.0.1:1/webhooks/kannel/secret"
ACCOUNT = replace(
    CONFIG,
    api_key="",
    credentials=Credentials("ibiki", "not-to-be-seen"),
    sender="20255",
    report_url=REPORTS,
)
ONE = OutgoingMessage("+12025550100", "Hello", attempt=ATTEMPT)
TAKEN = Accepted(ATTEMPT)

LOGIN = NotSent("The account's user name or password was refused.", refuses_account=True)
FORBIDDEN = NotSent("The account is not allowed to send.", refuses_account=True)
SETTINGS = NotSent("The gateway refuses the account's settings.", refuses_account=True)
NO_PATH = NotSent("The gateway has no such address.", refuses_account=True)
BUSY = replace(WAIT, asks_to_wait=False)
NO_ROUTE = NotSent("The gateway has no route for this number at the moment.")
DENIED = b"Number(s) has/have been denied by white- and/or black-lists."
ACCEPTED = answer(202, b"0: Accepted for delivery")
ANSWERS: list[Case] = [
    *COMMON,
    *nonsense(200),
    *nonsense(202),
    ("accepted", answer(202, b"0: Accepted for delivery"), TAKEN),
    ("queued", answer(202, b"3: Queued for later delivery"), TAKEN),
    ("accepted, with blanks", answer(202, b"0: Accepted for delivery\r\n"), TAKEN),
    ("Sent, before anything is decided", answer(202, b"Sent."), UNKNOWN),
    ("accepted, but some numbers are denied",
     answer(202, b"0: Accepted for delivery\n Denied receivers are: +12025550100"), UNKNOWN),
    ("a number in another state", answer(202, b"1: Something"), UNKNOWN),
    ("202 with half a sentence", answer(202, b"0:"), UNKNOWN),
    ("202 in JSON", answer(202, {"status": "0: Accepted for delivery"}), UNKNOWN),
    ("200 accepted", answer(200, b"0: Accepted for delivery"), UNKNOWN),
    ("a wrong password", answer(403, b"Authorization failed for sendsms"), LOGIN),
    ("no route", answer(403, b"Not routable. Do not try again."), NO_ROUTE),
    ("another 403", answer(403, HTML), FORBIDDEN),
    ("401 of a proxy", answer(401, HTML), FORBIDDEN),
    ("403 that claims success", answer(403, b"0: Accepted for delivery"), UNKNOWN),
    ("400 that claims success", answer(400, b"3: Queued for later delivery"), UNKNOWN),
    ("503 that claims success", answer(503, b"0: Accepted for delivery"), UNKNOWN),
    ("temporal failure", answer(503, b"Temporal failure, try again later."), BUSY),
    ("temporal failure, with a wait",
     answer(503, b"Temporal failure, try again later.", Retry_After="7"),
     replace(BUSY, retry_after_seconds=7.0)),
    ("503 with nothing", answer(503, b"", Retry_After="7"), UNKNOWN),
    ("429", answer(429, HTML), WAIT),
    ("429 with a wait", answer(429, HTML, Retry_After="9"),
     replace(WAIT, retry_after_seconds=9.0)),
    ("a number on the black list", answer(400, DENIED), Rejected(REJECTED)),
    ("the body does not fit the charset",
     answer(400, b"Charset or body misformed, rejected"), Rejected(REJECTED)),
    ("a number that is refused",
     answer(400, b"Missing receiver(s) number(s), rejected"), Rejected(REJECTED)),
    ("no sender", answer(400, b"Sender missing and no global set, rejected"), SETTINGS),
    ("an unusable address for reports",
     answer(400, b"DLR-URL field misformed, rejected"), SETTINGS),
    ("another type of body", answer(400, b"Invalid content-type"), SETTINGS),
    ("another type of text", answer(400, b"Unsupported content-type, rejected"), SETTINGS),
    ("another 400", answer(400, b"Bad Request"), UNKNOWN),
    ("400 in HTML", answer(400, HTML), UNKNOWN),
    ("400 with nothing", answer(400), UNKNOWN),
    ("another path", answer(404, b"Unknown request.\n"), NO_PATH),
    ("500", answer(500, DENIED), UNKNOWN),
    ("no connection", NotSent("The connection was refused."),
     NotSent("The connection was refused.")),
]  # fmt: skip


@each(ANSWERS)
async def test_each_answer_has_one_outcome(exchange: Exchange, expected: str | Outcome) -> None:
    account = Kannel(ACCOUNT, ScriptedTransport(exchange))
    assert agrees(await account.send(ONE), expected)
    (outcome,) = await account.send_many([ONE])
    assert agrees(outcome, expected)


def test_no_reason_that_a_client_or_an_operator_reads_names_the_provider() -> None:
    for _, _, expected in ANSWERS:
        words = str(expected).lower()
        assert "kannel" not in words
        assert "127.0.0.1" not in words


async def test_a_request_has_the_text_as_its_body_and_everything_else_in_headers() -> None:
    line = ScriptedTransport(ACCEPTED)
    await Kannel(ACCOUNT, line).send(ONE)
    [requested] = line.requests
    assert (requested.method, requested.path, requested.body) == (
        "POST",
        "/cgi-bin/sendsms",
        b"Hello",
    )
    assert requested.headers == (
        {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": "ibiki",
            "X-Kannel-Password": "not-to-be-seen",
            "X-Kannel-To": "+12025550100",
            "X-Kannel-From": "20255",
            "X-Kannel-DLR-Mask": "31",
            "X-Kannel-DLR-Url": f"{REPORTS}?ref={ATTEMPT}&status=%d&answer=%A",
        }
    )


@pytest.mark.parametrize(
    ("text", "coding"),
    [
        ("Hello", None),
        (GSM7_DEFAULT.replace("\x1b", ""), None),
        ("".join(GSM7_EXTENSION.values()), None),
        ("Привет", "2"),
        ("Hello ç", "2"),
        ("\N{WAVING HAND SIGN}", "2"),
    ],
)
async def test_a_text_outside_gsm_7_is_sent_as_ucs_2(text: str, coding: str | None) -> None:
    line = ScriptedTransport(ACCEPTED)
    await Kannel(ACCOUNT, line).send(replace(ONE, text=text))
    assert line.requests[0].headers.get("X-Kannel-Coding") == coding
    assert line.requests[0].body == text.encode()


async def test_a_reply_leaves_through_the_line_that_the_contact_wrote_to() -> None:
    line = ScriptedTransport(ACCEPTED)
    await Kannel(ACCOUNT, line).send(replace(ONE, modem="sim 1", port="+12025550111"))
    assert line.requests[0].headers["X-Kannel-From"] == "+12025550111"
    assert line.requests[0].headers["X-Kannel-SMSC"] == "sim 1"


async def test_without_a_sender_the_gateway_chooses_one() -> None:
    line = ScriptedTransport(ACCEPTED)
    await Kannel(replace(ACCOUNT, sender=None), line).send(ONE)
    assert "X-Kannel-From" not in line.requests[0].headers


async def test_without_an_address_for_reports_none_are_requested() -> None:
    line = ScriptedTransport(ACCEPTED)
    assert await Kannel(replace(ACCOUNT, report_url=None), line).send(ONE) == Accepted(None)
    assert not [name for name in line.requests[0].headers if "DLR" in name]


async def test_an_address_with_a_path_is_called_as_it_is() -> None:
    line = ScriptedTransport(ACCEPTED)
    address = replace(ACCOUNT, base_url="http://127.0.0.1:1/sms/send")
    await Kannel(address, line).send(ONE)
    assert line.requests[0].path == "/sms/send"


async def test_only_one_message_fits_into_a_call() -> None:
    line = ScriptedTransport(ACCEPTED)
    with pytest.raises(ValueError, match="one message"):
        await Kannel(ACCOUNT, line).send_many([ONE, ONE])
    assert line.requests == []


@pytest.mark.parametrize(
    ("base_url", "secret", "expected"),
    [
        ("http://127.0.0.1:8000", "abc-1_2", "http://127.0.0.1:8000/webhooks/kannel/abc-1_2"),
        ("http://127.0.0.1:8000/", "a/b c", "http://127.0.0.1:8000/webhooks/kannel/a%%2Fb%%20c"),
        ("https://sms.example/in", "50%d", "https://sms.example/in/webhooks/kannel/50%%25d"),
    ],
)
def test_the_address_for_reports_has_no_percent_sign_that_is_expanded(
    base_url: str, secret: str, expected: str
) -> None:
    assert report_url(base_url, secret) == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"credentials": None, "api_key": "k"}, "user name"),
        ({"sender": "a\r\nX-Kannel-To: +12025550199"}, "line breaks"),
        ({"credentials": Credentials("ibiki", "a\nb")}, "line breaks"),
    ],
)
def test_settings_that_cannot_be_sent_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        Kannel(replace(ACCOUNT, **change), ScriptedTransport(ACCEPTED))  # type: ignore[arg-type]
    assert "not-to-be-seen" not in str(refusal.value)


def test_kannel_reports_no_balance() -> None:
    assert not isinstance(Kannel(ACCOUNT, ScriptedTransport(ACCEPTED)), SupportsBalance)


def test_a_config_does_not_show_the_secret_of_its_address_for_reports() -> None:
    assert "secret" not in repr(ACCOUNT)
