"""The default pool: the provider account whose units the operator sells."""

from __future__ import annotations

from uuid import UUID

from domain.identity.ports import IdentityStore
from domain.transactions import changing


async def ensure_default_pool(
    store: IdentityStore, *, provider: str, unit: str, price: int
) -> UUID:
    """The default provider account, created with its pool node if there is none yet.

    Safe for many processes at once. One that is there already is left as it is.
    """
    async with changing(store) as tx:
        return await store.add_default_pool(tx, provider=provider, unit=unit, price=price)
