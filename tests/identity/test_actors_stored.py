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
from tests import people, worlds
from tests.clocks import PATIENCE_SECONDS, stopwatch
from tests.locks import holding, locked
from tests.people import ADDRESS, NORMALISER, PASSWORD, PASSWORDS, TOKENS

EMAIL = "ada@ibiki.test"


@dataclass
class World:
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
async def world(database_url: str) -> AsyncIterator[World]:
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
            yield World(group, client, user, sessions, here, there, session, secret)


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


async def test_an_actor_has_the_quiet_hours_of_its_client(world: World) -> None:
    quiet = QuietHours("21:00", "08:00", "Africa/Kampala")
    await update_client(store, NORMALISER, world.client.id, ClientChange(quiet_hours=quiet))
    for actors in (world.here, world.there):
        await actors.catch_up()
        actor = await actors.actor_for(world.secret)
        assert actor is not None
        assert actor.payer is not None
        assert actor.payer.quiet_hours == quiet


async def test_an_actor_has_the_terms_of_its_account(world: World) -> None:
    actor = await world.here.actor_for(world.session.access_token)
    assert actor is not None
    assert (actor.user_id, actor.role) == (world.user.id, Role.CLIENT)
    assert actor.credential_id == world.session.session_id
    assert (actor.client_id, actor.group_id) == (world.client.id, world.group.id)
    assert actor.client_status == "ACTIVE"
    assert actor.expires_at == world.session.expires_at
    pools = await worlds.fetch("SELECT id FROM provider_account")
    assert actor.payer == Payer(
        world.client.id, world.client.account_id, pools[0]["id"], 1, "credit", None
    )


async def test_an_api_key_acts_for_its_user_and_does_not_expire(world: World) -> None:
    actor = await world.here.actor_for(world.secret)
    assert actor is not None
    assert (actor.user_id, actor.client_id) == (world.user.id, world.client.id)
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
    world: World, client_rate: Decimal | None, group_rate: Decimal | None, rate: Decimal | None
) -> None:
    await update_group(store, world.group.id, GroupChange(rate_per_unit_usd=group_rate))
    await update_client(
        store, NORMALISER, world.client.id, ClientChange(rate_per_unit_usd=client_rate)
    )
    await world.here.catch_up()
    actor = await world.here.actor_for(world.secret)
    assert actor is not None
    assert actor.payer is not None
    assert actor.payer.rate_usd == rate


async def test_an_admin_has_no_account_and_a_supervisor_has_its_group(world: World) -> None:
    await people.add_user("boss@ibiki.test", Role.SUPERVISOR, group_id=world.group.id)
    for email, group_id in (("root@ibiki.test", None), ("boss@ibiki.test", world.group.id)):
        session = await world.sessions.sign_in(email, PASSWORD, address=ADDRESS)
        actor = await world.here.actor_for(session.access_token)
        assert actor is not None
        assert (actor.client_id, actor.payer, actor.group_id) == (None, None, group_id)


async def sign_out(world: World) -> None:
    await world.sessions.sign_out(world.session.refresh_token)


async def reuse_late(world: World) -> None:
    await world.sessions.refresh(world.session.refresh_token)
    await worlds.execute("UPDATE refresh_token SET used_at = used_at - interval '31 seconds'")
    with pytest.raises(Exception, match="over"):
        await world.sessions.refresh(world.session.refresh_token)


async def disable(world: World) -> None:
    await update_user(store, PASSWORDS, world.user.id, UserChange(disabled=True))


async def change_password(world: World) -> None:
    await update_user(store, PASSWORDS, world.user.id, UserChange(password="another password"))


async def change_role(world: World) -> None:
    change = UserChange(role=Role.SUPERVISOR, group_id=world.group.id)
    await update_user(store, PASSWORDS, world.user.id, change)


@pytest.mark.parametrize("end", [sign_out, reuse_late, disable, change_password, change_role])
async def test_the_access_token_of_an_ended_session_is_refused_everywhere_within_a_second(
    world: World, end: Callable[[World], Awaitable[None]]
) -> None:
    await end(world)

    async def is_out() -> bool:
        token = world.session.access_token
        return not (await world.here.actor_for(token) or await world.there.actor_for(token))

    await within_a_second(is_out)


async def revoke(world: World) -> None:
    actor = await world.here.actor_for(world.secret)
    assert actor is not None
    await revoke_api_key(store, actor, actor.credential_id)


@pytest.mark.parametrize("end", [revoke, disable])
async def test_a_revoked_api_key_is_refused_everywhere_within_a_second(
    world: World, end: Callable[[World], Awaitable[None]]
) -> None:
    await end(world)

    async def is_out() -> bool:
        return not (
            await world.here.actor_for(world.secret) or await world.there.actor_for(world.secret)
        )

    await within_a_second(is_out)


async def suspend(world: World) -> None:
    change = ClientChange(status=ClientStatus.SUSPENDED)
    await update_client(store, NORMALISER, world.client.id, change)


async def raise_rate(world: World) -> None:
    await update_group(store, world.group.id, GroupChange(rate_per_unit_usd=Decimal("0.5")))


