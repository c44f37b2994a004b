"""Signing in, refreshing and signing out, on a real database."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator

import pytest

from domain.errors import InvalidCredentials, RateLimited, TryAgain
from domain.identity.access import Role
from domain.identity.directory import User
from domain.identity.sessions import REUSE_SECONDS, SessionOver, Sessions
from domain.identity.users import UserChange, update_user
from ibiki.http.throttle import SignInThrottle
from ibiki.passwords import Argon2Passwords
from persistence import store
from tests import db, people
from tests.ledger.cutting_proxy import Moment, proxy_to
from tests.people import ADDRESS, PASSWORD, PASSWORDS, TOKENS


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[User]:
    async with people.connected_with_pool(database_url):
        yield await people.add_user("Ada@ibiki.test")


@pytest.fixture
def sessions(admin: User) -> Sessions:
    return people.new_sessions()


async def sign_in(
    sessions: Sessions, email: str = "ada@ibiki.test", password: str = PASSWORD
) -> str:
    return (await sessions.sign_in(email, password, address=ADDRESS)).refresh_token


async def live_sessions() -> int:
    rows = await db.fetch("SELECT count(*) AS live FROM session WHERE revoked_at IS NULL")
    return int(rows[0]["live"])


async def stored_tokens() -> int:
    rows = await db.fetch("SELECT count(*) AS stored FROM refresh_token")
    return int(rows[0]["stored"])


async def age_uses(seconds: float) -> None:
    """Moves every use of a refresh token into the past."""
    await db.execute(
        "UPDATE refresh_token SET used_at = used_at - make_interval(secs => $1)", seconds
    )


@pytest.mark.parametrize("email", ["Ada@ibiki.test", "ADA@IBIKI.TEST", " ada@ibiki.test "])
async def test_the_email_may_be_written_in_any_case(
    sessions: Sessions, admin: User, email: str
) -> None:
    signed_in = await sessions.sign_in(email, PASSWORD, address=ADDRESS)
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
async def test_every_wrong_sign_in_gets_the_same_answer(
    sessions: Sessions, email: str, password: str
) -> None:
    with pytest.raises(InvalidCredentials) as refused:
        await sessions.sign_in(email, password, address=ADDRESS)
    assert str(refused.value) == "The email or the password is wrong."
    assert await live_sessions() == 0


class RecordedPasswords(Argon2Passwords):
    """Records the hashes that passwords were compared with."""

    def __init__(self) -> None:
        super().__init__(memory_kib=64)
        self.compared: list[str | None] = []

    async def verify(self, password: str, stored: str | None) -> bool:
        self.compared.append(stored)
        return await super().verify(password, stored)


@pytest.mark.parametrize("email", ["ada@ibiki.test", "eve@ibiki.test", "", "\ud800"])
async def test_known_and_unknown_emails_take_one_hash_each(admin: User, email: str) -> None:
    passwords = RecordedPasswords()
    sessions = Sessions(store=store, passwords=passwords, tokens=TOKENS, throttle=SignInThrottle())
    with pytest.raises(InvalidCredentials):
        await sessions.sign_in(email, "wrong horse battery", address=ADDRESS)
    assert len(passwords.compared) == 1
    assert (passwords.compared == [None]) is (email != "ada@ibiki.test")


async def test_a_disabled_user_gets_the_same_answer_as_a_wrong_password(
    sessions: Sessions, admin: User
) -> None:
    await people.add_user("second@ibiki.test")
    await update_user(store, PASSWORDS, admin.id, UserChange(disabled=True))
    with pytest.raises(InvalidCredentials):
        await sign_in(sessions)


async def test_a_sign_in_fails_if_the_password_changes_meanwhile(
    sessions: Sessions, admin: User
) -> None:
    login = await store.find_login("ada@ibiki.test")
    assert login is not None
    await update_user(store, PASSWORDS, admin.id, UserChange(password="another password"))
    with pytest.raises(InvalidCredentials):
        await sessions._begin(login)
    assert await live_sessions() == 0


async def test_only_hashes_of_passwords_and_refresh_tokens_are_stored(sessions: Sessions) -> None:
    token = await sign_in(sessions)
    rows = await db.fetch("SELECT password_hash, token_hash::text FROM app_user, refresh_token")
    assert rows[0]["password_hash"].startswith("$argon2id$")
    assert token not in str(rows)
    assert token.encode().hex() not in str(rows)


async def test_a_refresh_token_gives_new_ones_for_the_same_session(sessions: Sessions) -> None:
    first = await sessions.sign_in("ada@ibiki.test", PASSWORD, address=ADDRESS)
    second = await sessions.refresh(first.refresh_token)
    third = await sessions.refresh(second.refresh_token)
    assert first.session_id == second.session_id == third.session_id
    assert len({each.refresh_token for each in (first, second, third)}) == 3


@pytest.mark.parametrize(
    "seconds", [REUSE_SECONDS + 1, -3_600], ids=["late", "the database's clock was set back"]
)
async def test_a_refresh_token_that_is_used_again_late_ends_the_session(
    sessions: Sessions, seconds: float
) -> None:
    first = await sign_in(sessions)
    second = (await sessions.refresh(first)).refresh_token
    await age_uses(seconds)
    with pytest.raises(SessionOver):
        await sessions.refresh(first)
    with pytest.raises(SessionOver):
        await sessions.refresh(second)
    assert await live_sessions() == 0


async def test_a_refresh_token_that_is_used_again_soon_gets_the_same_next_token(
    sessions: Sessions,
) -> None:
    first = await sessions.sign_in("ada@ibiki.test", PASSWORD, address=ADDRESS)
    second = await sessions.refresh(first.refresh_token)
    await age_uses(REUSE_SECONDS - 5)
    again = await sessions.refresh(first.refresh_token)
    assert (again.session_id, again.refresh_token) == (first.session_id, second.refresh_token)
    assert TOKENS.read(again.access_token) is not None
    third = await sessions.refresh(again.refresh_token)
    assert third.refresh_token not in (first.refresh_token, second.refresh_token)
    assert await live_sessions() == 1
    assert await stored_tokens() == 3


async def test_a_reuse_does_not_extend_the_time_in_which_a_token_may_be_reused(
    sessions: Sessions,
) -> None:
    first = await sign_in(sessions)
    await sessions.refresh(first)
    await age_uses(REUSE_SECONDS - 5)
    await sessions.refresh(first)
    await age_uses(6)
    with pytest.raises(SessionOver):
        await sessions.refresh(first)


async def test_simultaneous_uses_of_a_refresh_token_get_the_same_next_token(
    sessions: Sessions,
) -> None:
    token = await sign_in(sessions)
    answers = await asyncio.gather(*(sessions.refresh(token) for _ in range(8)))
    (following,) = {each.refresh_token for each in answers}
    assert await live_sessions() == 1
    assert await stored_tokens() == 2
    await sessions.refresh(following)


async def test_a_thief_and_the_owner_of_a_session_do_not_both_keep_it(sessions: Sessions) -> None:
    """Within 30 seconds of the owner's use the thief gets in: then both hold the same token."""
    stolen = await sign_in(sessions)
    owner = (await sessions.refresh(stolen)).refresh_token
    thief = (await sessions.refresh(stolen)).refresh_token
    assert thief == owner
    await sessions.refresh(owner)
    await age_uses(REUSE_SECONDS + 1)
    with pytest.raises(SessionOver):
        await sessions.refresh(thief)
    assert await live_sessions() == 0


