"""Which domain type a schema type stands for: how a member of a union is told from the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=type)


def stands_for(*domain_types: type) -> Callable[[T], T]:
    """The class, as the schema type of these domain types. Stands below `@strawberry.type`."""

    def bind(schema_type: T) -> T:
        def is_type_of(value: Any, _info: Any) -> bool:
            return isinstance(value, domain_types)

        schema_type.is_type_of = staticmethod(is_type_of)  # type: ignore[attr-defined]
        schema_type.domain_types = domain_types  # type: ignore[attr-defined]
        return schema_type

    return bind
