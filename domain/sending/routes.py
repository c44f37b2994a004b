"""Routes by country prefix: which provider account sends a message of a pool's clients.

The longest prefix of a number wins. A route is chosen when a message is accepted, and stored with
it. A route is never changed: setting another one for the same prefix retires the former one. So the
cost and the fallback of a message stay what they were when it was accepted. Each process keeps a
table of all routes.

docs/decisions/0184 explains what a route moves between pools.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Everything
from domain.ids import new_id
from domain.loops import Loop
from domain.sending.ports import ProviderRoutes
from domain.sending.recipients import LONGEST_PREFIX, ProviderRoute, RouteTable
from domain.transactions import Transaction, changing

LARGEST_COST: Final = 1_000_000_000
RELOAD_SECONDS: Final = 30.0
ROUTES_CHANGED: Final = UUID(int=0x0A7E5)
"""The subject of a change of the routes, among the changes of access that every process reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoute:
    """A requested route. `pool_id` None: of the default account. A cost of None is 1."""

    prefix: str
    provider_account_id: UUID
    cost: int | None = None
    fallback_account_id: UUID | None = None
    fallback_cost: int | None = None
    pool_id: UUID | None = None


class Routes:
    """The routes of one process, read when they change. Start it at boot."""

    def __init__(self, store: ProviderRoutes) -> None:
        self._store = store
        self._loop = Loop("reading the routes", self._step, every_seconds=RELOAD_SECONDS)
        self.table = RouteTable()

    async def read(self) -> None:
        """Reads the routes as they are now."""
        self.table = RouteTable(await self._store.read_provider_routes(Everything()))

    async def catch_up(self) -> None:
        """Reads them after a change in this process. Never raises: the change is committed."""
        try:
            await self.read()
        except Exception:  # noqa: BLE001 - the loop reads them again, and logs if it cannot
            self._loop.wake()

    def changed(self, subjects: frozenset[UUID]) -> None:
        """Reads them again soon, if they are among the subjects that have changed."""
        if ROUTES_CHANGED in subjects:
            self._loop.wake()

    def start(self) -> None:
        """Starts to read them again."""
        self._loop.start()

    async def stop(self) -> None:
        """Returns when the last read has ended."""
        await self._loop.stop()

    async def _step(self) -> bool:
        await self.read()
        return False


async def set_route(store: ProviderRoutes, requested: NewRoute) -> ProviderRoute:
    """Sets the route of a pool and prefix, instead of the present one. Its ID is new.

    Raises InvalidInput or NotFound.
    """
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        default = await store.find_parent_node(tx, None)
        route = _route_of(requested, default_pool_id=default.provider_account_id)
        for problem, field in _problems(route):
            raise InvalidInput(problem, field=field)
        named = {
            "poolId": route.pool_id,
            "providerAccountId": route.provider_account_id,
            "fallbackAccountId": route.fallback_account_id,
        }
        for field, account_id in named.items():
            if account_id is not None:
                await _check_account(store, tx, account_id, field)
        await store.retire_route(tx, of=(route.pool_id, route.prefix))
        await store.add_route(tx, route)
        await store.note_access_changes(tx, [ROUTES_CHANGED])
    return route


async def delete_route(store: ProviderRoutes, route_id: UUID) -> ProviderRoute:
    """Retires a route: messages that were accepted with it keep it. Raises NotFound."""
    async with changing(store) as tx:
        await store.lock_identities(tx)
        route = await store.retire_route(tx, route_id=route_id)
        if route is None:
            raise NotFound("provider route")
        await store.note_access_changes(tx, [ROUTES_CHANGED])
    return route


def _route_of(requested: NewRoute, *, default_pool_id: UUID) -> ProviderRoute:
    fallback_cost = requested.fallback_cost
    if requested.fallback_account_id is not None and fallback_cost is None:
        fallback_cost = 1
    return ProviderRoute(
        id=new_id(),
        pool_id=requested.pool_id or default_pool_id,
        prefix=requested.prefix.strip().removeprefix("+"),
        provider_account_id=requested.provider_account_id,
        cost=1 if requested.cost is None else requested.cost,
        fallback_account_id=requested.fallback_account_id,
        fallback_cost=fallback_cost,
    )


def _problems(route: ProviderRoute) -> Iterable[tuple[str, str]]:
    if not re.fullmatch(f"[1-9][0-9]{{0,{LONGEST_PREFIX - 1}}}", route.prefix, re.ASCII):
        yield f"prefix is the first 1 to {LONGEST_PREFIX} digits of numbers, such as 256.", "prefix"
    for cost, field in ((route.cost, "cost"), (route.fallback_cost or 0, "fallbackCost")):
        if not 0 <= cost <= LARGEST_COST:
            yield f"{field} must be from 0 to {LARGEST_COST:,}.", field
    if route.fallback_account_id is None and route.fallback_cost is not None:
        yield "Give fallbackCost only with a fallbackAccountId.", "fallbackCost"
    if route.fallback_account_id == route.provider_account_id:
        yield "The fallback must be another account.", "fallbackAccountId"


async def _check_account(
    store: ProviderRoutes, tx: Transaction, provider_account_id: UUID, field: str
) -> None:
    _, owner_id = await store.find_account_ref(tx, provider_account_id)
    if owner_id is not None:
        raise InvalidInput(
            "Routes are for accounts of the platform: a client owns this one.", field=field
        )
