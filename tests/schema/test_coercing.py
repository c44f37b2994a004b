"""Variables and arguments are read as graphql-core reads them, or left to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_named_type,
    parse,
)
from graphql.execution.values import VariableValues, get_argument_values, get_variable_values
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.execution.coercing import arguments_reader, variables_reader
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
        asked(inner: Inner!, some: Int = 3, colour: Colour = GREEN, choice: Choice, list: [String!],
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
    """Mostly what the type asks for, at times something else, at times a field too many."""
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
    read = variables_reader(schema, operation)(raw)
    expected = get_variable_values(schema, operation.variable_definitions or (), raw)
    if read is not None:
        assert repr(read) == repr(expected)  # for the sake of NaN


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


@given(
    inner=inputs_of(MADE_UP.type_map["Inner"]),  # type: ignore[arg-type]
    some=st.none() | st.integers(-3, 2**40),
    given_too=st.sets(st.sampled_from(["some", "colour", "list"])),
    written=st.sampled_from(
        [
            "inner: $inner",
            "inner: $inner, some: $some",
            "inner: $inner, some: 7, colour: RED",
            "inner: $inner, flag: false, list: $list",
            "inner: {name: $name}, colour: $colour",
            "inner: {}, many: [4]",
            'inner: {}, choice: {a: 1}, list: ["x"]',
            "inner: $inner, some: null, colour: $colour",
        ]
    ),
)
def test_arguments_are_read_as_graphql_core_reads_them(
    inner: Any, some: int | None, given_too: set[str], written: str
) -> None:
    field, node, variables = asked(
        written, {"inner": inner, "some": some} | dict.fromkeys(given_too - {"some"}, None)
    )
    if not isinstance(variables, VariableValues):
        return
    expected = said(lambda: get_argument_values(field, node, variables, None, True))
    assert said(lambda: arguments_reader(field, node)(variables)) == expected


def said(read: Callable[[], dict[str, Any]]) -> object:
    """The arguments, or what is wrong with them."""
    try:
        return read()
    except GraphQLError as error:
        return error.message


def asked(written: str, raw: dict[str, Any]) -> tuple[GraphQLField, Any, Any]:
    operation = operation_of(
        "query ($inner: Inner = {}, $some: Int, $colour: Colour, $list: [String!], $name: String)"
        f" {{ asked({written}) }}"
    )
    assert MADE_UP.query_type is not None
    variables = get_variable_values(MADE_UP, operation.variable_definitions or (), raw)
    return MADE_UP.query_type.fields["asked"], operation.selection_set.selections[0], variables


def test_what_is_plainly_valid_is_not_left_to_graphql_core() -> None:
    operation = operation_of("mutation ($input: SendInput!) { send(input: $input) { __typename } }")
    raw = {"input": {"to": "+12025550100", "text": "Good morning"}}
    assert variables_reader(OWN, operation)(raw) is not None


def test_what_a_resolver_changes_is_not_seen_by_the_next() -> None:
    field, node, variables = asked("inner: {}, colour: RED, many: [4]", {})
    first = arguments_reader(field, node)(variables)
    first["many"].append(5)
    assert arguments_reader(field, node)(variables)["many"] == [4]
