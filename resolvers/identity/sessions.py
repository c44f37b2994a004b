"""Signing in and out, and the viewer's own password and API keys."""

from __future__ import annotations

from domain import ids
from domain.errors import Unauthenticated
from domain.identity import api_keys as domain_keys
from domain.identity.api_keys import CreatedApiKey
from domain.identity.directory import User
from domain.identity.ports import ApiKey, OpenSession
from domain.identity.sessions import SignedIn
from domain.ids import Kind
from resolvers.context import Info, actor_of, requires
from schema.identity.inputs import (
    ChangePasswordInput,
    CreateApiKeyInput,
    EndSessionInput,
    RefreshSessionInput,
    RevokeApiKeyInput,
    SignInInput,
)


async def sign_in(info: Info, input: SignInInput) -> SignedIn:
    """Starts a session."""
    context = info.context
    return await context.installation.sessions.sign_in(
        input.email, input.password, address=context.address
    )


async def refresh_session(info: Info, input: RefreshSessionInput) -> SignedIn:
    """The next tokens of a session.

    If this ends the session instead, its access token is refused in this process at once.
    """
    installation = info.context.installation
    try:
        return await installation.sessions.refresh(input.refresh_token)
    finally:
        await installation.actors.catch_up()


async def sign_out(info: Info, input: RefreshSessionInput) -> bool:
    """Ends the session of a refresh token, and so its access token. False if there is none."""
    installation = info.context.installation
    existed = await installation.sessions.sign_out(input.refresh_token)
    await installation.actors.catch_up()
    return existed


@requires()
async def my_sessions(info: Info) -> list[OpenSession]:
    """The open sessions of the actor's user."""
    actor = actor_of(info)
    return list(await info.context.installation.sessions.list_open(actor))


@requires()
async def end_session(info: Info, input: EndSessionInput) -> OpenSession:
    """Ends a session of the actor's user. It is refused in this process at once."""
    actor, installation = actor_of(info), info.context.installation
    ended = await installation.sessions.end(actor, ids.decode(Kind.SESSION, input.id))
    await installation.actors.catch_up()
    return ended


@requires()
async def end_other_sessions(info: Info) -> int:
    """Ends the sessions of the actor's user, except the one of this request."""
    actor, installation = actor_of(info), info.context.installation
    ended = await installation.sessions.end_others(actor)
    await installation.actors.catch_up()
    return ended


@requires()
async def change_password(info: Info, input: ChangePasswordInput) -> User:
    """Changes the password of the actor's user. This process ends other sessions at once."""
    context = info.context
    user = await context.installation.sessions.change_password(
        actor_of(info),
        current=input.current_password,
        new=input.new_password,
        address=context.address,
    )
    await context.installation.actors.catch_up()
    return user


def is_current(root: OpenSession, info: Info) -> bool:
    """Whether the request was made with this session."""
    return root.id == actor_of(info).credential_id


async def viewer_of(root: SignedIn, info: Info) -> User:
    """The user who has just signed in."""
    user = await info.context.installation.directory.find_user(root.user_id)
    if user is None:
        raise Unauthenticated
    return user


@requires()
async def api_keys(info: Info) -> list[ApiKey]:
    """The actor's own keys that are not revoked, newest first."""
    actor = actor_of(info)
    return list(await info.context.installation.store.list_api_keys(actor.user_id))


@requires()
async def create_api_key(info: Info, input: CreateApiKeyInput) -> CreatedApiKey:
    """Adds a key of the actor's own."""
    actor = actor_of(info)
    return await domain_keys.create_api_key(info.context.installation.store, actor, name=input.name)


@requires()
async def revoke_api_key(info: Info, input: RevokeApiKeyInput) -> ApiKey:
    """Revokes a key. It is refused in this process at once."""
    actor, installation = actor_of(info), info.context.installation
    key_id = ids.decode(Kind.API_KEY, input.id)
    key = await domain_keys.revoke_api_key(installation.store, actor, key_id)
    await installation.actors.catch_up()
    return key
