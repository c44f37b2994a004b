"""Sessions, the viewer and API keys over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.identity.access import Actor, Role
from domain.identity.directory import User
from domain.ids import Kind
from persistence import store
from tests import db, people
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

KEY = "id name prefix twilioSid createdAt lastUsedAt"
KEYS = f"{{ apiKeys {{ {KEY} }} }}"
CREATE_KEY = f"""mutation ($input: CreateApiKeyInput!) {{ createApiKey(input: $input) {{
    __typename ... on CreatedApiKey {{ secret apiKey {{ {KEY} }} }}
    ... on InvalidInput {{ field }} }} }}"""
REVOKE_KEY = f"""mutation ($input: RevokeApiKeyInput!) {{ revokeApiKey(input: $input) {{
    __typename ... on ApiKey {{ {KEY} }} ... on NotFound {{ message }} }} }}"""

EVERYBODY = ["owner", "sibling", "loner", "direct", "supervisor", "other_supervisor", "admin"]


@dataclass(frozen=True)
class Accounts:
    """The app with a stored user for each of its actors."""

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
async def accounts(app: App) -> AsyncIterator[Accounts]:
    fields: dict[str, tuple[Role, UUID | None, UUID | None]] = {
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
        for who, (role, client_id, group_id) in fields.items()
    }
    app.installation.actors.start()
    yield Accounts(app, users)
    await app.installation.actors.stop()


def seen_by(accounts: Accounts, who: str) -> dict[str, Any]:
    """The expected viewer of each user."""
    app, user = accounts.app, accounts.users[who]
    ours = {"id": ids.encode(Kind.GROUP, app.group.id), "name": "MG888"}
    theirs = {"id": ids.encode(Kind.GROUP, app.other_group.id), "name": "Others"}
    acme, bits, coop = (
        {
            "id": ids.encode(Kind.CLIENT, tenant.client_id),
            "name": name,
            "group": {"name": "MG888"} if tenant.group_id else None,
        }
        for tenant, name in ((app.owner, "Acme"), (app.sibling, "Bits"), (app.loner, "Coop"))
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
async def test_a_session_has_the_same_viewer_as_the_viewer_field(
    accounts: Accounts, who: str
) -> None:
    session = await accounts.sign_in(who)
    assert session["__typename"] == "Session"
    assert session["viewer"] == seen_by(accounts, who)
    actor = await accounts.app.installation.actors.actor_for(session["accessToken"])
    assert actor is not None
    assert await accounts.app.answer(actor, ASK_VIEWER) == seen_by(accounts, who)


async def test_too_many_failures_are_answered_with_the_time_to_wait(accounts: Accounts) -> None:
    for _ in range(5):
        await accounts.sign_in("owner", "wrong horse battery")
    answer = await accounts.sign_in("owner")
    assert answer["__typename"] == "RateLimited"
    assert 0 < answer["retryAfterSeconds"] <= 60


async def test_a_refreshed_session_continues_and_a_token_that_is_reused_late_ends_it_at_once(
    accounts: Accounts,
) -> None:
    first = await accounts.sign_in("owner")
    given = {"refreshToken": first["refreshToken"]}
    second = await accounts.app.answer("nobody", REFRESH, input=given)
    assert second["viewer"] == first["viewer"]
    actors = accounts.app.installation.actors
    assert await actors.actor_for(first["accessToken"])
    assert await actors.actor_for(second["accessToken"])
    repeated = await accounts.app.answer("nobody", REFRESH, input=given)
    assert repeated["refreshToken"] == second["refreshToken"]
    await db.execute("UPDATE refresh_token SET used_at = used_at - interval '31 seconds'")
    again = await accounts.app.answer("nobody", REFRESH, input=given)
    assert again == {
        "__typename": "InvalidCredentials",
        "message": "This session is over. Sign in again.",
    }
    assert await actors.actor_for(first["accessToken"]) is None
    assert await actors.actor_for(second["accessToken"]) is None


async def test_signing_out_ends_the_access_token_at_once(accounts: Accounts) -> None:
    session, other = await accounts.sign_in("owner"), await accounts.sign_in("owner")
    actors = accounts.app.installation.actors
    assert await actors.actor_for(session["accessToken"])
    given = {"refreshToken": session["refreshToken"]}
    assert await accounts.app.answer("nobody", SIGN_OUT, input=given) is True
    assert await actors.actor_for(session["accessToken"]) is None
    assert await actors.actor_for(other["accessToken"])
    assert await accounts.app.answer("nobody", SIGN_OUT, input=given) is True
    assert await accounts.app.answer("nobody", SIGN_OUT, input={"refreshToken": "x"}) is False


async def test_a_disabled_user_is_signed_out_at_once_and_can_be_enabled_again(
    accounts: Accounts,
) -> None:
    session, admin = await accounts.sign_in("owner"), await accounts.actor("admin")
    actors = accounts.app.installation.actors
    assert await actors.actor_for(session["accessToken"])
    document = "mutation ($input: UpdateUserInput!) { updateUser(input: $input) { __typename } }"
    user_id = ids.encode(Kind.USER, accounts.users["owner"].id)
    given = {"id": user_id, "disabled": True}
    assert await accounts.app.answer(admin, document, input=given) == {"__typename": "User"}
    assert await actors.actor_for(session["accessToken"]) is None
    assert (await accounts.sign_in("owner"))["__typename"] == "InvalidCredentials"
    given = {"id": user_id, "disabled": False}
    await accounts.app.answer(admin, document, input=given)
    assert await actors.actor_for(session["accessToken"]) is None
    assert (await accounts.sign_in("owner"))["__typename"] == "Session"


async def test_a_user_of_a_suspended_client_can_sign_in(accounts: Accounts) -> None:
    actors, admin = accounts.app.installation.actors, await accounts.actor("admin")
    session = await accounts.sign_in("owner")
    assert await actors.actor_for(session["accessToken"])
    document = """mutation ($input: UpdateClientInput!) {
        updateClient(input: $input) { __typename } }"""
    client_id = ids.encode(Kind.CLIENT, accounts.app.owner.client_id)
    given = {"id": client_id, "status": "SUSPENDED"}
    await accounts.app.answer(admin, document, input=given)
    actor = await actors.actor_for(session["accessToken"])
    assert actor is not None
    assert actor.client_status == "SUSPENDED"
    assert (await accounts.sign_in("owner"))["__typename"] == "Session"


# Keys


async def created(accounts: Accounts, who: Actor, name: str = "Till") -> Any:
    return await accounts.app.answer(who, CREATE_KEY, input={"name": name})


async def test_a_key_acts_for_its_user_until_it_is_revoked(accounts: Accounts) -> None:
    owner, actors = await accounts.actor("owner"), accounts.app.installation.actors
    made = await created(accounts, owner)
    assert made["secret"].startswith(made["apiKey"]["prefix"])
    by_key = await actors.actor_for(made["secret"])
    assert by_key is not None
    assert made["apiKey"]["twilioSid"] == f"SK{by_key.credential_id.hex}"
    assert await accounts.app.answer(by_key, ASK_VIEWER) == seen_by(accounts, "owner")
    unused = {"lastUsedAt": None}  # its use is noted in the background
    (key,) = await accounts.app.answer(owner, KEYS)
    assert key | unused == made["apiKey"]
    given = {"id": made["apiKey"]["id"]}
    revoked = await accounts.app.answer(owner, REVOKE_KEY, input=given)
    assert revoked | unused == {"__typename": "ApiKey"} | made["apiKey"]
    assert await actors.actor_for(made["secret"]) is None
    assert await accounts.app.answer(owner, KEYS) == []


async def test_a_key_without_a_name_is_refused(accounts: Accounts) -> None:
    answer = await created(accounts, await accounts.actor("owner"), name=" ")
    assert answer == {"__typename": "InvalidInput", "field": "name"}


async def test_the_last_use_of_a_key_is_shown(accounts: Accounts) -> None:
    owner = await accounts.actor("owner")
    made = await created(accounts, owner)
    await store.note_keys_used([key_id_of(made)])
    (key,) = await accounts.app.answer(owner, KEYS)
    assert key["lastUsedAt"] is not None


def key_id_of(made: Any) -> UUID:
    return ids.decode(Kind.API_KEY, made["apiKey"]["id"])


OPEN = "id createdAt refreshedAt expiresAt current"
MY_SESSIONS = f"{{ mySessions {{ {OPEN} }} }}"
END_SESSION = f"""mutation ($input: EndSessionInput!) {{ endSession(input: $input) {{
    __typename ... on OpenSession {{ {OPEN} }} ... on NotFound {{ message }} }} }}"""
END_OTHERS = "mutation { endOtherSessions }"


async def test_the_viewers_own_open_sessions_are_listed(accounts: Accounts) -> None:
    first, second = [await accounts.actor("owner") for _ in range(2)]
    await accounts.actor("sibling")
    ended = await accounts.sign_in("owner")
    given = {"refreshToken": ended["refreshToken"]}
    assert await accounts.app.answer("nobody", SIGN_OUT, input=given)
    await db.execute(
        "UPDATE refresh_token SET expires_at = now() WHERE session_id IN"
        " (SELECT id FROM session WHERE user_id = $1)",
        accounts.users["sibling"].id,
    )
    listed = await accounts.app.answer(second, MY_SESSIONS)
    shown = [(each["id"], each["current"]) for each in listed]
    assert shown == [
        (ids.encode(Kind.SESSION, second.credential_id), True),
        (ids.encode(Kind.SESSION, first.credential_id), False),
    ]
    assert all(each["createdAt"] == each["refreshedAt"] < each["expiresAt"] for each in listed)
    assert await accounts.app.answer("sibling", MY_SESSIONS) == []


async def test_a_refreshed_session_shows_when(accounts: Accounts) -> None:
    session = await accounts.sign_in("owner")
    actor = await accounts.app.installation.actors.actor_for(session["accessToken"])
    assert actor is not None
    given = {"refreshToken": session["refreshToken"]}
    await accounts.app.answer("nobody", REFRESH, input=given)
    [listed] = await accounts.app.answer(actor, MY_SESSIONS)
    assert listed["refreshedAt"] > listed["createdAt"]


async def test_one_session_of_the_viewer_is_ended_at_once(accounts: Accounts) -> None:
    actor = await accounts.actor("owner")
    other = await accounts.sign_in("owner")
    actors = accounts.app.installation.actors
    other_actor = await actors.actor_for(other["accessToken"])
    assert other_actor is not None
    given = {"id": ids.encode(Kind.SESSION, other_actor.credential_id)}
    ended = await accounts.app.answer(actor, END_SESSION, input=given)
    assert (ended["__typename"], ended["id"], ended["current"]) == (
        "OpenSession",
        given["id"],
        False,
    )
    assert await actors.actor_for(other["accessToken"]) is None
    refreshed = {"refreshToken": other["refreshToken"]}
    answer = await accounts.app.answer("nobody", REFRESH, input=refreshed)
    assert answer["__typename"] == "InvalidCredentials"
    again = await accounts.app.answer(actor, END_SESSION, input=given)
    assert again["__typename"] == "NotFound"


async def test_signing_out_everywhere_else_keeps_this_session_and_the_keys(
    accounts: Accounts,
) -> None:
    tokens = [(await accounts.sign_in("owner"))["accessToken"] for _ in range(3)]
    siblings = await accounts.sign_in("sibling")
    actors = accounts.app.installation.actors
    actor = await actors.actor_for(tokens[0])
    assert actor is not None
    key = await accounts.app.answer(actor, CREATE_KEY, input={"name": "Warehouse"})
    assert await accounts.app.answer(actor, END_OTHERS) == 2
    assert await accounts.app.answer(actor, END_OTHERS) == 0
    assert [await actors.actor_for(each) is not None for each in tokens] == [True, False, False]
    assert await actors.actor_for(siblings["accessToken"]) is not None
    by_key = await actors.actor_for(key["secret"])
    assert by_key is not None
    assert [each["current"] for each in await accounts.app.answer(by_key, MY_SESSIONS)] == [False]
    assert await accounts.app.answer(by_key, END_OTHERS) == 1
    assert await actors.actor_for(tokens[0]) is None


CHANGE_PASSWORD = f"""mutation ($input: ChangePasswordInput!) {{ changePassword(input: $input) {{
    __typename ... on Viewer {{ {VIEWER} }} ... on InvalidInput {{ message field path }}
    ... on RateLimited {{ retryAfterSeconds }} }} }}"""
NEW_PASSWORD = {"currentPassword": PASSWORD, "newPassword": "another password"}


@pytest.mark.parametrize("who", EVERYBODY)
async def test_every_user_changes_the_own_password_and_other_sessions_end_at_once(
    accounts: Accounts, who: str
) -> None:
    tokens = [(await accounts.sign_in(who))["accessToken"] for _ in range(2)]
    actors = accounts.app.installation.actors
    own, other = [await actors.actor_for(each) for each in tokens]
    assert own is not None
    assert other is not None
    answer = await accounts.app.answer(own, CHANGE_PASSWORD, input=NEW_PASSWORD)
    assert answer == {"__typename": "Viewer"} | seen_by(accounts, who)
    assert [await actors.actor_for(each) is not None for each in tokens] == [True, False]
    assert (await accounts.sign_in(who))["__typename"] == "InvalidCredentials"
    assert (await accounts.sign_in(who, "another password"))["__typename"] == "Session"


async def test_a_wrong_current_password_is_an_error_of_its_field_until_there_are_too_many(
    accounts: Accounts,
) -> None:
    owner = await accounts.actor("owner")
    wrong = NEW_PASSWORD | {"currentPassword": "wrong horse battery"}
    for _ in range(5):
        assert await accounts.app.answer(owner, CHANGE_PASSWORD, input=wrong) == {
            "__typename": "InvalidInput",
            "message": "The current password is wrong.",
            "field": "currentPassword",
            "path": ["input", "currentPassword"],
        }
    answer = await accounts.app.answer(owner, CHANGE_PASSWORD, input=NEW_PASSWORD)
    assert answer["__typename"] == "RateLimited"
    assert 0 < answer["retryAfterSeconds"] <= 60


async def test_an_api_key_may_not_change_the_password(accounts: Accounts) -> None:
    made = await created(accounts, await accounts.actor("owner"))
    by_key = await accounts.app.installation.actors.actor_for(made["secret"])
    assert by_key is not None
    assert await accounts.app.code(by_key, CHANGE_PASSWORD, input=NEW_PASSWORD) == "FORBIDDEN"
