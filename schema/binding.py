"""Which domain types a schema type shows: this decides the member of a union or interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=type)


def stands_for(*domain_types: type) -> Callable[[T], T]:
    """Declares the domain types that a schema type shows. Put it below `@strawberry.type`."""

    def bind(schema_type: T) -> T:
        def is_type_of(value: Any, _info: Any) -> bool:
            return isinstance(value, domain_types)

        schema_type.is_type_of = staticmethod(is_type_of)  # type: ignore[attr-defined]
        schema_type.domain_types = domain_types  # type: ignore[attr-defined]
        return schema_type

    return bind
