"""Shows who may use a field, as `resolvers.context.requires` declares it."""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLObjectType, GraphQLSchema
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from domain.identity.access import Role
from resolvers.context import Access
from schema.execution.compiling import STRAWBERRY


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="Who may use a field. Everybody else gets a top-level error with the code "
    "FORBIDDEN, or UNAUTHENTICATED if the request has no valid credential. It is decided before "
    "any ID is read. A field of Query, Mutation or Subscription without it needs no credential.",
)
class Requires:
    role: list[Role] = strawberry.field(description="The user must have one of these roles.")
    account: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="A user who is not an admin also needs an account to send from.",
    )


def show_access(built: GraphQLSchema) -> None:
    """Adds the directive to each field whose resolver declares who may use it.

    Introspection does not show directives, so the description says it too.
    """
    for type_ in built.type_map.values():
        for field in type_.fields.values() if isinstance(type_, GraphQLObjectType) else ():
            declared = field.extensions.get(STRAWBERRY)
            access = access_of(declared)
            if access is not None:
                assert isinstance(declared, StrawberryField)
                account = True if access.account else strawberry.UNSET
                declared.directives = [Requires(role=list(access.roles), account=account)]
                field.description = " ".join(filter(None, [declared.description, _text(access)]))


def access_of(declared: Any) -> Access | None:
    """Who may use a field; None if its resolver does not restrict that."""
    resolver = declared.base_resolver if isinstance(declared, StrawberryField) else None
    return getattr(resolver.wrapped_func, "access", None) if resolver else None


def _text(access: Access) -> str:
    roles = [each.value for each in access.roles]
    if set(access.roles) == set(Role):
        return "Users who are not admins need an account." if access.account else ""
    text = f"Requires the role {' or '.join(roles)}"
    return f"{text} and an account to send from." if access.account else f"{text}."
