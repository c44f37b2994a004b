"""Users on a real database: adding, changing, and the last admin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.errors import InvalidInput, NotFound
from domain.identity.access import Role
from domain.identity.clients import ClientChange, update_client
from domain.identity.directory import User
from domain.identity.users import NewUser, UserChange, create_admin, create_user, update_user
from domain.ids import new_id
from domain.pages import Window
from persistence import store
from tests import people
from tests.people import NORMALISER, PASSWORD, PASSWORDS, Setup


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with people.setup(database_url) as setup:
        yield setup


def window(size: int = 25, **rest: Any) -> Window[Any]:
    return Window(size, **rest)


async def found_user(user_id: UUID) -> User:
    user = await store.find_user(user_id)
    assert user is not None
    return user


async def test_a_user_is_stored_with_all_its_fields(setup: Setup) -> None:
    assert await found_user(setup.admin.id) == setup.admin
    assert (setup.admin.role, setup.admin.disabled) == (Role.ADMIN, False)
    assert await store.find_user(new_id()) is None


async def test_an_admin_needs_an_email_and_a_password(setup: Setup) -> None:
    admin = await create_admin(store, PASSWORDS, email="second@ibiki.test", password=PASSWORD)
    assert (await found_user(admin.id)).role is Role.ADMIN


async def test_an_email_is_unique_in_any_case(setup: Setup) -> None:
    with pytest.raises(InvalidInput) as refused:
        await people.add_user("ADA@ibiki.test")
    assert refused.value.field == "email"


async def test_simultaneous_requests_with_one_email_create_one_user(setup: Setup) -> None:
    answers = await asyncio.gather(
        *(people.add_user("same@ibiki.test") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(each, InvalidInput) for each in answers) == 4


@pytest.mark.parametrize(
    ("new", "refusal"),
    [
        ({"role": Role.CLIENT, "client_id": new_id()}, NotFound),
        ({"role": Role.SUPERVISOR, "group_id": new_id()}, NotFound),
        ({"role": Role.CLIENT}, InvalidInput),
        ({"role": Role.ADMIN, "email": "nonsense"}, InvalidInput),
        ({"role": Role.ADMIN, "password": "short"}, InvalidInput),
    ],
)
async def test_an_invalid_user_is_not_created(
    setup: Setup, new: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await create_user(
            store, PASSWORDS, NewUser(**{"email": "x@ibiki.test", "password": PASSWORD} | new)
        )
    assert (await store.list_users(window())).total == 1


async def test_a_supervisor_may_send_only_from_a_client_of_its_group(setup: Setup) -> None:
    boss = await people.add_user(
        "boss@ibiki.test", Role.SUPERVISOR, group_id=setup.ours.id, client_id=setup.member.id
    )
    for other in (setup.stranger, setup.loner):
        with pytest.raises(InvalidInput) as refused:
            await update_user(store, PASSWORDS, boss.id, UserChange(client_id=other.id))
        assert refused.value.field == "clientId"
    with pytest.raises(InvalidInput):
        await update_user(store, PASSWORDS, boss.id, UserChange(group_id=setup.theirs.id))
    both = UserChange(group_id=setup.theirs.id, client_id=setup.stranger.id)
    assert (await update_user(store, PASSWORDS, boss.id, both)).client_id == setup.stranger.id


async def test_the_supervisors_of_a_group_lose_a_client_that_leaves_it(setup: Setup) -> None:
    boss = await people.add_user(
        "boss@ibiki.test", Role.SUPERVISOR, group_id=setup.ours.id, client_id=setup.member.id
    )
    user = await people.add_user("c@ibiki.test", Role.CLIENT, client_id=setup.member.id)
    change = ClientChange(group_id=setup.theirs.id)
    await update_client(store, NORMALISER, setup.member.id, change)
    assert (await found_user(boss.id)).client_id is None
    assert (await found_user(user.id)).client_id == setup.member.id


async def test_a_supervisor_never_has_a_client_of_another_group(setup: Setup) -> None:
    boss = await people.add_user("boss@ibiki.test", Role.SUPERVISOR, group_id=setup.ours.id)
    for _ in range(5):
        await asyncio.gather(
            update_user(store, PASSWORDS, boss.id, UserChange(client_id=setup.member.id)),
            update_client(
                store, NORMALISER, setup.member.id, ClientChange(group_id=setup.theirs.id)
            ),
            return_exceptions=True,
        )
        assert (await found_user(boss.id)).client_id is None
        await update_client(
            store, NORMALISER, setup.member.id, ClientChange(group_id=setup.ours.id)
        )


async def test_only_the_given_fields_of_a_user_change(setup: Setup) -> None:
    user = await people.add_user("c@ibiki.test", Role.CLIENT, client_id=setup.member.id)
    changed = await update_user(store, PASSWORDS, user.id, UserChange(disabled=True))
    assert changed == replace(user, disabled=True)
    changed = await update_user(store, PASSWORDS, user.id, UserChange(client_id=setup.loner.id))
    assert changed == replace(user, disabled=True, client_id=setup.loner.id)
    assert await found_user(user.id) == changed
    with pytest.raises(NotFound):
        await update_user(store, PASSWORDS, new_id(), UserChange())
    with pytest.raises(InvalidInput):
        await update_user(store, PASSWORDS, user.id, UserChange(password=None))


@pytest.mark.parametrize("disable", [True, False])
async def test_the_last_active_admin_cannot_be_changed_or_disabled(
    setup: Setup, disable: bool
) -> None:
    change = (
        UserChange(disabled=True)
        if disable
        else UserChange(role=Role.SUPERVISOR, group_id=setup.ours.id)
    )
    disabled = await people.add_user("second@ibiki.test")
    await update_user(store, PASSWORDS, disabled.id, UserChange(disabled=True))
    with pytest.raises(InvalidInput) as refused:
        await update_user(store, PASSWORDS, setup.admin.id, change)
    assert refused.value.field == ("disabled" if disable else "role")
    await update_user(store, PASSWORDS, disabled.id, UserChange(disabled=False))
    await update_user(store, PASSWORDS, setup.admin.id, change)


async def test_if_two_admins_disable_each_other_at_once_one_succeeds(setup: Setup) -> None:
    second = await people.add_user("second@ibiki.test")
    answers = await asyncio.gather(
        *(
            update_user(store, PASSWORDS, each, UserChange(disabled=True))
            for each in (setup.admin.id, second.id)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, User) for each in answers) == 1
