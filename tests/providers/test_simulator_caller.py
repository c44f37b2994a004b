"""The simulator calls a webhook as a provider does: with reports, and with what phones answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from domain.inbox.webhooks import DeliveryReport, ReceivedMessage
from domain.provider import Accepted, OutgoingMessage
from domain.sending.messages import Line
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS, parse_webhook
from providers.simulator.caller import Webhook
from providers.simulator.extreme import MODEM, PORT
from providers.simulator.server import DEFAULT_API_KEY, running
from tests.clocks import PATIENCE_SECONDS
from tests.servers import serving

PHONE, LATE, TWICE = "+12025550177", "+12025550178", "+12025550179"
EARLY, FAILED = "+12025550180", "+12025550181"


@dataclass
class Listener:
    """The receiver of the calls: what it received, and how it answers."""

    url: str = ""
    arrived: list[Any] = field(default_factory=list)
    secrets: set[str | None] = field(default_factory=set)
    refusals: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.secrets.add(request.headers.get("X-Webhook-Secret"))
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        self.arrived.append(parse_webhook(await request.read()))
        return web.Response()

    async def received(self, count: int) -> list[Any]:
        """The received calls, once there are this many."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.arrived) < count:  # noqa: ASYNC110 - a condition with a bound
                await asyncio.sleep(0.02)
        return self.arrived


@dataclass
class Setup:
    """A simulator, an account at it, and the receiver that it calls."""

    listener: Listener
    provider: ExtremeSMS
    base_url: str

    async def send(self, number: str, text: str = "Hi", **line: str) -> str:
        """A message that is taken; its id."""
        outcome = await self.provider.send(OutgoingMessage(number, text, **line))
        assert isinstance(outcome, Accepted)
        assert outcome.reference is not None
        return outcome.reference


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    listener = Listener()
    async with serving(listener.answer) as listener.url:
        webhook = Webhook(lambda: listener.url, "shown")
        async with running(webhook=webhook) as base_url:
            config = ProviderConfig(base_url=base_url, api_key=DEFAULT_API_KEY, loopback_only=True)
            provider = ExtremeSMS(config)
            yield Setup(listener, provider, base_url)
            await provider.close()


async def test_a_phone_replies_with_the_same_text_through_the_default_line(setup: Setup) -> None:
    reference = await setup.send(PHONE, "Hello")
    report, inbound = await setup.listener.received(2)
    assert (report.reference, report.word, report.number) == (reference, "delivered", PHONE)
    assert isinstance(inbound, ReceivedMessage)
    assert (inbound.sender, inbound.text, inbound.line) == (PHONE, "Hello", Line(MODEM, PORT))
    assert setup.listener.secrets == {"shown"}


async def test_a_phone_replies_through_the_line_of_the_message(setup: Setup) -> None:
    await setup.send(PHONE, modem="m 7", port="3")
    _, inbound = await setup.listener.received(2)
    assert inbound.line == Line("m 7", "3")


async def test_a_report_can_come_before_the_answer(setup: Setup) -> None:
    reference = await setup.send(EARLY)
    assert [each.reference for each in setup.listener.arrived] == [reference]


async def test_a_report_can_come_twice(setup: Setup) -> None:
    await setup.send(TWICE)
    first, second = await setup.listener.received(2)
    assert first == second


async def test_a_report_can_come_late_and_nothing_comes_before_it(setup: Setup) -> None:
    began = asyncio.get_running_loop().time()
    await setup.send(LATE)
    await setup.listener.received(1)
    assert asyncio.get_running_loop().time() - began >= 3.0


async def test_a_failure_is_reported_and_is_the_status_of_the_message(setup: Setup) -> None:
    reference = await setup.send(FAILED)
    (report,) = await setup.listener.received(1)
    assert isinstance(report, DeliveryReport)
    assert report.word == "failed"
    url = f"{setup.base_url}/api/v2/sms/status/{reference}"
    headers = {"Authorization": f"Bearer {DEFAULT_API_KEY}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        found = await answer.json()
    assert (found["status"], found["deliveredAt"]) == ("failed", None)


async def test_a_call_that_is_not_accepted_is_repeated(setup: Setup) -> None:
    setup.listener.refusals = 2
    await setup.send(TWICE)
    assert len(await setup.listener.received(2)) == 2


async def test_in_a_bulk_each_number_has_its_own_callbacks(setup: Setup) -> None:
    numbers = ["+12025550100", EARLY, FAILED]
    outcomes = await setup.provider.send_many([OutgoingMessage(number, "Hi") for number in numbers])
    early, failed = await setup.listener.received(2)
    references = [each.reference for each in outcomes if isinstance(each, Accepted)]
    assert [early.reference, failed.reference] == references[1:]


async def test_the_control_endpoint_sends_an_inbound_message(setup: Setup) -> None:
    requested = {"from": "+12025550143", "message": "Hi", "modem": "m1", "receiver": "+12025550111"}
    url = f"{setup.base_url}/control/inbound"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json=requested) as answer:
            assert await answer.json() == {"status": 200}
        async with session.post(url, json={"message": "Hi"}) as answer:
            assert answer.status == 400
    (inbound,) = setup.listener.arrived
    assert (inbound.sender, inbound.line, inbound.receiver) == (
        "+12025550143",
        Line("m1", PORT),
        "+12025550111",
    )


async def test_without_a_webhook_no_call_is_made() -> None:
    async with running() as base_url:
        config = ProviderConfig(base_url=base_url, api_key=DEFAULT_API_KEY, loopback_only=True)
        provider = ExtremeSMS(config)
        assert isinstance(await provider.send(OutgoingMessage(EARLY, "Hi")), Accepted)
        await provider.close()
