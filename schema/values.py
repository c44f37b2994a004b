"""Values of the API: how scalars, IDs, inputs and variables are read, checked and written.

Also which domain types a schema type shows (`represents`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import NoneType
from typing import Any, NewType, TypeVar

import orjson
import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    IntValueNode,
    Node,
    OperationDefinitionNode,
    StringValueNode,
    Undefined,
    ValueNode,
    Visitor,
    get_variable_values,
    is_non_null_type,
    is_required_input_field,
    visit,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.scalars import JSON as JSON
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info
from strawberry.types.scalar import ScalarDefinition

from domain.ids import Kind, to_base32
from domain.ledger.book import LARGEST_UNITS
from domain.times import instant_of
from schema.limits import TooComplex

Units = NewType("Units", int)
Money = NewType("Money", Decimal)
PhoneNumber = NewType("PhoneNumber", str)

_MONEY = re.compile(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", re.ASCII)
_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_LONGEST_INTEGER = 17
_BEYOND_INT = 2**31


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
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return in_utc.isoformat()[: -len("+00:00")] + "Z"


# Each writes a whole column: writing values one by one took half of the time of a page.


def write_texts(values: list[Any]) -> list[Any] | None:
    """The values; None if one is not a plain string."""
    return values if set(map(type, values)) <= {str, NoneType} else None


def write_integers(values: list[Any]) -> list[Any] | None:
    """The values; None if one is null, not a plain integer, or beyond 32 bits."""
    if set(map(type, values)) != {int} or min(values) < -_BEYOND_INT or max(values) >= _BEYOND_INT:
        return None
    return values


def write_date_times(values: list[Any]) -> list[Any] | None:
    """What `write_date_time` returns for each; None if one is not in UTC."""
    if not {value is None or value.tzinfo for value in values} <= {True, UTC}:
        return None
    written: list[Any] = orjson.loads(orjson.dumps(values, option=orjson.OPT_UTC_Z))
    return written


def _literal(read: Callable[[Any], Any]) -> Callable[[ValueNode, Any], Any]:
    """Reads a value in a document like the value of a variable."""

    def read_literal(node: ValueNode, _variables: Any = None) -> Any:
        return read(node.value if isinstance(node, StringValueNode) else None)

    return read_literal


def _units_literal(node: ValueNode, _variables: Any = None) -> Units:
    digits = node.value if isinstance(node, IntValueNode) else ""
    # Python refuses to read very long digits with its own error.
    return read_units(int(digits) if 0 < len(digits) <= _LONGEST_INTEGER else None)


def _json_literal(node: ValueNode, _variables: Any = None) -> Any:
    raise GraphQLError("JSON cannot be given, only returned.")


def _read_json(value: Any) -> Any:
    raise GraphQLError("JSON cannot be given, only returned.")


SCALARS: dict[object, ScalarDefinition] = {
    Units: strawberry.scalar(
        name="Units",
        description="Whole units of a pool: credits, or currency units such as UGX. "
        "A JSON number without a fraction, from -(2^53 - 1) to 2^53 - 1.",
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


def represents(*domain_types: type) -> Callable[[T], T]:
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
            return None if key is None else prefix + to_base32(key)

        return read

    def get_result(self, source: Any, info: Info | None, args: Any, kwargs: Any) -> str | None:
        """The ID; None if the object has none."""
        return self.reader()(source)


def id_of(kind: Kind, *, description: str | None = None) -> Any:
    """A field that shows the attribute with the same name, a UUID, as an ID of this kind."""
    field = IdField(description=description or f"The ID of the {kind.word}.")
    field.kind = kind
    return field


Read = Callable[[dict[str, Any]], VariableValues | list[GraphQLError]]
Coerce = Callable[[Any], Any]


def variables_reader(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Read:
    """A function that reads the variables which an operation declares, or says what is wrong.

    A value that is not plainly valid is read by graphql-core, which also writes the error message.
    """
    declared = operation.variable_definitions or ()
    signatures: list[Any] = [get_variable_signature(schema, each) for each in declared]
    expected = [(each, _coercer(each.type)) for each in signatures]

    def read(given: dict[str, Any]) -> VariableValues | list[GraphQLError]:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        try:
            for signature, coerce in expected:
                name = signature.name
                if name in given:
                    coerced[name] = coerce(given[name])
                    sources[name] = VariableValueSource(signature, given[name])
                elif signature.default is None and not is_non_null_type(signature.type):
                    sources[name] = VariableValueSource(signature)
                else:
                    raise TypeError
        except Exception:  # noqa: BLE001 - graphql-core reads it again and explains what is wrong
            return get_variable_values(schema, declared, given, max_errors=5, hide_suggestions=True)
        return VariableValues(sources, coerced)

    return read


def _coercer(type_: Any) -> Coerce:
    """A function that reads a clearly valid value, and raises for every other value."""
    is_required = isinstance(type_, GraphQLNonNull)
    inner = type_.of_type if is_required else type_
    coerce: Any = getattr(inner, "coerce_input_value", None)
    if isinstance(inner, GraphQLList):
        item = inner.of_type
        is_string = is_non_null_type(item) and item.of_type is GraphQLString
        coerce = _strings if is_string else partial(_items, _coercer(item))
    elif isinstance(inner, GraphQLInputObjectType):
        coerce = partial(_fields, inner, [])
    return partial(_value, coerce, is_required)


def _value(coerce: Coerce, is_required: bool, value: Any) -> Any:
    coerced = value if value is None else coerce(value)
    if coerced is Undefined or (coerced is None and is_required):
        raise TypeError
    return coerced


def _items(coerce: Coerce, value: Any) -> Any:
    if type(value) is not list:
        raise TypeError
    return [coerce(each) for each in value]


def _strings(value: Any) -> Any:
    """The same list, if it holds only strings: most long lists do. Raises TypeError."""
    if type(value) is not list or not set(map(type, value)) <= {str}:
        raise TypeError
    return value


def _fields(type_: GraphQLInputObjectType, plan: list[Any], value: Any) -> Any:
    if type_.is_one_of or type(value) is not dict:
        raise TypeError
    if not plan:  # at the first value, because a type may contain itself
        plan += _plan_of(type_.fields)
    readers, required, defaults = plan
    if not required <= value.keys():
        raise TypeError
    done = dict(defaults)
    for name, given in value.items():
        out_name, coerce = readers[name]
        done[out_name] = coerce(given)
    return type_.out_type(done)


def _plan_of(fields: dict[str, Any]) -> tuple[Any, ...]:
    """The name in Python of each field, and how it is read; the required fields; the defaults."""
    readers = {name: (each.out_name or name, _coercer(each.type)) for name, each in fields.items()}
    required = {name for name, each in fields.items() if is_required_input_field(each)}
    given = {readers[name][0]: coerce_default_value(each) for name, each in fields.items()}
    return readers, required, {name: v for name, v in given.items() if v is not Undefined}


OWN_RULE = frozenset({"to", "text"})
"""Fields that report a NUL character themselves, with a better message."""

DEEPEST = 12
"""Levels of objects and lists. The inputs of the schema have fewer."""


def bound_variables(variables: dict[str, Any], *, most_texts: int, most_objects: int) -> None:
    """Checks every value, and shortens lists that are over every limit, so that they cost little.

    A list keeps one item more than the limit, so that its field still sees that it is too long.
    Raises GraphQLError for a NUL character, except in the fields of OWN_RULE.
    """
    for name, value in variables.items():
        _check(value, name, most_texts, most_objects, 1)


def check_literals(document: DocumentNode) -> None:
    """Raises GraphQLError for a NUL character in a text of the document itself."""
    visit(document, _NulInLiterals())


def build_input(class_: type, absent: dict[str, None], values: dict[str, Any]) -> Any:
    """An input of that class. `absent`: values of fields that are not given."""
    return class_(**absent | values)


def _check(value: Any, name: str, most_texts: int, most_objects: int, level: int) -> None:
    if isinstance(value, str):
        _check_text(value, name)
    elif isinstance(value, (dict, list)):
        if level > DEEPEST:
            raise TooComplex("The variables are nested too deeply. Send less.")
        if isinstance(value, dict):
            for key, each in value.items():
                _check(each, key, most_texts, most_objects, level + 1)
        elif value:
            of_texts = not isinstance(value[0], (dict, list))
            del value[(most_texts if of_texts else most_objects) + 1 :]
            if not (of_texts and name in OWN_RULE):
                for each in value:
                    _check(each, name, most_texts, most_objects, level + 1)


def _check_text(value: str, name: str) -> None:
    if "\0" in value and name not in OWN_RULE:
        raise GraphQLError(f"{name or 'A text'} contains a NUL character. Remove it.")


class _NulInLiterals(Visitor):
    def enter_string_value(
        self, node: StringValueNode, _key: Any, parent: Any, _path: Any, ancestors: Any
    ) -> None:
        if "\0" in node.value:
            nodes = [each for each in (parent, *reversed(ancestors)) if isinstance(each, Node)]
            names = [getattr(each, "name", None) for each in nodes]
            _check_text(node.value, next((str(name.value) for name in names if name), ""))
