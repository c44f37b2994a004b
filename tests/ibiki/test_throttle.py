"""The limits of failed sign-ins."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis.asyncio

from domain.errors import RateLimited
from ibiki.http import throttle as throttle_module
from ibiki.http.throttle import SignInThrottle, _address_name
from tests.clocks import PATIENCE_SECONDS
from tests.ports import free_port


def throttle(**limits: str) -> SignInThrottle:
    usual = {
        "account_from_address_limits": "2 per minute",
        "account_limits": "3 per minute",
        "address_limits": "5 per minute",
    }
    return SignInThrottle(**(usual | limits))


async def fail(counters: SignInThrottle, account: str, address: str, times: int = 1) -> None:
    for _ in range(times):
        await counters.check(account=account, address=address)
        await counters.failed(account=account, address=address)


async def refused_seconds(counters: SignInThrottle, account: str, address: str) -> int:
    with pytest.raises(RateLimited) as refused:
        await counters.check(account=account, address=address)
    return refused.value.retry_after_seconds


async def is_refused(counters: SignInThrottle, account: str, address: str) -> bool:
    try:
        await counters.check(account=account, address=address)
    except RateLimited:
        return True
    return False


async def test_an_account_is_limited_for_an_address_after_failures_from_it() -> None:
    counters = throttle()
    await fail(counters, "ada@ibiki.test", "192.0.2.1", 2)
    assert 0 < await refused_seconds(counters, "ada@ibiki.test", "192.0.2.1") <= 60
    await counters.check(account="eve@ibiki.test", address="192.0.2.1")


async def test_one_address_cannot_lock_the_owner_of_an_account_out() -> None:
    counters = throttle()
    for _ in range(10):
        if not await is_refused(counters, "ada@ibiki.test", "192.0.2.1"):
            await counters.failed(account="ada@ibiki.test", address="192.0.2.1")
    await counters.check(account="ada@ibiki.test", address="192.0.2.9")


async def test_an_account_is_limited_for_all_after_failures_from_several_addresses() -> None:
    counters = throttle()
    for number in range(3):
        await fail(counters, "ada@ibiki.test", f"192.0.2.{number}")
    assert 0 < await refused_seconds(counters, "ada@ibiki.test", "192.0.2.9") <= 60


async def test_an_address_is_limited_after_failures_with_any_account() -> None:
    counters = throttle()
    for number in range(5):
        await fail(counters, f"eve{number}@ibiki.test", "192.0.2.1")
    assert 0 < await refused_seconds(counters, "ada@ibiki.test", "192.0.2.1") <= 60
    await counters.check(account="ada@ibiki.test", address="192.0.2.9")


async def test_success_resets_the_failures_of_the_account_but_not_of_the_address() -> None:
    counters = throttle()
    await fail(counters, "eve@ibiki.test", "192.0.2.1")
    for _ in range(2):
        await fail(counters, "ada@ibiki.test", "192.0.2.1", 2)
        await counters.succeeded(account="ada@ibiki.test", address="192.0.2.1")
    await refused_seconds(counters, "ada@ibiki.test", "192.0.2.1")


async def test_the_longer_of_two_waits_is_reported() -> None:
    counters = throttle(account_from_address_limits="2 per minute; 2 per hour")
    await fail(counters, "ada@ibiki.test", "192.0.2.1", 2)
    assert 60 < await refused_seconds(counters, "ada@ibiki.test", "192.0.2.1") <= 3600


async def test_failures_are_forgotten_after_their_time() -> None:
    counters = throttle(account_from_address_limits="1 per second")
    await fail(counters, "ada@ibiki.test", "192.0.2.1")
    assert await refused_seconds(counters, "ada@ibiki.test", "192.0.2.1") == 1
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await is_refused(counters, "ada@ibiki.test", "192.0.2.1"):  # noqa: ASYNC110 - time
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("", "unknown", True),
    ],
)
def test_addresses_of_one_host_count_as_one(one: str, other: str, *, are_one: bool) -> None:
    assert (_address_name(one) == _address_name(other)) is are_one


@pytest.mark.parametrize("account", ["", "x" * 100_000, "\ud800", "a\0b"])
async def test_any_account_can_be_counted(account: str) -> None:
    counters = throttle()
    await fail(counters, account, "192.0.2.1", 2)
    await refused_seconds(counters, account, "192.0.2.1")


async def test_if_redis_is_unavailable_the_process_counts_alone() -> None:
    with socket.socket() as held:  # bound and not listening: no Redis answers there
        held.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{held.getsockname()[1]}/0"
        counters = SignInThrottle(url, account_from_address_limits="2 per minute")
        await fail(counters, "ada@ibiki.test", "192.0.2.1", 2)
        await refused_seconds(counters, "ada@ibiki.test", "192.0.2.1")
        await counters.succeeded(account="ada@ibiki.test", address="192.0.2.1")
        await counters.check(account="ada@ibiki.test", address="192.0.2.1")
        await counters.close()


async def test_a_sign_in_waits_once_for_a_redis_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle_module, "REDIS_DEADLINE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it connects, and says nothing
        counters = SignInThrottle(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        await counters.check(account="ada@ibiki.test", address="192.0.2.1")
        silent.setblocking(False)
        connected = list(connections_to(silent))
        await counters.check(account="ada@ibiki.test", address="192.0.2.1")
        assert connected
        assert list(connections_to(silent)) == []
        await counters.close()
        for each in connected:
            each.close()


def connections_to(server: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait to be accepted."""
    with suppress(BlockingIOError):
        while True:
            yield server.accept()[0]


@pytest.fixture
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    """A Redis server for one test."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)  # noqa: ASYNC220
    url = f"redis://127.0.0.1:{port}/0"
    try:
        await answers(url)
        yield url
    finally:
        process.terminate()
        process.wait()


async def answers(url: str) -> None:
    client = redis.asyncio.Redis.from_url(url)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await client.ping()
                break
            except redis.ConnectionError:
                await asyncio.sleep(0.05)
    await client.aclose()


async def test_processes_with_one_redis_count_together(redis_url: str) -> None:
    here = SignInThrottle(redis_url, account_limits="2 per minute")
    there = SignInThrottle(redis_url, account_limits="2 per minute")
    await fail(here, "ada@ibiki.test", "192.0.2.1")
    await fail(there, "ada@ibiki.test", "192.0.2.2")
    for counters in (here, there):
        assert 0 < await refused_seconds(counters, "ada@ibiki.test", "192.0.2.1") <= 60
    await here.succeeded(account="ada@ibiki.test", address="192.0.2.1")
    await there.check(account="ada@ibiki.test", address="192.0.2.1")
    for counters in (here, there):
        await counters.close()
