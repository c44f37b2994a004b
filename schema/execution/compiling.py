"""Compiles an operation: how variables are read, resolvers called, and values completed.

A resolver with a parameter `roots` is called once for all parents of a list. It returns one value
for each, in order; an exception among the values fails that one. All others are called per parent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import graphql
from graphql import FragmentDefinitionNode, GraphQLNonNull, GraphQLObjectType, GraphQLSchema
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_subfields
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.pyutils import Path, inspect
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry.dataloader import DataLoader
from strawberry.execution import optimized_is_awaitable as is_awaitable
from strawberry.schema.name_converter import NameConverter
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from schema.execution import columns
from schema.execution.columns import Call, Field, Run, Selection

if TYPE_CHECKING:
    from schema.errors import ErrorHandler

Result: TypeAlias = graphql.ExecutionResult
Document: TypeAlias = graphql.DocumentNode
Operation: TypeAlias = graphql.OperationDefinitionNode
Execute: TypeAlias = Callable[[dict[str, Any] | None, Any, Any], Awaitable[Result]]
"""Executes an operation: with the variables as given, the context, and the root value."""
_TEXT = {str, graphql.GraphQLString.coerce_output_value, graphql.GraphQLID.coerce_output_value}


def compile_operation(schema: GraphQLSchema, document: Document, operation: Operation) -> Execute:
    """An operation of a valid document that has no directives and does not read the schema."""
    found = [each for each in document.definitions if isinstance(each, FragmentDefinitionNode)]
    compiler = _Compiler(schema, operation, {each.name.value: each for each in found})
    root_type, read = schema.get_root_type(operation.operation), variables_reader(schema, operation)
    selection = compiler.selection(root_type, [operation], None)
    # The fields of a mutation change things: each is executed when the one before it has ended.
    is_mutation = operation.operation is graphql.OperationType.MUTATION
    parts = [Selection({key: each}) for key, each in selection.fields.items()]

    async def execute(given: dict[str, Any] | None, context: Any, root: Any) -> Result:
        variables = read(given or {})
        if isinstance(variables, list):
            return Result(None, variables)
        facts = (schema, compiler.fragments, root, operation, variables, context)
        run = Run((*facts, is_awaitable, None, None), variables)
        data: dict[str, Any] = {}
        for part in parts if is_mutation else [selection]:
            rows = part.rows(run, [root], ())
            [row] = rows if isinstance(rows, list) else await rows
            if row is columns.FAILED:
                return Result(None, run.errors())
            data |= row
        return Result(data, run.errors())

    return execute


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
            bind=resolve.bind if is_plain else partial(_bind, resolve),
            takes_all=is_plain and resolve.takes_all,
            read=_reader(parent, definition),
            coerce=coerce,
            is_text=coerce in _TEXT,
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


def _bind(resolve: Call, info: Any, arguments: dict[str, Any]) -> Call:
    return lambda parent: resolve(parent, info, **arguments)


def _reader(parent: GraphQLObjectType, definition: graphql.GraphQLField) -> Call | None:
    """How a field without a resolver is read from its parent; None for a field with one."""
    if definition is graphql.TypeNameMetaFieldDef:
        return lambda _parent: parent.name
    declared = definition.extensions.get(STRAWBERRY)
    if not isinstance(declared, StrawberryField) or not declared.is_basic_field:
        return None
    reader: Call | None = getattr(declared, "reader", None)  # of a field that shows something else
    return reader() if reader else attrgetter(declared.python_name)


Read = Callable[[dict[str, Any]], VariableValues | list[graphql.GraphQLError]]
Coerce = Callable[[Any], Any]


def variables_reader(schema: GraphQLSchema, operation: Operation) -> Read:
    """A function that reads the variables which an operation declares, or says what is wrong.

    A value that is not plainly valid is read by graphql-core, which also writes the error message.
    """
    declared = operation.variable_definitions or ()
    signatures: list[Any] = [get_variable_signature(schema, each) for each in declared]
    expected = [(each, _coercer(each.type)) for each in signatures]

    def read(given: dict[str, Any]) -> VariableValues | list[graphql.GraphQLError]:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        try:
            for signature, coerce in expected:
                name = signature.name
                if name in given:
                    coerced[name] = coerce(given[name])
                    sources[name] = VariableValueSource(signature, given[name])
                elif signature.default is None and not graphql.is_non_null_type(signature.type):
                    sources[name] = VariableValueSource(signature)
                else:
                    raise TypeError
        except Exception:  # noqa: BLE001 - graphql-core reads it again and explains what is wrong
            return graphql.get_variable_values(
                schema, declared, given, max_errors=5, hide_suggestions=True
            )
        return VariableValues(sources, coerced)

    return read


def _coercer(type_: Any) -> Coerce:
    """A function that reads a plainly valid value, and raises for every other value."""
    is_required = isinstance(type_, graphql.GraphQLNonNull)
    inner = type_.of_type if is_required else type_
    coerce: Any = getattr(inner, "coerce_input_value", None)
    if isinstance(inner, graphql.GraphQLList):
        item = inner.of_type
        is_string = graphql.is_non_null_type(item) and item.of_type is graphql.GraphQLString
        coerce = _strings if is_string else partial(_items, _coercer(item))
    elif isinstance(inner, graphql.GraphQLInputObjectType):
        coerce = partial(_fields, inner, {})
    return partial(_value, coerce, is_required)


def _value(coerce: Coerce, is_required: bool, value: Any) -> Any:
    coerced = value if value is None else coerce(value)
    if coerced is graphql.Undefined or (coerced is None and is_required):
        raise TypeError
    return coerced


def _items(coerce: Coerce, value: Any) -> Any:
    if type(value) is not list:
        raise TypeError
    return [coerce(each) for each in value]


def _strings(value: Any) -> Any:
    """A list of strings as it is: most lists of 100,000 are of this type."""
    if type(value) is not list or not set(map(type, value)) <= {str}:
        raise TypeError
    return value


def _fields(type_: graphql.GraphQLInputObjectType, coercers: dict[str, Coerce], value: Any) -> Any:
    if type_.is_one_of or type(value) is not dict or not value.keys() <= type_.fields.keys():
        raise TypeError
    if not coercers:  # at the first value, because a type may contain itself
        coercers |= {name: _coercer(field.type) for name, field in type_.fields.items()}
    done: dict[str, Any] = {}
    for name, field in type_.fields.items():
        if name in value:
            done[field.out_name or name] = coercers[name](value[name])
        elif graphql.is_required_input_field(field):
            raise TypeError
        elif (default := coerce_default_value(field)) is not graphql.Undefined:
            done[field.out_name or name] = default
    return type_.out_type(done)


STRAWBERRY = "strawberry-definition"


def prepare_schema(schema: graphql.GraphQLSchema, handlers: Sequence[ErrorHandler]) -> None:
    """Lets plain resolvers be called directly: arguments are mapped to parameters once per field.

    `handlers`: make members of unions of exceptions.
    """
    for type_ in schema.type_map.values():
        for field in type_.fields.values() if isinstance(type_, graphql.GraphQLObjectType) else ():
            declared = field.extensions.get(STRAWBERRY)
            if type(declared) is StrawberryField and _is_plain(declared):
                field.resolve = Resolver(field, declared, handlers)


def _is_plain(declared: StrawberryField) -> bool:
    is_extended = any(each.has_resolver for each in declared.extensions)
    return not (declared.is_basic_field or declared.is_subscription or is_extended)


class Resolver:
    """A resolver of one field. `takes_all`: whether it takes all parents at once."""

    def __init__(
        self,
        field: graphql.GraphQLField,
        declared: StrawberryField,
        handlers: Sequence[ErrorHandler],
    ) -> None:
        resolver = declared.base_resolver
        assert resolver is not None
        for argument in declared.arguments:
            field.args[NameConverter().from_argument(argument)].out_name = argument.python_name
        members = {str(each) for each in getattr(graphql.get_named_type(field.type), "types", ())}
        root = resolver.parent_parameter or resolver.root_parameter or resolver.self_parameter
        self.takes_all = "roots" in resolver.signature.parameters
        self._root_name = "roots" if self.takes_all else root.name if root else None
        self._info_name = resolver.info_parameter.name if resolver.info_parameter else None
        self._function: Any = resolver.wrapped_func
        self._declared = declared
        self._handlers = [each for each in handlers if each.error_type.__name__ in members]

    def bind(self, info: Any, arguments: dict[str, Any]) -> Callable[..., Any]:
        """A function of the parent; or of all parents, if it takes all."""
        for each in self._declared.extensions:
            arguments = each.map_arguments(arguments)
        if self._info_name is not None:
            arguments[self._info_name] = Info(_raw_info=info, _field=self._declared)
        return partial(self._call_handled if self._handlers else self._call, info, arguments)

    def _call(self, _info: Any, arguments: dict[str, Any], root: Any) -> Any:
        if self._root_name is None:
            return self._function(**arguments)
        return self._function(**arguments, **{self._root_name: root})

    async def _call_handled(self, info: Any, arguments: dict[str, Any], root: Any) -> Any:
        try:
            value = self._call(info, arguments, root)
            return await value if is_awaitable(value) else value
        except Exception as error:
            for each in self._handlers:
                if isinstance(error, each.exception_type):
                    return each.member(error, info)
            raise

    def __call__(self, root: Any, info: Any, **arguments: Any) -> Any:
        """Resolves the field for one parent, as graphql-core asks for it."""
        if not self.takes_all:
            return self.bind(info, arguments)(root)
        # graphql-core asks for one parent after the other: the loader collects them again.
        loaders, node = info.context.loaders, id(info.field_nodes[0])
        if node not in loaders:
            loaders[node] = DataLoader(load_fn=self.bind(info, arguments), cache=False)
        return loaders[node].load(root)
