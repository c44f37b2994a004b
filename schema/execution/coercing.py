"""Reads variables and arguments by what was found once, for every value that is plainly valid.

graphql-core asks of every value, for every request, what kind of type it is to become. Here that is
asked once for a document. Whatever is unusual (missing, wrong, a variable within a literal, nested
too deeply) is left to graphql-core, which alone says what is wrong: docs/decisions/0040.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    ValueNode,
    VariableNode,
    is_required_input_field,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource, get_argument_values
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

Coerce = Callable[[Any], Any]
"""The value as a resolver is given it; Undefined where it is not plainly valid."""

ReadVariables = Callable[[Mapping[str, Any]], VariableValues | None]
"""The variables of a request; None where graphql-core is to say what is wrong."""

ReadArguments = Callable[[VariableValues], dict[str, Any]]
"""The arguments of a field. Raises GraphQLError."""

DEEPEST = 12
"""Levels of types that are read here; deeper ones, and those in a circle, are left alone."""


def variables_reader(schema: GraphQLSchema, operation: OperationDefinitionNode) -> ReadVariables:
    """Reads the variables that an operation declares."""
    found = [get_variable_signature(schema, each) for each in operation.variable_definitions or ()]
    signatures = [each for each in found if not isinstance(each, GraphQLError)]
    if len(signatures) < len(found):
        return lambda _given: None
    expected = [(each.name, each, _coercer(each.type)) for each in signatures]

    def read(given: Mapping[str, Any]) -> VariableValues | None:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, coerce in expected:
            value = given.get(name, Undefined)
            if value is Undefined:
                if _needs_a_value(signature):
                    return None
                sources[name] = VariableValueSource(signature)
                continue
            coerced[name] = done = coerce(value)
            if done is Undefined:
                return None
            sources[name] = VariableValueSource(signature, value)
        return VariableValues(sources, coerced)

    return read


def arguments_reader(definition: GraphQLField, node: FieldNode) -> ReadArguments:
    """Reads the arguments of one field of a document that is valid."""
    if not definition.args:
        return lambda _variables: {}

    def read_carefully(variables: VariableValues) -> dict[str, Any]:
        return get_argument_values(definition, node, variables, None, True)

    given = {each.name.value: each.value for each in node.arguments or ()}
    named: list[tuple[str, str]] = []
    fixed: dict[str, Any] = {}
    for name, argument in definition.args.items():
        value, out_name = given.get(name), argument.out_name or name
        if isinstance(value, VariableNode):
            named.append((out_name, value.name.value))
        elif not _fix(fixed, out_name, argument, value):
            return read_carefully

    def read(variables: VariableValues) -> dict[str, Any]:
        coerced, arguments = variables.coerced, dict(fixed)
        for out_name, variable in named:
            value = coerced.get(variable)
            if value is None:  # not given, or null: graphql-core says whether that may be
                return read_carefully(variables)
            arguments[out_name] = value
        return arguments

    return read


def _fix(
    fixed: dict[str, Any], out_name: str, argument: GraphQLArgument, node: ValueNode | None
) -> bool:
    """Notes what is the same for every request. False where that cannot be said beforehand."""
    if node is None and argument.default is None and argument.default_value is Undefined:
        return not isinstance(argument.type, GraphQLNonNull)
    try:
        value = (
            coerce_default_value(argument)
            if node is None
            else coerce_input_literal(node, argument.type)
        )
    except TypeError:
        return False
    # What could be changed by whoever is given it is made anew for each.
    if not isinstance(value, (str, int, float, Enum)):
        return False
    fixed[out_name] = value
    return True


def _needs_a_value(signature: GraphQLVariableSignature) -> bool:
    return signature.default is not None or isinstance(signature.type, GraphQLNonNull)


def _coercer(type_: GraphQLInputType, level: int = 0) -> Coerce:
    if level > DEEPEST:
        return lambda _value: Undefined
    if isinstance(type_, GraphQLNonNull):
        inner = _coercer(type_.of_type, level + 1)
        return lambda value: Undefined if value is None else inner(value)
    if isinstance(type_, GraphQLList):
        return _list_coercer(_coercer(type_.of_type, level + 1))
    if isinstance(type_, GraphQLInputObjectType):
        return _object_coercer(type_, level)
    return _leaf_coercer(type_)


def _leaf_coercer(type_: GraphQLLeafType) -> Coerce:
    coerce = type_.coerce_input_value

    def leaf(value: Any) -> Any:
        if value is None:
            return None
        try:
            return coerce(value)
        except Exception:  # noqa: BLE001 - graphql-core says what is wrong
            return Undefined

    return leaf


def _list_coercer(coerce: Coerce) -> Coerce:
    def several(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):  # also what stands for a list of one
            return Undefined
        done = [coerce(each) for each in value]
        return Undefined if any(each is Undefined for each in done) else done

    return several


def _object_coercer(type_: GraphQLInputObjectType, level: int) -> Coerce:
    if type_.is_one_of:
        return lambda _value: Undefined
    names = type_.fields.keys()
    expected = [
        (name, field.out_name or name, field, _coercer(field.type, level + 1))
        for name, field in type_.fields.items()
    ]

    def several(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict) or not value.keys() <= names:
            return Undefined
        done: dict[str, Any] = {}
        for name, out_name, field, coerce in expected:
            if name in value:
                coerced = coerce(value[name])
                if coerced is Undefined:
                    return Undefined
                done[out_name] = coerced
            elif is_required_input_field(field):
                return Undefined
            elif (default := coerce_default_value(field)) is not Undefined:
                done[out_name] = default
        return type_.out_type(done)

    return several
