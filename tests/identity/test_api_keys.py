"""API keys: their form, and adding, listing and revoking them on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Actor, Role
from domain.identity.actors import is_secret
from domain.identity.api_keys import MOST_KEYS, create_api_key, revoke_api_key
from domain.ids import new_id
from persistence import store
from tests import db, people

SECRET = "ibk_0a1b2c3d_" + "Ab-_" * 10 + "Abc"


def test_the_secret_of_a_key_is_recognised_by_its_form() -> None:
    assert is_secret(SECRET)


@pytest.mark.parametrize(
    "other",
    [
        "",
        "ibk_",
        SECRET[:-1],
        SECRET + "a",
        SECRET + "\n",
        SECRET.replace("ibk", "IBK"),
        SECRET.replace("0a1b2c3d", "0a1b2c3g"),
        SECRET[:-1] + "é",
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
    ],
)
def test_other_texts_are_not_looked_up(other: str) -> None:
    assert not is_secret(other)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Actor]:
    async with people.connected_with_pool(database_url):
        client = await people.add_client()
        user = await people.add_user("ada@ibiki.test", Role.CLIENT, client_id=client.id)
        yield Actor(user.id, Role.CLIENT, new_id(), client_id=client.id)


async def test_a_key_is_shown_once_and_stored_as_a_hash(owner: Actor) -> None:
    created = await create_api_key(store, owner, name=" Till ")
    assert is_secret(created.secret)
    assert created.secret.startswith(created.api_key.prefix + "_")
    assert created.api_key.name == "Till"
    assert created.api_key.last_used_at is None
    assert list(await store.list_api_keys(owner.user_id)) == [created.api_key]
    kept = str(await db.fetch("SELECT api_key::text FROM api_key"))
    assert created.secret.removeprefix(created.api_key.prefix + "_") not in kept
    assert created.secret.encode().hex() not in kept


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 201])
async def test_a_key_needs_a_name(owner: Actor, name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await create_api_key(store, owner, name=name)
    assert refused.value.field == "name"


async def test_keys_are_listed_newest_first_without_revoked_ones(owner: Actor) -> None:
    first, second, third = [
        (await create_api_key(store, owner, name=name)).api_key for name in "abc"
    ]
    await revoke_api_key(store, owner, second.id)
    assert list(await store.list_api_keys(owner.user_id)) == [third, first]


async def test_revoking_is_safe_to_repeat(owner: Actor) -> None:
    key = (await create_api_key(store, owner, name="Till")).api_key
    assert await revoke_api_key(store, owner, key.id) == key
    assert await revoke_api_key(store, owner, key.id) == key


@pytest.mark.parametrize("role", [Role.CLIENT, Role.SUPERVISOR])
async def test_a_key_of_another_user_is_not_found(owner: Actor, role: Role) -> None:
    key = (await create_api_key(store, owner, name="Till")).api_key
    colleague = Actor(new_id(), role, new_id(), client_id=owner.client_id)
    with pytest.raises(NotFound):
        await revoke_api_key(store, colleague, key.id)
    with pytest.raises(NotFound):
        await revoke_api_key(store, owner, new_id())
    assert list(await store.list_api_keys(owner.user_id)) == [key]
    assert list(await store.list_api_keys(colleague.user_id)) == []


async def test_an_admin_can_revoke_any_key(owner: Actor) -> None:
    key = (await create_api_key(store, owner, name="Till")).api_key
    await revoke_api_key(store, db.ADMIN, key.id)
    assert list(await store.list_api_keys(owner.user_id)) == []


async def test_simultaneous_requests_do_not_exceed_the_limit_of_keys(owner: Actor) -> None:
    for _ in range(MOST_KEYS - 1):
        await create_api_key(store, owner, name="Till")
    answers = await asyncio.gather(
        *(create_api_key(store, owner, name="Till") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(each, InvalidInput) for each in answers) == 4
    assert len(await store.list_api_keys(owner.user_id)) == MOST_KEYS
