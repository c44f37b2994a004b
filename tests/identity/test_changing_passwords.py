"""A user's change of the own password, on a real database, beside whatever else may happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from domain.errors import InvalidCredentials, InvalidInput, RateLimited, Unauthenticated
from domain.identity.access import Actor, Role
from domain.identity.actors import Actors
from domain.identity.api_keys import create_api_key, revoke_api_key
from domain.identity.directory import User
from domain.identity.sessions import SessionOver, Sessions, SignedIn, _hash
from domain.identity.users import NewUser, UserChange, create_user, update_user
from domain.ids import new_id
from ibiki.http.throttle import SignInThrottle
from ibiki.passwords import Argon2Passwords
from persistence import store
from tests import people
from tests.locks import blocked, holding
from tests.people import ADDRESS, PASSWORD, PASSWORDS, TOKENS

EMAIL = "ada@ibiki.test"
NEW = "another password"
SECOND = NewUser(email="second@ibiki.test", password=NEW, role=Role.ADMIN)


@dataclass
class Setup:
    """A user with two sessions. `actor` is that of the first, which changes the password."""

    user: User
    sessions: Sessions
    actors: Actors
    mine: SignedIn
    other: SignedIn
    actor: Actor

    async def change(self, current: str = PASSWORD, new: str = NEW) -> User:
        """Changes the password with the first session."""
        return await self.sessions.change_password(
            self.actor, current=current, new=new, address=ADDRESS
        )

    async def accepted(self) -> set[str]:
        """The passwords that the user can sign in with. It adds no sessions."""
        login = await store.find_login(EMAIL)
        assert login is not None
        known = (PASSWORD, NEW, "of the admin", "of the other")
        return {each for each in known if await PASSWORDS.verify(each, login.password_hash)}

    async def lives(self, session: SignedIn) -> bool:
        """Whether the session goes on. Its access token and its refresh token agree about that."""
        actor = await self.actors.actor_for(session.access_token)
        try:
            await self.sessions.refresh(session.refresh_token)
        except SessionOver:
            assert actor is None
            return False
        assert actor is not None
        return True


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with people.connected_with_pool(database_url):
        user = await people.add_user(EMAIL)
        sessions, actors = people.new_sessions(), Actors(store, TOKENS)
        mine, other = [await sessions.sign_in(EMAIL, PASSWORD, address=ADDRESS) for _ in range(2)]
        actor = await actors.actor_for(mine.access_token)
        assert actor is not None
        yield Setup(user, sessions, actors, mine, other, actor)


async def test_the_session_of_the_change_continues_and_all_others_end(setup: Setup) -> None:
    await people.add_user("second@ibiki.test")
    second = await setup.sessions.sign_in("second@ibiki.test", PASSWORD, address=ADDRESS)
    secret = (await create_api_key(store, setup.actor, name="Till")).secret
    assert await setup.change() == setup.user
    assert await setup.lives(setup.mine)
    assert not await setup.lives(setup.other)
    assert await setup.lives(second)
    assert await setup.actors.actor_for(secret) is not None
    with pytest.raises(InvalidCredentials):
        await setup.sessions.sign_in(EMAIL, PASSWORD, address=ADDRESS)
    assert await setup.lives(await setup.sessions.sign_in(EMAIL, NEW, address=ADDRESS))


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("wrong horse battery", NEW, "currentPassword"),
        ("", NEW, "currentPassword"),
        ("x" * 100_000, NEW, "currentPassword"),
        (PASSWORD, PASSWORD, "newPassword"),
        (PASSWORD, "short", "newPassword"),
        (PASSWORD, "x" * 1_025, "newPassword"),
        (PASSWORD, NEW + "\0", "newPassword"),
    ],
)
async def test_a_refused_change_changes_nothing(
    setup: Setup, current: str, new: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await setup.change(current, new)
    assert (refused.value.field, refused.value.path) == (field, ["input", field])
    assert await setup.accepted() == {PASSWORD}
    assert await setup.lives(setup.mine)
    assert await setup.lives(setup.other)


async def test_accents_that_are_composed_in_another_way_make_no_new_password(setup: Setup) -> None:
    await setup.change(new="caf\u00e9 at noon")
    with pytest.raises(InvalidInput) as refused:
        await setup.change("caf\u00e9 at noon", "cafe\u0301 at noon")
    assert refused.value.field == "newPassword"
    await setup.change("cafe\u0301 at noon", NEW)


@pytest.mark.parametrize("during", [True, False])
async def test_a_session_that_has_ended_changes_nothing(setup: Setup, during: bool) -> None:
    def end() -> Awaitable[bool]:
        return setup.sessions.sign_out(setup.mine.refresh_token)

    slow = interrupted(end) if during else setup.sessions
    if not during:
        await end()
    with pytest.raises(Unauthenticated):
        await slow.change_password(setup.actor, current=PASSWORD, new=NEW, address=ADDRESS)
    with pytest.raises(Unauthenticated):
        await create_api_key(store, setup.actor, name="Till")
    assert await setup.accepted() == {PASSWORD}
    assert await setup.lives(setup.other)


async def test_a_session_that_has_ended_adds_and_changes_no_user(setup: Setup) -> None:
    await setup.sessions.sign_out(setup.mine.refresh_token)
    with pytest.raises(Unauthenticated):
        await create_user(store, PASSWORDS, SECOND, by=setup.actor)
    change = UserChange(password=NEW)
    with pytest.raises(Unauthenticated):
        await update_user(store, PASSWORDS, setup.user.id, change, by=setup.actor)
    assert await setup.accepted() == {PASSWORD}
    assert await store.find_login("second@ibiki.test") is None


async def test_a_revoked_key_makes_no_other_key(setup: Setup) -> None:
    created = await create_api_key(store, setup.actor, name="Till")
    by_key = await setup.actors.actor_for(created.secret)
    assert by_key is not None
    await revoke_api_key(store, setup.actor, created.api_key.id)
    with pytest.raises(Unauthenticated):
        await create_api_key(store, by_key, name="Another")


@pytest.mark.parametrize("is_demoted", [False, True])
async def test_a_key_of_a_former_admin_adds_no_user(setup: Setup, is_demoted: bool) -> None:
    created = await create_api_key(store, setup.actor, name="Till")
    by_key = await setup.actors.actor_for(created.secret)
    assert by_key is not None
    await people.add_user("third@ibiki.test")
    demoted = UserChange(role=Role.CLIENT, client_id=(await people.add_client()).id)
    change = demoted if is_demoted else UserChange(disabled=True)
    await update_user(store, PASSWORDS, setup.user.id, change)
    with pytest.raises(Unauthenticated):
        await create_user(store, PASSWORDS, SECOND, by=by_key)


async def test_a_session_that_ends_while_it_waits_for_others_adds_no_user(setup: Setup) -> None:
    async with holding(store.lock_identities, lambda tx: store.end_sessions_of(tx, setup.user.id)):
        adding = asyncio.create_task(create_user(store, PASSWORDS, SECOND, by=setup.actor))
        await blocked(adding)
    with pytest.raises(Unauthenticated):
        await adding


async def test_wrong_passwords_count_as_failed_sign_ins(setup: Setup) -> None:
    for _ in range(5):
        with pytest.raises(InvalidInput):
            await setup.change("wrong horse battery")
    with pytest.raises(RateLimited):
        await setup.change()
    with pytest.raises(RateLimited):
        await setup.sessions.sign_in(EMAIL, PASSWORD, address=ADDRESS)
    assert await setup.accepted() == {PASSWORD}


async def test_failed_sign_ins_count_for_a_change(setup: Setup) -> None:
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await setup.sessions.sign_in(EMAIL, "wrong horse battery", address=ADDRESS)
    with pytest.raises(RateLimited):
        await setup.change()


async def test_of_two_changes_at_once_the_later_one_is_refused(setup: Setup) -> None:
    login, first = await store.find_login(EMAIL), await PASSWORDS.hash("of the other")
    assert login is not None
    async with holding(lambda tx: store.change_password(tx, login, first)):
        change = asyncio.create_task(setup.change())
        await blocked(change)
    with pytest.raises(InvalidInput) as refused:
        await change
    assert refused.value.field == "currentPassword"
    assert await setup.accepted() == {"of the other"}


async def test_of_two_changes_at_once_the_session_of_one_continues(setup: Setup) -> None:
    other = await setup.actors.actor_for(setup.other.access_token)
    assert other is not None

    def change_elsewhere() -> Awaitable[User]:
        return setup.sessions.change_password(
            other, current=PASSWORD, new="of the other", address=ADDRESS
        )

    slow = interrupted(change_elsewhere)
    with pytest.raises(InvalidInput):
        await slow.change_password(setup.actor, current=PASSWORD, new=NEW, address=ADDRESS)
    assert await setup.accepted() == {"of the other"}
    assert not await setup.lives(setup.mine)
    assert await setup.lives(setup.other)


class InterruptedPasswords(Argon2Passwords):
    """Something else happens after the current password was checked."""

    def __init__(self, happens: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(memory_kib=64)
        self._happens = happens

    async def hash(self, password: str) -> str:
        await self._happens()
        return await super().hash(password)


def interrupted(happens: Callable[[], Awaitable[Any]]) -> Sessions:
    """Sessions whose changes of a password take long enough for something else."""
    passwords, throttle = InterruptedPasswords(happens), SignInThrottle()
    return Sessions(store=store, passwords=passwords, tokens=TOKENS, throttle=throttle)


@pytest.mark.parametrize("reset", [{"password": "of the admin"}, {"disabled": True}], ids=str)
async def test_a_reset_by_an_admin_during_a_change_refuses_it(
    setup: Setup, reset: dict[str, Any]
) -> None:
    await people.add_user("second@ibiki.test")
    change = UserChange(**reset)
    slow = interrupted(lambda: update_user(store, PASSWORDS, setup.user.id, change))
    with pytest.raises(InvalidInput):
        await slow.change_password(setup.actor, current=PASSWORD, new=NEW, address=ADDRESS)
    await update_user(store, PASSWORDS, setup.user.id, UserChange(disabled=False))
    assert await setup.accepted() == {reset.get("password", PASSWORD)}
    assert not await setup.lives(setup.mine)
    assert not await setup.lives(setup.other)


async def test_a_sign_in_with_the_old_password_during_a_change_does_not_last(setup: Setup) -> None:
    login, session_id = await store.find_login(EMAIL), new_id()
    assert login is not None
    async with holding(lambda tx: store.begin_session(tx, login, session_id)):
        change = asyncio.create_task(setup.change())
        await blocked(change)
    await change
    assert await store.find_actor_of_session(session_id, setup.user.id) is None
    assert await setup.lives(setup.mine)


async def test_a_refresh_beside_a_change_gets_no_token_that_lasts(setup: Setup) -> None:
    """It has found its session open, and writes the next token after the change."""
    sessions, token = setup.sessions, setup.other.refresh_token
    steps: list[Any] = []

    async def find(tx: Any) -> None:
        steps.append(await store.lock_refresh_token(tx, _hash(token)))

    async def renew(tx: Any) -> None:
        steps.append(await sessions._use(tx, steps[0], token))

    async with holding(find, renew):
        await setup.change()
    used, refreshed = steps
    assert used.is_valid
    assert not await setup.lives(refreshed)
    assert not await setup.lives(setup.other)
