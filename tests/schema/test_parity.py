"""A field without a resolver is an attribute of every domain type behind its GraphQL type."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLUnionType
from strawberry.types.base import StrawberryObjectDefinition, get_object_definition

from domain.errors import Refusal
from schema.connections import PageInfo
from schema.errors import MEMBERS
from schema.schema import build_schema

SCHEMA = build_schema()
ROOTS = {"Query", "Mutation", "Subscription"}
DEFINITIONS: dict[str, StrawberryObjectDefinition] = {
    name: type_.extensions["strawberry-definition"]
    for name, type_ in SCHEMA.type_map.items()
    if isinstance(type_, GraphQLObjectType) and not name.startswith("__") and name not in ROOTS
}
REFUSALS = {get_object_definition(m, strict=True).name: refusal for refusal, m in MEMBERS.items()}


def unresolved(definition: StrawberryObjectDefinition) -> set[str]:
    """Names of attributes that are read from the domain's object as they are."""
    return {field.python_name for field in definition.fields if field.base_resolver is None}


def attributes(domain_type: type) -> set[str]:
    """Names that every object of the type has."""
    names = {name for name, _ in inspect.getmembers(domain_type, inspect.isdatadescriptor)}
    if issubclass(domain_type, Refusal):
        names |= set(vars(Refusal))
    if dataclasses.is_dataclass(domain_type):
        return names | {field.name for field in dataclasses.fields(domain_type)}
    made_by = inspect.getattr_static(domain_type, "__init__")
    return names | set(inspect.signature(made_by).parameters if inspect.isfunction(made_by) else ())


def is_of_pages(name: str, definition: Any) -> bool:
    """Whether the type is the machinery of a connection, which has its own tests."""
    return definition.origin is PageInfo or name.endswith(("Connection", "Edge"))


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_unresolved_fields_exist_on_the_domain_type(name: str) -> None:
    definition = DEFINITIONS[name]
    if is_of_pages(name, definition):
        return
    domain_types = getattr(definition.origin, "domain_types", None) or (REFUSALS.get(name),)
    for domain_type in domain_types:
        assert domain_type is not None, f"{name} does not name its domain type"
        assert unresolved(definition) - attributes(domain_type) == set()


@pytest.mark.parametrize(
    "name", sorted(n for n, each in SCHEMA.type_map.items() if isinstance(each, GraphQLUnionType))
)
def test_members_of_a_union_can_be_distinguished(name: str) -> None:
    union = SCHEMA.type_map[name]
    assert isinstance(union, GraphQLUnionType)
    successes = [each for each in union.types if each.name not in REFUSALS]
    origins = [DEFINITIONS[each.name].origin for each in successes]
    domain_types = [kind for origin in origins for kind in getattr(origin, "domain_types", ())]
    assert all(hasattr(origin, "domain_types") for origin in origins)
    assert len(domain_types) == len(set(domain_types))


def test_every_refusal_of_a_request_has_its_member() -> None:
    assert {refusal.__name__ for refusal in MEMBERS} == set(REFUSALS)
