"""Routes by country prefix, as the API shows them."""

from __future__ import annotations

import strawberry

from domain.ids import Kind
from domain.sending import recipients
from resolvers.sending import routes
from schema import errors
from schema.fields import described, mutation_field, resolved_field
from schema.values import Units, id_of, represents


@strawberry.type(
    description="Which provider account sends to numbers with a prefix, for the clients of a pool. "
    "If several prefixes match a number, the longest applies."
)
@represents(recipients.ProviderRoute)
class ProviderRoute:
    id: strawberry.ID = id_of(Kind.PROVIDER_ROUTE)
    pool_id: strawberry.ID = id_of(
        Kind.PROVIDER_ACCOUNT, description="The provider account whose clients it is for."
    )
    prefix: str = described(
        "The first digits of the numbers, such as 256: a country code, or more."
    )
    provider_account_id: strawberry.ID = id_of(
        Kind.PROVIDER_ACCOUNT, description="The account that sends."
    )
    cost: Units = described(
        "Units that its pool pays for one message. The client pays its own price."
    )
    fallback_account_id: strawberry.ID | None = id_of(
        Kind.PROVIDER_ACCOUNT,
        description="The account for messages that the first one has certainly not sent. "
        "Null without one.",
    )
    fallback_cost: Units | None = described(
        "Units that the pool of the fallback pays for one message. Null without one."
    )


@strawberry.type
class RouteQuery:
    provider_routes = resolved_field(
        routes.provider_routes,
        list[ProviderRoute],
        description="The routes by country prefix, by pool and prefix.",
    )


@strawberry.type
class RouteMutation:
    set_provider_route = mutation_field(
        routes.set_provider_route,
        ProviderRoute,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Sets the route of a prefix, and replaces the present one. It applies to "
        "messages that are accepted from now on. A reply leaves where the message that it answers "
        "came in, if any route leads there.",
    )
    delete_provider_route = mutation_field(
        routes.delete_provider_route,
        ProviderRoute,
        refusals=(errors.NotFound,),
        description="Deletes a route. Messages that were accepted with it still use it.",
    )
