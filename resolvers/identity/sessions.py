"""Signing in and out, and the keys of one's own."""

from __future__ import annotations

from domain.errors import Unauthenticated
from domain.identity import keys
from domain.identity.keys import CreatedApiKey
from domain.identity.people import User
from domain.identity.ports import ApiKey
from domain.identity.sessions import SignedIn
from resolvers import ids
from resolvers.context import Info, actor_of
from resolvers.ids import Kind
from schema.inputs import CreateApiKeyInput, RefreshSessionInput, RevokeApiKeyInput, SignInInput


async def sign_in(info: Info, input: SignInInput) -> SignedIn:
    """A new session."""
    context = info.context
    return await context.installation.door.sign_in(
        input.email, input.password, address=context.address
    )


async def refresh_session(info: Info, input: RefreshSessionInput) -> SignedIn:
    """The session's next tokens; a token that was used before ends it, at once in this process."""
    installation = info.context.installation
    try:
        return await installation.door.refresh(input.refresh_token)
    finally:
        await installation.actors.catch_up()


async def sign_out(info: Info, input: RefreshSessionInput) -> bool:
    """Whether the token is of a session; it is over then, with its access token."""
    installation = info.context.installation
    was_one = await installation.door.sign_out(input.refresh_token)
    await installation.actors.catch_up()
    return was_one


async def viewer_of(root: SignedIn, info: Info) -> User:
    """The user who has just signed in."""
    user = await info.context.installation.directory.find_user(root.user_id)
    if user is None:
        raise Unauthenticated
    return user


async def api_keys(info: Info) -> list[ApiKey]:
    """The actor's own keys, newest first, without those that are revoked."""
    actor = actor_of(info)
    return list(await info.context.installation.store.list_api_keys(actor.user_id))


async def create_api_key(info: Info, input: CreateApiKeyInput) -> CreatedApiKey:
    """A new key of the actor's own."""
    actor = actor_of(info)
    return await keys.create_api_key(info.context.installation.store, actor, name=input.name)


async def revoke_api_key(info: Info, input: RevokeApiKeyInput) -> ApiKey:
    """The key, which is worth nothing any more."""
    actor, installation = actor_of(info), info.context.installation
    key = await keys.revoke_api_key(installation.store, actor, ids.decode(Kind.API_KEY, input.id))
    await installation.actors.catch_up()
    return key
