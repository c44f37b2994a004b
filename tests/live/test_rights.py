"""A live connection has the rights of this moment: it ends with its token or a revocation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.identity.access import Role
from domain.identity.actors import Actors
from domain.identity.api_keys import CreatedApiKey, create_api_key, revoke_api_key
from domain.identity.clients import ClientChange, update_client
from domain.identity.directory import User
from domain.identity.sessions import SignedIn
from domain.identity.users import UserChange, update_user
from ibiki.live.startup import FailoverWatch
from ibiki.tokens import AccessTokens
from persistence import store
from tests.clocks import Stopwatch, stopwatch
from tests.installations import running_app
from tests.live.live_setup import BALANCE as SETUP_BALANCE
from tests.live.live_setup import live_setup, somebody
from tests.live.server import Client, Server, client, server
from tests.people import (
    ADDRESS,
    NORMALISER,
    PASSWORD,
    PASSWORDS,
    SECRET_KEY,
    TOKENS,
    add_user,
    new_sessions,
)

BALANCE = "subscription { balanceUpdated { account { balance } group { balance } } }"
WITHIN_SECONDS = 1.0


async def test_a_socket_ends_when_its_token_does() -> None:
    async with live_setup() as app, stopwatch() as watch, client(app.server, "good") as other:
        # Long enough to subscribe, which has just taken a part of it.
        lifetime = timedelta(seconds=1 + 20 * watch.seconds)
        ends_at = datetime.now(UTC) + lifetime
        before = watch.seconds
        app.authenticator.actors["short"] = replace(somebody(), expires_at=ends_at)
        async with client(app.server, "short") as socket:
            await socket.subscribe(SETUP_BALANCE)
            await socket.receive()
            assert await socket.closed() == 4403
            assert datetime.now(UTC) >= ends_at
            assert watch.seconds - before < lifetime.total_seconds() + WITHIN_SECONDS
            await other.subscribe(SETUP_BALANCE)
            assert (await other.receive())["type"] == "next"


async def test_a_socket_ends_when_its_credential_is_no_longer_valid() -> None:
    async with (
        live_setup() as app,
        client(app.server, "good") as socket,
        client(app.server, "other") as other,
    ):
        for each in (socket, other):
            await each.subscribe(SETUP_BALANCE)
            await each.receive()
        app.authenticator.change("good", None)
        assert await socket.closed() == 4403
        app.change(5)
        assert (await other.delivered())["account"]["balance"] == 5


async def test_clients_connect_again_when_another_database_server_has_taken_over() -> None:
    async with (
        live_setup() as app,
        client(app.server, "good") as socket,
        client(app.server, "other") as other,
    ):
        timelines = iter(["1", None, "1", "2", "2"])

        async def read() -> str | None:
            return next(timelines)

        rights = app.server.live.rights
        watch = FailoverWatch(read, lambda: rights.connect_again("failed over"))
        for each in (socket, other):
            await each.subscribe(SETUP_BALANCE)
            await each.receive()
        for _ in range(3):
            await watch.look()
        app.change(5)
        assert (await other.delivered())["account"]["balance"] == 5
        for _ in range(2):
            await watch.look()
        for each in (socket, other):
            assert await each.closed() == 1012


async def test_a_socket_ends_if_its_rights_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    async with live_setup() as app, client(app.server, "good") as socket:
        await socket.subscribe(SETUP_BALANCE)
        await socket.receive()

        async def fails(credential: str) -> None:
            raise RuntimeError("a defect")

        app.authenticator.actor_for = fails  # type: ignore[method-assign]
        app.authenticator.change("good", None)
        assert await socket.closed() == 4403
        assert "a defect" in caplog.text


async def test_new_rights_start_the_subscriptions_again() -> None:
    async with live_setup() as app, client(app.server, "good") as socket:
        await socket.subscribe(SETUP_BALANCE, id="a")
        await socket.receive()
        before = app.authenticator.actors["good"]
        assert before is not None
        moved = replace(before, client_id=somebody().client_id)
        app.authenticator.change("good", moved)
        assert (await socket.receive())["id"] == "a"  # the present once more, with other rights
        assert app.server.live.hub.count == 1
        unchanged = replace(moved, user_id=moved.user_id)
        app.authenticator.change("good", unchanged)
        app.change(9)
        assert (await socket.delivered())["account"]["balance"] == 9


async def test_a_change_during_the_sign_in_is_not_missed() -> None:
    async with live_setup() as app:
        requested, actor_for = asyncio.Event(), app.authenticator.actor_for
        answers = [await actor_for("good"), None]

        async def slowly(credential: str) -> object:
            answer = answers.pop(0)
            if answer is not None:
                requested.set()
                app.authenticator.change("good", None)
            return answer

        app.authenticator.actor_for = slowly  # type: ignore[method-assign, assignment]
        async with client(app.server, begin=False) as socket:
            await socket.send(type="connection_init", payload={"Authorization": "Bearer good"})
            assert await socket.closed() == 4403
            assert requested.is_set()


@dataclass
class Scenario:
    """Two servers, each with its own memory of actors, and a user of a client's."""

    servers: list[Server]
    user: User
    client_id: UUID
    session: SignedIn
    key: CreatedApiKey


