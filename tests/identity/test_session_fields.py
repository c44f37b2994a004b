"""Signing in and out over the API, who the viewer is, and keys of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from domain.identity.access import Actor, Role
from domain.identity.records import User
from persistence import store
from resolvers import ids
from resolvers.ids import Kind
from tests import people, worlds
from tests.installations import BRAND, App
from tests.people import PASSWORD

VIEWER = "id email role client { id name group { name } } group { id name } brand { name }"
SESSION = f"""__typename
    ... on Session {{ accessToken refreshToken expiresAt viewer {{ {VIEWER} }} }}
    ... on UserError {{ message }}
    ... on RateLimited {{ retryAfterSeconds }}"""
SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ {SESSION} }} }}"
REFRESH = (
    f"mutation ($input: RefreshSessionInput!) {{ refreshSession(input: $input) {{ {SESSION} }} }}"
)
SIGN_OUT = "mutation ($input: RefreshSessionInput!) { signOut(input: $input) }"
ASK_VIEWER = f"{{ viewer {{ {VIEWER} }} }}"

KEY = "id name prefix createdAt lastUsedAt"
KEYS = f"{{ apiKeys {{ {KEY} }} }}"
CREATE_KEY = f"""mutation ($input: CreateApiKeyInput!) {{ createApiKey(input: $input) {{
    __typename ... on CreatedApiKey {{ secret apiKey {{ {KEY} }} }}
    ... on InvalidInput {{ field }} }} }}"""
REVOKE_KEY = f"""mutation ($input: RevokeApiKeyInput!) {{ revokeApiKey(input: $input) {{
    __typename ... on ApiKey {{ {KEY} }} ... on NotFound {{ message }} }} }}"""

EVERYBODY = ["owner", "sibling", "loner", "direct", "supervisor", "other_supervisor", "admin"]


@dataclass(frozen=True)
class Town:
    """The app, with a user for each of its people; `actors` are they, signed in."""

    app: App
    users: dict[str, User]

    async def sign_in(self, who: str, password: str = PASSWORD) -> Any:
        given = {"email": f"{who}@ibiki.test", "password": password}
        return await self.app.answer("nobody", SIGN_IN, input=given)

    async def actor(self, who: str) -> Actor:
        session = await self.sign_in(who)
        actor = await self.app.installation.actors.actor_for(session["accessToken"])
        assert actor is not None
        return actor


@pytest.fixture
async def town(app: App) -> AsyncIterator[Town]:
    places: dict[str, tuple[Role, UUID | None, UUID | None]] = {
        "owner": (Role.CLIENT, app.owner.client_id, None),
        "sibling": (Role.CLIENT, app.sibling.client_id, None),
        "loner": (Role.CLIENT, app.loner.client_id, None),
        "direct": (Role.SUPERVISOR, app.owner.client_id, app.group.id),
        "supervisor": (Role.SUPERVISOR, None, app.group.id),
        "other_supervisor": (Role.SUPERVISOR, None, app.other_group.id),
        "admin": (Role.ADMIN, None, None),
    }
    users = {
        who: await people.add_user(
            f"{who}@ibiki.test", role, client_id=client_id, group_id=group_id
        )
        for who, (role, client_id, group_id) in places.items()
    }
    app.installation.actors.start()
    yield Town(app, users)
    await app.installation.actors.stop()


def seen_by(town: Town, who: str) -> dict[str, Any]:
    """The viewer, as it should be shown to each."""
    app, user = town.app, town.users[who]
    ours = {"id": ids.encode(Kind.GROUP, app.group.id), "name": "MG888"}
    theirs = {"id": ids.encode(Kind.GROUP, app.other_group.id), "name": "Others"}
    acme, bits, coop = (
        {
            "id": ids.encode(Kind.CLIENT, tenant.client_id),
            "name": name,
            "group": {"name": "MG888"} if tenant.group_id else None,
        }
        for tenant, name in (
            (app.owner, "Acme"),
            (app.sibling, "Bits"),
            (app.loner, "Coop"),
        )
    )
    client, group = {
        "owner": (acme, ours),
        "sibling": (bits, ours),
        "loner": (coop, None),
        "direct": (acme, ours),
        "supervisor": (None, ours),
        "other_supervisor": (None, theirs),
        "admin": (None, None),
    }[who]
    return {
        "id": ids.encode(Kind.USER, user.id),
        "email": user.email,
        "role": user.role.value,
        "client": client,
        "group": group,
        "brand": {"name": BRAND},
    }


@pytest.mark.parametrize("who", EVERYBODY)
async def test_a_session_shows_its_viewer_and_the_viewer_asked_later_is_the_same(
    town: Town, who: str
) -> None:
    session = await town.sign_in(who)
    assert session["__typename"] == "Session"
    assert session["viewer"] == seen_by(town, who)
    actor = await town.app.installation.actors.actor_for(session["accessToken"])
    assert actor is not None
    assert await town.app.answer(actor, ASK_VIEWER) == seen_by(town, who)


async def test_nobody_is_no_viewer(town: Town) -> None:
    assert await town.app.code("nobody", ASK_VIEWER) == "UNAUTHENTICATED"


@pytest.mark.parametrize("who", ["owner", "unknown"])
async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(
    town: Town, who: str
) -> None:
    assert await town.sign_in(who, "wrong horse battery") == {
        "__typename": "InvalidCredentials",
        "message": "The email or the password is wrong.",
    }


async def test_who_fails_too_often_is_told_how_long_to_wait(town: Town) -> None:
    for _ in range(5):
        await town.sign_in("owner", "wrong horse battery")
    answer = await town.sign_in("owner")
    assert answer["__typename"] == "RateLimited"
    assert 0 < answer["retryAfterSeconds"] <= 60


async def test_a_refreshed_session_continues_and_a_token_that_is_reused_late_ends_it_at_once(
    town: Town,
) -> None:
    first = await town.sign_in("owner")
    given = {"refreshToken": first["refreshToken"]}
    second = await town.app.answer("nobody", REFRESH, input=given)
    assert second["viewer"] == first["viewer"]
    actors = town.app.installation.actors
    assert await actors.actor_for(first["accessToken"])
    assert await actors.actor_for(second["accessToken"])
    repeated = await town.app.answer("nobody", REFRESH, input=given)
    assert repeated["refreshToken"] == second["refreshToken"]
    await worlds.execute("UPDATE refresh_token SET used_at = used_at - interval '31 seconds'")
    again = await town.app.answer("nobody", REFRESH, input=given)
    assert again == {
        "__typename": "InvalidCredentials",
        "message": "This session is over. Sign in again.",
    }
    assert await actors.actor_for(first["accessToken"]) is None
    assert await actors.actor_for(second["accessToken"]) is None


async def test_signing_out_ends_the_access_token_at_once(town: Town) -> None:
    session, other = await town.sign_in("owner"), await town.sign_in("owner")
    actors = town.app.installation.actors
    assert await actors.actor_for(session["accessToken"])
    given = {"refreshToken": session["refreshToken"]}
    assert await town.app.answer("nobody", SIGN_OUT, input=given) is True
    assert await actors.actor_for(session["accessToken"]) is None
    assert await actors.actor_for(other["accessToken"])
    assert await town.app.answer("nobody", SIGN_OUT, input=given) is True
    assert await town.app.answer("nobody", SIGN_OUT, input={"refreshToken": "x"}) is False


async def test_a_disabled_user_is_out_at_once_and_an_admin_can_let_them_in_again(
    town: Town,
) -> None:
    session, admin = await town.sign_in("owner"), await town.actor("admin")
    actors = town.app.installation.actors
    assert await actors.actor_for(session["accessToken"])
    document = "mutation ($input: UpdateUserInput!) { updateUser(input: $input) { __typename } }"
    user_id = ids.encode(Kind.USER, town.users["owner"].id)
    given = {"id": user_id, "disabled": True}
    assert await town.app.answer(admin, document, input=given) == {"__typename": "User"}
    assert await actors.actor_for(session["accessToken"]) is None
    assert (await town.sign_in("owner"))["__typename"] == "InvalidCredentials"
    given = {"id": user_id, "disabled": False}
    await town.app.answer(admin, document, input=given)
    assert await actors.actor_for(session["accessToken"]) is None
    assert (await town.sign_in("owner"))["__typename"] == "Session"


async def test_a_suspended_clients_user_still_signs_in_and_is_seen_as_suspended(
    town: Town,
) -> None:
    actors, admin = town.app.installation.actors, await town.actor("admin")
    session = await town.sign_in("owner")
    assert await actors.actor_for(session["accessToken"])
    document = """mutation ($input: UpdateClientInput!) {
        updateClient(input: $input) { __typename } }"""
    client_id = ids.encode(Kind.CLIENT, town.app.owner.client_id)
    given = {"id": client_id, "status": "SUSPENDED"}
    await town.app.answer(admin, document, input=given)
    actor = await actors.actor_for(session["accessToken"])
    assert actor is not None
    assert actor.client_status == "SUSPENDED"
    assert (await town.sign_in("owner"))["__typename"] == "Session"


# Keys


async def created(town: Town, who: Actor, name: str = "Till") -> Any:
    return await town.app.answer(who, CREATE_KEY, input={"name": name})


@pytest.mark.parametrize("who", EVERYBODY)
async def test_everybody_makes_lists_and_revokes_keys_of_their_own(town: Town, who: str) -> None:
    actor = await town.actor(who)
    made = await created(town, actor)
    assert made["secret"].startswith(made["apiKey"]["prefix"])
    assert await town.app.answer(actor, KEYS) == [made["apiKey"]]
    given = {"id": made["apiKey"]["id"]}
    revoked = await town.app.answer(actor, REVOKE_KEY, input=given)
    assert revoked == {"__typename": "ApiKey"} | made["apiKey"]
    assert await town.app.answer(actor, KEYS) == []


async def test_a_key_stands_for_its_user_until_it_is_revoked(town: Town) -> None:
    owner, actors = await town.actor("owner"), town.app.installation.actors
    made = await created(town, owner)
    by_key = await actors.actor_for(made["secret"])
    assert by_key is not None
    assert await town.app.answer(by_key, ASK_VIEWER) == seen_by(town, "owner")
    await town.app.answer(owner, REVOKE_KEY, input={"id": made["apiKey"]["id"]})
    assert await actors.actor_for(made["secret"]) is None


@pytest.mark.parametrize("who", ["sibling", "direct", "supervisor", "other_supervisor", "nobody"])
async def test_a_key_of_somebody_elses_is_neither_seen_nor_revoked(town: Town, who: str) -> None:
    made = await created(town, await town.actor("owner"))
    given = {"id": made["apiKey"]["id"]}
    if who == "nobody":
        assert await town.app.code(who, KEYS) == "UNAUTHENTICATED"
        assert await town.app.code(who, REVOKE_KEY, input=given) == "UNAUTHENTICATED"
        assert await town.app.code(who, CREATE_KEY, input={"name": "x"}) == "UNAUTHENTICATED"
    else:
        actor = await town.actor(who)
        assert await town.app.answer(actor, KEYS) == []
        answer = await town.app.answer(actor, REVOKE_KEY, input=given)
        assert answer == {"__typename": "NotFound", "message": "No such api key."}
    assert await town.app.installation.actors.actor_for(made["secret"])


async def test_an_admin_revokes_anybodys_key_and_lists_none_but_the_own(town: Town) -> None:
    made, admin = await created(town, await town.actor("owner")), await town.actor("admin")
    assert await town.app.answer(admin, KEYS) == []
    given = {"id": made["apiKey"]["id"]}
    assert (await town.app.answer(admin, REVOKE_KEY, input=given))["__typename"] == "ApiKey"
    assert await town.app.installation.actors.actor_for(made["secret"]) is None


@pytest.mark.parametrize("id", ["nonsense", ids.encode(Kind.API_KEY, UUID(int=404))])
async def test_a_key_that_is_not_there_is_not_found(town: Town, id: str) -> None:
    answer = await town.app.answer(await town.actor("owner"), REVOKE_KEY, input={"id": id})
    assert answer["__typename"] == "NotFound"


async def test_a_key_without_a_name_is_refused_by_its_field(town: Town) -> None:
    answer = await created(town, await town.actor("owner"), name=" ")
    assert answer == {"__typename": "InvalidInput", "field": "name"}


async def test_the_last_use_of_a_key_is_shown(town: Town) -> None:
    owner = await town.actor("owner")
    made = await created(town, owner)
    await store.note_keys_used([town_key(made)])
    (key,) = await town.app.answer(owner, KEYS)
    assert key["lastUsedAt"] is not None


def town_key(made: Any) -> UUID:
    return ids.decode(Kind.API_KEY, made["apiKey"]["id"])
