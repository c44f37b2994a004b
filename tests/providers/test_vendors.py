"""What holds for each vendor at the simulator: faults, magic numbers, webhook calls, secrets."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from domain.errors import ProviderUnavailable
from domain.inbox.webhooks import DeliveryReport, Parsed, ReceivedMessage
from domain.provider import (
    Accepted,
    Credentials,
    NotSent,
    Outcome,
    OutgoingMessage,
    Rejected,
    ReportedStatus,
    SupportsBalance,
    SupportsStatus,
    Unknown,
)
from providers.registry import PARSERS, PROVIDERS
from providers.replies import SignedCall
from providers.simulator.accounts import SIMULATED_ACCOUNTS, SIMULATED_SENDER
from providers.simulator.caller import Webhook
from providers.simulator.server import running
from tests.clocks import PATIENCE_SECONDS
from tests.providers.far_end import FarEnd, listening
from tests.providers.simulated import Simulated
from tests.providers.vendors_at import VENDORS, account_of, balance_of
from tests.servers import serving

ONE = OutgoingMessage("+12025550100", "Hello é € 你好")
PHONE, FAILS = "+12025550177", "+12025550181"
SECRET = "p&ss=wörd+ %/é"

# The kind of a fault, the outcome of a send, and whether the message was taken in fact.
FAULTS: list[tuple[str, type[Outcome], bool]] = [
    ("accept", Accepted, True),
    ("bad_key", NotSent, False),
    ("no_credits", NotSent, False),
    ("forbidden", NotSent, False),
    ("rate_limited", NotSent, False),
    ("broken", Unknown, False),
    ("unavailable_html", Unknown, False),
    ("html", Unknown, True),
    ("empty", Unknown, True),
    ("wrong_types", Unknown, True),
    ("cut", Unknown, True),
    ("reset_before", Unknown, False),
    ("reset_after", Unknown, True),
    ("slow", Accepted, True),
]


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_fault_on_demand_has_its_outcome(simulator: Simulated, provider: str) -> None:
    for kind, expected, is_taken in FAULTS:
        before = len(await simulator.took())
        await simulator.control("fault", kind=kind, seconds=0.05)
        async with account_of(provider, simulator.base_url) as account:
            [outcome] = await account.send_many([ONE])
        assert isinstance(outcome, expected), (kind, outcome)
        assert (len(await simulator.took()) > before) == is_taken, kind
        if isinstance(outcome, NotSent):
            assert outcome.refuses_account == (kind != "rate_limited"), kind


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_refused_number_is_rejected_and_a_silent_call_is_unknown(
    simulator: Simulated, provider: str
) -> None:
    async with account_of(provider, simulator.base_url, deadline_seconds=1.0) as account:
        assert isinstance(await account.send(OutgoingMessage("+12025550160", "Hello")), Rejected)
        assert isinstance(await account.send(OutgoingMessage("+12025550163", "Hello")), Unknown)
    async with account_of(provider, "http://127.0.0.1:1") as account:
        assert isinstance(await account.send(ONE), NotSent)
    assert await simulator.took() == ["+12025550163"]


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_deadline_after_the_first_byte_is_unknown(provider: str) -> None:
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n"
    async with (
        listening(FarEnd((head + b'{"sid": "SM',), end="hang")) as far_end,
        account_of(provider, far_end.base_url, deadline_seconds=1.0) as account,
    ):
        assert isinstance(await account.send(ONE), Unknown)


@pytest.mark.parametrize("provider", VENDORS)
async def test_the_status_of_a_message_is_read(simulator: Simulated, provider: str) -> None:
    async with account_of(provider, simulator.base_url) as account:
        if not isinstance(account, SupportsStatus):
            return  # it has no call for this
        sent = [await account.send(OutgoingMessage(number, "Hello")) for number in (PHONE, FAILS)]
        references = [each.reference for each in sent if isinstance(each, Accepted)]
        statuses = [await account.status(each or "") for each in references]
        assert statuses == [ReportedStatus.DELIVERED, ReportedStatus.FAILED]
        assert await account.status("unknown") is None


@pytest.mark.parametrize("provider", VENDORS)
async def test_no_log_and_no_error_names_a_secret(
    provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = Credentials(SIMULATED_ACCOUNTS[provider].username, SECRET)
    shown = base64.b64encode(f"{own.username}:{SECRET}".encode()).decode()
    seen = ""
    with caplog.at_level(logging.DEBUG):
        for origin in ("http://127.0.0.1:1", "http://localhost:1"):
            async with account_of(provider, origin, credentials=own) as account:
                seen += repr(await account.send(ONE)) + repr(account)
                if not isinstance(account, SupportsBalance):
                    continue
                with pytest.raises(ProviderUnavailable) as refused:
                    await balance_of(account)
                seen += f"{refused.value!r} {refused.value.__cause__!r}"
    for secret in (SECRET, shown, "p%26ss"):
        assert secret not in seen + caplog.text


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_wrong_secret_is_a_refusal_of_the_account(
    simulator: Simulated, provider: str
) -> None:
    own = Credentials(SIMULATED_ACCOUNTS[provider].username, SECRET)
    async with account_of(provider, simulator.base_url, credentials=own) as account:
        outcome = await account.send(ONE)
    assert isinstance(outcome, NotSent)
    assert outcome.refuses_account
    assert SECRET not in json.dumps(await simulator.log(), ensure_ascii=False)


# --- Webhook calls


@dataclass
class Listener:
    """A receiver that checks the signature and parses each call."""

    provider: str
    url: str = ""
    arrived: list[Parsed] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        signature = PROVIDERS[self.provider].signature
        if signature is not None:
            call = SignedCall(self.url + request.path, request.headers, body)
            assert signature.check(call, SIMULATED_ACCOUNTS[self.provider].password)
            assert not signature.check(call, "another")
            assert not signature.check(replace(call, body=body + b" "), "another")
        self.arrived.append(PARSERS[self.provider](body))
        return web.Response()

    async def received(self, count: int) -> list[Parsed]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.arrived) < count:  # noqa: ASYNC110 - a condition with a bound
                await asyncio.sleep(0.02)
        return self.arrived


@asynccontextmanager
async def listener(provider: str) -> AsyncIterator[tuple[Listener, str]]:
    """A receiver, and the address of a simulator that calls it."""
    here = Listener(provider)
    webhook = Webhook(lambda: f"{here.url}/api/webhook/extreme", "a-secret")
    async with serving(here.answer) as here.url, running(webhook=webhook) as base_url:
        yield here, base_url


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_phone_answers_and_reports_come_in_the_vendors_format(provider: str) -> None:
    async with listener(provider) as (here, base_url), account_of(provider, base_url) as account:
        sent = await account.send(OutgoingMessage(PHONE, "Good mörning"))
        failing = await account.send(OutgoingMessage(FAILS, "Hello"))
        calls = await here.received(3)
    reports = {each.reference: each for each in calls if isinstance(each, DeliveryReport)}
    assert isinstance(sent, Accepted)
    assert isinstance(failing, Accepted)
    assert sent.reference is not None
    assert failing.reference is not None
    assert reports[sent.reference].status is ReportedStatus.DELIVERED
    assert reports[failing.reference].status is ReportedStatus.FAILED
    [inbound] = [each for each in calls if isinstance(each, ReceivedMessage)]
    assert (inbound.sender, inbound.text) == (PHONE, "Good mörning")
    assert inbound.receiver == SIMULATED_SENDER
    assert inbound.key


@pytest.mark.parametrize("provider", VENDORS)
async def test_a_message_from_a_phone_comes_on_demand(provider: str) -> None:
    async with listener(provider) as (here, base_url), aiohttp.ClientSession() as session:
        call = {"from": PHONE, "message": "Hello", "provider": provider, "receiver": "12345"}
        for _ in range(2):
            async with session.post(f"{base_url}/control/inbound", json=call) as response:
                assert await response.json() == {"status": 200}
        first, second = await here.received(2)
    assert isinstance(first, ReceivedMessage)
    assert isinstance(second, ReceivedMessage)
    assert (first.sender, first.text, first.receiver) == (PHONE, "Hello", "12345")
    assert first.key != second.key


WHOLE = [
    b"MessageSid=SM1&From=%2B12025550100&To=%2B12025550199&Body=Hello&AccountSid=AC1&NumMedia=1",
    b"MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003",
    b"id=a1&from=%2B12025550100&to=22384&text=Hello&date=2026-05-03T06%3A04%3A45Z",
    b"id=ATXid_1&status=Failed&phoneNumber=%2B12025550100&failureReason=DeliveryFailure",
    b'{"deviceId": "d", "event": "sms:received", "payload": {"messageId": "a", "message": "Hello",'
    b' "sender": "+12025550100", "simNumber": 1, "receivedAt": "2026-06-22T15:46:11.000+07:00"}}',
    b'{"event": "sms:failed", "payload": {"messageId": "a", "reason": "x"}}',
]


def test_no_damaged_body_raises_and_what_is_read_can_be_stored() -> None:
    chance = random.Random(4711)
    for _ in range(3_000):
        body = bytearray(chance.choice(WHOLE))
        for _ in range(chance.randint(0, 4)):
            at = chance.randrange(len(body))
            body[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        for provider in VENDORS:
            parsed = PARSERS[provider](bytes(body[: chance.randint(1, 400)]))
            shown = "".join(map(str, filter(None, asdict(parsed).values())))
            assert "\0" not in shown
            shown.encode()


@pytest.mark.parametrize("provider", VENDORS)
async def test_the_balance_is_read(simulator: Simulated, provider: str) -> None:
    async with account_of(provider, simulator.base_url) as account:
        if isinstance(account, SupportsBalance):
            assert (await balance_of(account)).value == Decimal(1000)
