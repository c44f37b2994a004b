"""Fields with a resolver: `resolved_field` declares one, and `mutation_field` a mutation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.fields.resolver import ReservedName, StrawberryResolver
from strawberry.types.union import StrawberryUnion

from schema.errors import UserError


def resolved_field(
    resolver: Callable[..., Any], graphql_type: Any, *, description: str | None = None
) -> Any:
    """A field that shows what its resolver returns.

    A resolver with a parameter `roots` takes all parents at once, and returns one value for each.
    """
    return strawberry.field(
        resolver=Resolver(resolver), graphql_type=graphql_type, description=description
    )


def mutation_field(
    resolver: Callable[..., Any],
    success: type,
    *,
    refusals: tuple[type[UserError], ...],
    description: str,
) -> Any:
    """A mutation that answers `success` or one of the refusals, and names its result after itself.

    The result of `create_group` is the union CreateGroupResult.
    """
    name = "".join(word.capitalize() for word in resolver.__name__.split("_"))
    members = tuple(StrawberryAnnotation(each) for each in (success, *refusals))
    result = StrawberryUnion(f"{name}Result", members)
    return resolved_field(resolver, result, description=description)


class Resolver(StrawberryResolver[Any]):
    """A resolver whose parameters `window` and `roots` are not arguments of the API."""

    RESERVED_PARAMSPEC = (
        *StrawberryResolver.RESERVED_PARAMSPEC,
        ReservedName("window"),
        ReservedName("roots"),
    )
