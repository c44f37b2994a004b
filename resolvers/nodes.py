"""Any object by its ID. An object that the actor may not read is null, as if it did not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.errors import Forbidden, NotFound
from domain.identity.access import Everything, Role, message_scope, require
from domain.ids import Kind
from resolvers.context import (
    Info,
    actor_of,
    load_clients,
    load_groups,
    load_messages,
    load_sends,
    requires,
)

Find: TypeAlias = Callable[..., Awaitable[Any]]


@requires()
async def node(info: Info, id: Annotated[ID, argument(description="The ID of the object.")]) -> Any:
    """The object with an ID; None if it does not exist or the actor may not read it."""
    for kind, find in FINDERS.items():
        key = ids.find(kind, id)
        if key is not None:
            try:
                return await find(info=info, key=key)
            except (Forbidden, NotFound):
                return None
    return None


async def _client(info: Info, key: UUID) -> Any:
    [found] = await load_clients(info, [key])
    return found


async def _group(info: Info, key: UUID) -> Any:
    actor = actor_of(info)
    if key != actor.group_id:
        require(actor, Role.ADMIN)
    [found] = await load_groups(info, [key])
    return found


async def _user(info: Info, key: UUID) -> Any:
    actor = actor_of(info)
    if key != actor.user_id:
        require(actor, Role.ADMIN)
    return await info.context.installation.directory.find_user(key)


async def _api_key(info: Info, key: UUID) -> Any:
    store = info.context.installation.store
    return _one(await store.list_api_keys(actor_of(info).user_id), key)


async def _session(info: Info, key: UUID) -> Any:
    return _one(await info.context.installation.sessions.list_open(actor_of(info)), key)


async def _send(info: Info, key: UUID) -> Any:
    [found] = await load_sends(info, [key])
    return found


async def _message(info: Info, key: UUID) -> Any:
    [found] = await load_messages(info, [key])
    return found


async def _conversation(info: Info, key: UUID) -> Any:
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.find_conversation(scope, key)


async def _contact(info: Info, key: UUID) -> Any:
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.find_contact(scope, key)


@requires(Role.ADMIN)
async def _webhook_event(info: Info, key: UUID) -> Any:
    return await info.context.installation.store.find_webhook_event(Everything(), key)


@requires(Role.ADMIN)
async def _modem_route(info: Info, key: UUID) -> Any:
    return _one(await info.context.installation.store.read_modem_routes(Everything()), key)


@requires(Role.ADMIN)
async def _provider_account(info: Info, key: UUID) -> Any:
    return _one(await info.context.installation.store.read_provider_accounts(Everything()), key)


@requires(Role.ADMIN)
async def _reconciliation(info: Info, key: UUID) -> Any:
    return await info.context.installation.store.find_reconciliation(Everything(), key)


@requires(Role.ADMIN)
async def _audit(info: Info, key: UUID) -> Any:
    return await info.context.installation.store.find_audit(Everything(), key)


async def _hook_endpoint(info: Info, key: UUID) -> Any:
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.find_endpoint(scope, key)


async def _hook_delivery(info: Info, key: UUID) -> Any:
    scope = message_scope(actor_of(info))
    return await info.context.installation.store.find_delivery(scope, key)


def _one(listed: Sequence[Any], key: UUID) -> Any:
    return next((each for each in listed if each.id == key), None)


FINDERS: dict[Kind, Find] = {
    Kind.API_KEY: _api_key,
    Kind.AUDIT: _audit,
    Kind.CLIENT: _client,
    Kind.CONTACT: _contact,
    Kind.CONVERSATION: _conversation,
    Kind.GROUP: _group,
    Kind.HOOK_DELIVERY: _hook_delivery,
    Kind.HOOK_ENDPOINT: _hook_endpoint,
    Kind.MESSAGE: _message,
    Kind.MODEM_ROUTE: _modem_route,
    Kind.PROVIDER_ACCOUNT: _provider_account,
    Kind.RECONCILIATION: _reconciliation,
    Kind.SEND: _send,
    Kind.SESSION: _session,
    Kind.USER: _user,
    Kind.WEBHOOK_EVENT: _webhook_event,
}
