"""API keys: credentials of programs. A key is shown once and acts for its user until revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Actor, Role
from domain.identity.actors import MARK, check_credential, hash_of_secret
from domain.identity.directory import name_of
from domain.identity.ports import ApiKey, ApiKeyStore
from domain.transactions import changing

MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """A new key with its secret, which cannot be shown again."""

    api_key: ApiKey
    secret: str


async def create_api_key(store: ApiKeyStore, actor: Actor, *, name: str) -> CreatedApiKey:
    """Adds a key for the actor's user. Raises InvalidInput, or Unauthenticated."""
    prefix = MARK + secrets.token_hex(4)
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    async with changing(store) as tx:
        await check_credential(store, tx, actor)
        api_key = await store.add_api_key(
            tx,
            user_id=actor.user_id,
            name=name_of(name),
            prefix=prefix,
            secret_hash=hash_of_secret(secret),
            limit=MOST_KEYS,
        )
    if api_key is None:
        raise InvalidInput(f"A user has at most {MOST_KEYS} keys. Revoke one that is not used.")
    return CreatedApiKey(api_key, secret)


async def revoke_api_key(store: ApiKeyStore, actor: Actor, key_id: UUID) -> ApiKey:
    """Revokes a key of the actor's user, or any key for an admin. Safe to repeat.

    Raises NotFound.
    """
    owner_id = None if actor.role is Role.ADMIN else actor.user_id
    async with changing(store, repeatable=True) as tx:
        api_key = await store.revoke_api_key(tx, key_id, user_id=owner_id)
    if api_key is None:
        raise NotFound("api key")
    return api_key