async def leave_group(world: World) -> None:
    await update_client(store, NORMALISER, world.client.id, ClientChange(group_id=None))


async def change_client(world: World) -> None:
    other = await people.add_client("Other")
    await update_user(store, PASSWORDS, world.user.id, UserChange(client_id=other.id))


@pytest.mark.parametrize("change", [suspend, raise_rate, leave_group, change_client, change_role])
async def test_a_change_of_an_actor_takes_effect_everywhere_within_a_second(
    world: World, change: Callable[[World], Awaitable[None]]
) -> None:
    before = await world.there.actor_for(world.secret)
    await change(world)

    async def has_changed() -> bool:
        here, there = (
            await world.here.actor_for(world.secret),
            await world.there.actor_for(world.secret),
        )
        return here == there and here is not None and here != before

    await within_a_second(has_changed)


async def test_other_processes_call_back_with_the_changed_subject(world: World) -> None:
    reported: list[object] = []
    world.there.on_change(reported.append)
    await sign_out(world)

    async def is_forgotten() -> bool:
        return reported == [frozenset({world.session.session_id})]

    await soon(is_forgotten)


async def test_a_change_whose_commit_is_overtaken_by_another_is_not_missed(world: World) -> None:
    async def knows_the_second() -> bool:
        actor = await world.there.actor_for(world.secret)
        return actor is not None and actor.client_status == "SUSPENDED"

    async with holding(lambda tx: store.end_session(tx, world.session.session_id)):
        await suspend(world)
        await within_a_second(knows_the_second)
        assert await world.there.actor_for(world.session.access_token)

    async def knows_the_first() -> bool:
        return await world.there.actor_for(world.session.access_token) is None

    await within_a_second(knows_the_first)


async def test_a_change_whose_commit_takes_an_hour_is_not_missed(
    world: World, database_url: str
) -> None:
    async with locked(database_url, "UPDATE session SET revoked_at = now()") as stalled:
        await stalled.execute(
            "INSERT INTO access_change (id, subject_id, created_at)"
            " VALUES ($1, $1, now() - interval '1 hour')",
            world.session.session_id,
        )
        for _ in range(3):
            await suspend(world)
            await world.there.catch_up()
        assert await world.there.actor_for(world.session.access_token)

    async def is_out() -> bool:
        return await world.there.actor_for(world.session.access_token) is None

    await within_a_second(is_out)


async def test_a_token_with_the_session_of_another_user_is_refused(world: World) -> None:
    other = await world.sessions.sign_in("root@ibiki.test", PASSWORD, address=ADDRESS)
    confused, _ = TOKENS.issue(user_id=world.user.id, session_id=other.session_id)
    assert await world.here.actor_for(confused) is None
    assert await world.here.actor_for(world.session.refresh_token) is None


async def test_the_last_use_of_a_key_is_stored_to_the_minute(world: World) -> None:
    async def is_noted() -> bool:
        keys = await store.list_api_keys(world.user.id)
        return keys[0].last_used_at is not None

    await soon(is_noted)
    used_at = (await store.list_api_keys(world.user.id))[0].last_used_at
    assert used_at is not None
    assert (used_at.second, used_at.microsecond) == (0, 0)
    assert datetime.now(UTC) - used_at < timedelta(minutes=2)


async def test_a_key_is_written_once_a_minute_at_most(world: World) -> None:
    (key,) = await store.list_api_keys(world.user.id)
    began = minute = None
    while began is None or began != minute:  # another minute may begin in between
        [began] = await worlds.fetch("SELECT date_trunc('minute', clock_timestamp())")
        await worlds.execute("UPDATE api_key SET last_used_at = date_trunc('minute', now())")
        before = await worlds.fetch("SELECT xmin::text AS xmin FROM api_key")
        await store.note_keys_used([key.id])
        after = await worlds.fetch("SELECT xmin::text AS xmin FROM api_key")
        [minute] = await worlds.fetch("SELECT date_trunc('minute', clock_timestamp())")
    assert after == before


async def test_old_changes_and_expired_sign_ins_are_deleted_and_others_are_kept(
    world: World,
) -> None:
    old = await world.sessions.sign_in(EMAIL, PASSWORD, address=ADDRESS)
    await worlds.execute(
        "UPDATE refresh_token SET expires_at = now() - interval '8 days' WHERE session_id = $1",
        old.session_id,
    )
    await worlds.execute(
        "UPDATE session SET created_at = now() - interval '40 days' WHERE id = $1", old.session_id
    )
    await worlds.execute(
        "INSERT INTO access_change (id, subject_id, created_at) VALUES ($1, $1, $2)",
        old.user_id,
        datetime.now(UTC) - timedelta(days=8),
    )
    await sign_out(world)
    assert await store.purge_changes(most=10) == 1
    assert await store.purge_sign_ins(most=10) == 1
    left = await worlds.fetch(
        "SELECT (SELECT array_agg(id) FROM session) AS sessions,"
        " (SELECT array_agg(subject_id) FROM access_change) AS subjects"
    )
    assert left == [
        {"sessions": [world.session.session_id], "subjects": [world.session.session_id]}
    ]
    assert await world.sessions.sign_out(world.session.refresh_token)
