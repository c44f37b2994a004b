"""The clients of a rig, with API keys, and with units that agree with the provider."""

from __future__ import annotations

from uuid import UUID

from domain.identity.access import Actor, Role
from domain.identity.api_keys import create_api_key
from domain.identity.directory import Client, Group
from domain.ids import new_id
from domain.ledger import sync as syncing
from domain.ledger.allocate import AllocationRequest, allocate
from domain.ledger.provider_accounts import ensure_default_pool
from persistence import store
from tests import db, people
from tests.db import ADMIN
from tests.faults.load import Clients
from tests.faults.simulated_provider import SimulatedProvider
from tests.providers.simulated import account_at

CREDITS = 20_000_000
RICH_UNITS = 5_000_000
POOR_UNITS = 60
ASSIGN = "INSERT INTO assigned_number (number, client_id) VALUES ($1, $2)"


async def new_clients(provider: SimulatedProvider) -> Clients:
    """Three clients with enough units, two of them in a group, and one that soon has too few.

    The pool equals the provider's balance, and the units of clients were allocated from it.
    """
    await provider.top_up(CREDITS)
    await ensure_default_pool(store)
    account = await store.find_provider_account(None)
    async with account_at(provider.base_url) as simulated:
        await syncing.sync(
            store, simulated.provider, account, actor_id=None, rules=syncing.SyncRules()
        )
    group = await people.add_group()
    rich = [
        await _client(f"Client {place}", RICH_UNITS, group if place else None)
        for place in (0, 1, 2)
    ]
    poor, _ = await _client("Poor", POOR_UNITS, group)
    return Clients(
        rich=[key for key, _ in rich],
        accounts=[client.account_id for _, client in rich],
        receivers=[
            (await _assigned(f"+1202555019{place}", client.id), client.id)
            for place, (_, client) in enumerate(rich)
        ],
        poor=poor,
    )


async def _assigned(number: str, client_id: UUID) -> str:
    """Assigns the number to the client."""
    await db.execute(ASSIGN, number, client_id)
    return number


async def _client(name: str, units: int, group: Group | None) -> tuple[str, Client]:
    """A new client that holds this many units: the secret of its API key, and its ID."""
    client = await people.add_client(name, group=group)
    await allocate(store, ADMIN, AllocationRequest(client.id, None, units))
    email = f"{new_id().hex}@ibiki.test"
    user = await people.add_user(email, Role.CLIENT, client_id=client.id)
    actor = Actor(user.id, Role.CLIENT, credential_id=user.id, client_id=client.id)
    key = await create_api_key(store, actor, name="load")
    return key.secret, client
