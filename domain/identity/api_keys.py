"""API keys: credentials of programs. A key is shown once and acts for its user until revoked."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Actor, Role
from domain.identity.directory import name_of
from domain.identity.ports import ApiKey, ApiKeyStore
from domain.transactions import changing

MARK = "ibk_"
MOST_KEYS = 100

_SECRET = re.compile(rf"{MARK}[0-9a-f]{{8}}_[\w-]{{43}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """A new key with its secret, which cannot be shown again."""

    api_key: ApiKey
    secret: str


def is_secret(credential: str) -> bool:
    """Whether it has the form of a key's secret. If not, no look-up is needed."""
    return _SECRET.fullmatch(credential) is not None


def hash_of_secret(secret: str) -> bytes:
    """The hash that is stored.

    A fast hash is enough: 256 random bits cannot be guessed, and a slow hash would slow down every
    request.
    """
    return sha256(secret.encode()).digest()


async def create_api_key(store: ApiKeyStore, actor: Actor, *, name: str) -> CreatedApiKey:
    """Adds a key of the actor's own. Raises InvalidInput."""
    prefix = MARK + secrets.token_hex(4)
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    async with changing(store) as tx:
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
    """Revokes a key of the actor's own, or any key if the actor is an admin. Safe to repeat.

    Raises NotFound.
    """
    owner_id = None if actor.role is Role.ADMIN else actor.user_id
    async with changing(store, repeatable=True) as tx:
        api_key = await store.revoke_api_key(tx, key_id, user_id=owner_id)
    if api_key is None:
        raise NotFound("api key")
    return api_key
