"""What each adapter concludes from each kind of answer, over real HTTP."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from domain.provider import (
    Accepted,
    Credentials,
    NotSent,
    Outcome,
    OutgoingMessage,
    Provider,
    Rejected,
    Unknown,
)
from providers.config import ProviderConfig
from providers.registry import PROVIDERS, open_account
from tests.certificates import Authority
from tests.providers.far_end import FarEnd, closed, listening

NUMBER, REFERENCE = "+12025550100", "652f1c0d9e8b7a6655443322"
ONE = OutgoingMessage(NUMBER, "Hello", attempt=REFERENCE, id=REFERENCE)
PAGE = "<!DOCTYPE html><html><body>Wartung – bitte später nochmals</body></html>"
XML = '<?xml version="1.0" encoding="UTF-16"?><error>Service unavailable</error>'


@dataclass(frozen=True)
class Api:
    """An adapter, the path of its API, and the answer with which it accepts a message."""

    provider: str
    status: int
    body: object
    path: str = ""

    @property
    def accepts(self) -> bytes:
        return encoded(self.body)


EXTREME = {"success": True, "messageId": REFERENCE, "status": "queued"}
ITEM = {"statusCode": 101, "number": NUMBER, "status": "Success", "messageId": REFERENCE}
APIS = {
    "extreme": Api("extreme", 200, EXTREME),
    "ibiki": Api("ibiki", 200, EXTREME),
    "egosms plain": Api("egosms", 200, "Ok", "/api/v1/plain/"),
    "egosms json": Api(
        "egosms", 200, {"Status": "OK", "MsgFollowUpUniqueCode": REFERENCE}, "/api/v1/json/"
    ),
    "twilio": Api("twilio", 201, {"sid": REFERENCE, "status": "queued"}),
    "africastalking": Api("africastalking", 201, {"SMSMessageData": {"Recipients": [ITEM]}}),
    "kannel": Api("kannel", 202, "0: Accepted for delivery"),
    "android": Api("android", 202, {"id": REFERENCE, "state": "Pending"}, "/3rdparty/v1"),
}
OF_JSON = [name for name, api in APIS.items() if isinstance(api.body, dict)]


def encoded(body: object) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def answer(status: int, body: bytes = b"", *headers: str) -> FarEnd:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} Said", *headers, f"Content-Length: {len(body)}"]
    return FarEnd(("\r\n".join(lines).encode() + b"\r\n\r\n" + body,))


@asynccontextmanager
async def account_at(api: Api, base_url: str, **more: Any) -> AsyncIterator[Provider]:
    """An account whose API is at this address."""
    usual: dict[str, Any] = {
        "api_key": "k",
        "credentials": Credentials("user", "secret"),
        "sender": "1",
        "unit_cost": Decimal(1),
        "report_url": "http://127.0.0.1:1/webhooks/x",
        "connect_seconds": 20,
        "deadline_seconds": 20,
        "loopback_only": True,
    }
    account = open_account(
        api.provider, ProviderConfig(base_url=base_url + api.path, **{**usual, **more})
    )
    try:
        yield account
    finally:
        await account.close()


async def outcome_of(api: Api, far_end: FarEnd, **more: Any) -> Outcome:
    """The outcome of one message. It is given to the provider once."""
    async with listening(far_end), account_at(api, far_end.base_url, **more) as account:
        [outcome] = await account.send_many([ONE])
    assert far_end.connections == len(far_end.requests) == 1
    return outcome


ALL = pytest.mark.parametrize("api", list(APIS.values()), ids=list(APIS))
ALL_JSON = pytest.mark.parametrize("api", [APIS[name] for name in OF_JSON], ids=OF_JSON)
Way = Callable[[Api], FarEnd]


def test_the_table_has_all_adapters() -> None:
    assert {api.provider for api in APIS.values()} == PROVIDERS.keys() - {"simulated"}


ACCEPTED: dict[str, Way] = {
    "as usual": lambda api: answer(api.status, api.accepts),
    "declared as a page in Latin-1": lambda api: answer(
        api.status, api.accepts, "Content-Type: text/html; charset=ISO-8859-1"
    ),
    "without a type, with blanks": lambda api: answer(api.status, b"\r\n " + api.accepts + b"\n"),
    "in gzip": lambda api: answer(api.status, gzip.compress(api.accepts), "Content-Encoding: gzip"),
    "in chunks": lambda api: FarEnd(
        (
            b"HTTP/1.1 %d Said\r\nTransfer-Encoding: chunked\r\n\r\n" % api.status,
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(api.accepts), api.accepts),
        )
    ),
    "after early hints": lambda api: FarEnd(
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            *answer(api.status, api.accepts).parts,
        )
    ),
}


@ALL
@pytest.mark.parametrize("way", ACCEPTED)
async def test_an_accepted_message_is_accepted_however_the_answer_comes(api: Api, way: str) -> None:
    outcome = await outcome_of(api, ACCEPTED[way](api))
    is_plain = api.path == "/api/v1/plain/"
    assert outcome == Accepted(None if is_plain else REFERENCE)


@ALL_JSON
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
async def test_json_is_read_in_each_of_its_encodings(api: Api, encoding: str) -> None:
    body = api.accepts.decode().encode(encoding)
    assert await outcome_of(api, answer(api.status, body)) == Accepted(REFERENCE)


def redirected(status: int) -> Way:
    return lambda api: answer(status, api.accepts, "Location: http://127.0.0.1:1/")


UNKNOWN: dict[str, Way] = {
    "a page": lambda api: answer(api.status, PAGE.encode()),
    "a page in Latin-1": lambda api: answer(
        api.status, PAGE.encode("cp1252"), "Content-Type: text/html; charset=ISO-8859-1"
    ),
    "XML that is in another encoding than it says": lambda api: answer(
        api.status, XML.encode(), "Content-Type: application/xml"
    ),
    "nothing": lambda api: answer(api.status),
    "204": lambda api: answer(204),
    "404 with a page": lambda api: answer(404, PAGE.encode()),
    "408": lambda api: answer(408),
    "500": lambda api: answer(500, PAGE.encode()),
    "502": lambda api: answer(502, PAGE.encode()),
    "503 of a proxy": lambda api: answer(503, PAGE.encode(), "Retry-After: 7"),
    "504": lambda api: answer(504),
    "520": lambda api: answer(520, PAGE.encode()),
    "accepted, with 401": lambda api: answer(401, api.accepts),
    "accepted, with 429": lambda api: answer(429, api.accepts, "Retry-After: 7"),
    "accepted, with 500": lambda api: answer(500, api.accepts),
    "accepted, with 503": lambda api: answer(503, api.accepts, "Retry-After: 7"),
    "half of an answer": lambda api: FarEnd(
        (b"HTTP/1.1 %d Said\r\nContent-Length: 900\r\n\r\n%b" % (api.status, api.accepts),)
    ),
    "no gzip": lambda api: answer(api.status, api.accepts, "Content-Encoding: gzip"),
    "closed": lambda api: FarEnd(),
    "reset": lambda api: FarEnd(end="reset"),
    **{f"redirected with {status}": redirected(status) for status in (301, 302, 303, 307, 308)},
}


@ALL
@pytest.mark.parametrize("way", UNKNOWN)
async def test_an_answer_that_does_not_say_it_is_unknown(api: Api, way: str) -> None:
    outcome = await outcome_of(api, UNKNOWN[way](api))
    assert isinstance(outcome, Unknown), outcome


@ALL
async def test_an_answer_after_the_deadline_is_unknown(api: Api) -> None:
    late = FarEnd((5.0, *answer(api.status, api.accepts).parts))
    assert isinstance(await outcome_of(api, late, deadline_seconds=1.0), Unknown)


@ALL
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_sign_in_pauses_the_account(api: Api, status: int) -> None:
    outcome = await outcome_of(api, answer(status, PAGE.encode()))
    assert isinstance(outcome, NotSent)
    assert outcome.refuses_account


@ALL
async def test_a_provider_that_has_too_many_calls_says_for_how_long(api: Api) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True)
    waits = {None: None, "Retry-After: 7": 7.0, f"Retry-After: {later}": 1_800.0}
    for header, seconds in waits.items():
        headers = [] if header is None else [header]
        outcome = await outcome_of(api, answer(429, PAGE.encode(), *headers))
        assert isinstance(outcome, NotSent)
        assert (outcome.refuses_account, outcome.asks_to_wait) == (False, True)
        assert outcome.retry_after_seconds == pytest.approx(seconds, abs=60)


# What the provider itself says while it is busy; None if it is not known to say so.
BUSY: dict[str, object] = {
    "extreme": {"success": False, "error": "Service unavailable"},
    "ibiki": {"success": False, "code": "UNAVAILABLE", "error": "Try again."},
    "egosms plain": None,
    "egosms json": {"Status": "Failed", "Message": "Try again"},
    "twilio": None,
    "africastalking": None,
    "kannel": "Temporal failure, try again later.",
    "android": {"message": "Queue limits exceeded"},
}


@pytest.mark.parametrize("name", APIS)
async def test_a_provider_that_is_busy_has_not_accepted_the_message(name: str) -> None:
    busy = answer(503, encoded(BUSY[name] or "Service Unavailable"), "Retry-After: 7")
    outcome = await outcome_of(APIS[name], busy)
    if BUSY[name] is None:
        assert isinstance(outcome, Unknown)
    else:
        assert isinstance(outcome, NotSent)
        # With Kannel, it may be the queue of one network.
        assert outcome.asks_to_wait is (name != "kannel")
        assert outcome.retry_after_seconds == 7


def items(**item: object) -> object:
    return {"SMSMessageData": {"Recipients": [{**ITEM, "messageId": "None", **item}]}}


# Refusals with the status of a success.
REFUSED: list[tuple[str, object, type[Outcome], bool]] = [
    ("extreme", {"success": False, "code": "INSUFFICIENT_CREDITS"}, NotSent, True),
    ("extreme", {"success": False, "code": "INVALID_RECIPIENT"}, Rejected, False),
    ("extreme", {"success": False, "code": "DUPLICATE_MESSAGE"}, Unknown, False),
    ("extreme", {"success": False, "messageId": REFERENCE}, Unknown, False),
    ("ibiki", {"success": False, "code": "INSUFFICIENT_CREDITS"}, NotSent, True),
    ("ibiki", {"success": False, "code": "INVALID_PARAMS"}, Rejected, False),
    ("twilio", {"code": 21211, "message": "Invalid", "status": 400}, Unknown, False),
    ("africastalking", items(statusCode=403), Rejected, False),
    ("kannel", "Not routable. Do not try again.", Unknown, False),
    ("android", {"message": "Invalid request"}, Unknown, False),
]


@pytest.mark.parametrize(("name", "body", "expected", "refuses"), REFUSED)
async def test_a_refusal_in_a_successful_answer_is_read(
    name: str, body: object, expected: type[Outcome], refuses: bool
) -> None:
    outcome = await outcome_of(APIS[name], answer(APIS[name].status, encoded(body)))
    assert isinstance(outcome, expected), outcome
    assert (isinstance(outcome, NotSent) and outcome.refuses_account) == refuses


@ALL
async def test_without_a_connection_nothing_was_sent(api: Api, tmp_path: Path) -> None:
    async with closed() as port, account_at(api, f"http://127.0.0.1:{port}") as account:
        assert await account.send(ONE) == NotSent("The connection was refused.")


@ALL
@pytest.mark.parametrize("own", [True, False])
async def test_with_a_certificate_that_is_not_trusted_nothing_was_sent(
    api: Api, own: bool, tmp_path: Path
) -> None:
    tls = Authority(tmp_path).server("localhost", own=own)
    async with (
        listening(FarEnd(), tls=tls) as far_end,
        account_at(api, f"https://localhost:{far_end.port}") as account,
    ):
        fault = "is signed by itself" if own else "is not from a known CA"
        assert await account.send(ONE) == NotSent(f"The host's certificate {fault}.")
    assert far_end.requests == []
