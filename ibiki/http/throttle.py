"""Failed sign-ins, counted for each account and each address, in Redis where there is one.

An account is counted twice: strictly for one address, and more generously for all together, so
that a single stranger who keeps guessing does not shut its owner out. Where Redis is away, each
process counts for itself until it is back.
"""

from __future__ import annotations

import ipaddress
import math
import time
from hashlib import sha256
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


class SignInThrottle:
    """Fills `domain.identity.ports.Throttle`."""

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        account_from_address_limits: str = ACCOUNT_FROM_ADDRESS_LIMITS,
        account_limits: str = ACCOUNT_LIMITS,
        address_limits: str = ADDRESS_LIMITS,
    ) -> None:
        self._here = FixedWindowRateLimiter(MemoryStorage())
        self._connections = _connections(redis_url) if redis_url else None
        self._shared = _shared(redis_url, self._connections) if redis_url else self._here
        self._account_from_address_limits = parse_many(account_from_address_limits)
        self._account_limits = parse_many(account_limits)
        self._address_limits = parse_many(address_limits)

    async def check(self, *, account: str, address: str) -> None:
        """Raises RateLimited where either has failed too often."""
        counted = self._of_account(account, address) + self._of_address(address)
        wait_seconds = max([await self._wait_seconds(limit, name) for limit, name in counted])
        if wait_seconds > 0:
            raise RateLimited(math.ceil(wait_seconds))

    async def failed(self, *, account: str, address: str) -> None:
        """Counts one failure for both."""
        for limit, name in self._of_account(account, address) + self._of_address(address):
            try:
                await self._shared.hit(limit, name)
            except StorageError:
                await self._here.hit(limit, name)

    async def succeeded(self, *, account: str, address: str) -> None:
        """Forgets the failures of the account, not those of the address with other accounts."""
        for limit, name in self._of_account(account, address):
            try:
                await self._shared.clear(limit, name)
            except StorageError:
                await self._here.clear(limit, name)

    async def close(self) -> None:
        """Lets go of the connections to Redis."""
        if self._connections is not None:
            await self._connections.aclose()

    async def _wait_seconds(self, limit: RateLimitItem, name: str) -> float:
        try:
            stats = await self._shared.get_window_stats(limit, name)
        except StorageError:
            stats = await self._here.get_window_stats(limit, name)
        return 0.0 if stats.remaining > 0 else max(stats.reset_time - time.time(), 0.001)

    def _of_account(self, account: str, address: str) -> list[tuple[RateLimitItem, str]]:
        name = _account_name(account)
        both = f"{name}-from-{_address_name(address)}"
        from_address = [(limit, both) for limit in self._account_from_address_limits]
        return from_address + [(limit, name) for limit in self._account_limits]

    def _of_address(self, address: str) -> list[tuple[RateLimitItem, str]]:
        return [(limit, _address_name(address)) for limit in self._address_limits]


def _connections(url: str) -> Any:
    """Connections to Redis. Its client is installed where Redis is used, and only there."""
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
    """Hashed: an email is nobody's business in Redis, and may be of any length and alphabet."""
    return "account-" + sha256(account.encode(errors="replace")).hexdigest()


def _address_name(address: str) -> str:
    """An IPv6 host has a whole /64 to itself: it counts as one address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address-unknown"
    if parsed.version == 6:
        mapped = parsed.ipv4_mapped
        network = ipaddress.ip_network((parsed, 64), strict=False)
        return f"address-{mapped or network}"
    return f"address-{parsed}"
