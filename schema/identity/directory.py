"""Who there is, as the API shows it: viewer, brand, users, clients and groups."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.identity import records
from domain.identity.access import Role
from domain.identity.records import ClientStatus
from resolvers.identity import directory as resolving
from resolvers.identity import viewer
from resolvers.ids import Kind
from schema import errors
from schema.binding import stands_for
from schema.connections import connection_field
from schema.ids import id_of
from schema.scalars import Money, PhoneNumber


@strawberry.type
@stands_for(records.Group)
class Group:
    id: strawberry.ID = id_of(Kind.GROUP)
    name: str
    rate_per_unit_usd: Money | None


@strawberry.type
@stands_for(records.Client)
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
@stands_for(records.User)
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
@stands_for(records.User)
class User:
    id: strawberry.ID = id_of(Kind.USER)
    email: str
    role: Role
    client = strawberry.field(resolver=viewer.client_of, graphql_type=Client | None)
    group = strawberry.field(resolver=viewer.group_of, graphql_type=Group | None)
    disabled: bool
    created_at: datetime


CreateGroupResult = Annotated[Group | errors.InvalidInput, strawberry.union("CreateGroupResult")]
UpdateGroupResult = Annotated[
    Group | errors.InvalidInput | errors.NotFound, strawberry.union("UpdateGroupResult")
]
CreateClientResult = Annotated[
    Client | errors.InvalidInput | errors.NotFound, strawberry.union("CreateClientResult")
]
UpdateClientResult = Annotated[
    Client | errors.InvalidInput | errors.NotFound, strawberry.union("UpdateClientResult")
]
CreateUserResult = Annotated[
    User | errors.InvalidInput | errors.NotFound, strawberry.union("CreateUserResult")
]
UpdateUserResult = Annotated[
    User | errors.InvalidInput | errors.NotFound, strawberry.union("UpdateUserResult")
]


@strawberry.type
class DirectoryQuery:
    brand = strawberry.field(
        resolver=viewer.brand,
        graphql_type=Brand,
        description="The name that this installation sells under. It can be read before sign-in.",
    )
    viewer = strawberry.field(resolver=viewer.viewer, graphql_type=Viewer)
    clients = connection_field(resolving.clients, Client, description="ADMIN.")
    client = strawberry.field(
        resolver=resolving.client, graphql_type=Client | None, description="ADMIN."
    )
    groups = strawberry.field(
        resolver=resolving.groups, graphql_type=list[Group], description="ADMIN."
    )
    users = connection_field(resolving.user_page, User, description="ADMIN.")


@strawberry.type
class DirectoryMutation:
    create_group = strawberry.field(
        resolver=resolving.create_group, graphql_type=CreateGroupResult, description="ADMIN."
    )
    update_group = strawberry.field(
        resolver=resolving.update_group, graphql_type=UpdateGroupResult, description="ADMIN."
    )
    create_client = strawberry.field(
        resolver=resolving.create_client, graphql_type=CreateClientResult, description="ADMIN."
    )
    update_client = strawberry.field(
        resolver=resolving.update_client,
        graphql_type=UpdateClientResult,
        description="A client that changes groups takes its units along. ADMIN.",
    )
    create_user = strawberry.field(
        resolver=resolving.create_user, graphql_type=CreateUserResult, description="ADMIN."
    )
    update_user = strawberry.field(
        resolver=resolving.update_user,
        graphql_type=UpdateUserResult,
        description="Also disables a user, which ends every session and socket of theirs; "
        "so does a new password or role. ADMIN.",
    )
