"""Accounts at the simulated vendors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from domain.provider import Provider, Reading, SupportsBalance
from providers.config import ProviderConfig
from providers.registry import open_account
from providers.simulator.accounts import SIMULATED_ACCOUNTS, SIMULATED_SENDER

SENDERS = {"africastalking": SIMULATED_SENDER, "android": "1", "twilio": SIMULATED_SENDER}
PATHS = {"android": "/3rdparty/v1"}
"""The path of an API at the simulator, if it is not the root."""
VENDORS = sorted(SIMULATED_ACCOUNTS)


async def balance_of(account: Provider) -> Reading:
    """The balance of an account whose provider reports one."""
    assert isinstance(account, SupportsBalance)
    return await account.balance()


@asynccontextmanager
async def account_of(provider: str, base_url: str, **more: Any) -> AsyncIterator[Provider]:
    """The account at this vendor that the simulator knows, with changes to its config."""
    usual: dict[str, Any] = {
        "base_url": base_url + PATHS.get(provider, ""),
        "credentials": SIMULATED_ACCOUNTS[provider],
        "sender": SENDERS[provider],
        "unit_cost": Decimal(1),
        "deadline_seconds": 20,
        "connect_seconds": 20,
        "loopback_only": True,
    }
    opened = open_account(provider, ProviderConfig(**{**usual, **more}))
    yield opened
    await opened.close()
