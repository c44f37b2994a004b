"""The requests to Twilio and its webhook calls, compared with those of the vendor's SDK."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from domain.errors import ProviderUnavailable
from domain.inbox.keywords import Keyword
from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage
from domain.provider import Accepted, OutgoingMessage, ReportedStatus
from domain.sending.messages import Line
from providers.replies import SignedCall
from providers.simulator.accounts import SIMULATED_ACCOUNTS
from providers.twilio import SIGNATURE, SIGNATURE_HEADER, parse_webhook
from tests.providers.recorder import recorder
from tests.providers.simulated import Simulated
from tests.providers.vendors_at import account_of, balance_of

OWN = SIMULATED_ACCOUNTS["twilio"]
NUMBER, SENDER, SERVICE = "+12025550100", "+12025550199", "MG" + "0f" * 16
REPORTS = "https://sms.example/webhooks/twilio"
FORM = "application/x-www-form-urlencoded"
TEXT = "50 % & more? é\n+1 = 你好"
SID = "SM" + "0a" * 16
received = partial(ReceivedMessage, line_repeats=False)
"""A number belongs to one account, so its line does not occur at another one."""
ANSWER = {"sid": SID, "status": "queued", "account_sid": OWN.username, "balance": "1"}


@asynccontextmanager
async def sdk_at(base_url: str) -> AsyncIterator[Client]:
    """The vendor's SDK at this address."""
    http = TwilioHttpClient()
    client = Client(OWN.username, OWN.password, http_client=http)
    client.api.base_url = base_url
    yield client
    http.session.close()


async def test_our_requests_are_those_of_the_vendors_sdk_field_by_field() -> None:
    headers = ("Authorization", "Content-Type", "Accept")
    async with (
        recorder(*headers, status=201, answer=ANSWER) as simulator,
        sdk_at(simulator.base_url) as sdk,
    ):
        senders: list[dict[str, Any]] = [{"from_": SENDER}, {"messaging_service_sid": SERVICE}]
        for sender in senders:
            for callback in ({}, {"status_callback": REPORTS}):
                requested = {"to": NUMBER, "body": TEXT, **sender, **callback}
                await asyncio.to_thread(partial(sdk.messages.create, **requested))
        await asyncio.to_thread(lambda: sdk.messages(SID).fetch())
        await asyncio.to_thread(lambda: sdk.balance.fetch())
        theirs = simulator.taken()
        for own in (SENDER, SERVICE):
            for reports in (None, REPORTS):
                more = {"sender": own, "report_url": reports}
                async with account_of("twilio", simulator.base_url, **more) as account:
                    await account.send(OutgoingMessage(NUMBER, TEXT))
        async with account_of("twilio", simulator.base_url) as account:
            await account.status(SID)  # type: ignore[attr-defined]
            with pytest.raises(ProviderUnavailable):
                await balance_of(account)
        ours = simulator.taken()
    # The SDK names the type of a body that one of its queries does not have.
    assert (theirs[5].headers["Content-Type"], theirs[5].body) == (FORM, [])
    theirs[5].headers["Content-Type"], theirs[5].body = None, None
    assert len(ours) == 6
    assert ours == theirs


async def test_a_reply_leaves_from_the_number_that_was_texted() -> None:
    async with (
        recorder(status=201, answer=ANSWER) as simulator,
        account_of("twilio", simulator.base_url, sender=SERVICE) as account,
    ):
        await account.send(OutgoingMessage(NUMBER, "Hello", OWN.username, SENDER))
    assert simulator.requests[0].body == [("Body", "Hello"), ("From", SENDER), ("To", NUMBER)]


async def test_the_address_for_reports_names_the_attempt() -> None:
    async with (
        recorder(status=201, answer=ANSWER) as recorded,
        account_of("twilio", recorded.base_url, report_url=REPORTS) as account,
    ):
        await account.send(OutgoingMessage(NUMBER, "Hello", attempt="0f" * 16))
    assert ("StatusCallback", f"{REPORTS}?attempt={'0f' * 16}") in recorded.requests[0].body


