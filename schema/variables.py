"""Variables, before the schema reads them: bounded, and without what no column can hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    Node,
    OperationType,
    StringValueNode,
    VariableNode,
    Visitor,
    visit,
)

from schema.limits import TooComplex, operations_of

OWN_RULE = frozenset({"to", "text"})
"""Fields whose own rule refuses a NUL character with a reason of its own."""

PLACE = ("inboundMessage", "since")
"""The argument that says where a reader of a feed begins, and nothing else."""

DEEPEST = 12
"""Levels of objects and lists: no input of the schema comes near."""


def bound_variables(variables: dict[str, Any], *, most_texts: int, most_objects: int) -> None:
    """Checks every value, and cuts lists that are over every limit so that reading them is cheap.

    A list keeps one item more than the limit: the field's own rule still sees that it is over.
    Raises GraphQLError for a NUL character in a text that has no rule of its own for it.
    """
    for name, value in variables.items():
        _check(value, name, most_texts, most_objects, 1)


def check_literals(document: DocumentNode) -> None:
    """Raises GraphQLError for such a character in a text that stands in the document itself."""
    visit(document, _NulInLiterals())


def places_of(document: DocumentNode) -> frozenset[str]:
    """Variables that say only where a reader begins: what is told does not depend on them."""
    if not any(each.operation is OperationType.SUBSCRIPTION for each in operations_of(document)):
        return frozenset()
    uses = _Uses()
    visit(document, uses)
    return frozenset(name for name in uses.places if uses.count[name] == 2)


def _check(value: Any, name: str, most_texts: int, most_objects: int, level: int) -> None:
    if isinstance(value, str):
        _check_text(value, name)
    elif isinstance(value, (dict, list)):
        if level > DEEPEST:
            raise TooComplex("The variables are nested too deeply.")
        if isinstance(value, dict):
            for key, each in value.items():
                _check(each, key, most_texts, most_objects, level + 1)
        elif value:
            of_texts = not isinstance(value[0], (dict, list))
            del value[(most_texts if of_texts else most_objects) + 1 :]
            if not (of_texts and name in OWN_RULE):
                for each in value:
                    _check(each, name, most_texts, most_objects, level + 1)


def _check_text(value: str, name: str) -> None:
    if "\0" in value and name not in OWN_RULE:
        raise GraphQLError(f"{name or 'A text'} has a NUL character in it.")


class _NulInLiterals(Visitor):
    def enter_string_value(
        self, node: StringValueNode, _key: Any, parent: Any, _path: Any, ancestors: Any
    ) -> None:
        if "\0" in node.value:
            nodes = [each for each in (parent, *reversed(ancestors)) if isinstance(each, Node)]
            names = [getattr(each, "name", None) for each in nodes]
            _check_text(node.value, next((str(name.value) for name in names if name), ""))


class _Uses(Visitor):
    """How often each variable stands in a document, its definition too, and which are a place."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.places: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.count[node.name.value] += 1

    def enter_field(self, node: FieldNode, *_: object) -> None:
        for each in node.arguments or ():
            if (node.name.value, each.name.value) == PLACE and isinstance(each.value, VariableNode):
                self.places.add(each.value.name.value)
