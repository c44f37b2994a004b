"""The requests to EgoSMS, compared with those of the vendor's SDK, and the SDK at our simulator."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from comms_sdk import CommsSDK, MessagePriority

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
from providers.config import ProviderConfig
from providers.egosms import REJECTED, EgoSMSJson, EgoSMSPlain, open_egosms
from providers.simulator.egosms import DEMO_BALANCE, DEMO_PASSWORD, DEMO_USERNAME, PRICE
from providers.simulator.request_log import RequestLog
from tests.providers.recorder import recorder
from tests.providers.simulated import Simulated

DEMO = Credentials(DEMO_USERNAME, DEMO_PASSWORD)
CREDENTIALS = Credentials("St. Mary's & Co", "p&ss=wörd+ %/é")
NUMBERS = ["+256700000001", "+256700000002", "+256700000003"]
SUCCESS = {"Status": "OK", "Message": "Success", "MsgFollowUpUniqueCode": "c-1", "Balance": 12.5}


@asynccontextmanager
async def account_at(
    address: str,
    credentials: Credentials = DEMO,
    *,
    sender: str | None = "Kanda",
    wallet: str | None = None,
) -> AsyncIterator[EgoSMSJson | EgoSMSPlain]:
    config = ProviderConfig(
        base_url=address,
        credentials=credentials,
        sender=sender,
        wallet=wallet,
        deadline_seconds=2,
        loopback_only=True,
    )
    provider = open_egosms(config)
    yield provider
    await provider.close()


async def quietly(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a call of the SDK returns, and what it prints."""
    printed = io.StringIO()

    def run() -> Any:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            return call()

    return await asyncio.to_thread(run), printed.getvalue()


