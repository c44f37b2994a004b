"""Builds inputs for resolvers: how each field is read is found once, not for every request.

Strawberry asks of every value what kind of type it is to become; `from_input` is its hook for types
that build themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLSchema
from strawberry.types.base import (
    StrawberryList,
    StrawberryObjectDefinition,
    StrawberryOptional,
    has_object_definition,
)

Convert = Callable[[Any], Any]


def let_inputs_build_themselves(built: GraphQLSchema) -> None:
    """Every input of the schema is built by a plan of its own, to what strawberry would build."""
    for type_ in built.type_map.values():
        definition = type_.extensions.get("strawberry-definition")
        if isinstance(type_, GraphQLInputObjectType) and isinstance(
            definition, StrawberryObjectDefinition
        ):
            definition.from_input = _builder(definition, list(type_.fields))


def converter(type_: Any) -> Convert:
    """How an argument of this type becomes what a resolver is given."""
    if isinstance(type_, StrawberryOptional):
        type_ = type_.of_type
    if isinstance(type_, StrawberryList):
        return _list_of(converter(type_.of_type))
    if has_object_definition(type_):
        return _input_of(type_)
    return lambda value: value


def _builder(
    definition: StrawberryObjectDefinition, names: list[str]
) -> Callable[[type, Mapping[str, Any], object], Any]:
    fields = [
        (name, field.python_name, converter(field.resolve_type(type_definition=definition)))
        for name, field in zip(names, definition.fields, strict=True)
    ]
    without_default = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }

    def build(type_: type, given: Mapping[str, Any], _context: object) -> Any:
        values = dict(without_default)
        for name, python_name, convert in fields:
            if name in given:
                values[python_name] = convert(given[name])
        return type_(**values)

    return build


def _list_of(convert: Convert) -> Convert:
    return lambda values: None if values is None else [convert(value) for value in values]


def _input_of(type_: Any) -> Convert:
    definition = type_.__strawberry_definition__
    return lambda value: None if value is None else definition.from_input(type_, value, None)
