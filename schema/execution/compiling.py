"""Compiles an operation, once for each document: `schema.execution.columns` executes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from operator import attrgetter
from typing import Any, TypeAlias

import graphql
from graphql import FragmentDefinitionNode, GraphQLNonNull, GraphQLObjectType, GraphQLSchema
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_subfields
from graphql.execution.values import VariableValues
from graphql.pyutils import Path, inspect
from strawberry.types.field import StrawberryField

from schema.errors import ErrorHandler
from schema.execution import columns
from schema.execution.columns import Call, Field, Resolver, Run, Selection
from schema.values import (
    variables_reader,
    write_date_time,
    write_date_times,
    write_integers,
    write_texts,
)

Result: TypeAlias = graphql.ExecutionResult
Document: TypeAlias = graphql.DocumentNode
Operation: TypeAlias = graphql.OperationDefinitionNode
Execute: TypeAlias = Callable[[dict[str, Any] | None, Any, Any], Awaitable[Result]]
"""Executes an operation: with the variables as given, the context, and the root value."""
_WRITES_COLUMN: dict[Any, Call] = {
    str: write_texts,
    graphql.GraphQLString.coerce_output_value: write_texts,
    graphql.GraphQLID.coerce_output_value: write_texts,
    graphql.GraphQLInt.coerce_output_value: write_integers,
    write_date_time: write_date_times,
}
"""Functions that write the usual values of a column at once, by the one that writes a value."""


def compile_operation(schema: GraphQLSchema, document: Document, operation: Operation) -> Execute:
    """The function for an operation of a valid document without directives and introspection."""
    found = [each for each in document.definitions if isinstance(each, FragmentDefinitionNode)]
    compiler = _Compiler(schema, operation, {each.name.value: each for each in found})
    root_type, read = schema.get_root_type(operation.operation), variables_reader(schema, operation)
    selection = compiler.selection(root_type, [operation], None)
    # The fields of a mutation change things: each is executed when the previous one has ended.
    is_mutation = operation.operation is graphql.OperationType.MUTATION
    one_by_one = is_mutation or len(selection.fields) == 1
    facts = (schema, compiler.fragments)
    return partial(columns.execute, selection, one_by_one, read, facts, operation)


@dataclass(frozen=True, slots=True)
class _Compiler:
    schema: GraphQLSchema
    operation: Operation
    fragments: dict[str, FragmentDefinitionNode]

    def selection(self, parent: Any, above: Sequence[Any], path: Path | None) -> Selection:
        """What these nodes select: an operation, or the nodes of one field."""
        details, fragments = [FieldDetails(each, None) for each in above], self.fragments.items()
        spread = {name: FragmentDetails(each) for name, each in fragments}
        of = (self.schema, spread, VariableValues({}, {}), self.operation, parent, details)
        fields: dict[str, Field] = {}
        for key, found in collect_subfields(*of).grouped_field_set.items():
            nodes = [each.node for each in found]
            fields[key] = self._field(parent, len(fields), nodes, Path(path, key, parent.name))
        return Selection(fields)

    def _field(self, parent: Any, order: int, nodes: list[Any], path: Path) -> Field:
        name = nodes[0].name.value
        definition: Any = self.schema.get_field(parent, name)
        type_: Any = definition.type
        resolve: Any = definition.resolve or graphql.default_field_resolver
        is_plain = isinstance(resolve, Resolver)
        coerce = _coerce(type_.of_type if isinstance(type_, GraphQLNonNull) else type_)
        field = Field(
            step=(order, path.key, not isinstance(type_, GraphQLNonNull)),
            place=f"{parent}.{name}",
            nodes=nodes,
            facts=(name, nodes, type_, parent, path),
            arguments=partial(graphql.get_argument_values, definition, nodes[0]),
            bind=resolve.bind if is_plain else partial(columns.bind, resolve),
            takes_all=is_plain and resolve.takes_all,
            read=_reader(parent, definition),
            coerce=coerce and partial(columns.coerced, coerce, _WRITES_COLUMN.get(coerce)),
        )
        field.complete = self._completer(type_, field)
        return field

    def _completer(self, type_: Any, field: Field) -> Call:
        is_nullable = not isinstance(type_, GraphQLNonNull)
        inner = type_ if is_nullable else type_.of_type
        if isinstance(inner, graphql.GraphQLList):
            items, items_nullable = inner.of_type, not isinstance(inner.of_type, GraphQLNonNull)
            of_items = self._completer(items, field)
            complete = partial(columns.complete_lists, of_items, items_nullable)
        elif coerce := _coerce(inner):
            complete = partial(columns.complete_leaves, coerce)
        else:
            complete = partial(columns.complete_objects, self._finder(inner, field), {})
        return partial(columns.complete_values, complete, field, is_nullable)

    def _finder(self, type_: Any, field: Field) -> Callable[[Any, Run], Selection]:
        """Finds the selection for a value by its type. Raises if the field has no such type."""

        @cache
        def selection_of(runtime: Any) -> Selection:
            return self.selection(runtime, field.nodes, field.facts[-1])

        def find(value: Any, run: Run) -> Selection:
            runtime, info = type_, graphql.GraphQLResolveInfo(*field.facts, *run.facts)
            if isinstance(type_, GraphQLObjectType):
                if type_.is_type_of and not type_.is_type_of(value, info):
                    wrong = f"Expected value of type '{type_}' but got: {inspect(value)}."
                    raise graphql.GraphQLError(wrong, field.nodes)
            else:
                runtime = self.schema.get_type(type_.resolve_type(value, info, type_) or "")
                if not runtime or not self.schema.is_sub_type(type_, runtime):
                    raise TypeError(f"{type(value)} is of no type of '{type_}'.")
            return selection_of(runtime)

        return find


def _coerce(type_: Any) -> Call | None:
    """How values of a scalar or an enum become answers; None for other types."""
    if isinstance(type_, graphql.GraphQLEnumType):
        return cache(type_.coerce_output_value)  # they are few: each is looked up once
    return type_.coerce_output_value if isinstance(type_, graphql.GraphQLScalarType) else None


def _reader(parent: GraphQLObjectType, definition: graphql.GraphQLField) -> Call | None:
    """How a field without a resolver is read from its parent; None for a field with one."""
    if definition is graphql.TypeNameMetaFieldDef:
        return columns.constant(parent.name)
    declared = definition.extensions.get(STRAWBERRY)
    if not isinstance(declared, StrawberryField) or not declared.is_basic_field:
        return None
    reader: Call | None = getattr(declared, "reader", None)  # if it shows another attribute
    return reader() if reader else attrgetter(declared.python_name)


STRAWBERRY = "strawberry-definition"


def prepare_schema(schema: graphql.GraphQLSchema, handlers: Sequence[ErrorHandler]) -> None:
    """Lets plain resolvers be called directly: arguments are mapped to parameters once per field.

    `handlers`: turn exceptions into members of unions.
    """
    for type_ in schema.type_map.values():
        for field in type_.fields.values() if isinstance(type_, graphql.GraphQLObjectType) else ():
            declared = field.extensions.get(STRAWBERRY)
            if type(declared) is StrawberryField and _is_plain(declared):
                field.resolve = Resolver(field, declared, handlers)


def _is_plain(declared: StrawberryField) -> bool:
    is_extended = any(each.has_resolver for each in declared.extensions)
    return not (declared.is_basic_field or declared.is_subscription or is_extended)