@pytest.fixture
def sdk_url(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda url: monkeypatch.setattr(CommsSDK, "API_URL", url)


async def sdk_of(credentials: Credentials = DEMO) -> Any:
    sdk, _ = await quietly(
        lambda: CommsSDK.authenticate(credentials.username, credentials.password)
    )
    return sdk.with_sender_id("Kanda")


async def test_our_requests_are_those_of_the_vendors_sdk_field_by_field(
    sdk_url: Callable[[str], None],
) -> None:
    async with recorder(answer=SUCCESS) as vendor:
        address = f"{vendor.base_url}/api/v1/json/"
        sdk_url(address)
        sdk = await sdk_of(CREDENTIALS)
        vendor.taken()
        await quietly(lambda: sdk.query_send_sms(NUMBERS[0], "Hello é"))
        await quietly(lambda: sdk.query_send_sms(NUMBERS, "Hello"))
        await quietly(sdk.query_balance)
        theirs = vendor.taken()
        async with account_at(address, CREDENTIALS) as provider:
            await provider.send(OutgoingMessage(NUMBERS[0], "Hello é"))
            await provider.send_many([OutgoingMessage(number, "Hello") for number in NUMBERS])
            await provider.balance()
        ours = vendor.taken()
    for request in (*theirs, *ours):
        assert (request.method, request.path) == ("POST", "/api/v1/json/")
        assert list(request.body) == ["method", "userdata", "msgdata", "walletType"]
    # The SDK puts its numbers into a set, so their order is not defined.
    for request in (theirs[1], ours[1]):
        request.body["msgdata"].sort(key=lambda message: message["number"])
    assert ours == theirs
    assert [list(each) for each in ours[0].body["msgdata"]] == [
        ["number", "message", "senderid", "priority"]
    ]


async def test_an_account_uses_the_wallet_that_it_names() -> None:
    async with recorder(answer=SUCCESS) as vendor:
        address = f"{vendor.base_url}/api/v1/json/"
        async with account_at(address, wallet="International") as provider:
            await provider.send(OutgoingMessage(NUMBERS[0], "Hello"))
            await provider.balance()
    assert [each.body["walletType"] for each in vendor.requests] == ["International"] * 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"wallet": "local"}, "wallet must be Local"), ({"sender": "x" * 12}, "at most 11")],
)
def test_a_value_that_the_vendor_refuses_is_refused_before_anything_is_charged(
    wrong: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        open_egosms(
            ProviderConfig(
                base_url="http://127.0.0.1:1/api/v1/json/",
                credentials=DEMO,
                wallet=wrong.get("wallet"),
                sender=wrong.get("sender"),
            )
        )


async def test_a_plain_request_has_its_fields_in_the_query_exactly_as_they_are() -> None:
    async with (
        recorder(answer=SUCCESS) as vendor,
        account_at(f"{vendor.base_url}/api/v1/plain/?", CREDENTIALS) as provider,
    ):
        await provider.send(OutgoingMessage(NUMBERS[0], "50 % & more? é\n+1", "a modem", "7"))
        with pytest.raises(ProviderUnavailable):
            await provider.balance()
    own = [("username", CREDENTIALS.username), ("password", CREDENTIALS.password)]
    message = [("number", "256700000001"), ("message", "50 % & more? é\n+1"), ("sender", "Kanda")]
    called = [each.path.split("?") for each in vendor.requests]
    assert [(path, parse_qsl(query, strict_parsing=True)) for path, query in called] == [
        ("/api/v1/plain/", own + message),
        ("/api/v1/plain/", [("method", "Balance"), *own]),
    ]
    assert {each.method for each in vendor.requests} == {"GET"}


@pytest.mark.parametrize("path", ["/api/v1/plain", "/api/v1/plain/", "/api/v1/json", "/other"])
async def test_the_path_is_called_as_it_was_configured(path: str) -> None:
    async with (
        recorder(answer=SUCCESS) as vendor,
        account_at(f"{vendor.base_url}{path}") as provider,
    ):
        await provider.send(OutgoingMessage(NUMBERS[0], "Hello"))
    assert [each.path.partition("?")[0] for each in vendor.requests] == [path]


@pytest.mark.parametrize("path", ["plain/?", "json/"])
async def test_no_log_names_the_credentials(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for origin in ("http://127.0.0.1:1", "http://localhost:1"):
            async with account_at(f"{origin}/api/v1/{path}", CREDENTIALS) as provider:
                assert isinstance(
                    await provider.send(OutgoingMessage(NUMBERS[0], "Hello")), NotSent
                )
                with pytest.raises(ProviderUnavailable) as refused:
                    await provider.balance()
                seen = f"{refused.value!r} {refused.value.__cause__!r} {provider!r}"
                assert "p&ss" not in seen
                assert "p%26ss" not in seen
    assert "p&ss" not in caplog.text
    assert "p%26ss" not in caplog.text


# --- At the simulator


def json_of(simulator: Simulated) -> str:
    return f"{simulator.base_url}/api/v1/json/"


def plain_of(simulator: Simulated) -> str:
    return f"{simulator.base_url}/api/v1/plain/?"


@pytest.mark.parametrize("path", ["/api/v1/json/", "/api/v1/json"])
async def test_the_vendors_sdk_works_against_the_simulator(
    simulator: Simulated, path: str, sdk_url: Callable[[str], None]
) -> None:
    sdk_url(simulator.base_url + path)
    sdk = await sdk_of()
    assert sdk.is_authenticated
    assert (await quietly(sdk.get_balance))[0] == DEMO_BALANCE
    sent, printed = await quietly(
        lambda: sdk.send_sms(NUMBERS, "Hello", priority=MessagePriority.LOWEST)
    )
    assert sent, printed
    one, _ = await quietly(lambda: sdk.query_send_sms("0700000004", "Hello"))
    assert (one.Status, one.Cost) == ("OK", PRICE)
    assert one.MsgFollowUpUniqueCode
    assert (await quietly(sdk.get_balance))[0] == DEMO_BALANCE - 4 * PRICE
    assert sorted(await simulator.took()) == [f"25670000000{each}" for each in range(1, 5)]


async def test_the_vendors_sdk_is_refused_as_the_vendor_refuses(
    simulator: Simulated, sdk_url: Callable[[str], None]
) -> None:
    sdk_url(json_of(simulator))
    stranger = await sdk_of(Credentials(DEMO_USERNAME, "a guess"))
    assert not stranger.is_authenticated
    await simulator.control("egosms", username="poor", password="pw", balance=PRICE - 1)
    poor = await sdk_of(Credentials("poor", "pw"))
    assert poor.is_authenticated
    sent, printed = await quietly(lambda: poor.send_sms(NUMBERS[0], "Hello"))
    assert not sent
    assert "Failed: Insufficient balance" in printed
    assert await simulator.took() == []


@pytest.mark.parametrize("address", [json_of, plain_of])
async def test_our_adapter_sends_and_reads_the_balance(
    simulator: Simulated, address: Callable[[Simulated], str]
) -> None:
    async with account_at(address(simulator)) as provider:
        assert (await provider.balance()).value == Decimal(DEMO_BALANCE)
        outcome = await provider.send(OutgoingMessage(NUMBERS[0], "Hello"))
        assert isinstance(outcome, Accepted)
        assert (outcome.reference is None) == (address is plain_of)
        assert (await provider.balance()).value == DEMO_BALANCE - PRICE
    assert await simulator.balance() == 1000, "the other provider's credits are not touched"
    assert "simulated-school" not in json.dumps(await simulator.log())


async def test_one_code_covers_a_batch(simulator: Simulated) -> None:
    async with account_at(json_of(simulator)) as provider:
        outcomes = await provider.send_many([OutgoingMessage(each, "Hello") for each in NUMBERS])
    assert len(set(outcomes)) == 1
    assert isinstance(outcomes[0], Accepted)
    assert await simulator.took() == [each.removeprefix("+") for each in NUMBERS]


# The kind of a fault, the outcome of a send by the plain and by the JSON API, and whether the
# message was taken in fact.
FAULTS: list[tuple[str, type[Outcome], type[Outcome], bool]] = [
    ("bad_key", NotSent, NotSent, False),
    ("no_credits", NotSent, NotSent, False),
    ("forbidden", NotSent, Rejected, False),
    ("invalid_params", NotSent, NotSent, False),
    ("invalid_recipient", Rejected, Rejected, False),
    ("rate_limited", NotSent, NotSent, False),
    ("unavailable", Unknown, Unknown, False),
    ("broken", Unknown, Unknown, False),
    ("not_found", Unknown, Unknown, False),
    ("html", Unknown, Unknown, True),
    ("empty", Unknown, Unknown, True),
    ("wrong_types", Unknown, Unknown, True),
    ("cut", Unknown, Unknown, True),
    ("reset_after", Unknown, Unknown, True),
    ("hang_after", Unknown, Unknown, True),
    ("extra_key", Accepted, Accepted, True),
    ("lower_case", Accepted, Accepted, True),
    ("text_amounts", Accepted, Accepted, True),
    ("no_reference", Accepted, Accepted, True),
]


@pytest.mark.parametrize("address", [json_of, plain_of])
@pytest.mark.parametrize(("kind", "plain", "in_json", "taken"), FAULTS)
async def test_each_fault_of_the_simulator_has_its_outcome(
    simulator: Simulated,
    address: Callable[[Simulated], str],
    kind: str,
    plain: type[Outcome],
    in_json: type[Outcome],
    taken: bool,
) -> None:
    await simulator.control("fault", kind=kind, path="/api/v1/")
    async with account_at(address(simulator)) as provider:
        outcome = await provider.send(OutgoingMessage(NUMBERS[0], "Hello"))
    assert isinstance(outcome, plain if address is plain_of else in_json), outcome
    assert bool(await simulator.took()) == taken
    left = (await simulator.control("egosms"))[DEMO_USERNAME]
    assert left == DEMO_BALANCE - PRICE * taken


@pytest.mark.parametrize("address", [json_of, plain_of])
@pytest.mark.parametrize(
    "kind", ["html", "empty", "wrong_types", "currency_word", "thousands", "bad_key", "broken"]
)
async def test_an_invalid_text_is_not_a_balance(
    simulator: Simulated, address: Callable[[Simulated], str], kind: str
) -> None:
    await simulator.control("fault", kind=kind, path="/api/v1/")
    async with account_at(address(simulator)) as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.balance()
        assert (await provider.balance()).value == DEMO_BALANCE


@pytest.mark.parametrize("number", ["256700000160", "12025550160"])
async def test_magic_numbers_are_those_of_the_other_provider(
    simulator: Simulated, number: str
) -> None:
    async with account_at(json_of(simulator)) as provider:
        assert await provider.send(OutgoingMessage(f"+{number}", "Hello")) == Rejected(REJECTED)


@pytest.mark.parametrize(
    "change",
    [
        {"walletType": None},
        {"walletType": "Other"},
        {"method": "Other"},
        {"msgdata": None},
        {"msgdata": [{"number": "1", "message": "x"}]},
        {"msgdata": [{"number": "256700000001", "message": "x"}] * 2},
        {"msgdata": [{"number": f"2567000{each:05}", "message": "x"} for each in range(1001)]},
        {"msgdata": [{"number": "256700000001", "message": "x", "senderid": "x" * 12}]},
        {"msgdata": [{"number": "256700000001", "message": "x", "priority": "9"}]},
    ],
)
async def test_a_json_call_that_is_not_right_fails_and_takes_nothing(
    simulator: Simulated, change: dict[str, object]
) -> None:
    right: dict[str, object] = {
        "method": "SendSms",
        "userdata": {"username": DEMO_USERNAME, "password": DEMO_PASSWORD},
        "msgdata": [{"number": "256700000001", "message": "x"}],
    }
    async with simulator.session.post(json_of(simulator), json=right) as response:
        assert (await response.json())["Status"] == "OK"
    async with simulator.session.post(json_of(simulator), json=right | change) as response:
        assert response.status == 200
        assert (await response.json())["Status"] == "Failed"
    assert await simulator.took() == ["256700000001"]


@pytest.mark.parametrize("more", [{}, {"msgdata": []}, {"msgdata": None}, {"walletType": "Local"}])
async def test_a_request_for_the_balance_may_have_empty_messages(
    simulator: Simulated, more: dict[str, object]
) -> None:
    own = {"username": DEMO_USERNAME, "password": DEMO_PASSWORD}
    async with simulator.session.post(
        json_of(simulator), json={"method": "Balance", "userdata": own, **more}
    ) as response:
        assert (await response.json())["Balance"] == DEMO_BALANCE


async def test_a_simulator_remembers_its_accounts_without_their_passwords(tmp_path: Path) -> None:
    book = RequestLog(tmp_path, opening_balance=1)
    book.open_wallet("a school", "its password", 100)
    book.add_request({"wallet": "a school", "cost": 35}, [])
    book.close()
    again = RequestLog(tmp_path, opening_balance=1)
    wallet = again.wallets["a school"]
    again.close()
    assert wallet.balance == 65
    assert wallet.opens_with("its password")
    assert not wallet.opens_with("another")
    assert "its password" not in again.path.read_text()
