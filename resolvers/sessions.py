"""Signing in and out, and the keys of one's own."""

from __future__ import annotations

from domain.errors import Unauthenticated
from domain.identity import keys
from domain.identity.keys import CreatedApiKey
from domain.identity.people import User
from domain.identity.sessions import SignedIn
from domain.ports.identity import ApiKey
from resolvers import ids
from resolvers.context import Info, actor_of
from resolvers.ids import Kind
from schema.inputs import CreateApiKeyInput, RefreshSessionInput, RevokeApiKeyInput, SignInInput


async def sign_in(info: Info, input: SignInInput) -> SignedIn:
    """A new session."""
    context = info.context
    return await context.house.door.sign_in(input.email, input.password, address=context.address)


async def refresh_session(info: Info, input: RefreshSessionInput) -> SignedIn:
    """The session's next tokens; a token that was used before ends it, at once in this process."""
    house = info.context.house
    try:
        return await house.door.refresh(input.refresh_token)
    finally:
        await house.actors.catch_up()


async def sign_out(info: Info, input: RefreshSessionInput) -> bool:
    """Whether the token is of a session; it is over then, with its access token."""
    house = info.context.house
    was_one = await house.door.sign_out(input.refresh_token)
    await house.actors.catch_up()
    return was_one


async def viewer_of(root: SignedIn, info: Info) -> User:
    """The user who has just signed in."""
    user = await info.context.house.directory.find_user(root.user_id)
    if user is None:
        raise Unauthenticated
    return user


async def api_keys(info: Info) -> list[ApiKey]:
    """The actor's own keys, newest first, without those that are revoked."""
    actor = actor_of(info)
    return list(await info.context.house.store.list_api_keys(actor.user_id))


async def create_api_key(info: Info, input: CreateApiKeyInput) -> CreatedApiKey:
    """A new key of the actor's own."""
    actor = actor_of(info)
    return await keys.create_api_key(info.context.house.store, actor, name=input.name)


async def revoke_api_key(info: Info, input: RevokeApiKeyInput) -> ApiKey:
    """The key, which is worth nothing any more."""
    actor, house = actor_of(info), info.context.house
    key = await keys.revoke_api_key(house.store, actor, ids.decode(Kind.API_KEY, input.id))
    await house.actors.catch_up()
    return key
