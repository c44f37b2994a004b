"""The schema fulfils the contract: nothing is missing, and nothing is different."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    build_schema,
)

from domain.errors import Refusal
from schema.limits import TOO_COMPLEX
from schema.masking import INTERNAL
from schema.schema import export_schema

HERE = Path(__file__).parent
EXPORTED = HERE.parent / "schema.graphql"
CONTRACT = build_schema((HERE / "contract.graphql").read_text())

# Members of closed sets that the contract does not have yet, and inputs that may be left out now,
# each with its decision. Clients that read `... on UserError { message }` understand the members.
ADDED = {
    "AllocateResult has OutcomeUnknown": "0110",
    "ReplyResult has OutcomeUnknown": "0110",
    "BulkSendInput.text: String, the contract says String!": "0189",
    "OutgoingText.text: String, the contract says String!": "0189",
    "QuoteInput.text: String, the contract says String!": "0189",
    "SendInput.text: String, the contract says String!": "0189",
    "SendResult has InvalidInput": "0187",
    "SendResult has OutcomeUnknown": "0110",
    "TransferKind has ROUTE_COST": "0184",
    "TransferKind has ROUTE_CREDIT": "0184",
}

Difference = tuple[bool, str]
"""Whether it is merely missing, and what it is."""


def differences(contract: GraphQLSchema, ours: GraphQLSchema) -> Iterator[Difference]:
    """The differences between our schema and the contract."""
    for name, agreed in contract.type_map.items():
        found = ours.type_map.get(name)
        if name.startswith("__"):
            continue
        if found is None:
            yield True, name
        elif type(found) is not type(agreed):
            yield False, f"{name} is a {type(found).__name__}"
        else:
            yield from _members(name, agreed, found)


def _members(name: str, agreed: GraphQLNamedType, found: GraphQLNamedType) -> Iterator[Difference]:
    if isinstance(agreed, (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)):
        yield from _fields(name, agreed, found)
    if isinstance(agreed, (GraphQLObjectType, GraphQLInterfaceType)):
        # An additional interface changes nothing for existing clients.
        ours = {str(each) for each in getattr(found, "interfaces", ())}
        agreed_names = {str(each) for each in agreed.interfaces}
        yield from ((True, f"{name}.{each}") for each in sorted(agreed_names - ours))
    if isinstance(agreed, GraphQLUnionType):
        yield from _sets(name, agreed.types, getattr(found, "types", ()))
    if isinstance(agreed, GraphQLEnumType):
        yield from _sets(name, agreed.values, getattr(found, "values", ()))


def _sets(name: str, agreed: Any, found: Any) -> Iterator[Difference]:
    agreed_names, found_names = {str(each) for each in agreed}, {str(each) for each in found}
    yield from ((True, f"{name}.{each}") for each in sorted(agreed_names - found_names))
    yield from ((False, f"{name} has {each}") for each in sorted(found_names - agreed_names))


def _fields(name: str, agreed: Any, found: Any) -> Iterator[Difference]:
    for field_name, field in agreed.fields.items():
        ours = found.fields.get(field_name)
        if ours is None:
            yield True, f"{name}.{field_name}"
            continue
        if str(ours.type) != str(field.type):
            yield False, f"{name}.{field_name}: {ours.type}, the contract says {field.type}"
        if not isinstance(agreed, GraphQLInputObjectType):
            yield from _arguments(f"{name}.{field_name}", field.args, ours.args)
    if isinstance(agreed, GraphQLInputObjectType):
        added = {each: found.fields[each] for each in found.fields if each not in agreed.fields}
        yield from _demanded(name, added)


def _arguments(name: str, agreed: dict[str, Any], found: dict[str, Any]) -> Iterator[Difference]:
    for argument, value in agreed.items():
        if argument not in found:
            yield True, f"{name}({argument})"
        elif str(found[argument].type) != str(value.type):
            yield (
                False,
                f"{name}({argument}: {found[argument].type}), the contract says {value.type}",
            )
    yield from _demanded(name, {each: found[each] for each in found if each not in agreed})


def _demanded(name: str, added: dict[str, Any]) -> Iterator[Difference]:
    for each, value in added.items():
        if isinstance(value.type, GraphQLNonNull) and value.default_value is Undefined:
            yield False, f"{name} demands {each}"


def test_the_exported_schema_is_the_one_that_is_served() -> None:
    assert EXPORTED.read_text() == export_schema(), "run: ibiki export-schema"


def test_the_schema_differs_from_the_contract_only_as_documented() -> None:
    found = differences(CONTRACT, build_schema(export_schema()))
    different = [what for is_missing, what in found if not is_missing]
    assert sorted(different) == sorted(ADDED)
    for decision in ADDED.values():
        assert list((HERE.parent / "docs" / "decisions").glob(f"{decision}-*.md"))


def test_nothing_of_the_contract_is_missing() -> None:
    found = differences(CONTRACT, build_schema(export_schema()))
    assert [what for is_missing, what in found if is_missing] == []


def test_every_code_is_in_the_closed_list() -> None:
    lines = re.sub(r"\n# +", " ", (HERE / "contract.graphql").read_text())
    agreed = re.search(r"extensions\.code: ([^.]*)", lines)
    assert agreed is not None
    codes = {refusal.code for refusal in refusals(Refusal)} | {INTERNAL, TOO_COMPLEX}
    assert codes == set(re.findall(r"[A-Z_]{3,}", agreed[1]))


def refusals(above: type[Refusal]) -> Iterator[type[Refusal]]:
    """The class and all its subclasses."""
    yield above
    for kind in above.__subclasses__():
        yield from refusals(kind)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("me: User!", "me: User"), "Query.me: User, the contract says User!"),
        (("(id: ID!)", "(id: ID)"), "Query.user(id: ID), the contract says ID!"),
        (("(id: ID!)", "(id: ID!, by: ID!)"), "Query.user demands by"),
        (("= A | B", "= A | B | C"), "Pair has C"),
        (("RED GREEN", "RED GREEN BLUE"), "Colour has BLUE"),
        (("{ name: String! }", "{ name: String! age: Int! }"), "New demands age"),
        (("input New", "type New"), "New is a GraphQLObjectType"),
    ],
)
def test_a_changed_field_is_reported(change: tuple[str, str], expected: str) -> None:
    agreed = """
        type Query { me: User! user(id: ID!): User pair: Pair colour: Colour }
        type User { id: ID! }  type A { a: Int }  type B { b: Int }  type C { c: Int }
        union Pair = A | B  enum Colour { RED GREEN }  input New { name: String! }"""
    ours = build_schema(agreed.replace(*change))
    assert list(differences(build_schema(agreed), ours)) == [(False, expected)]


def test_missing_parts_are_reported() -> None:
    agreed = build_schema(
        "type Query { me(id: ID): User } type User { id: ID } enum Colour { RED GREEN }"
    )
    ours = build_schema("type Query { me: Int other: ID } enum Colour { RED }")
    found = [what for is_missing, what in differences(agreed, ours) if is_missing]
    assert found == ["Query.me(id)", "User", "Colour.GREEN"]
