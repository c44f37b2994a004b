"""A client with endpoints at a receiver, and a worker that delivers to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from domain.hooks.addresses import AddressRules
from domain.hooks.changes import CHOSEN, Hooks
from domain.hooks.deliveries import EventType, HookRules
from domain.hooks.endpoints import NewSecret
from domain.hooks.ports import HookFormat
from domain.hooks.worker import Deliverer
from ibiki.encryption import FernetCipher
from ibiki.hooks import formats
from persistence import store
from providers.guarded import GuardedClient, GuardRules
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.db import Tenant
from tests.hooks.receiver import Receiver, receiving
from tests.installations import ENCRYPTION_KEY, App

RULES = HookRules(deadline_seconds=20, lease_seconds=40, retry_first_seconds=0.05)
STANDARD = formats()


@dataclass
class HookSetup:
    """A client, its endpoints, and the receiver that they lead to."""

    tenant: Tenant
    receiver: Receiver
    hooks: Hooks
    cipher: FernetCipher
    secrets: dict[UUID, str] = field(default_factory=dict)

    async def endpoint(
        self, path: str = "/", *, tenant: Tenant | None = None, events: Sequence[EventType] = CHOSEN
    ) -> UUID:
        """A new endpoint at a path of the receiver."""
        created: NewSecret = await self.hooks.create(
            (tenant or self.tenant).actor,
            client_id=None,
            url=self.receiver.url + path,
            events=events,
            description=None,
        )
        self.secrets[created.endpoint.id] = created.secret
        return created.endpoint.id

    @asynccontextmanager
    async def worker(
        self, rules: HookRules = RULES, *, formats: Mapping[str, HookFormat] | None = None
    ) -> AsyncIterator[Deliverer]:
        """A worker that runs while the block does."""
        client = GuardedClient(
            GuardRules(AddressRules(loopback=True), deadline_seconds=rules.deadline_seconds)
        )
        deliverer = Deliverer(store, client, formats or STANDARD, self.cipher, rules=rules)
        deliverer.start()
        try:
            yield deliverer
        finally:
            await deliverer.stop()
            await client.close()


@pytest.fixture
async def setup(connected: str) -> AsyncIterator[HookSetup]:
    """A client that holds 1,000 units. Deliveries of other tests are gone."""
    await db.execute("TRUNCATE hook_endpoint, hook_delivery, hook_callback")
    tenant = await db.add_client(await db.add_pool(held=100000, default=False))
    cipher = FernetCipher([ENCRYPTION_KEY])
    async with receiving() as receiver:
        yield HookSetup(tenant, receiver, Hooks(store, cipher, AddressRules(loopback=True)), cipher)
    await db.execute("TRUNCATE hook_endpoint, hook_delivery, hook_callback")


@pytest.fixture
async def setup_of_app(app: App) -> AsyncIterator[HookSetup]:
    """The same with the owner of the app as its client."""
    cipher = FernetCipher([ENCRYPTION_KEY])
    async with receiving() as receiver:
        yield HookSetup(app.owner, receiver, app.installation.hooks, cipher)


async def change_status(message_id: UUID, *statuses: str) -> None:
    """Moves a message as the dispatcher does, one committed change for each status."""
    for each in statuses:
        await db.execute(
            "UPDATE message SET status = $2, updated_at = clock_timestamp(),"
            " attempts = greatest(attempts, 1), attempt_id = coalesce(attempt_id, $1)"
            " WHERE id = $1",
            message_id,
            each,
        )


async def message_ids(send_id: UUID) -> list[UUID]:
    """The messages of a send, in order."""
    rows = await db.fetch("SELECT id FROM message WHERE send_id = $1 ORDER BY id", send_id)
    return [row["id"] for row in rows]


async def until(holds: Callable[[], Any]) -> Any:
    """Waits until an async condition holds, and returns its value."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if value := await holds():
                return value
            await asyncio.sleep(0.02)


async def deliveries(**where: Any) -> list[dict[str, Any]]:
    """The stored deliveries, in the order of their events."""
    rows = await db.fetch("SELECT * FROM hook_delivery ORDER BY position")
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


async def end_leases() -> None:
    """The lease of each endpoint has ended."""
    await db.execute("UPDATE hook_endpoint SET lease_until = now() - interval '1 second'")


def rules(**changes: Any) -> HookRules:
    """The quick rules of these tests with some of them changed."""
    return replace(RULES, **changes)
