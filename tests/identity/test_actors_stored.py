"""Actors on a real database, with the caches of several processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.identity.access import Payer, Role
from domain.identity.actors import Actors
from domain.identity.api_keys import create_api_key, revoke_api_key
from domain.identity.clients import ClientChange, GroupChange, update_client, update_group
from domain.identity.directory import Client, ClientStatus, Group, User
from domain.identity.quiet_hours import QuietHours
from domain.identity.sessions import Sessions, SignedIn
from domain.identity.users import UserChange, update_user
from persistence import store
from tests import db, people
from tests.clocks import PATIENCE_SECONDS, stopwatch
from tests.locks import holding, locked
from tests.people import ADDRESS, NORMALISER, PASSWORD, PASSWORDS, TOKENS

EMAIL = "ada@ibiki.test"


@dataclass
class Setup:
    """A signed-in user of a client with an API key, and two processes that have both cached."""

    group: Group
    client: Client
    user: User
    sessions: Sessions
    here: Actors
    there: Actors
    session: SignedIn
    secret: str


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with people.connected_with_pool(database_url):
        group = await people.add_group()
        client = await people.add_client(group=group)
        user = await people.add_user(EMAIL, Role.CLIENT, client_id=client.id)
        await people.add_user("root@ibiki.test")
        sessions = people.new_sessions()
        session = await sessions.sign_in(EMAIL, PASSWORD, address=ADDRESS)
        async with people.new_actors() as here, people.new_actors() as there:
            actor = await here.actor_for(session.access_token)
            assert actor is not None
            secret = (await create_api_key(store, actor, name="Till")).secret
            for actors in (here, there):
                assert await actors.actor_for(session.access_token)
                assert await actors.actor_for(secret)
            yield Setup(group, client, user, sessions, here, there, session, secret)


async def within_a_second(condition: Callable[[], Awaitable[bool]]) -> None:
    """The condition holds for every check that begins a second after now or later."""
    async with asyncio.timeout(PATIENCE_SECONDS), stopwatch() as watch:
        read_seconds = 0.0
        while not await condition():
            assert read_seconds < 1.0
            await asyncio.sleep(0.01)
            read_seconds = watch.seconds


async def soon(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def test_an_actor_has_the_quiet_hours_of_its_client(setup: Setup) -> None:
    quiet = QuietHours("21:00", "08:00", "Africa/Kampala")
    await update_client(store, NORMALISER, setup.client.id, ClientChange(quiet_hours=quiet))
    for actors in (setup.here, setup.there):
        await actors.catch_up()
        actor = await actors.actor_for(setup.secret)
        assert actor is not None
        assert actor.payer is not None
        assert actor.payer.quiet_hours == quiet


async def test_an_actor_has_the_terms_of_its_account(setup: Setup) -> None:
    actor = await setup.here.actor_for(setup.session.access_token)
    assert actor is not None
    assert (actor.user_id, actor.role) == (setup.user.id, Role.CLIENT)
    assert actor.credential_id == setup.session.session_id
    assert (actor.client_id, actor.group_id) == (setup.client.id, setup.group.id)
    assert actor.client_status == "ACTIVE"
    assert actor.expires_at == setup.session.expires_at
    pools = await db.fetch("SELECT id FROM provider_account")
    assert actor.payer == Payer(
        setup.client.id, setup.client.account_id, pools[0]["id"], 1, "credit", None
    )


async def test_an_api_key_acts_for_its_user_and_does_not_expire(setup: Setup) -> None:
    actor = await setup.here.actor_for(setup.secret)
    assert actor is not None
    assert (actor.user_id, actor.client_id) == (setup.user.id, setup.client.id)
    assert actor.expires_at is None


@pytest.mark.parametrize(
    ("client_rate", "group_rate", "rate"),
    [
        (None, None, None),
        (None, Decimal("0.03"), Decimal("0.03")),
        (Decimal("0.05"), Decimal("0.03"), Decimal("0.05")),
        (Decimal(0), Decimal("0.03"), Decimal(0)),
    ],
)
async def test_the_rate_of_a_client_comes_before_the_rate_of_its_group(
    setup: Setup, client_rate: Decimal | None, group_rate: Decimal | None, rate: Decimal | None
) -> None:
    await update_group(store, setup.group.id, GroupChange(rate_per_unit_usd=group_rate))
    await update_client(
        store, NORMALISER, setup.client.id, ClientChange(rate_per_unit_usd=client_rate)
    )
    await setup.here.catch_up()
    actor = await setup.here.actor_for(setup.secret)
    assert actor is not None
    assert actor.payer is not None
    assert actor.payer.rate_usd == rate


async def test_an_admin_has_no_account_and_a_supervisor_has_its_group(setup: Setup) -> None:
    await people.add_user("boss@ibiki.test", Role.SUPERVISOR, group_id=setup.group.id)
    for email, group_id in (("root@ibiki.test", None), ("boss@ibiki.test", setup.group.id)):
        session = await setup.sessions.sign_in(email, PASSWORD, address=ADDRESS)
        actor = await setup.here.actor_for(session.access_token)
        assert actor is not None
        assert (actor.client_id, actor.payer, actor.group_id) == (None, None, group_id)


async def sign_out(setup: Setup) -> None:
    await setup.sessions.sign_out(setup.session.refresh_token)


async def reuse_late(setup: Setup) -> None:
    await setup.sessions.refresh(setup.session.refresh_token)
    await db.execute("UPDATE refresh_token SET used_at = used_at - interval '31 seconds'")
    with pytest.raises(Exception, match="over"):
        await setup.sessions.refresh(setup.session.refresh_token)


async def disable(setup: Setup) -> None:
    await update_user(store, PASSWORDS, setup.user.id, UserChange(disabled=True))


async def change_password(setup: Setup) -> None:
    await update_user(store, PASSWORDS, setup.user.id, UserChange(password="another password"))


async def change_role(setup: Setup) -> None:
    change = UserChange(role=Role.SUPERVISOR, group_id=setup.group.id)
    await update_user(store, PASSWORDS, setup.user.id, change)


async def revoke(setup: Setup) -> None:
    actor = await setup.here.actor_for(setup.secret)
    assert actor is not None
    await revoke_api_key(store, actor, actor.credential_id)


ENDS = [sign_out, reuse_late, disable, change_password, change_role]


@pytest.mark.parametrize(
    ("end", "is_key"), [*((end, False) for end in ENDS), (revoke, True), (disable, True)]
)
async def test_an_ended_session_or_key_is_refused_everywhere_within_a_second(
    setup: Setup, end: Callable[[Setup], Awaitable[None]], is_key: bool
) -> None:
    credential = setup.secret if is_key else setup.session.access_token
    await end(setup)

    async def is_out() -> bool:
        here, there = setup.here, setup.there
        return not (await here.actor_for(credential) or await there.actor_for(credential))

    await within_a_second(is_out)


async def suspend(setup: Setup) -> None:
    change = ClientChange(status=ClientStatus.SUSPENDED)
    await update_client(store, NORMALISER, setup.client.id, change)


async def raise_rate(setup: Setup) -> None:
    await update_group(store, setup.group.id, GroupChange(rate_per_unit_usd=Decimal("0.5")))


async def leave_group(setup: Setup) -> None:
    await update_client(store, NORMALISER, setup.client.id, ClientChange(group_id=None))


async def change_client(setup: Setup) -> None:
    other = await people.add_client("Other")
    await update_user(store, PASSWORDS, setup.user.id, UserChange(client_id=other.id))


@pytest.mark.parametrize("change", [suspend, raise_rate, leave_group, change_client, change_role])
async def test_a_change_of_an_actor_takes_effect_everywhere_within_a_second(
    setup: Setup, change: Callable[[Setup], Awaitable[None]]
) -> None:
    before = await setup.there.actor_for(setup.secret)
    await change(setup)

    async def has_changed() -> bool:
        here, there = (
            await setup.here.actor_for(setup.secret),
            await setup.there.actor_for(setup.secret),
        )
        return here == there and here is not None and here != before

    await within_a_second(has_changed)


async def test_other_processes_call_back_with_the_changed_subject(setup: Setup) -> None:
    reported: list[object] = []
    setup.there.on_change(reported.append)
    await sign_out(setup)

    async def is_forgotten() -> bool:
        return reported == [frozenset({setup.session.session_id})]

    await soon(is_forgotten)


async def test_a_change_whose_commit_is_overtaken_by_another_is_not_missed(setup: Setup) -> None:
    async def knows_the_second() -> bool:
        actor = await setup.there.actor_for(setup.secret)
        return actor is not None and actor.client_status == "SUSPENDED"

    async with holding(lambda tx: store.end_session(tx, setup.session.session_id)):
        await suspend(setup)
        await within_a_second(knows_the_second)
        assert await setup.there.actor_for(setup.session.access_token)

    async def knows_the_first() -> bool:
        return await setup.there.actor_for(setup.session.access_token) is None

    await within_a_second(knows_the_first)


async def test_a_change_whose_commit_takes_an_hour_is_not_missed(
    setup: Setup, database_url: str
) -> None:
    async with locked(database_url, "UPDATE session SET revoked_at = now()") as stalled:
        await stalled.execute(
            "INSERT INTO access_change (id, subject_id, created_at)"
            " VALUES ($1, $1, now() - interval '1 hour')",
            setup.session.session_id,
        )
        for _ in range(3):
            await suspend(setup)
            await setup.there.catch_up()
        assert await setup.there.actor_for(setup.session.access_token)

    async def is_out() -> bool:
        return await setup.there.actor_for(setup.session.access_token) is None

    await within_a_second(is_out)


async def test_a_token_with_the_session_of_another_user_is_refused(setup: Setup) -> None:
    other = await setup.sessions.sign_in("root@ibiki.test", PASSWORD, address=ADDRESS)
    confused, _ = TOKENS.issue(user_id=setup.user.id, session_id=other.session_id)
    assert await setup.here.actor_for(confused) is None
    assert await setup.here.actor_for(setup.session.refresh_token) is None


async def test_the_last_use_of_a_key_is_stored_to_the_minute(setup: Setup) -> None:
    async def is_noted() -> bool:
        keys = await store.list_api_keys(setup.user.id)
        return keys[0].last_used_at is not None

    await soon(is_noted)
    used_at = (await store.list_api_keys(setup.user.id))[0].last_used_at
    assert used_at is not None
    assert (used_at.second, used_at.microsecond) == (0, 0)
    assert datetime.now(UTC) - used_at < timedelta(minutes=2)


async def test_a_key_is_written_once_a_minute_at_most(setup: Setup) -> None:
    (key,) = await store.list_api_keys(setup.user.id)
    began = minute = None
    while began is None or began != minute:  # another minute may begin in between
        [began] = await db.fetch("SELECT date_trunc('minute', clock_timestamp())")
        await db.execute("UPDATE api_key SET last_used_at = date_trunc('minute', now())")
        before = await db.fetch("SELECT xmin::text AS xmin FROM api_key")
        await store.note_keys_used([key.id])
        after = await db.fetch("SELECT xmin::text AS xmin FROM api_key")
        [minute] = await db.fetch("SELECT date_trunc('minute', clock_timestamp())")
    assert after == before


async def test_old_changes_and_expired_sign_ins_are_deleted_and_others_are_kept(
    setup: Setup,
) -> None:
    old = await setup.sessions.sign_in(EMAIL, PASSWORD, address=ADDRESS)
    await db.execute(
        "UPDATE refresh_token SET expires_at = now() - interval '8 days' WHERE session_id = $1",
        old.session_id,
    )
    await db.execute(
        "UPDATE session SET created_at = now() - interval '40 days' WHERE id = $1", old.session_id
    )
    await db.execute(
        "INSERT INTO access_change (id, subject_id, created_at) VALUES ($1, $1, $2)",
        old.user_id,
        datetime.now(UTC) - timedelta(days=8),
    )
    await sign_out(setup)
    assert await store.purge_changes(most=10) == 1
    assert await store.purge_sign_ins(most=10) == 1
    left = await db.fetch(
        "SELECT (SELECT array_agg(id) FROM session) AS sessions,"
        " (SELECT array_agg(subject_id) FROM access_change) AS subjects"
    )
    assert left == [
        {"sessions": [setup.session.session_id], "subjects": [setup.session.session_id]}
    ]
    assert await setup.sessions.sign_out(setup.session.refresh_token)