@pytest.fixture
async def scenario(database_url: str) -> AsyncIterator[Scenario]:
    async with AsyncExitStack() as stack:
        people = await stack.enter_async_context(running_app(database_url))
        owner_id = people.owner.client_id
        user = await add_user("ada@ibiki.test", Role.CLIENT, client_id=owner_id)
        session = await people.installation.sessions.sign_in(user.email, PASSWORD, address=ADDRESS)
        actor = replace(people.owner.actor, user_id=user.id)
        key = await create_api_key(store, actor, name="till")
        servers = []
        for _ in range(2):
            actors = Actors(store, TOKENS)
            actors.start()
            stack.push_async_callback(actors.stop)
            servers.append(await stack.enter_async_context(server(people.installation, actors)))
        yield Scenario(servers, user, owner_id, session, key)


@asynccontextmanager
async def watching(scenario: Scenario, credential: str) -> AsyncIterator[list[Client]]:
    """A socket at each server, which has received the present state."""
    async with AsyncExitStack() as stack:
        sockets = []
        for each in scenario.servers:
            socket = await stack.enter_async_context(client(each, credential))
            await socket.subscribe(BALANCE)
            await socket.delivered()
            sockets.append(socket)
        yield sockets


async def closed_within_a_second(sockets: list[Client], watch: Stopwatch) -> None:
    for socket in sockets:
        assert await socket.closed() == 4403
    assert watch.seconds < WITHIN_SECONDS


async def test_signing_out_ends_sockets_in_every_process(scenario: Scenario) -> None:
    async with watching(scenario, scenario.session.access_token) as sockets, stopwatch() as watch:
        assert await new_sessions().sign_out(scenario.session.refresh_token)
        await closed_within_a_second(sockets, watch)


async def test_disabling_a_user_ends_sockets_in_every_process(scenario: Scenario) -> None:
    async with (
        watching(scenario, scenario.session.access_token) as sessions,
        watching(scenario, scenario.key.secret) as keys,
        stopwatch() as watch,
    ):
        await update_user(store, PASSWORDS, scenario.user.id, UserChange(disabled=True))
        await closed_within_a_second([*sessions, *keys], watch)


async def test_revoking_a_key_ends_its_sockets_and_no_others(scenario: Scenario) -> None:
    async with (
        watching(scenario, scenario.key.secret) as keys,
        watching(scenario, scenario.session.access_token) as sessions,
        stopwatch() as watch,
    ):
        actor = await Actors(store, TOKENS).actor_for(scenario.session.access_token)
        assert actor is not None
        await revoke_api_key(store, actor, scenario.key.api_key.id)
        await closed_within_a_second(keys, watch)
        for socket in sessions:
            await socket.subscribe("{ viewer { email } }", id="2")
            assert (await socket.receive())["id"] == "2"


async def test_a_changed_password_ends_the_sockets_of_other_sessions_only(
    scenario: Scenario,
) -> None:
    sessions = new_sessions()
    here = await sessions.sign_in(scenario.user.email, PASSWORD, address=ADDRESS)
    async with (
        watching(scenario, scenario.session.access_token) as others,
        watching(scenario, here.access_token) as own,
        watching(scenario, scenario.key.secret) as keys,
        stopwatch() as watch,
    ):
        actor = await Actors(store, TOKENS).actor_for(here.access_token)
        assert actor is not None
        await sessions.change_password(
            actor, current=PASSWORD, new="another password", address=ADDRESS
        )
        await closed_within_a_second(others, watch)
        for socket in [*own, *keys]:
            await socket.subscribe("{ viewer { email } }", id="2")
            assert (await socket.receive())["id"] == "2"


async def test_a_client_that_leaves_its_group_does_not_see_the_group_any_more(
    scenario: Scenario,
) -> None:
    async with watching(scenario, scenario.session.access_token) as sockets:
        await update_client(store, NORMALISER, scenario.client_id, ClientChange(group_id=None))
        for socket in sockets:
            while (await socket.delivered())["group"] is not None:
                pass


async def test_a_token_that_has_ended_opens_no_socket(scenario: Scenario) -> None:
    old = AccessTokens(SECRET_KEY, lifetime_seconds=-1)
    token, _ = old.issue(user_id=scenario.user.id, session_id=scenario.session.session_id)
    async with client(scenario.servers[0], begin=False) as socket:
        await socket.send(type="connection_init", payload={"Authorization": f"Bearer {token}"})
        assert await socket.closed() == 4403
