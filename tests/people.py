"""Users, clients and groups in the database of a test. Password hashes are cheap here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from domain.identity.access import Role
from domain.identity.actors import Actors
from domain.identity.clients import NewClient, create_client, create_group
from domain.identity.directory import Client, Group, User
from domain.identity.sessions import Sessions
from domain.identity.users import NewUser, create_user
from domain.ledger.provider_accounts import ensure_default_pool
from domain.numbers import Normaliser
from ibiki.http.throttle import SignInThrottle
from ibiki.passwords import Argon2Passwords
from ibiki.tokens import AccessTokens
from persistence import store
from tests import db

PASSWORD = "correct horse battery"
SECRET_KEY = "a secret key of the tests, 32 bytes or more"
ADDRESS = "192.0.2.1"

PASSWORDS = Argon2Passwords(memory_kib=64)
TOKENS = AccessTokens(SECRET_KEY)
NORMALISER = Normaliser()


def new_sessions(throttle: SignInThrottle | None = None, *, refresh_days: int = 30) -> Sessions:
    """Sessions with their own counters."""
    return Sessions(
        store=store,
        passwords=PASSWORDS,
        tokens=TOKENS,
        throttle=throttle or SignInThrottle(),
        refresh_days=refresh_days,
    )


@asynccontextmanager
async def new_actors() -> AsyncIterator[Actors]:
    """A started cache of actors, as one process has it."""
    actors = Actors(store, TOKENS)
    await actors.catch_up()
    actors.start()
    yield actors
    await actors.stop()


@asynccontextmanager
async def connected_with_pool(url: str) -> AsyncIterator[None]:
    """This process is connected to the database of a test, with a default pool."""
    async with db.connected(url):
        await ensure_default_pool(store)
        yield


async def add_group(name: str = "MG888") -> Group:
    """A group under the default pool."""
    return await create_group(store, name=name, rate_per_unit_usd=None)


async def add_client(name: str = "Acme", *, group: Group | None = None) -> Client:
    """A client under the group, else under the default pool."""
    group_id = group.id if group else None
    return await create_client(store, NORMALISER, NewClient(name=name, group_id=group_id))


async def add_user(
    email: str = "ada@ibiki.test",
    role: Role = Role.ADMIN,
    *,
    client_id: UUID | None = None,
    group_id: UUID | None = None,
) -> User:
    """A user whose password is `PASSWORD`."""
    new = NewUser(email=email, password=PASSWORD, role=role, client_id=client_id, group_id=group_id)
    return await create_user(store, PASSWORDS, new)


@dataclass(frozen=True, slots=True)
class Setup:
    """Two groups with a client each, a client without a group, and an admin."""

    ours: Group
    theirs: Group
    member: Client
    stranger: Client
    loner: Client
    admin: User


@asynccontextmanager
async def setup(url: str) -> AsyncIterator[Setup]:
    """These users, clients and groups in the database of a test."""
    async with connected_with_pool(url):
        ours, theirs = await add_group(), await add_group("Other")
        yield Setup(
            ours=ours,
            theirs=theirs,
            member=await add_client("Acme", group=ours),
            stranger=await add_client("Bits", group=theirs),
            loner=await add_client("Coop 100%_\\"),
            admin=await add_user(),
        )
