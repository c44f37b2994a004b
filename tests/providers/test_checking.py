"""`ibiki check-provider` for all providers but Kannel: right, wrong, elsewhere, not there."""

from __future__ import annotations

import socket
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp.connector
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
from tests.certificates import Authority
from tests.providers.far_end import FarEnd, closed, listening
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
        return unavailable.for_operator
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


NONE_USABLE = "No usable answer came from the provider. "


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize(
    ("line", "body", "why"),
    [
        ("500 Internal Server Error", '{"s3cret": 1}', "It answered with status 500."),
        ("503 Service Unavailable", "s3cret", "It answered with status 503."),
        ("302 Found", "", "It answered with status 302."),
        (
            "502 Bad Gateway",
            "<html>s3cret</html>",
            "A page came instead of an answer (status 502): check the address.",
        ),
    ],
)
async def test_the_operator_reads_what_the_provider_answered(
    name: str, line: str, body: str, why: str
) -> None:
    answer = f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    async with listening(FarEnd(parts=(answer.encode(),))) as server:
        assert await problem(name, config(name, server.base_url)) == NONE_USABLE + why


@pytest.mark.parametrize("name", CHECKED)
async def test_the_operator_reads_why_there_is_no_connection(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)

    async def why(base_url: str) -> str:
        found = await problem(name, config(name, base_url))
        return (found or "").removeprefix(NONE_USABLE)

    async def why_not(*names: str, **options: Any) -> str:
        server = FarEnd(parts=(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",))
        async with listening(server, tls=authority.server(*names, **options)):
            found = await why(f"https://127.0.0.1:{server.port}")
        assert server.requests == []
        return found.removeprefix("The host's certificate ")

    async with closed() as port:
        assert await why(f"http://127.0.0.1:{port}") == "The connection was refused."
    assert await why_not("127.0.0.1") == "is not from a known CA."
    assert await why_not("127.0.0.1", own=True) == "is signed by itself."
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", authority.trusted)
    assert await why_not("127.0.0.1", days=-1) == "has expired."
    assert await why_not("127.0.0.1", days=30) == "is not valid yet."
    assert await why_not("127.0.0.2") == "is for another address."

    def fails(failure: OSError) -> None:
        def look_up(*requested: object, **also: object) -> None:
            raise failure

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    fails(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert await why("http://localhost:1") == "The host's name could not be resolved."