async def test_the_vendors_sdk_works_against_the_simulator(simulator: Simulated) -> None:
    async with sdk_at(simulator.base_url) as sdk:
        create: Callable[..., Any] = sdk.messages.create
        sent = await asyncio.to_thread(lambda: create(to=NUMBER, from_=SENDER, body="Hello"))
        assert (sent.status, sent.to) == ("queued", NUMBER)
        found = await asyncio.to_thread(lambda: sdk.messages(sent.sid).fetch())
        assert found.status == "delivered"
        assert (await asyncio.to_thread(lambda: sdk.balance.fetch())).balance == "999.5"
        for number, code in (("+12025550160", 21211), ("+12025550162", 20005)):
            with pytest.raises(TwilioRestException) as refused:
                await asyncio.to_thread(partial(create, to=number, from_=SENDER, body="x"))
            assert refused.value.code == code
    assert await simulator.took() == [NUMBER]


async def test_a_message_and_its_status_have_the_same_id(simulator: Simulated) -> None:
    async with account_of("twilio", simulator.base_url) as account:
        sent = await account.send(OutgoingMessage(NUMBER, "Hello"))
        assert isinstance(sent, Accepted)
        assert await account.status(sent.reference) is ReportedStatus.DELIVERED  # type: ignore[attr-defined]


# --- Webhooks

INBOUND = {
    "ToCountry": "US",
    "SmsMessageSid": SID,
    "NumMedia": "0",
    "SmsSid": SID,
    "SmsStatus": "received",
    "Body": "Hello é",
    "To": SENDER,
    "NumSegments": "1",
    "MessageSid": SID,
    "AccountSid": OWN.username,
    "From": NUMBER,
    "ApiVersion": "2010-04-01",
}
READ = received(NUMBER, "Hello é", SID, SENDER, Line(OWN.username, SENDER))
REPORT = {"MessageSid": SID, "SmsSid": SID, "To": NUMBER, "From": SENDER}
PICTURES = {"Body": "", "NumMedia": "2"}

CALLS: list[tuple[str, Mapping[str, str], Parsed]] = [
    ("a message", INBOUND, READ),
    (
        "only what it needs",
        {"MessageSid": SID, "From": NUMBER, "Body": ""},
        received(NUMBER, "", SID),
    ),
    ("an older name of the ID", {"SmsSid": SID, "From": "1", "Body": "x"}, received("1", "x", SID)),
    (
        "pictures without a text",
        {"MessageSid": SID, "From": NUMBER, **PICTURES},
        received(NUMBER, "(2 attached, not shown here)", SID),
    ),
    (
        "a short code",
        {"MessageSid": SID, "From": "72345", "Body": "x"},
        received("72345", "x", SID),
    ),
    (
        "an opt-out in a word of the vendor's own list",
        {"MessageSid": SID, "From": NUMBER, "Body": "genug", "OptOutType": "STOP"},
        received(NUMBER, "genug", SID, keyword=Keyword.STOP),
    ),
    (
        "an opt-in",
        {"MessageSid": SID, "From": NUMBER, "Body": "START", "OptOutType": "START"},
        received(NUMBER, "START", SID, keyword=Keyword.START),
    ),
    (
        "a request for help",
        {"MessageSid": SID, "From": NUMBER, "Body": "HELP", "OptOutType": "HELP"},
        received(NUMBER, "HELP", SID),
    ),
    *(
        (f"a report: {word}", {**REPORT, "MessageStatus": word}, DeliveryReport(SID, word, status))
        for word, status in {
            "accepted": ReportedStatus.TAKEN,
            "queued": ReportedStatus.TAKEN,
            "sending": ReportedStatus.TAKEN,
            "sent": ReportedStatus.TAKEN,
            "delivered": ReportedStatus.DELIVERED,
            "Delivered": ReportedStatus.DELIVERED,
            "read": ReportedStatus.DELIVERED,
            "undelivered": ReportedStatus.FAILED,
            "failed": ReportedStatus.FAILED,
            "canceled": ReportedStatus.FAILED,
            "new": None,
        }.items()
    ),
    (
        "a report with a code",
        {**REPORT, "MessageStatus": "undelivered", "ErrorCode": "30003"},
        DeliveryReport(SID, "undelivered 30003", ReportedStatus.FAILED),
    ),
    (
        "a report without a word",
        {**REPORT, "MessageStatus": ""},
        Malformed("`MessageStatus` is not a word."),
    ),
    (
        "no ID",
        {"From": NUMBER, "Body": "x"},
        Malformed("`MessageSid` is missing: the ID of the message."),
    ),
    (
        "no sender",
        {"MessageSid": SID, "Body": "x"},
        Malformed("`From` is missing: the sender of the message."),
    ),
    (
        "no text",
        {"MessageSid": SID, "From": NUMBER},
        Malformed("`Body` is missing: the text of the message."),
    ),
]


