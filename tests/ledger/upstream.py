"""A provider account with its own balance, like real ones: sync is checked against it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from domain.errors import ProviderUnavailable
from domain.ledger.ports import ProviderAccount
from domain.ledger.sync import Synced, SyncRules, sync
from domain.provider import Accepted, Outcome, OutgoingMessage, Reading
from persistence import store
from tests import db
from tests.clocks import PATIENCE_SECONDS

QUICK = SyncRules(lease_seconds=5.0, deadline_seconds=1.0)

Meanwhile = Callable[[], Awaitable[None]]


class Upstream:
    """Accepts messages and lowers its balance.

    `price`: of one message, in its own unit. `meanwhile`: what happens between the time of a
    reading and its arrival.
    """

    largest_batch = 100

    def __init__(self, balance: int | str | Decimal, *, price: int = 1) -> None:
        self.balance_now = Decimal(balance)
        self.price = price
        self.taken: list[str] = []
        self.readings = 0
        self.readings_at_once = 0
        self.most_readings_at_once = 0
        self.meanwhile: Meanwhile = _nothing

    def take(self, name: str) -> None:
        """The provider accepts a message, whether its response arrives or not."""
        self.taken.append(name)
        self.balance_now -= self.price

    async def send(self, message: OutgoingMessage) -> Outcome:
        self.take(message.number)
        return Accepted(f"ref {message.number}")

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        return [await self.send(message) for message in messages]

    async def balance(self) -> Reading:
        self.readings += 1
        self.readings_at_once += 1
        self.most_readings_at_once = max(self.most_readings_at_once, self.readings_at_once)
        try:
            balance = self.balance_now
            await self.meanwhile()
            return Reading(str(balance), balance)
        finally:
            self.readings_at_once -= 1

    async def close(self) -> None:
        return None


class Unreadable(Upstream):
    """A provider whose balance cannot be read."""

    async def balance(self) -> Reading:
        raise ProviderUnavailable("The account's key is wrong.")


async def account_of(pool: db.Pool) -> ProviderAccount:
    """The present state of the account."""
    return await store.find_provider_account(pool.id)


async def synced(pool: db.Pool, upstream: Upstream, *, rules: SyncRules = QUICK) -> Synced:
    """Starts a sync of the pool, like the operator."""
    account = await account_of(pool)
    return await asyncio.wait_for(
        sync(store, upstream, account, actor_id=db.ADMIN.user_id, rules=rules), PATIENCE_SECONDS
    )


async def pool_of(pool: db.Pool) -> int:
    """What all nodes of the pool hold."""
    rows = await db.fetch(
        "SELECT coalesce(sum(held), 0)::int8 AS held FROM account WHERE provider_account_id = $1",
        pool.id,
    )
    return int(rows[0]["held"])


async def is_paused(pool: db.Pool) -> bool:
    """Whether marks wait for a reading."""
    rows = await db.fetch(
        "SELECT reading_until IS NOT NULL AS paused FROM provider_account WHERE id = $1", pool.id
    )
    return bool(rows[0]["paused"])


async def _nothing() -> None:
    return None
