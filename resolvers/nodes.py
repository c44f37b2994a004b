"""Any object by its ID. An object that the actor may not read is null, as if it did not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from strawberry import ID, argument

from domain import ids
from domain.errors import Forbidden, NotFound
from domain.identity.access import Everything, Role, Scope, message_scope, require
from domain.ids import Kind
from domain.installation import Store
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


def _loaded(load: Callable[[Info, list[UUID | None]], Awaitable[list[Any]]]) -> Find:
    async def find(info: Info, key: UUID) -> Any:
        [found] = await load(info, [key])
        return found

    return find


def _of_clients(find: Callable[[Store, Scope, UUID], Awaitable[Any]]) -> Find:
    async def find_own(info: Info, key: UUID) -> Any:
        return await find(info.context.installation.store, message_scope(actor_of(info)), key)

    return find_own


def _of_admins(find: Callable[[Store, Everything, UUID], Awaitable[Any]]) -> Find:
    @requires(Role.ADMIN)
    async def find_any(info: Info, key: UUID) -> Any:
        return await find(info.context.installation.store, Everything(), key)

    return find_any


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


async def _modem_route(store: Store, scope: Everything, key: UUID) -> Any:
    return _one(await store.read_modem_routes(scope), key)


async def _provider_account(store: Store, scope: Everything, key: UUID) -> Any:
    return _one(await store.read_provider_accounts(scope), key)


def _one(listed: Sequence[Any], key: UUID) -> Any:
    return next((each for each in listed if each.id == key), None)


FINDERS: dict[Kind, Find] = {
    Kind.API_KEY: _api_key,
    Kind.AUDIT: _of_admins(lambda store, scope, key: store.find_audit(scope, key)),
    Kind.CLIENT: _loaded(load_clients),
    Kind.CONTACT: _of_clients(lambda store, scope, key: store.find_contact(scope, key)),
    Kind.CONVERSATION: _of_clients(lambda store, scope, key: store.find_conversation(scope, key)),
    Kind.GROUP: _group,
    Kind.HOOK_DELIVERY: _of_clients(lambda store, scope, key: store.find_delivery(scope, key)),
    Kind.HOOK_ENDPOINT: _of_clients(
        lambda store, scope, key: store.find_endpoint(scope, key, callbacks=True)
    ),
    Kind.MESSAGE: _loaded(load_messages),
    Kind.MODEM_ROUTE: _of_admins(_modem_route),
    Kind.PROVIDER_ACCOUNT: _of_admins(_provider_account),
    Kind.RECONCILIATION: _of_admins(
        lambda store, scope, key: store.find_reconciliation(scope, key)
    ),
    Kind.SEND: _loaded(load_sends),
    Kind.SESSION: _session,
    Kind.USER: _user,
    Kind.WEBHOOK_EVENT: _of_admins(lambda store, scope, key: store.find_webhook_event(scope, key)),
}
