"""Variables, before the schema reads them: bounded, and without what no column can hold."""

from __future__ import annotations

from typing import Any

from graphql import DocumentNode, GraphQLError, Node, StringValueNode, Visitor, visit

OWN_RULE = frozenset({"to", "text"})
"""Fields whose own rule refuses a NUL character with a reason of its own."""


def trim_lists(value: Any, *, most_texts: int, most_objects: int) -> None:
    """Cuts lists that are over every limit, so that reading them stays cheap.

    They keep one item more than the limit: the field's own rule still sees that it is over.
    """
    if isinstance(value, dict):
        for each in value.values():
            if isinstance(each, (dict, list)):
                trim_lists(each, most_texts=most_texts, most_objects=most_objects)
    elif isinstance(value, list) and value:
        holds_objects = isinstance(value[0], (dict, list))
        del value[(most_objects if holds_objects else most_texts) + 1 :]
        if holds_objects:
            for each in value:
                trim_lists(each, most_texts=most_texts, most_objects=most_objects)


def check_characters(value: Any, name: str = "") -> None:
    """Raises for a NUL character in any text that has no rule of its own for it."""
    if name in OWN_RULE:
        return
    if isinstance(value, str):
        if "\0" in value:
            raise GraphQLError(f"{name or 'A variable'} has a NUL character in it.")
    elif isinstance(value, dict):
        for key, each in value.items():
            check_characters(key, "A name")
            check_characters(each, key)
    elif isinstance(value, list):
        for each in value:
            check_characters(each, name)


def check_literals(document: DocumentNode) -> None:
    """The same for texts that stand in the document itself."""
    visit(document, _NulInLiterals())


class _NulInLiterals(Visitor):
    def enter_string_value(
        self, node: StringValueNode, _key: Any, _parent: Any, _path: Any, ancestors: Any
    ) -> None:
        names = [each for each in reversed(ancestors) if isinstance(each, Node)]
        owner = next((each.name.value for each in names if hasattr(each, "name")), "")
        check_characters(node.value, owner)