@pytest.mark.parametrize("ending", ["signed out", "disabled", "expired"])
async def test_a_reused_token_gets_nothing_from_a_session_that_has_ended(
    sessions: Sessions, admin: User, ending: str
) -> None:
    await people.add_user("second@ibiki.test")
    token = await sign_in(sessions)
    following = (await sessions.refresh(token)).refresh_token
    if ending == "signed out":
        await sessions.sign_out(following)
    elif ending == "disabled":
        await update_user(store, PASSWORDS, admin.id, UserChange(disabled=True))
    else:
        await db.execute("UPDATE refresh_token SET expires_at = now()")
    with pytest.raises(SessionOver):
        await sessions.refresh(token)


async def test_the_next_token_cannot_be_found_in_the_database(sessions: Sessions) -> None:
    token = await sign_in(sessions)
    following = (await sessions.refresh(token)).refresh_token
    stored = str(await db.fetch("SELECT refresh_token::text FROM refresh_token"))
    for secret in (token, following):
        assert secret not in stored
        assert secret.encode().hex() not in stored
        assert urlsafe_b64decode(secret + "=").hex() not in stored


async def test_a_refresh_can_be_repeated_if_the_answer_is_lost_at_the_commit(
    database_url: str,
) -> None:
    """The client repeats its request with the token that it has."""
    async with people.connected_with_pool(database_url):
        await people.add_user("ada@ibiki.test")
        token = await sign_in(people.new_sessions())
    async with proxy_to(database_url) as proxy, db.connected(proxy.url):
        sessions = people.new_sessions()
        proxy.cut_at("COMMIT", Moment.UNANSWERED)
        with pytest.raises(TryAgain):
            await sessions.refresh(token)
        following = await sessions.refresh(token)
        await sessions.refresh(following.refresh_token)
        assert await live_sessions() == 1
        assert await stored_tokens() == 3


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 100_000, "\ud800", "a\0b"])
async def test_an_unknown_refresh_token_is_refused_and_ends_no_session(
    sessions: Sessions, token: str
) -> None:
    await sign_in(sessions)
    with pytest.raises(SessionOver):
        await sessions.refresh(token)
    assert not await sessions.sign_out(token)
    assert await live_sessions() == 1


