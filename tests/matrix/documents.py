"""Documents made from the schema: a field with all that can be selected below it.

The matrix selects everything that is added to a type. Fields below the roots that not all
roles may read are left out, and have their own rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
)

from domain.identity.access import Role
from schema.access import access_of
from schema.execution.compiling import STRAWBERRY

DEEPEST = 6

NULL_FOR_OTHERS = frozenset({"Balances.platform"})
"""Fields without a directive that are null for most users."""

_OPERATIONS = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}


def is_restricted(field: GraphQLField) -> bool:
    """Whether the field has the directive @requires, but not for all roles."""
    access = access_of(field.extensions.get(STRAWBERRY))
    return access is not None and set(access.roles) != set(Role)


def fields_of_matrix(schema: GraphQLSchema) -> Iterator[str]:
    """The fields that need a row: those of the roots, and those that not all roles may read."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, field in type_.fields.items():
                place = f"{type_.name}.{name}"
                if type_.name in _OPERATIONS or place in NULL_FOR_OTHERS or is_restricted(field):
                    yield place


def ids_of(field: GraphQLField) -> set[str]:
    """The arguments of a field that take an ID: `clientId`, `input.groupId`."""
    return {path for name, each in field.args.items() for path in _ids_in(name, each.type)}


def document_for(schema: GraphQLSchema, root: str, given: Mapping[str, Any], only: str = "") -> str:
    """The operation with this root field and these arguments, each as a variable.

    `only`: select only this field of the result.
    """
    type_name, name = root.split(".")
    type_ = schema.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    field = type_.fields[name]
    declared = ", ".join(f"${each}: {field.args[each].type}" for each in given)
    passed = ", ".join(f"{each}: ${each}" for each in given)
    returned = get_named_type(field.type)
    selected = _only(returned, only) if only else _below(returned, (type_name,))
    head = f"{_OPERATIONS[type_name]}{f' ({declared})' if given else ''}"
    return f"{head} {{ {name}{f'({passed})' if given else ''}{selected} }}"


def _ids_in(path: str, type_: GraphQLInputType) -> Iterator[str]:
    named = get_named_type(type_)
    if isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            yield from _ids_in(f"{path}.{name}", field.type)
    elif isinstance(named, GraphQLScalarType) and named.name == "ID":
        yield path


def _only(returned: GraphQLNamedType, name: str) -> str:
    assert isinstance(returned, GraphQLObjectType), "a row of a field goes through one of objects"
    return f" {{ {name}{_below(get_named_type(returned.fields[name].type), (returned.name,))} }}"


def _below(type_: GraphQLNamedType, above: tuple[str, ...]) -> str:
    """The selection of a type, without types that are above it already."""
    if isinstance(type_, GraphQLScalarType | GraphQLEnumType):
        return ""
    if isinstance(type_, GraphQLInterfaceType):
        shared = [
            name + _below(get_named_type(each.type), above) for name, each in type_.fields.items()
        ]
        return f" {{ __typename {' '.join(shared)} }}"
    if isinstance(type_, GraphQLUnionType):
        members = [f"... on {each.name}{_below(each, above)}" for each in type_.types]
        return f" {{ __typename {' '.join(members)} }}"
    assert isinstance(type_, GraphQLObjectType)
    inner = (*above, type_.name)
    selected = [
        name + _below(get_named_type(field.type), inner)
        for name, field in type_.fields.items()
        if _is_selected(name, field, inner)
    ]
    return f" {{ {' '.join(selected)} }}"


def _is_selected(name: str, field: GraphQLField, above: tuple[str, ...]) -> bool:
    demanded = [
        each
        for each in field.args.values()
        if isinstance(each.type, GraphQLNonNull) and each.default_value is Undefined
    ]
    # The nodes of a connection are its edges' nodes.
    if demanded or is_restricted(field) or name == "edges":
        return False
    named = get_named_type(field.type)
    is_leaf = isinstance(named, GraphQLScalarType | GraphQLEnumType)
    return is_leaf or (named.name not in above and len(above) < DEEPEST)
