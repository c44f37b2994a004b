"""The scalars and IDs of the API: which values each accepts, and how it is written.

Also which domain types a schema type shows (`stands_for`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NewType, TypeVar

import strawberry
from graphql import (
    GraphQLError,
    IntValueNode,
    StringValueNode,
    ValueNode,
)
from strawberry import ID
from strawberry.scalars import JSON as JSON
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info
from strawberry.types.scalar import ScalarDefinition

from domain.ledger.book import LARGEST_UNITS
from domain.times import instant_of
from resolvers import ids
from resolvers.ids import Kind

Units = NewType("Units", int)
Money = NewType("Money", Decimal)
PhoneNumber = NewType("PhoneNumber", str)

_MONEY = re.compile(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", re.ASCII)
_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_LONGEST_INTEGER = 17


def read_units(value: Any) -> Units:
    """A whole number that every JSON reader can represent exactly."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST_UNITS:
        raise GraphQLError("Units are a whole number, at most 9007199254740991 either way.")
    return Units(value)


def read_money(value: Any) -> Money:
    """A decimal in plain digits, such as "150.00"."""
    if not isinstance(value, str) or not _MONEY.fullmatch(value):
        raise GraphQLError(
            'Money is a decimal in a string, such as "150.00": at most 12 digits and 6 places.'
        )
    return Money(Decimal(value))


def read_phone_number(value: Any) -> PhoneNumber:
    """E.164."""
    if not isinstance(value, str) or not _PHONE_NUMBER.fullmatch(value):
        raise GraphQLError("A PhoneNumber is E.164, such as +16624908672.")
    return PhoneNumber(value)


def read_date_time(value: Any) -> datetime:
    """An aware moment in UTC, from RFC 3339."""
    try:
        return instant_of(value)
    except ValueError as error:
        raise GraphQLError(f"This is not a DateTime: {error}.") from None


def write_units(value: int) -> int:
    """The number. Raises ValueError if a JSON reader could round it."""
    if abs(value) > LARGEST_UNITS:
        raise ValueError("units beyond 2^53 - 1")
    return value


def write_money(value: Decimal) -> str:
    """Plain digits with two to six decimal places, without further zeros."""
    exponent = value.normalize().as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return f"{value:.{max(2, min(places, 6))}f}"


def write_date_time(value: datetime) -> str:
    """RFC 3339 in UTC."""
    return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _literal(read: Callable[[Any], Any]) -> Callable[[ValueNode, Any], Any]:
    """Reads a value in a document like the value of a variable."""

    def read_literal(node: ValueNode, _variables: Any = None) -> Any:
        return read(node.value if isinstance(node, StringValueNode) else None)

    return read_literal


def _units_literal(node: ValueNode, _variables: Any = None) -> Units:
    digits = node.value if isinstance(node, IntValueNode) else ""
    # Python refuses to read very long digits with an error of its own.
    return read_units(int(digits) if 0 < len(digits) <= _LONGEST_INTEGER else None)


def _json_literal(node: ValueNode, _variables: Any = None) -> Any:
    raise GraphQLError("JSON cannot be given, only returned.")


def _read_json(value: Any) -> Any:
    raise GraphQLError("JSON cannot be given, only returned.")


SCALARS: dict[object, ScalarDefinition] = {
    Units: strawberry.scalar(
        name="Units",
        description="Whole units of a pool: credits, or currency units such as UGX. "
        "JSON number, never a fraction, at most 2^53 - 1 either way.",
        serialize=write_units,
        parse_value=read_units,
        parse_literal=_units_literal,
    ),
    Money: strawberry.scalar(
        name="Money",
        description='A decimal amount of money as a string, such as "150.00".',
        serialize=write_money,
        parse_value=read_money,
        parse_literal=_literal(read_money),
    ),
    PhoneNumber: strawberry.scalar(
        name="PhoneNumber",
        description="E.164, such as +16624908672. The sender of an inbound message can also be a "
        "short code or a name, such as 68849 or SUPPORT: it never begins with a plus.",
        serialize=str,
        parse_value=read_phone_number,
        parse_literal=_literal(read_phone_number),
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339 in UTC.",
        serialize=write_date_time,
        parse_value=read_date_time,
        parse_literal=_literal(read_date_time),
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON.",
        serialize=lambda value: value,
        parse_value=_read_json,
        parse_literal=_json_literal,
    ),
}
"""The scalar of each Python type, for `StrawberryConfig(scalar_map=…)`."""


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


class IdField(StrawberryField):
    """A field without a resolver: an ID is read and written like any other attribute."""

    kind: Kind

    def __copy__(self) -> IdField:
        field: IdField = super().__copy__()
        field.kind = self.kind
        return field

    def reader(self) -> Callable[[Any], str | None]:
        """A function that does the same as `get_result`, but looks nothing up for each row."""
        name, prefix = self.python_name, f"{self.kind.value}_"

        def read(source: Any) -> str | None:
            key = getattr(source, name)
            return None if key is None else prefix + ids.to_base32(key)

        return read

    def get_result(self, source: Any, info: Info | None, args: list[Any], kwargs: Any) -> ID | None:
        """The ID; None if the object has none."""
        key = getattr(source, self.python_name)
        return None if key is None else ids.encode(self.kind, key)


def id_of(kind: Kind, *, description: str | None = None) -> Any:
    """A field that shows the attribute of its own name, a UUID, as an ID of this kind."""
    field = IdField(description=description or f"The ID of the {kind.word}.")
    field.kind = kind
    return field