async def test_an_access_token_is_refused_as_a_refresh_token(sessions: Sessions) -> None:
    signed_in = await sessions.sign_in("ada@ibiki.test", PASSWORD, address=ADDRESS)
    with pytest.raises(SessionOver):
        await sessions.refresh(signed_in.access_token)
    assert not await sessions.sign_out(signed_in.access_token)
    assert await live_sessions() == 1


async def test_an_expired_refresh_token_is_refused(sessions: Sessions) -> None:
    token = await sign_in(sessions)
    await db.execute("UPDATE refresh_token SET expires_at = now()")
    with pytest.raises(SessionOver):
        await sessions.refresh(token)


async def test_a_signed_out_session_cannot_be_refreshed_and_others_can(sessions: Sessions) -> None:
    token, other = await sign_in(sessions), await sign_in(sessions)
    assert await sessions.sign_out(token)
    assert await sessions.sign_out(token)
    with pytest.raises(SessionOver):
        await sessions.refresh(token)
    await sessions.refresh(other)


async def test_signing_out_with_a_used_token_ends_the_session_too(sessions: Sessions) -> None:
    first = await sign_in(sessions)
    await sessions.refresh(first)
    assert await sessions.sign_out(first)
    assert await live_sessions() == 0


@pytest.mark.parametrize(
    "change",
    [UserChange(disabled=True), UserChange(password="another password")],
    ids=["disabled", "password"],
)
async def test_disabling_a_user_or_changing_the_password_ends_all_sessions(
    sessions: Sessions, admin: User, change: UserChange
) -> None:
    await people.add_user("second@ibiki.test")
    tokens = [await sign_in(sessions), await sign_in(sessions)]
    other = await sign_in(sessions, "second@ibiki.test")
    await update_user(store, PASSWORDS, admin.id, change)
    for token in tokens:
        with pytest.raises(SessionOver):
            await sessions.refresh(token)
    await sessions.refresh(other)


async def test_a_new_role_ends_all_sessions(sessions: Sessions, admin: User) -> None:
    await people.add_user("second@ibiki.test")
    token = await sign_in(sessions)
    client = await people.add_client()
    change = UserChange(role=Role.CLIENT, client_id=client.id)
    await update_user(store, PASSWORDS, admin.id, change)
    with pytest.raises(SessionOver):
        await sessions.refresh(token)


async def test_after_too_many_wrong_passwords_the_right_one_is_refused_too(
    sessions: Sessions,
) -> None:
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await sign_in(sessions, password="wrong horse battery")
    with pytest.raises(RateLimited) as refused:
        await sign_in(sessions, "ADA@ibiki.test ")
    assert 0 < refused.value.retry_after_seconds <= 60


async def test_an_address_that_fails_with_many_accounts_is_limited_and_others_are_not(
    sessions: Sessions,
) -> None:
    for number in range(30):
        with pytest.raises(InvalidCredentials):
            await sign_in(sessions, f"eve{number}@ibiki.test")
    with pytest.raises(RateLimited):
        await sign_in(sessions)
    await sessions.sign_in("ada@ibiki.test", PASSWORD, address="192.0.2.2")


async def test_a_successful_sign_in_resets_the_failures_of_the_account(sessions: Sessions) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(InvalidCredentials):
                await sign_in(sessions, password="wrong horse battery")
        await sign_in(sessions)


async def test_simultaneous_guesses_count_like_guesses_one_by_one(sessions: Sessions) -> None:
    answers = await asyncio.gather(
        *(sign_in(sessions, password=f"wrong horse {number}") for number in range(50)),
        return_exceptions=True,
    )
    guesses = sum(type(each) is InvalidCredentials for each in answers)
    assert 5 <= guesses <= 8  # as many as are looked at together may come through above the limit
    assert sum(isinstance(each, RateLimited) for each in answers) == 50 - guesses


async def test_many_correct_sign_ins_at_once_all_succeed(sessions: Sessions) -> None:
    await asyncio.gather(*(sign_in(sessions) for _ in range(50)))
    assert await live_sessions() == 50