@pytest.mark.parametrize(
    ("fields", "expected"), [each[1:] for each in CALLS], ids=[each[0] for each in CALLS]
)
def test_a_call_is_read(fields: Mapping[str, str], expected: Parsed) -> None:
    assert parse_webhook(urlencode(fields).encode()) == expected


URLS = [
    "https://sms.example/webhooks/twilio",
    "https://sms.example:443/webhooks/twilio",
    "https://sms.example:8443/webhooks/twilio?a=b%20c&d=e",
    "http://127.0.0.1:8000/webhooks/twilio",
    "http://127.0.0.1/webhooks/twilio",
]
BODIES = [
    INBOUND,
    {**INBOUND, "Body": TEXT, "Empty": ""},
    {**REPORT, "MessageStatus": "delivered"},
    {"b": "2", "B": "1", "ab": "3", "a": "b4"},
    {},
]


def is_signed(url: str, body: bytes, signature: str, token: str = OWN.password) -> bool:
    return SIGNATURE.check(SignedCall(url, {SIGNATURE_HEADER: signature}, body), token)


@pytest.mark.parametrize("fields", BODIES)
@pytest.mark.parametrize("url", URLS)
def test_the_sdk_and_we_sign_and_verify_the_same(url: str, fields: dict[str, str]) -> None:
    validator = RequestValidator(OWN.password)
    signature = validator.compute_signature(url, fields)
    body = urlencode(fields).encode()
    assert is_signed(url, body, signature)
    for signed_with in URLS:
        theirs = validator.validate(signed_with, fields, signature)
        assert is_signed(signed_with, body, signature) == theirs


def test_a_changed_call_is_not_signed() -> None:
    url, body = URLS[0], urlencode(INBOUND).encode()
    signature = RequestValidator(OWN.password).compute_signature(url, INBOUND)
    assert is_signed(url, body, signature)
    assert not is_signed(url, body, signature, "another token")
    for other in (URLS[2], url + "/", url.upper(), "https://other.example/webhooks/twilio"):
        assert not is_signed(other, body, signature)
    for changed in (b"", body + b"&x=", body.replace(b"Hello", b"Hullo"), b"\xff", b"&" * 2_000):
        assert not is_signed(url, changed, signature)
    for wrong in ("", "é", signature[:-1], base64.b64encode(b"x" * 20).decode()):
        assert not is_signed(url, body, wrong)


@pytest.mark.parametrize("url", ["http://h:x/w", "http://h:99999/w", "http://[::1/w"])
def test_a_call_to_an_address_that_is_none_is_not_signed(url: str) -> None:
    assert not is_signed(url, b"", "x")


def test_a_repeated_field_counts_once_per_value_as_in_the_sdk() -> None:
    class Fields(dict[str, str]):
        """The fields as the SDK's web frameworks give them."""

        def getlist(self, name: str) -> list[str]:
            return [value for key, value in pairs if key == name]

    pairs = parse_qsl("a=2&a=1&a=2&b=3")
    signature = RequestValidator(OWN.password).compute_signature(URLS[0], Fields(pairs))
    assert is_signed(URLS[0], b"a=2&a=1&a=2&b=3", signature)
