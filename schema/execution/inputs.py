"""Reads the variables of an operation by functions that are put together once per operation.

A value that is not plainly valid is read by graphql-core, which also writes the error message.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import graphql
from graphql import GraphQLInputObjectType, GraphQLSchema, OperationDefinitionNode
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.utilities.coerce_input_value import coerce_default_value

Read = Callable[[dict[str, Any]], VariableValues | list[graphql.GraphQLError]]
Coerce = Callable[[Any], Any]


def variables_reader(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Read:
    """A function that reads the variables which an operation declares, or says what is wrong."""
    declared = operation.variable_definitions or ()
    signatures: list[Any] = [get_variable_signature(schema, each) for each in declared]
    expected = [(each, _coercer(each.type)) for each in signatures]

    def read(given: dict[str, Any]) -> VariableValues | list[graphql.GraphQLError]:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        try:
            for signature, coerce in expected:
                name = signature.name
                if name in given:
                    coerced[name] = coerce(given[name])
                    sources[name] = VariableValueSource(signature, given[name])
                elif signature.default is None and not graphql.is_non_null_type(signature.type):
                    sources[name] = VariableValueSource(signature)
                else:
                    raise TypeError
        except Exception:  # noqa: BLE001 - graphql-core reads it again and explains what is wrong
            return get_variable_values(schema, declared, given, max_errors=5, hide_suggestions=True)
        return VariableValues(sources, coerced)

    return read


def _coercer(type_: Any) -> Coerce:
    """A function that reads a plainly valid value, and raises for every other value."""
    is_required = isinstance(type_, graphql.GraphQLNonNull)
    inner = type_.of_type if is_required else type_
    coerce: Any = getattr(inner, "coerce_input_value", None)
    if isinstance(inner, graphql.GraphQLList):
        item = inner.of_type
        is_string = graphql.is_non_null_type(item) and item.of_type is graphql.GraphQLString
        coerce = _strings if is_string else partial(_items, _coercer(item))
    elif isinstance(inner, GraphQLInputObjectType):
        coerce = partial(_fields, inner, {})
    return partial(_value, coerce, is_required)


def _value(coerce: Coerce, is_required: bool, value: Any) -> Any:
    coerced = value if value is None else coerce(value)
    if coerced is graphql.Undefined or (coerced is None and is_required):
        raise TypeError
    return coerced


def _items(coerce: Coerce, value: Any) -> Any:
    if type(value) is not list:
        raise TypeError
    return [coerce(each) for each in value]


def _strings(value: Any) -> Any:
    """A list of strings as it is: most lists of 100,000 are of this type."""
    if type(value) is not list or not set(map(type, value)) <= {str}:
        raise TypeError
    return value


def _fields(type_: GraphQLInputObjectType, coercers: dict[str, Coerce], value: Any) -> Any:
    if type_.is_one_of or type(value) is not dict or not value.keys() <= type_.fields.keys():
        raise TypeError
    if not coercers:  # at the first value, because a type may contain itself
        coercers |= {name: _coercer(field.type) for name, field in type_.fields.items()}
    done: dict[str, Any] = {}
    for name, field in type_.fields.items():
        if name in value:
            done[field.out_name or name] = coercers[name](value[name])
        elif graphql.is_required_input_field(field):
            raise TypeError
        elif (default := coerce_default_value(field)) is not graphql.Undefined:
            done[field.out_name or name] = default
    return type_.out_type(done)
