"""API keys: a program's credential, shown once, as good as its user until it is revoked."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Actor, Role
from domain.identity.ports import ApiKey, ApiKeyStore
from domain.identity.records import name_of
from domain.transactions import changing

MARK = "ibk_"
MOST_KEYS = 100

_SECRET = re.compile(rf"{MARK}[0-9a-f]{{8}}_[\w-]{{43}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """A key with its secret, which nobody can show again."""

    api_key: ApiKey
    secret: str


def is_secret(credential: str) -> bool:
    """Whether it is written like a key's secret: what is not need not be looked up."""
    return _SECRET.fullmatch(credential) is not None


def hash_of_secret(secret: str) -> bytes:
    """What is kept of a secret.

    A fast hash is right for it: 256 random bits leave nothing to guess, and a slow hash would
    cost every request what it costs a thief.
    """
    return sha256(secret.encode()).digest()


async def create_api_key(store: ApiKeyStore, actor: Actor, *, name: str) -> CreatedApiKey:
    """A new key of the actor's own. Raises InvalidInput."""
    prefix = MARK + secrets.token_hex(4)
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    async with changing(store) as tx:
        api_key = await store.write_api_key(
            tx,
            user_id=actor.user_id,
            name=name_of(name),
            prefix=prefix,
            secret_hash=hash_of_secret(secret),
            most=MOST_KEYS,
        )
    if api_key is None:
        raise InvalidInput(f"At most {MOST_KEYS} keys: revoke one that is not used any more.")
    return CreatedApiKey(api_key, secret)


async def revoke_api_key(store: ApiKeyStore, actor: Actor, key_id: UUID) -> ApiKey:
    """Revokes one of the actor's own keys, or anybody's for an admin; safe to repeat.

    Raises NotFound.
    """
    owner_id = None if actor.role is Role.ADMIN else actor.user_id
    async with changing(store) as tx:
        api_key = await store.revoke_api_key(tx, key_id, user_id=owner_id)
    if api_key is None:
        raise NotFound("api key")
    return api_key
