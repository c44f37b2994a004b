"""An input that graphql-core builds equals the one that strawberry would build."""

from __future__ import annotations

import random
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, GraphQLNonNull
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.types.scalar import DEFAULT_SCALAR_REGISTRY
from strawberry.types.arguments import convert_argument

from schema.schema import build_schema
from schema.values import SCALARS

REGISTRY = {**DEFAULT_SCALAR_REGISTRY, **SCALARS}
CONFIG = StrawberryConfig(scalar_map=SCALARS)
SCHEMA = build_schema()
INPUTS = [each for each in SCHEMA.type_map.values() if isinstance(each, GraphQLInputObjectType)]


def given(type_: Any, chance: random.Random) -> Any:
    """Values as strawberry expects them: fields may be absent, or null if that is allowed."""
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    elif chance.randrange(3) == 0:
        return None
    if isinstance(type_, GraphQLList):
        return [given(type_.of_type, chance) for _ in range(chance.randrange(3))]
    if isinstance(type_, GraphQLEnumType):
        return chance.choice([value.value for value in type_.values.values()])
    if isinstance(type_, GraphQLInputObjectType):
        return {
            name: given(field.type, chance)
            for name, field in type_.fields.items()
            if isinstance(field.type, GraphQLNonNull) or chance.randrange(2)
        }
    return chance.choice(["text", 7, True])


def built(type_: Any, value: Any) -> Any:
    """The value as graphql-core passes it on."""
    if isinstance(type_, GraphQLNonNull):
        return built(type_.of_type, value)
    if value is None:
        return None
    if isinstance(type_, GraphQLList):
        return [built(type_.of_type, each) for each in value]
    if isinstance(type_, GraphQLInputObjectType):
        fields = {name: type_.fields[name] for name in value}
        return type_.out_type(
            {
                field.out_name or name: built(field.type, value[name])
                for name, field in fields.items()
            }
        )
    return value


@pytest.mark.parametrize("type_", INPUTS, ids=str)
def test_an_input_is_built_as_strawberry_builds_it(
    type_: GraphQLInputObjectType, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [given(GraphQLNonNull(type_), random.Random(seed)) for seed in range(40)]
    ours = [built(type_, each) for each in values]
    for other in INPUTS:
        monkeypatch.setattr(other.extensions["strawberry-definition"], "from_input", None)
    origin = type_.extensions["strawberry-definition"].origin
    assert ours == [convert_argument(each, origin, REGISTRY, CONFIG) for each in values]
