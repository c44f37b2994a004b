"""Counts failed sign-ins of each account and each address, in Redis if it is configured.

An account has two limits: a strict one for each address, and a higher one for all addresses. So one
attacker cannot lock the owner out. If Redis is unavailable, each process counts alone.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from operator import methodcaller
from typing import Any

from limits import RateLimitItem, parse_many
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from domain.errors import RateLimited

ACCOUNT_FROM_ADDRESS_LIMITS = "5 per minute; 20 per hour"
ACCOUNT_LIMITS = "20 per minute; 100 per hour"
ADDRESS_LIMITS = "30 per minute; 300 per hour"
REDIS_DEADLINE_SECONDS = 1.0
ALONE_SECONDS = 5.0


class SignInThrottle:
    """Implements `domain.identity.ports.Throttle`."""

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        account_from_address_limits: str = ACCOUNT_FROM_ADDRESS_LIMITS,
        account_limits: str = ACCOUNT_LIMITS,
        address_limits: str = ADDRESS_LIMITS,
    ) -> None:
        self._local = FixedWindowRateLimiter(MemoryStorage())
        self._connections = _connections(redis_url) if redis_url else None
        self._shared = _shared(redis_url, self._connections) if redis_url else self._local
        self._alone_until = 0.0
        self._account_from_address_limits = parse_many(account_from_address_limits)
        self._account_limits = parse_many(account_limits)
        self._address_limits = parse_many(address_limits)

    async def check(self, *, account: str, address: str) -> None:
        counted = self._of_account(account, address) + self._of_address(address)
        wait_seconds = max([await self._wait_seconds(limit, name) for limit, name in counted])
        if wait_seconds > 0:
            raise RateLimited(math.ceil(wait_seconds))

    async def failed(self, *, account: str, address: str) -> None:
        for limit, name in self._of_account(account, address) + self._of_address(address):
            await self._on_counters(methodcaller("hit", limit, name))

    async def succeeded(self, *, account: str, address: str) -> None:
        for limit, name in self._of_account(account, address):
            await self._on_counters(methodcaller("clear", limit, name))

    async def close(self) -> None:
        """Closes the connections to Redis."""
        if self._connections is not None:
            await self._connections.aclose()

    async def _wait_seconds(self, limit: RateLimitItem, name: str) -> float:
        stats = await self._on_counters(methodcaller("get_window_stats", limit, name))
        return 0.0 if stats.remaining > 0 else max(stats.reset_time - time.time(), 0.001)

    async def _on_counters(self, call: Callable[[FixedWindowRateLimiter], Awaitable[Any]]) -> Any:
        """Calls a method of the counters in Redis, or of those of this process.

        For a while after a failure, this process counts alone: a sign-in calls ten times, and if
        Redis does not answer, each call would take its deadline.
        """
        if time.monotonic() >= self._alone_until:
            try:
                return await call(self._shared)
            except StorageError:
                self._alone_until = time.monotonic() + ALONE_SECONDS
        return await call(self._local)

    def _of_account(self, account: str, address: str) -> list[tuple[RateLimitItem, str]]:
        name = _account_name(account)
        both = f"{name}-from-{_address_name(address)}"
        from_address = [(limit, both) for limit in self._account_from_address_limits]
        return from_address + [(limit, name) for limit in self._account_limits]

    def _of_address(self, address: str) -> list[tuple[RateLimitItem, str]]:
        return [(limit, _address_name(address)) for limit in self._address_limits]


def _connections(url: str) -> Any:
    """Connections to Redis. The Redis client is an optional dependency, so it is imported here."""
    from redis.asyncio import ConnectionPool

    return ConnectionPool.from_url(
        url,
        socket_timeout=REDIS_DEADLINE_SECONDS,
        socket_connect_timeout=REDIS_DEADLINE_SECONDS,
    )


def _shared(url: str, connections: Any) -> FixedWindowRateLimiter:
    storage = RedisStorage(
        f"async+{url}",
        implementation="redispy",
        wrap_exceptions=True,
        connection_pool=connections,
    )
    return FixedWindowRateLimiter(storage)


def _account_name(account: str) -> str:
    """A hash, to keep emails out of Redis. An email may have any length and any characters."""
    return "account-" + sha256(account.encode(errors="replace")).hexdigest()


def _address_name(address: str) -> str:
    """The name of an address. A /64 network counts as one: an IPv6 host can use all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address-unknown"
    if parsed.version == 6:
        mapped = parsed.ipv4_mapped
        network = ipaddress.ip_network((parsed, 64), strict=False)
        return f"address-{mapped or network}"
    return f"address-{parsed}"
