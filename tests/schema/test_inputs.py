"""Variables are read as graphql-core reads them, or left to it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_named_type,
    parse,
)
from graphql.execution.values import VariableValues, get_variable_values
from hypothesis import given, settings
from hypothesis import strategies as st

from schema import values
from schema.schema import build_schema as build_own

OWN = build_own()
INPUTS = sorted(
    name for name, each in OWN.type_map.items() if isinstance(each, GraphQLInputObjectType)
)

MADE_UP = build_schema("""
    enum Colour { RED GREEN }
    input Inner { name: String = "none", colours: [Colour!] = [RED], deep: [[Int]!] }
    input Choice @oneOf { a: Int, b: String }
    type Query {
        find(inner: Inner!, some: Int = 3, colour: Colour = GREEN, choice: Choice, list: [String!],
              flag: Boolean! = true, many: [Int] = [1, 2]): String
    }
""")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**40)
    | st.floats()
    | st.sampled_from(
        ["", "RED", "GREEN", "BLUE", "1", "+12025550100", "2026-11-20T10:00:00Z", "12.50", "\\0"]
    )
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


def operation_of(query: str) -> OperationDefinitionNode:
    [operation] = parse(query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation


def inputs_of(type_: GraphQLInputObjectType) -> st.SearchStrategy[Any]:
    """Mostly what the type asks for, sometimes something else, sometimes a field too many."""
    fields = {
        name: st.one_of(_values_of(field.type), _values_of(field.type), VALUES)
        for name, field in type_.fields.items()
    }
    return st.fixed_dictionaries({}, optional={**fields, "other": VALUES}) | VALUES


def _values_of(type_: Any) -> st.SearchStrategy[Any]:
    named = get_named_type(type_)
    if isinstance(named, GraphQLInputObjectType):
        one = inputs_of(named)
        return one | st.lists(one, max_size=3)
    return SCALARS | st.lists(SCALARS, max_size=3)


def assert_same_variables(schema: GraphQLSchema, query: str, raw: dict[str, Any]) -> None:
    operation = operation_of(query)
    read = values.variables_reader(schema, operation)(raw)
    declared = operation.variable_definitions or ()
    expected = get_variable_values(schema, declared, raw, max_errors=5, hide_suggestions=True)
    assert shown(read) == shown(expected)


def shown(read: VariableValues | list[GraphQLError]) -> str:
    """The values, or what is wrong with them. As text, because NaN does not equal itself."""
    if isinstance(read, list):
        return repr([each.message for each in read])
    return repr((read.coerced, {name: each.value for name, each in read.sources.items()}))


@pytest.mark.parametrize("name", INPUTS)
def test_every_input_is_read_as_graphql_core_reads_it(name: str) -> None:
    type_ = OWN.type_map[name]
    assert isinstance(type_, GraphQLInputObjectType)

    @settings(max_examples=40)
    @given(inputs_of(type_))
    def holds(value: Any) -> None:
        assert_same_variables(
            OWN, f"query ($input: {name}!) {{ viewer {{ id }} }}", {"input": value}
        )

    holds()


@given(
    inner=inputs_of(MADE_UP.type_map["Inner"]),  # type: ignore[arg-type]
    others=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("some", "colour", "choice", "list", "flag", "many"), VALUES)
    ),
)
def test_variables_of_all_kinds_are_read_as_graphql_core_reads_them(
    inner: Any, others: dict[str, Any]
) -> None:
    query = """query ($inner: Inner!, $some: Int = 5, $colour: Colour, $choice: Choice,
                      $list: [String!], $flag: Boolean! = false, $many: [Int]) { __typename }"""
    assert_same_variables(MADE_UP, query, {"inner": inner, **others})


def test_a_plainly_valid_value_is_not_read_by_graphql_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schema.values.get_variable_values", None)
    operation = operation_of("mutation ($input: SendInput!) { send(input: $input) { __typename } }")
    raw = {"input": {"to": "+12025550100", "text": "Good morning"}}
    assert isinstance(values.variables_reader(OWN, operation)(raw), VariableValues)
