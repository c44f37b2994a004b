"""Limits on the size of a document, measured on its syntax tree.

The size is measured before the document is validated, because some rules of the specification take
quadratic time. A fragment counts each time it is spread, but it is measured only once, so that a
document cannot make the measurement itself slow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    Visitor,
    visit,
)

TOO_COMPLEX = "TOO_COMPLEX"
INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """The limits of one document, and of the rows that one request may read (`schema.rows`)."""

    characters: int = 100_000
    tokens: int = 3_000
    comments: int = 300
    depth: int = 15
    fields: int = 600
    aliases: int = 50
    directives: int = 50
    root_fields: int = 30
    mutations: int = 10
    variables: int = 50
    definitions: int = 50
    rows: int = 10_000


class TooComplex(GraphQLError):
    """A document or a request is over a limit."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": TOO_COMPLEX})


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a selection, with its fragments. `fields` also counts the spreads."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False

    def beside(self, other: Size) -> Size:
        """The size of both in one selection."""
        return Size(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.introspects or other.introspects,
        )

    def deeper(self) -> Size:
        """The same size, one level deeper."""
        return replace(self, depth=self.depth + 1)


def measure_document(document: DocumentNode, limits: DocumentLimits) -> Size:
    """The size of all operations together. Raises TooComplex if it is over a limit."""
    if len(document.definitions) > limits.definitions:
        raise TooComplex(f"A document has at most {limits.definitions} definitions.")
    fragments = fragments_of(document)
    measure = _Measure(fragments, most_levels=2 * limits.depth)
    for fragment in fragments.values():
        _check_size(measure.selection(fragment.selection_set), limits)
    total = Size()
    for operation in operations_of(document):
        total = total.beside(measure.selection(operation.selection_set))
        total = total.beside(_head_size(operation, limits))
        _check_size(total, limits)
        _check_root(operation, fragments, limits)
    return total


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The document's fragments by name."""
    return {
        each.name.value: each
        for each in document.definitions
        if isinstance(each, FragmentDefinitionNode)
    }


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """The document's operations."""
    return [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]


@dataclass(slots=True)
class _Measure:
    fragments: Mapping[str, FragmentDefinitionNode]
    most_levels: int
    _known: dict[str, Size] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)

    def selection(self, selections: SelectionSetNode | None, level: int = 1) -> Size:
        size = Size()
        if selections is None:
            return size
        if level > self.most_levels:
            raise TooComplex("The document is nested too deeply. Request less.")
        for node in selections.selections:
            size = size.beside(self._node(node, level))
        return size

    def _node(self, node: SelectionNode, level: int) -> Size:
        own = Size(directives=len(node.directives or ()))
        if isinstance(node, FieldNode):
            introspects = node.name.value in INTROSPECTION
            own = Size(0, 1, int(node.alias is not None), own.directives, introspects)
            return self.selection(node.selection_set, level + 1).deeper().beside(own)
        if isinstance(node, InlineFragmentNode):
            return self.selection(node.selection_set, level + 1).beside(own)
        assert isinstance(node, FragmentSpreadNode)
        return self._fragment(node.name.value, level).beside(own).beside(Size(fields=1))

    def _fragment(self, name: str, level: int) -> Size:
        if name in self._open:
            raise TooComplex("Fragments are spread in a circle.")
        fragment = self.fragments.get(name)
        if fragment is not None and name not in self._known:
            self._open.add(name)
            self._known[name] = self.selection(fragment.selection_set, level + 1)
            self._open.discard(name)
        return self._known.get(name, Size())


def _check_size(size: Size, limits: DocumentLimits) -> None:
    for what, count, most in (
        ("levels", size.depth, limits.depth),
        ("fields", size.fields, limits.fields),
        ("aliases", size.aliases, limits.aliases),
        ("directives", size.directives, limits.directives),
    ):
        if count > most:
            raise TooComplex(f"A document has at most {most} {what}; this one has {count}.")


def _check_root(
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    limits: DocumentLimits,
) -> None:
    mutates = operation.operation is OperationType.MUTATION
    most = limits.mutations if mutates else limits.root_fields
    count = len(root_fields(operation.selection_set, fragments))
    if count > most:
        what = "mutations" if mutates else "root fields"
        raise TooComplex(f"A document has at most {most} {what}; this one has {count}.")


def _head_size(operation: OperationDefinitionNode, limits: DocumentLimits) -> Size:
    """The directives of the operation and of its variables."""
    variables = operation.variable_definitions or ()
    if len(variables) > limits.variables:
        raise TooComplex(f"An operation has at most {limits.variables} variables.")
    on_variables = sum(len(each.directives or ()) for each in variables)
    return Size(directives=len(operation.directives or ()) + on_variables)


def root_fields(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> list[FieldNode]:
    """The root fields. The selection must have been measured: then it is small."""
    found: list[FieldNode] = []
    for node in selections.selections:
        if isinstance(node, FieldNode):
            found.append(node)
        elif isinstance(node, InlineFragmentNode):
            found += root_fields(node.selection_set, fragments)
        elif isinstance(node, FragmentSpreadNode) and node.name.value in fragments:
            found += root_fields(fragments[node.name.value].selection_set, fragments)
    return found


START = ("inboundMessage", "since")
"""The field and its argument that only say where a reader of a feed starts."""


def start_variables_of(document: DocumentNode) -> frozenset[str]:
    """The variables that only say where a reader starts: the events do not depend on them."""
    if not any(each.operation is OperationType.SUBSCRIPTION for each in operations_of(document)):
        return frozenset()
    uses = _Uses()
    visit(document, uses)
    return frozenset(name for name in uses.starts if uses.count[name] == 2)


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
