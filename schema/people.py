"""Who there is, as the API shows it: viewer, brand, clients and groups."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import people
from domain.access import Role
from domain.people import ClientStatus
from resolvers import viewer
from resolvers.ids import Kind
from schema.binding import stands_for
from schema.ids import id_of
from schema.scalars import Money, PhoneNumber


@strawberry.type
@stands_for(people.Group)
class Group:
    id: strawberry.ID = id_of(Kind.GROUP)
    name: str
    rate_per_unit_usd: Money | None


@strawberry.type
@stands_for(people.Client)
class Client:
    id: strawberry.ID = id_of(Kind.CLIENT)
    name: str
    business: str | None = strawberry.field(description="Put on contacts captured for this client.")
    status: ClientStatus
    group = strawberry.field(resolver=viewer.group_of, graphql_type=Group | None)
    assigned_numbers: list[PhoneNumber]
    rate_per_unit_usd: Money | None
    created_at: datetime


@strawberry.type
@stands_for(viewer.Brand)
class Brand:
    name: str


@strawberry.type
@stands_for(people.User)
class Viewer:
    id: strawberry.ID = id_of(Kind.USER)
    email: str
    role: Role
    client = strawberry.field(
        resolver=viewer.client_of,
        graphql_type=Client | None,
        description="The account it sends from; "
        "a supervisor may have one in the own group, an admin none.",
    )
    group = strawberry.field(resolver=viewer.group_of, graphql_type=Group | None)
    brand = strawberry.field(resolver=viewer.brand, graphql_type=Brand)


@strawberry.type
class PeopleQuery:
    viewer = strawberry.field(resolver=viewer.viewer, graphql_type=Viewer)
