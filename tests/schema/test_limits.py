"""A document that asks for too much is refused at once, with a clear message."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLError, build_schema, get_introspection_query

from schema.engine import Engine, NotExecuted
from schema.rows import count_rows
from schema.values import bound_variables
from tests.schema.fakes import actor_with, context_with

CONTRACT = build_schema((Path(__file__).parents[1] / "contract.graphql").read_text())
ENGINE = Engine(CONTRACT)
SOON_SECONDS = 2.0
"""Generous: alone on an idle core each of these takes less than 0.1 s."""

BELOW_MESSAGES = "conversation { messages { nodes "
CIRCLE = "fragment A on Send { ...B } fragment B on Send { ...A }"
BOMB = " ".join(
    f"fragment F{i} on Send {{ a: messages {{ nodes {{ id }} }} ...F{i + 1} ...F{i + 1} }}"
    for i in range(13)
)
HOLLOW = " ".join(f"fragment H{i} on Query {{ ...H{i + 1} ...H{i + 1} }}" for i in range(24))
WIDE = " ".join(f"fragment G{i} on Send {{ {'id ' * 30} }}" for i in range(30))
SPREADS = " ".join(f"...G{i}" for i in range(30))


def rejection(query: str) -> GraphQLError:
    """The first error that a document is rejected for. It must come quickly."""
    started = time.thread_time()
    with pytest.raises(NotExecuted) as rejected:
        ENGINE.find(query)
    assert time.thread_time() - started < SOON_SECONDS
    return rejected.value.errors[0]


def rows(query: str, **variables: Any) -> int:
    """The rows that a document reads at most."""
    operation = ENGINE.find(query)
    return count_rows(operation.rows, {**operation.defaults, **variables})


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("{ messages { nodes { " + BELOW_MESSAGES * 6 + "{ id }" + "} } " * 6 + "} } }", "levels"),
        ("{" + "a { " * 15 + "b" + " }" * 15 + "}", "at most 15 levels; this one has 16"),
        ("{" + "a { " * 30 + "b" + " }" * 30 + "}", "nested too deeply"),
        ("{" + "a { " * 60 + "b" + " }" * 60 + "}", "nested too deeply"),
        ("{" + "... { " * 60 + "b" + " }" * 60 + "}", "nested too deeply"),
        ("{ a" * 100_000, "characters"),
        ("{ a" * 20_000, "nested too deeply"),
        ("{ viewer { " + "id " * 700 + "} }", "at most 600 fields"),
        ("{ viewer { " + " ".join(f"a{i}: id" for i in range(200)) + "} }", "at most 50 aliases"),
        ("{ viewer { id " + "@skip(if: true) " * 51 + "} }", "at most 50 directives"),
        ("{ viewer { id " + "@a " * 10_000 + "} }", "3000 tokens"),
        ("query @a @a { viewer { id " + "@a " * 49 + "} }", "at most 50 directives"),
        ("query ($a: Int " + "@a " * 51 + ") { viewer { id } }", "at most 50 directives"),
        ("query (" + "$a: Int " * 51 + ") { viewer { id } }", "at most 50 variables"),
        ("{" + " ".join(f"a{i}: viewer {{ id }}" for i in range(31)) + "}", "30 root fields"),
        ("{ ...R } fragment R on Query { " + "viewer { id } " * 31 + "}", "30 root fields"),
        (
            "mutation {" + " ".join(f"a{i}: signOut(input: {{}})" for i in range(15)) + "}",
            "at most 10 mutations",
        ),
        ("{ viewer { id } } " + "fragment A on User { id } " * 60, "at most 50 definitions"),
        ("{ sends { nodes { ...A } } } " + CIRCLE, "in a circle"),
        ("{ sends { nodes { ...F0 } } } " + BOMB, "at most 600 fields"),
        ("{ ...H0 } fragment H24 on Query { } " + HOLLOW, "at most 600 fields"),
        ("{ sends { nodes { " + SPREADS + "} } } " + WIDE, "at most 600 fields"),
        ("{ viewer { id } }" + " " * 1_000_000, "characters"),
        ("{ viewer { id } }" + "," * 1_000_000, "characters"),
        ("#\n" * 1_000 + "{ viewer { id } }", "comments"),
        ("#" + "x" * 1_000_000, "characters"),
        ("{ viewer(a: " + "[" * 400 + "]" * 400 + ") { id } }", ""),
    ],
)
def test_a_document_over_a_bound_is_too_complex(query: str, sentence: str) -> None:
    error = rejection(query)
    assert sentence in error.message
    if sentence:
        assert error.extensions == {"code": "TOO_COMPLEX"}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "{",
        "\0",
        "{ viewer { id } } \ud800",
        '{ sends(after: "\\ud800") { nodes { id } } }',
        "{ viewer { id } } { viewer { id } }",
        "type A { a: Int }",
        "{ viewer { id } } fragment A on User { id }",
        "{ sends(first: 99999999999) { nodes { id } } }",
        "{ sends(first: " + "9" * 90_000 + ") { nodes { id } } }",
        '{ sends(first: "1") { nodes { id } } }',
        "{ viewer { ...Nobody } }",
        "{ " + "x" * 90_000 + " }",
        "mutation { send(input: {to: 1, text: [], zzz: {}}) { __typename } }",
        'mutation { send(input: {to: "a", to: "b", text: ""}) { __typename } }',
        "{ viewer { id @defer } }",
        "query { ... @defer { viewer { id } } }",
        "query @experimental_disableErrorPropagation { viewer { id } }",
    ],
)
def test_a_document_that_is_wrong_is_refused(query: str) -> None:
    assert rejection(query).message


@pytest.mark.parametrize("query", ["{ viewr { id } }", "{ viewer { emial } }", "{ a: sendz }"])
def test_errors_suggest_no_names(query: str) -> None:
    assert "Did you mean" not in rejection(query).message


def test_documents_of_stock_tools_are_within_the_bounds() -> None:
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    assert rows(query) <= 10_000
    assert ENGINE.find(query).introspects
    assert not ENGINE.find("{ viewer { __typename } }").introspects


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ viewer { id } }", 0),
        ("{ sends { nodes { id } } }", 25),
        ("{ sends(first: 50) { nodes { id } edges { node { id } } pageInfo { endCursor } } }", 50),
        ("{ sends(last: 7) { nodes { id } } }", 7),
        ("{ sends(first: 0) { nodes { id } } }", 0),
        ("{ sends(first: null, last: 3) { nodes { id } } }", 3),
        ("{ sends(first: 1000000000) { nodes { id } } }", 100),
        ("{ sends(first: -5) { nodes { id } } }", 100),
        ("{ sends(first: 10) { nodes { messages(first: 20) { nodes { id } } } } }", 10 + 200),
        ("{ sends(first: 10) { nodes { rejected { input } } } }", 10 + 10 * 90),
        ("{ a: sends(first: 10) { nodes { id } } b: contacts { nodes { id } } }", 10 + 25),
        ("{ groups { id } apiKeys { id } }", 25 + 25),
        ("{ ...Q } fragment Q on Query { ... { sends(first: 3) { ...S } } }"
         " fragment S on SendConnection { nodes { messages(first: 4) { nodes { id } } } }", 3 + 12),
        ("mutation { cancelSend(input: {sendId: 1}) {"
         " ... on Send { messages(first: 9) { nodes { id } } } } }", 9),
    ],
)  # fmt: skip
def test_pages_are_multiplied_down_and_summed_up(query: str, expected: int) -> None:
    assert rows(query) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"first": 7}, 7),
        ({"first": 7.0}, 7),
        ({}, 40),
        ({"first": None}, 25),
        ({"first": None, "last": 9}, 9),
        ({"first": 10**9}, 100),
        ({"first": 1e300}, 100),
        ({"first": -1}, 100),
        ({"first": "7"}, 100),
        ({"first": [7]}, 100),
    ],
)
def test_a_page_size_may_be_a_variable(given: dict[str, Any], expected: int) -> None:
    query = """query ($first: Int = 40, $last: Int) {
        sends(first: $first, last: $last) { nodes { id } } }"""
    assert rows(query, **given) == expected


async def test_a_request_for_too_many_rows_is_refused_before_it_reads_one() -> None:
    query = "{ sends(first: 100) { nodes { messages(first: 100) { nodes { id } } } } }"
    answer = await ENGINE.execute(ENGINE.find(query), None, context_with(actor_with()))
    [error] = answer.errors
    assert error["extensions"] == {"code": "TOO_COMPLEX"}
    assert error["message"] == "A request reads at most 10000 rows; this one could read 10100."
    assert "data" not in answer.body


def test_documents_are_parsed_once_and_the_oldest_are_forgotten() -> None:
    engine = Engine(CONTRACT)
    first = engine.find("{ viewer { id } }")
    assert engine.find("{ viewer { id } }") is first
    for number in range(200):
        engine.find("{ viewer { id } } #" + str(number) + "x" * 10_000)
    assert engine.find("{ viewer { id } }") is not first


def test_an_operation_is_chosen_by_its_name() -> None:
    query = "query A { viewer { id } } mutation B { signOut(input: {refreshToken: 1}) }"
    query = query.replace("1", '"x"')
    assert ENGINE.find(query, "B").name == "B"
    for name in (None, "", "C"):
        with pytest.raises(NotExecuted):
            ENGINE.find(query, name)


def test_lists_over_every_limit_are_cut_to_one_more() -> None:
    variables: dict[str, Any] = {
        "input": {"to": ["1"] * 50, "messages": [{"to": "1", "text": "x"}] * 50, "text": "a\0"},
        "names": ["a"] * 50,
    }
    bound_variables(variables, most_texts=9, most_objects=4)
    assert len(variables["input"]["to"]) == 10
    assert len(variables["input"]["messages"]) == 5
    assert len(variables["names"]) == 10


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"search": "a\0b"}, "search contains a NUL character. Remove it."),
        (
            {"input": {"idempotencyKey": "\0"}},
            "idempotencyKey contains a NUL character. Remove it.",
        ),
        ({"input": {"numbers": ["1", "\0"]}}, "numbers contains a NUL character. Remove it."),
    ],
)
def test_a_text_with_a_nul_is_refused(variables: dict[str, Any], sentence: str) -> None:
    with pytest.raises(GraphQLError) as refused:
        bound_variables(variables, most_texts=9, most_objects=9)
    assert refused.value.message == sentence


def test_a_nul_in_a_literal_is_refused_like_one_in_a_variable() -> None:
    error = rejection('{ contacts(search: "a\\u0000") { nodes { id } } }')
    assert error.message == "search contains a NUL character. Remove it."
    ENGINE.find('mutation { send(input: {to: "1", text: "a\\u0000"}) { __typename } }')


@pytest.mark.parametrize("nest", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_deep_variables_are_refused(nest: Any) -> None:
    value: Any = 1
    for _ in range(1_000):
        value = nest(value)
    with pytest.raises(GraphQLError, match="nested too deeply"):
        bound_variables({"text": value}, most_texts=9, most_objects=9)
