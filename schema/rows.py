"""How many rows a request can read: page sizes are multiplied down the document and added up.

The lists of a document are found once. The rows are added up for each request, because a page size
can be a variable. A list without pages counts as 25 rows, or as `ROWS_OF_LIST` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

from resolvers.pages import DEFAULT_SIZE, LARGEST_SIZE

ROWS_OF_LIST = {"RejectedRecipient": 90, "MessageStat": 100}
ROWS_OF_INTROSPECTION = {"__schema": 2_500, "__type": 100}


@dataclass(frozen=True, slots=True)
class CountedList:
    """A list: its rows for each row above, and the lists below each of them."""

    size: PageSize | int
    inner: Sequence[CountedList]


@dataclass(frozen=True, slots=True)
class PageSize:
    """The values of `first` and `last`: each a number, or the name of a variable."""

    given: Sequence[int | str]

    def of(self, variables: Mapping[str, Any]) -> int:
        """The first one that is not null. An invalid one counts as the largest."""
        for each in self.given:
            size = variables.get(each) if isinstance(each, str) else each
            if size is not None:
                return _bounded(size)
        return DEFAULT_SIZE


def defaults_of(operation: OperationDefinitionNode) -> dict[str, int]:
    """The defaults of variables that are whole numbers: they may be page sizes."""
    return {
        each.variable.name.value: int(each.default_value.value)
        for each in operation.variable_definitions or ()
        if isinstance(each.default_value, IntValueNode) and len(each.default_value.value) <= 9
    }


def count_rows(lists: Sequence[CountedList], variables: Mapping[str, Any]) -> int:
    """The most rows that a request reads. `variables`: as given, with the document's defaults."""
    total = 0
    for each in lists:
        size = each.size if isinstance(each.size, int) else each.size.of(variables)
        total += size * (1 + count_rows(each.inner, variables))
    return total


@dataclass(slots=True)
class RowPlan:
    """Finds the lists of a document that is valid and was measured."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    _known: dict[str, list[CountedList]] = field(default_factory=dict)

    def of(self, operation: OperationDefinitionNode) -> list[CountedList]:
        """The lists that an operation reads."""
        root = self.schema.get_root_type(operation.operation)
        return self._selection(operation.selection_set, root)

    def _selection(
        self, selections: SelectionSetNode | None, parent: GraphQLNamedType | None
    ) -> list[CountedList]:
        lists: list[CountedList] = []
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                lists += self._field(node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self.schema.get_type(condition.name.value) if condition else parent
                lists += self._selection(node.selection_set, inner)
            elif isinstance(node, FragmentSpreadNode):
                lists += self._fragment(node.name.value)
        return lists

    def _fragment(self, name: str) -> list[CountedList]:
        if name not in self._known:
            fragment = self.fragments[name]
            parent = self.schema.get_type(fragment.type_condition.name.value)
            self._known[name] = self._selection(fragment.selection_set, parent)
        return self._known[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> list[CountedList]:
        name = node.name.value
        if name in ROWS_OF_INTROSPECTION:
            return [CountedList(ROWS_OF_INTROSPECTION[name], ())]
        definition = getattr(parent, "fields", {}).get(name)
        if definition is None or not is_composite_type(get_named_type(definition.type)):
            return []
        named = get_named_type(definition.type)
        inner = self._selection(node.selection_set, named)
        if _is_connection(definition):
            return [CountedList(_page_size(node), inner)]
        if _is_list(definition) and not _is_page(parent):
            return [CountedList(ROWS_OF_LIST.get(named.name, DEFAULT_SIZE), inner)]
        return inner


def _is_connection(definition: GraphQLField) -> bool:
    return "first" in definition.args and "last" in definition.args


def _is_page(parent: GraphQLNamedType | None) -> bool:
    """Whether the list belongs to a connection, which is counted by its field."""
    return isinstance(parent, GraphQLObjectType) and "pageInfo" in parent.fields


def _is_list(definition: GraphQLField) -> bool:
    type_ = definition.type
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    return isinstance(type_, GraphQLList)


def _page_size(node: FieldNode) -> PageSize | int:
    values = {each.name.value: each.value for each in node.arguments or ()}
    sizes = [_size_given(values[name]) for name in ("first", "last") if name in values]
    given = PageSize([each for each in sizes if each is not None])
    return given if any(isinstance(each, str) for each in given.given) else given.of({})


def _size_given(value: ValueNode) -> int | str | None:
    if isinstance(value, VariableNode):
        return value.name.value
    if isinstance(value, NullValueNode):
        return None
    if isinstance(value, IntValueNode) and len(value.value) <= 3:
        return int(value.value)
    return LARGEST_SIZE


def _bounded(size: object) -> int:
    fits = isinstance(size, (int, float)) and 0 <= size <= LARGEST_SIZE
    return int(size) if fits else LARGEST_SIZE  # type: ignore[call-overload]
