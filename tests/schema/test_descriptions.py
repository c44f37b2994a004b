"""Everything that the schema shows has a description, which also says what null means."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from graphql import (
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InterfaceTypeDefinitionNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    parse,
)
from graphql.language import DocumentNode, TypeDefinitionNode

from schema.schema import export_schema

SHORTEST = 8
"""Characters of the shortest description that can say something."""


def without_description(document: DocumentNode) -> Iterator[str]:
    """What has no description, or one that says only its own name."""
    for definition in document.definitions:
        if isinstance(definition, DirectiveDefinitionNode):
            yield from _undescribed("@", definition)
        elif isinstance(definition, TypeDefinitionNode):
            name = definition.name.value
            yield from _undescribed("", definition)
            if isinstance(definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
                for field in definition.fields or ():
                    yield from _in_field(name, field)
            elif isinstance(definition, InputObjectTypeDefinitionNode):
                for each in definition.fields or ():
                    yield from _undescribed(f"{name}.", each)
            elif isinstance(definition, EnumTypeDefinitionNode):
                for value in definition.values or ():
                    yield from _undescribed(f"{name}.", value)


def _in_field(type_name: str, field: FieldDefinitionNode) -> Iterator[str]:
    yield from _undescribed(f"{type_name}.", field)
    for argument in field.arguments or ():
        yield from _undescribed(f"{type_name}.{field.name.value}:", argument)


def _undescribed(above: str, node: object) -> Iterator[str]:
    name, description = node.name.value, node.description  # type: ignore[attr-defined]
    text = description.value.strip() if description else ""
    words = text.rstrip(".").replace(" ", "").lower()
    if len(text) < SHORTEST or words in (name.lower(), f"the{name.lower()}"):
        yield f"{above}{name}"


def without_null(document: DocumentNode) -> Iterator[str]:
    """Fields that may be null, and whose description does not say when.

    A field with `@requires` is null for those who may not use it, with an error. The results of
    mutations are unions, so they are never null.
    """
    for definition in document.definitions:
        if not isinstance(definition, ObjectTypeDefinitionNode):
            continue
        for field in definition.fields or ():
            text = field.description.value.lower() if field.description else ""
            known = isinstance(field.type, NonNullTypeNode) or "null" in text
            if not known and not field.directives:
                yield f"{definition.name.value}.{field.name.value}"


def test_everything_has_a_description() -> None:
    assert list(without_description(parse(export_schema()))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""A phone line."""\ntype Line { """The modem\'s name.""" modem: ID }', []),
        ("type Line { modem: ID }", ["Line", "Line.modem"]),
        ('"""A phone line."""\ntype Line { """The modem.""" modem: ID }', ["Line.modem"]),
        ('"""All fields."""\ntype Q { """The lines.""" a(first: Int): ID }', ["Q.a:first"]),
        ('"""How fast."""\nenum Speed { FAST }', ["Speed.FAST"]),
        ('"""What to keep."""\ninput New { name: ID }', ["New.name"]),
        ("union Both = A | B", ["Both"]),
        ("scalar Money", ["Money"]),
    ],
)
def test_a_missing_description_is_noticed(text: str, expected: list[str]) -> None:
    assert list(without_description(parse(text))) == expected


def test_every_field_that_may_be_null_says_when() -> None:
    assert list(without_null(parse(export_schema()))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type Line { """Its modem. Null without one.""" modem: ID }', []),
        ('type Line { """Its modem.""" modem: ID! }', []),
        ('type Line { """Its modem.""" modem: ID @requires }', []),
        ('type Line { """Its modem.""" modem: ID }', ["Line.modem"]),
        ("type Line { modem: [ID!] }", ["Line.modem"]),
    ],
)
def test_a_field_that_does_not_say_what_null_means_is_noticed(
    text: str, expected: list[str]
) -> None:
    assert list(without_null(parse(text))) == expected
