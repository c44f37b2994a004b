"""Makes plans of operations: fields collected, and each told how its value becomes its answer.

A selection is planned when a value of its type is first seen. Documents with directives are not
planned, nor those that look at the schema: graphql-core itself executes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import CoroutineType
from typing import Any, cast

from graphql import (
    BREAK,
    DocumentNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    OperationType,
    TypeNameMetaFieldDef,
    Undefined,
    Visitor,
    VisitorAction,
    is_leaf_type,
    visit,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.executor import invalid_return_type_error
from graphql.execution.values import VariableValues
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField

from schema.execution.coercing import arguments_reader, variables_reader
from schema.execution.run import Complete, Field, Plan, Run, gathered, settle
from schema.limits import fragments_of

NO_VARIABLES = VariableValues({}, {})
STRAWBERRY = "strawberry-definition"


def has_directives(document: DocumentNode) -> bool:
    """Whether a directive stands anywhere in the document."""
    seen = _Directives()
    visit(document, seen)
    return seen.found


def plan_of(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> Plan | None:
    """The plan of an operation that is valid and has no directives."""
    root = schema.get_root_type(operation.operation)
    if root is None:
        return None
    fragments = fragments_of(document)
    planner = _Planner(
        schema, operation, {name: FragmentDetails(each, None) for name, each in fragments.items()}
    )
    return Plan(
        schema=schema,
        operation=operation,
        fragments=fragments,
        fields=planner.root(root),
        serially=operation.operation is OperationType.MUTATION,
        variables=variables_reader(schema, operation),
    )


@dataclass(frozen=True, slots=True)
class _Planner:
    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]

    def root(self, type_: GraphQLObjectType) -> list[Field]:
        collected = collect_fields(
            self.schema, self.fragments, NO_VARIABLES, type_, self.operation, True
        )
        return self._fields(type_, collected.grouped_field_set)

    def below(self, type_: GraphQLObjectType, details: FieldDetailsList) -> list[Field]:
        collected = collect_subfields(
            self.schema, self.fragments, NO_VARIABLES, self.operation, type_, details, True
        )
        return self._fields(type_, collected.grouped_field_set)

    def _fields(self, parent: GraphQLObjectType, grouped: GroupedFieldSet) -> list[Field]:
        found = (self._field(parent, key, details) for key, details in grouped.items())
        return [each for each in found if each is not None]

    def _field(
        self, parent: GraphQLObjectType, key: str, details: FieldDetailsList
    ) -> Field | None:
        name = details[0].node.name.value
        definition = self.schema.get_field(parent, name)
        if definition is None:
            return None
        read, write = _reader(parent, definition), None
        if read is not None and _is_leaf(definition.type):
            write = _writer(definition.type, f"{parent}.{name}")
        return Field(
            key=key,
            name=name,
            parent=parent,
            definition=definition,
            nodes=[each.node for each in details],
            nullable=not isinstance(definition.type, GraphQLNonNull),
            complete=self._completer(definition.type, f"{parent}.{name}", details),
            arguments=arguments_reader(definition, details[0].node),
            read=read,
            write=write,
        )

    def _completer(
        self, type_: GraphQLOutputType, place: str, details: FieldDetailsList
    ) -> Complete:
        if _is_leaf(type_):
            write = _writer(type_, place)
            return lambda _run, _field, _path, value: write(value)
        if isinstance(type_, GraphQLNonNull):
            return _never_null(self._completer(type_.of_type, place, details), place)
        if isinstance(type_, GraphQLList):
            item = type_.of_type
            return _List(
                self._completer(item, place, details),
                place,
                nullable=not isinstance(item, GraphQLNonNull),
            )
        if isinstance(type_, GraphQLObjectType):
            return _Object(self, type_, details)
        assert isinstance(type_, (GraphQLInterfaceType, GraphQLUnionType))
        return _Abstract(self, type_, details)


class _List:
    """Completes lists item by item."""

    def __init__(self, complete: Complete, place: str, *, nullable: bool) -> None:
        self._complete = complete
        self._place = place
        self._nullable = nullable

    def __call__(self, run: Run, each: Field, path: Path, value: Any) -> Any:
        if value is None or value is Undefined:
            return None
        if not isinstance(value, Iterable) or isinstance(value, (str, bytes, dict)):
            raise GraphQLError(
                f"Expected Iterable, but did not find one for field '{self._place}'."
            )
        results: list[Any] = []
        waiting: list[int] = []
        try:
            for index, item in enumerate(value):
                results.append(self._item(run, each, Path(path, index, None), item))
                if type(results[-1]) is CoroutineType:
                    waiting.append(index)
        except Exception:
            settle([results[index] for index in waiting])
            raise
        return gathered(results, waiting) if waiting else results

    def _item(self, run: Run, each: Field, path: Path, item: Any) -> Any:
        try:
            if isinstance(item, Exception):
                raise item
            done = self._complete(run, each, path, item)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is answered
            return run.fail(each, failure, path, self._nullable)
        if type(done) is CoroutineType:
            return run.guarded(each, done, path, self._nullable)
        return done


class _Object:
    """Completes values of one type."""

    def __init__(
        self, planner: _Planner, type_: GraphQLObjectType, details: FieldDetailsList
    ) -> None:
        self._planner = planner
        self._type = type_
        self._details = details
        self._fields: Sequence[Field] | None = None
        self._classes: set[type] = set()

    def __call__(self, run: Run, each: Field, path: Path, value: Any) -> Any:
        if value is None or value is Undefined:
            return None
        if type(value) not in self._classes:
            self._check(run, each, path, value)
        if self._fields is None:
            self._fields = self._planner.below(self._type, self._details)
        return run.fields(self._fields, value, path)

    def _check(self, run: Run, each: Field, path: Path, value: Any) -> None:
        is_type_of = self._type.is_type_of
        if is_type_of is not None and not is_type_of(value, run.facts(each, path)):
            raise invalid_return_type_error(self._type, value, self._details)
        self._classes.add(type(value))


class _Abstract:
    """Completes values of a union or an interface, each as the type that its class stands for."""

    def __init__(
        self, planner: _Planner, type_: GraphQLAbstractType, details: FieldDetailsList
    ) -> None:
        self._planner = planner
        self._type = type_
        self._details = details
        self._objects: dict[type, _Object] = {}

    def __call__(self, run: Run, each: Field, path: Path, value: Any) -> Any:
        if value is None or value is Undefined:
            return None
        known = self._objects.get(type(value))
        if known is None:
            known = self._object(run, each, path, value)
            self._objects[type(value)] = known
        return known(run, each, path, value)

    def _object(self, run: Run, each: Field, path: Path, value: Any) -> _Object:
        assert self._type.resolve_type is not None
        name = self._type.resolve_type(value, run.facts(each, path), self._type)
        runtime = self._planner.schema.get_type(name) if isinstance(name, str) else None
        if not isinstance(runtime, GraphQLObjectType) or not self._planner.schema.is_sub_type(
            self._type, runtime
        ):
            raise TypeError(f"{type(value)} stands for no type of '{self._type}'.")
        return _Object(self._planner, runtime, self._details)


def _never_null(complete: Complete, place: str) -> Complete:
    def never_null(run: Run, each: Field, path: Path, value: Any) -> Any:
        done = complete(run, each, path, value)
        if done is None:
            raise TypeError(f"Cannot return null for non-nullable field {place}.")
        return done

    return never_null


def _is_leaf(type_: GraphQLOutputType) -> bool:
    return is_leaf_type(type_.of_type if isinstance(type_, GraphQLNonNull) else type_)


def _writer(type_: GraphQLOutputType, place: str) -> Callable[[Any], Any]:
    """How a value becomes a leaf's answer. Raises for what it cannot say."""
    required = isinstance(type_, GraphQLNonNull)
    leaf = cast("GraphQLLeafType", type_.of_type if isinstance(type_, GraphQLNonNull) else type_)
    coerce = leaf.coerce_output_value

    def write(value: Any) -> Any:
        if value is None or value is Undefined:
            if required:
                raise TypeError(f"Cannot return null for non-nullable field {place}.")
            return None
        written = coerce(value)
        if written is None or written is Undefined:
            raise TypeError(f"{leaf} cannot say a {type(value)}.")
        return written

    return write


def _reader(parent: GraphQLObjectType, definition: GraphQLField) -> Callable[[Any], Any] | None:
    """How a field without a resolver is read from its source; None for a field with one."""
    if definition is TypeNameMetaFieldDef:
        return lambda _source: parent.name
    declared = definition.extensions.get(STRAWBERRY)
    if not isinstance(declared, StrawberryField) or not declared.is_basic_field:
        return None
    if type(declared).get_result is StrawberryField.get_result:
        return attrgetter(declared.python_name)
    return lambda source: declared.get_result(source, None, [], {})


class _Directives(Visitor):
    found = False

    def enter_directive(self, *_: Any) -> VisitorAction:
        self.found = True
        return BREAK
