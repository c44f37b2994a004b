"""No text and no unknown ID breaks any field of the API, also fields that are added later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    Undefined,
    get_named_type,
    is_composite_type,
)

from domain import ids
from domain.ids import Kind, new_id
from ibiki.local.embedded import EmbeddedDatabase
from schema.schema import build_schema
from tests.ibiki.hostile import Web, hostile_web

SCHEMA = build_schema()

NASTY = [
    "",
    " ",
    "\0",
    "a\0b",
    "\x7f\x1b[31m",
    "\u202e\u2066",
    "\ufeff",
    "\U0001f469\u200d\U0001f469",
    "%_\\",
    "'; DROP TABLE message; --",
    "{{name}}",
    "-1",
    "x" * 20_000,
    "\N{ARABIC LETTER ALEF}" * 5_000,
    "cccccccccccccccccccccccccc",
    "c00000000000000000000000000",
    "n9223372036854775807",
    "msg_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "msg_00000000000000000000000000",
]


@pytest.fixture(scope="module")
async def web(database_template: EmbeddedDatabase) -> AsyncIterator[Web]:
    async with hostile_web(database_template) as web:
        yield web


def root_fields() -> Iterator[tuple[str, str, GraphQLField]]:
    """Each root field: its operation, its name and the field."""
    roots = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type}
    for operation, root in roots.items():
        for name, field in root.fields.items() if isinstance(root, GraphQLObjectType) else ():
            yield operation, name, field


def sample(type_: GraphQLInputType, text: str) -> Any:
    """A value of the type, in which each text and each ID is `text`."""
    if isinstance(type_, GraphQLNonNull):
        return sample(type_.of_type, text)
    if isinstance(type_, GraphQLList):
        return [sample(type_.of_type, text)]
    if isinstance(type_, GraphQLInputObjectType):
        return {name: sample(field.type, text) for name, field in type_.fields.items()}
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    values: dict[str, Any] = {
        "Int": 3,
        "Units": 3,
        "Boolean": False,
        "Money": "1.50",
        "DateTime": "2026-11-20T08:30:00Z",
    }
    return values.get(get_named_type(type_).name, text)


def document(operation: str, name: str, field: GraphQLField) -> str:
    """A document with the field, and with variables for all its arguments."""
    selection = "{ __typename }" if is_composite_type(get_named_type(field.type)) else ""
    if not field.args:
        return f"{operation} {{ {name} {selection} }}"
    declared = ", ".join(f"${arg}: {value.type}" for arg, value in field.args.items())
    passed = ", ".join(f"{arg}: ${arg}" for arg in field.args)
    return f"{operation} ({declared}) {{ {name}({passed}) {selection} }}"


def fits_others(arg: str, value: GraphQLArgument) -> bool:
    """Whether the argument can be given together with any other."""
    return arg != "last" and value.default_value is Undefined


@pytest.mark.parametrize(
    ("operation", "name", "field"), [pytest.param(*each, id=each[1]) for each in root_fields()]
)
async def test_no_text_breaks_any_field(
    web: Web, operation: str, name: str, field: GraphQLField
) -> None:
    query = document(operation, name, field)
    requested = {"owner": NASTY, "admin": NASTY[2:9], "supervisor": NASTY[2:4], "nobody": NASTY[:1]}
    for who, texts in requested.items():
        for text in texts if field.args else [""]:
            given = {
                arg: sample(value.type, text)
                for arg, value in field.args.items()
                if fits_others(arg, value)
            }
            await web.ask(query, who, **given)


@pytest.mark.parametrize(
    ("operation", "name", "field"),
    [pytest.param(*each, id=each[1]) for each in root_fields() if each[2].args],
)
async def test_no_unknown_id_breaks_any_field(
    web: Web, operation: str, name: str, field: GraphQLField
) -> None:
    query = document(operation, name, field)
    for kind in Kind:
        text = ids.encode(kind, new_id())
        given = {
            arg: sample(value.type, text)
            for arg, value in field.args.items()
            if arg not in {"last", "after", "before"}
        }
        await web.ask(query, "admin", **given)
