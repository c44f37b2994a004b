"""Routes by country prefix, which an admin sets."""

from __future__ import annotations

from domain import ids
from domain.identity.access import Everything, Role
from domain.ids import Kind
from domain.sending.recipients import ProviderRoute
from domain.sending.routes import NewRoute, delete_route, set_route
from resolvers.context import Info, requires
from schema.sending.inputs import DeleteProviderRouteInput, SetProviderRouteInput


@requires(Role.ADMIN)
async def provider_routes(info: Info) -> list[ProviderRoute]:
    """The routes that are in use, by pool and prefix."""
    return list(await info.context.installation.store.read_provider_routes(Everything()))


@requires(Role.ADMIN)
async def set_provider_route(info: Info, input: SetProviderRouteInput) -> ProviderRoute:
    """Sets a route. This process uses it at once."""
    installation = info.context.installation
    requested = NewRoute(
        prefix=input.prefix,
        provider_account_id=ids.decode(Kind.PROVIDER_ACCOUNT, input.provider_account_id),
        cost=input.cost,
        fallback_account_id=ids.decode_given(Kind.PROVIDER_ACCOUNT, input.fallback_account_id),
        fallback_cost=input.fallback_cost,
        pool_id=ids.decode_given(Kind.PROVIDER_ACCOUNT, input.pool_id),
    )
    route = await set_route(installation.store, requested)
    await installation.routes.catch_up()
    return route


@requires(Role.ADMIN)
async def delete_provider_route(info: Info, input: DeleteProviderRouteInput) -> ProviderRoute:
    """Deletes a route. This process does not use it any more."""
    installation = info.context.installation
    route = await delete_route(installation.store, ids.decode(Kind.PROVIDER_ROUTE, input.id))
    await installation.routes.catch_up()
    return route
