"""Checks of variables before the schema reads them: their size, and NUL characters."""

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
"""Fields that report a NUL character themselves, with a better message."""

START = ("inboundMessage", "since")
"""The field and its argument that only say where a reader of a feed starts."""

DEEPEST = 12
"""Levels of objects and lists. The inputs of the schema have fewer."""


def bound_variables(variables: dict[str, Any], *, most_texts: int, most_objects: int) -> None:
    """Checks every value, and shortens lists that are over every limit, so that they cost little.

    A list keeps one item more than the limit, so that its field still sees that it is too long.
    Raises GraphQLError for a NUL character, except in the fields of OWN_RULE.
    """
    for name, value in variables.items():
        _check(value, name, most_texts, most_objects, 1)


def check_literals(document: DocumentNode) -> None:
    """Raises GraphQLError for a NUL character in a text of the document itself."""
    visit(document, _NulInLiterals())


def start_variables_of(document: DocumentNode) -> frozenset[str]:
    """The variables that only say where a reader starts: the events do not depend on them."""
    if not any(each.operation is OperationType.SUBSCRIPTION for each in operations_of(document)):
        return frozenset()
    uses = _Uses()
    visit(document, uses)
    return frozenset(name for name in uses.starts if uses.count[name] == 2)


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
        raise GraphQLError(f"{name or 'A text'} contains a NUL character.")


class _NulInLiterals(Visitor):
    def enter_string_value(
        self, node: StringValueNode, _key: Any, parent: Any, _path: Any, ancestors: Any
    ) -> None:
        if "\0" in node.value:
            nodes = [each for each in (parent, *reversed(ancestors)) if isinstance(each, Node)]
            names = [getattr(each, "name", None) for each in nodes]
            _check_text(node.value, next((str(name.value) for name in names if name), ""))


class _Uses(Visitor):
    """Counts the uses of each variable, with its definition, and finds those used for START."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.starts: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.count[node.name.value] += 1

    def enter_field(self, node: FieldNode, *_: object) -> None:
        for each in node.arguments or ():
            if (node.name.value, each.name.value) == START and isinstance(each.value, VariableNode):
                self.starts.add(each.value.name.value)
