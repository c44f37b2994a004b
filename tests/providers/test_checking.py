"""`ibiki check-provider` for all providers but Kannel: right, wrong, elsewhere, not there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import Credentials
from ibiki.cli.checking import try_account
from providers import egosms
from providers.config import ProviderConfig
from providers.registry import PROVIDERS, open_account
from providers.simulator.accounts import SIMULATED_ACCOUNTS
from providers.simulator.egosms import DEMO_PASSWORD, DEMO_USERNAME
from providers.simulator.server import DEFAULT_API_KEY
from tests.providers.simulated import Simulated
from tests.providers.vendors_at import PATHS, SENDERS

CHECKED = sorted(PROVIDERS.keys() - {"kannel", "simulated"} | {"egosms plain"})
SCHOOL = Credentials(DEMO_USERNAME, DEMO_PASSWORD)


def config(name: str, base_url: str) -> ProviderConfig:
    """The right configuration of an account at the simulator."""
    paths = {"egosms": egosms.JSON_PATH, "egosms plain": "/api/v1/plain/?", **PATHS}
    values: dict[str, Any] = {
        "base_url": base_url + paths.get(name, ""),
        "sender": SENDERS.get(name, "School"),
        "unit_cost": Decimal(1),
        "deadline_seconds": 20,
        "connect_seconds": 20,
        "loopback_only": True,
    }
    if name in ("extreme", "ibiki"):
        values["api_key"] = DEFAULT_API_KEY
    else:
        values["credentials"] = SIMULATED_ACCOUNTS.get(name, SCHOOL)
    return ProviderConfig(**values)


async def problem(name: str, made: ProviderConfig) -> str | None:
    """The problem that the check finds in an account. None if there is none."""
    account = open_account(name.removesuffix(" plain"), made)
    try:
        await try_account(account)
    except ProviderUnavailable as unavailable:
        return str(unavailable)
    finally:
        await account.close()
    return None


@pytest.mark.parametrize("name", CHECKED)
async def test_an_account_is_checked_without_sending(simulator: Simulated, name: str) -> None:
    assert await problem(name, config(name, simulator.base_url)) is None
    changes: dict[str, dict[str, Any]] = {
        "a wrong key": {"api_key": "wrong"}
        if name in ("extreme", "ibiki")
        else {"credentials": Credentials(SIMULATED_ACCOUNTS.get(name, SCHOOL).username, "wrong")},
        "another page": {"base_url": f"{simulator.base_url}/elsewhere"},
        "a closed port": {"base_url": "http://127.0.0.1:1"},
    }
    for what, change in changes.items():
        found = await problem(name, replace(config(name, simulator.base_url), **change))
        assert found, what
        assert "wrong" not in found
    assert await simulator.took() == []
