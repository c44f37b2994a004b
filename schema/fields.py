"""How fields are declared: `described`, if the value itself has them, else `resolved_field`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.fields.resolver import ReservedName, StrawberryResolver
from strawberry.types.union import StrawberryUnion

import schema.enums  # noqa: F401  # enums are declared before the types and inputs that use them

KEY = (
    "Your own key for this request, 1 to 255 printable characters. A repeated call with the same "
    "key and input returns the first success and changes nothing more. A refused call leaves the "
    "key unused. Keys are kept for at least 24 hours."
)
"""Describes the input field idempotencyKey."""


def described(description: str) -> Any:
    """A field of a type, or a required field of an input."""
    return strawberry.field(description=description)


def optional(description: str) -> Any:
    """A field of an input that may be absent: that means the same as null."""
    return strawberry.field(default=None, description=description)


def change(description: str) -> Any:
    """A field of an input that changes something: absent keeps the value, and null clears it."""
    return strawberry.field(default=strawberry.UNSET, description=description)


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
    refusals: tuple[type, ...],
    description: str,
) -> Any:
    """A mutation that answers `success` or one of the refusals, which are in `schema.errors`.

    Its result is named after it: that of `create_group` is the union CreateGroupResult.
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
