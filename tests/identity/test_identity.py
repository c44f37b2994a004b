"""Signing in, staying in, and getting out, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.errors import InvalidCredentials, RateLimited
from domain.identity.access import Role
from domain.identity.people import User
from domain.identity.sessions import Door, SessionOver
from domain.identity.users import UserChange, update_user
from ibiki.http.throttle import SignInThrottle
from ibiki.passwords import Argon2Passwords
from persistence import store
from tests import people, worlds
from tests.people import ADDRESS, PASSWORD, PASSWORDS, TOKENS


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[User]:
    async with people.inhabited(database_url):
        yield await people.add_user("Ada@ibiki.test")


@pytest.fixture
def door(admin: User) -> Door:
    return people.new_door()


async def sign_in(door: Door, email: str = "ada@ibiki.test", password: str = PASSWORD) -> str:
    return (await door.sign_in(email, password, address=ADDRESS)).refresh_token


async def live_sessions() -> int:
    rows = await worlds.fetch("SELECT count(*) AS live FROM session WHERE revoked_at IS NULL")
    return int(rows[0]["live"])


@pytest.mark.parametrize("email", ["Ada@ibiki.test", "ADA@IBIKI.TEST", " ada@ibiki.test "])
async def test_the_right_password_signs_in_however_the_email_is_written(
    door: Door, admin: User, email: str
) -> None:
    signed_in = await door.sign_in(email, PASSWORD, address=ADDRESS)
    assert signed_in.user_id == admin.id
    claims = TOKENS.read(signed_in.access_token)
    assert claims is not None
    assert (claims.user_id, claims.session_id) == (admin.id, signed_in.session_id)
    assert claims.expires_at == signed_in.expires_at


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@ibiki.test", "wrong horse battery"),
        ("ada@ibiki.test", ""),
        ("ada@ibiki.test", PASSWORD + "\0"),
        ("ada@ibiki.test", "\ud800" * 8),
        ("ada@ibiki.test", "x" * 100_000),
        ("eve@ibiki.test", PASSWORD),
        ("", PASSWORD),
        ("ada@ibiki.test\0", PASSWORD),
        ("\ud800@ibiki.test", PASSWORD),
        ("a" * 100_000, PASSWORD),
        ("ada%", PASSWORD),
    ],
)
async def test_anything_else_gets_one_and_the_same_answer(
    door: Door, email: str, password: str
) -> None:
    with pytest.raises(InvalidCredentials) as refused:
        await door.sign_in(email, password, address=ADDRESS)
    assert str(refused.value) == "The email or the password is wrong."
    assert await live_sessions() == 0


class RecordedPasswords(Argon2Passwords):
    """Notes what passwords were compared with."""

    def __init__(self) -> None:
        super().__init__(memory_kib=64)
        self.compared: list[str | None] = []

    async def verify(self, password: str, kept: str | None) -> bool:
        self.compared.append(kept)
        return await super().verify(password, kept)


@pytest.mark.parametrize("email", ["ada@ibiki.test", "eve@ibiki.test", "", "\ud800"])
async def test_every_email_costs_one_hash_whether_anybody_has_it_or_not(
    admin: User, email: str
) -> None:
    passwords = RecordedPasswords()
    door = Door(store=store, passwords=passwords, tokens=TOKENS, throttle=SignInThrottle())
    with pytest.raises(InvalidCredentials):
        await door.sign_in(email, "wrong horse battery", address=ADDRESS)
    assert len(passwords.compared) == 1
    assert (passwords.compared == [None]) is (email != "ada@ibiki.test")


async def test_a_disabled_user_gets_the_same_answer_as_a_wrong_password(
    door: Door, admin: User
) -> None:
    await people.add_user("second@ibiki.test")
    await update_user(store, PASSWORDS, admin.id, UserChange(disabled=True))
    with pytest.raises(InvalidCredentials):
        await sign_in(door)


async def test_a_sign_in_that_was_under_way_when_the_password_changed_comes_to_nothing(
    door: Door, admin: User
) -> None:
    login = await store.find_login("ada@ibiki.test")
    assert login is not None
    await update_user(store, PASSWORDS, admin.id, UserChange(password="another password"))
    with pytest.raises(InvalidCredentials):
        await door._begin(login)
    assert await live_sessions() == 0


async def test_only_hashes_of_passwords_and_refresh_tokens_are_kept(door: Door) -> None:
    token = await sign_in(door)
    rows = await worlds.fetch("SELECT password_hash, token_hash::text FROM app_user, refresh_token")
    assert rows[0]["password_hash"].startswith("$argon2id$")
    assert token not in str(rows)
    assert token.encode().hex() not in str(rows)


async def test_a_refresh_token_gives_new_ones_for_the_same_session(door: Door) -> None:
    first = await door.sign_in("ada@ibiki.test", PASSWORD, address=ADDRESS)
    second = await door.refresh(first.refresh_token)
    third = await door.refresh(second.refresh_token)
    assert first.session_id == second.session_id == third.session_id
    assert len({each.refresh_token for each in (first, second, third)}) == 3


async def test_a_refresh_token_that_is_used_twice_ends_the_session(door: Door) -> None:
    first = await sign_in(door)
    second = (await door.refresh(first)).refresh_token
    with pytest.raises(SessionOver):
        await door.refresh(first)
    with pytest.raises(SessionOver):
        await door.refresh(second)
    assert await live_sessions() == 0


async def test_of_many_who_use_one_refresh_token_together_one_wins_and_the_session_ends(
    door: Door,
) -> None:
    token = await sign_in(door)
    answers = await asyncio.gather(*(door.refresh(token) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(each, SessionOver) for each in answers) == 7
    assert await live_sessions() == 0


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 100_000, "\ud800", "a\0b"])
async def test_a_refresh_token_that_never_was_is_refused_and_ends_nothing(
    door: Door, token: str
) -> None:
    await sign_in(door)
    with pytest.raises(SessionOver):
        await door.refresh(token)
    assert not await door.sign_out(token)
    assert await live_sessions() == 1


async def test_an_access_token_is_no_refresh_token(door: Door) -> None:
    signed_in = await door.sign_in("ada@ibiki.test", PASSWORD, address=ADDRESS)
    with pytest.raises(SessionOver):
        await door.refresh(signed_in.access_token)
    assert not await door.sign_out(signed_in.access_token)
    assert await live_sessions() == 1


async def test_a_refresh_token_is_worth_nothing_after_its_days(door: Door) -> None:
    token = await sign_in(door)
    await worlds.execute("UPDATE refresh_token SET expires_at = now()")
    with pytest.raises(SessionOver):
        await door.refresh(token)


async def test_a_session_that_is_signed_out_cannot_be_refreshed_and_others_can(door: Door) -> None:
    token, other = await sign_in(door), await sign_in(door)
    assert await door.sign_out(token)
    assert await door.sign_out(token)
    with pytest.raises(SessionOver):
        await door.refresh(token)
    await door.refresh(other)


async def test_signing_out_with_a_token_of_the_chain_that_was_used_ends_the_session_too(
    door: Door,
) -> None:
    first = await sign_in(door)
    await door.refresh(first)
    assert await door.sign_out(first)
    assert await live_sessions() == 0


@pytest.mark.parametrize(
    "change",
    [UserChange(disabled=True), UserChange(password="another password")],
    ids=["disabled", "password"],
)
async def test_being_disabled_or_given_a_new_password_ends_all_sessions(
    door: Door, admin: User, change: UserChange
) -> None:
    await people.add_user("second@ibiki.test")
    tokens = [await sign_in(door), await sign_in(door)]
    other = await sign_in(door, "second@ibiki.test")
    await update_user(store, PASSWORDS, admin.id, change)
    for token in tokens:
        with pytest.raises(SessionOver):
            await door.refresh(token)
    await door.refresh(other)


async def test_a_new_role_ends_all_sessions(door: Door, admin: User) -> None:
    await people.add_user("second@ibiki.test")
    token = await sign_in(door)
    client = await people.add_client()
    change = UserChange(role=Role.CLIENT, client_id=client.id)
    await update_user(store, PASSWORDS, admin.id, change)
    with pytest.raises(SessionOver):
        await door.refresh(token)


async def test_too_many_wrong_passwords_are_refused_for_the_account_and_then_the_right_one_too(
    door: Door,
) -> None:
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await sign_in(door, password="wrong horse battery")
    with pytest.raises(RateLimited) as refused:
        await sign_in(door, "ADA@ibiki.test ")
    assert 0 < refused.value.retry_after_seconds <= 60


async def test_an_unknown_email_is_slowed_like_a_known_one(door: Door) -> None:
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await sign_in(door, "eve@ibiki.test")
    with pytest.raises(RateLimited):
        await sign_in(door, "eve@ibiki.test")


async def test_one_address_that_fails_with_many_accounts_is_refused_and_others_are_not(
    door: Door,
) -> None:
    for number in range(30):
        with pytest.raises(InvalidCredentials):
            await sign_in(door, f"eve{number}@ibiki.test")
    with pytest.raises(RateLimited):
        await sign_in(door)
    await door.sign_in("ada@ibiki.test", PASSWORD, address="192.0.2.2")


async def test_the_right_password_forgets_the_accounts_failures(door: Door) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(InvalidCredentials):
                await sign_in(door, password="wrong horse battery")
        await sign_in(door)


async def test_guesses_sent_at_once_count_like_guesses_sent_one_by_one(door: Door) -> None:
    answers = await asyncio.gather(
        *(sign_in(door, password=f"wrong horse {number}") for number in range(50)),
        return_exceptions=True,
    )
    guesses = sum(type(each) is InvalidCredentials for each in answers)
    assert 5 <= guesses <= 8  # as many as are looked at together may come through above the limit
    assert sum(isinstance(each, RateLimited) for each in answers) == 50 - guesses


async def test_many_good_sign_ins_at_once_all_come_in(door: Door) -> None:
    await asyncio.gather(*(sign_in(door) for _ in range(50)))
    assert await live_sessions() == 50
