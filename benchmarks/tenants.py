"""Tenants for benchmarks: many clients with units, each with a user and an API key."""

from __future__ import annotations

import json
import subprocess
from uuid import UUID

from benchmarks.databases import Database
from domain.identity.access import Actor, Role
from domain.identity.api_keys import create_api_key
from domain.ids import new_id
from domain.ledger.book import Book, Purpose, TransferKind
from persistence import store
from persistence.identity.models import User
from tests import db

_SCRIPT = """
import asyncio, json, sys
from benchmarks.tenants import add_tenants
print(json.dumps(asyncio.run(add_tenants(sys.argv[1], int(sys.argv[2]), units=int(sys.argv[3])))))
"""


def tenants_of(database: Database, count: int, *, units: int) -> list[str]:
    """API keys of this many new clients. The build itself adds them, in the form that it stores."""
    made = subprocess.run(
        [database.build.python, "-c", _SCRIPT, database.url, str(count), str(units)],
        cwd=database.build.path,
        check=True,
        capture_output=True,
    )
    return [str(each) for each in json.loads(made.stdout)]


async def add_tenants(url: str, count: int, *, units: int) -> list[str]:
    """Adds clients with these units to the default pool. Returns an API key of each."""
    async with db.connected(url):
        pool = await db.add_pool(held=units)
        tenants = [await db.add_client(pool, held=0, name=f"T{each}") for each in range(count)]
        await open_with([tenant.account_id for tenant in tenants], units)
        return [await _key_of(tenant) for tenant in tenants]


async def open_with(account_ids: list[UUID], units: int) -> None:
    """Gives these accounts their first units."""
    async with store.transaction() as tx:
        book: Book = await store.lock_accounts(tx, account_ids)
        for holding in book.holdings.values():
            book.post(TransferKind.OPENING, units, destination=holding, purpose=Purpose())
        await store.write_book(tx, book)


async def _key_of(tenant: db.Tenant) -> str:
    user_id = new_id()
    await User.create(
        id=user_id,
        email=f"{user_id.hex}@ibiki.test",
        password_hash="-",
        role="CLIENT",
        client_id=tenant.client_id,
    )
    actor = Actor(user_id, Role.CLIENT, credential_id=user_id, client_id=tenant.client_id)
    return (await create_api_key(store, actor, name="benchmark")).secret
