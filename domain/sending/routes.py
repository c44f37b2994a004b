"""Routes by country prefix: which provider account sends a message of a pool's clients.

The longest prefix of a number wins. A route is chosen when a message is accepted, and stored with
it. A route is never changed: setting another one for the same prefix retires the former one. So the
cost and the fallback of a message stay what they were when it was accepted.

docs/decisions/0184 explains what a route moves between pools.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

LONGEST_PREFIX: Final = 7


@dataclass(frozen=True, slots=True)
class ProviderRoute:
    """A route. `pool_id`: the provider account whose clients it is for.

    `cost`, `fallback_cost`: units of the pool of the account that sends, for one message.
    """

    id: UUID
    pool_id: UUID
    prefix: str
    provider_account_id: UUID
    cost: int
    fallback_account_id: UUID | None = None
    fallback_cost: int | None = None


class RouteTable:
    """Routes, found by pool and number."""

    def __init__(self, routes: Iterable[ProviderRoute] = ()) -> None:
        self._routes = {(route.pool_id, route.prefix): route for route in routes}
        self._pools = {pool_id for pool_id, _ in self._routes}

    def choose(self, pool_id: UUID, numbers: Sequence[str]) -> Sequence[ProviderRoute | None]:
        """The route of each number, in order; None without one. Empty if no number has a route."""
        if pool_id not in self._pools:
            return ()
        chosen = [self.find(pool_id, number) for number in numbers]
        return chosen if any(chosen) else ()

    def find_to(
        self, pool_id: UUID, number: str, accounts: Collection[UUID]
    ) -> ProviderRoute | None:
        """A route of a pool to one of these accounts, as if that account came first.

        The route of the number, if it leads there itself or by its fallback; else any route of the
        pool that does: the first one by prefix.
        """
        own = self.find(pool_id, number)
        others = sorted(
            (each for each in self._routes.values() if each.pool_id == pool_id),
            key=lambda each: each.prefix,
        )
        for route in ([own] if own else []) + others:
            if route.provider_account_id in accounts:
                return replace(route, fallback_account_id=None, fallback_cost=None)
            if route.fallback_account_id in accounts and route.fallback_account_id is not None:
                return replace(route, provider_account_id=route.fallback_account_id)
        return None

    def find(self, pool_id: UUID, number: str) -> ProviderRoute | None:
        """The route with the longest prefix of an E.164 number."""
        for length in range(LONGEST_PREFIX, 0, -1):
            route = self._routes.get((pool_id, number[1 : length + 1]))
            if route is not None:
                return route
        return None
