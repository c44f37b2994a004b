"""A simulator for a test, an account at it, and requests to its control endpoint."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from domain.provider import Accepted, Outcome, OutgoingMessage
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from providers.simulator.server import DEFAULT_API_KEY, running
from tests.clocks import PATIENCE_SECONDS

PLAIN = ["+12025550100", "+12025550101", "+12025550102"]
ID = re.compile(r"[0-9a-f]{24}")


@dataclass
class Simulated:
    """An account at a simulator, and what the simulator itself reports."""

    provider: ExtremeSMS
    base_url: str
    session: aiohttp.ClientSession

    @asynccontextmanager
    async def with_short_deadline(self) -> AsyncIterator[ExtremeSMS]:
        """The same account with a short deadline, for calls that are not answered."""
        async with account_at(self.base_url, deadline_seconds=1) as simulator:
            yield simulator.provider

    async def control(self, what: str, **requested: object) -> Any:
        """The answer of the control endpoint. If values are given, they are set first."""
        method = "POST" if requested or what == "reset" else "GET"
        url = f"{self.base_url}/control/{what}"
        async with self.session.request(method, url, json=requested or None) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def log(self) -> Any:
        """All requests that it received, oldest first."""
        return await self.control("log")

    async def took(self) -> list[str]:
        """The numbers of all messages that it accepted, in order."""
        return [
            message["recipient"]
            for request in await self.log()
            for message in request["messages"]
            if message["took"]
        ]

    async def has_seen(self, requests: int) -> None:
        """Waits until it has received this many requests."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.control("balance"))["requests"] < requests:
                pass

    async def balance(self) -> int:
        """The credits that are left."""
        return int((await self.control("balance"))["balance"])


@asynccontextmanager
async def account_at(
    base_url: str, *, api_key: str = DEFAULT_API_KEY, deadline_seconds: float = 20
) -> AsyncIterator[Simulated]:
    """An account at a simulator that runs already."""
    config = ProviderConfig(
        base_url=base_url,
        api_key=api_key,
        deadline_seconds=deadline_seconds,
        connect_seconds=20,
        loopback_only=True,
    )
    provider = ExtremeSMS(config)
    async with aiohttp.ClientSession() as session:
        yield Simulated(provider, base_url, session)
    await provider.close()


@asynccontextmanager
async def simulated(
    state_dir: Path | None = None, *, balance: int = 1000, deadline_seconds: float = 20
) -> AsyncIterator[Simulated]:
    """An account at its own simulator."""
    async with (
        running(state_dir=state_dir, balance=balance) as base_url,
        account_at(base_url, deadline_seconds=deadline_seconds) as simulator,
    ):
        yield simulator


def one(number: str = PLAIN[0]) -> OutgoingMessage:
    return OutgoingMessage(number, "Hello")


def many(numbers: list[str] = PLAIN, *, texts: bool = False) -> list[OutgoingMessage]:
    """A message to each number: all with one text, or with a text each."""
    return [OutgoingMessage(number, f"Hello {number}" if texts else "Hello") for number in numbers]


def refers(outcome: Outcome) -> str:
    """The reference of a message that was accepted."""
    assert isinstance(outcome, Accepted)
    assert outcome.reference is not None
    assert ID.fullmatch(outcome.reference)
    return outcome.reference
