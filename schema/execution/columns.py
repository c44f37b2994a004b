"""Executes a compiled operation breadth-first: each field for all its parents at once.

A column holds one value per parent. Each step returns a column, or a coroutine that returns it if
something has to be awaited. What fails becomes FAILED, up to the first position that may be null.
Creating a closure takes as long as calling it, so a step gets what it needs as arguments.

A resolver with a parameter `roots` is called once for all parents of a list. It returns one value
for each, in order; an exception among the values fails that one. All others are called per parent.
"""

from __future__ import annotations

from asyncio import gather
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, repeat
from types import CoroutineType
from typing import Any, TypeAlias

from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLResolveInfo,
    get_named_type,
    located_error,
)
from graphql.execution.values import VariableValues
from strawberry.dataloader import DataLoader
from strawberry.execution import optimized_is_awaitable as is_awaitable
from strawberry.schema.name_converter import NameConverter
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from schema.errors import ErrorHandler
from schema.values import Read

Column: TypeAlias = list[Any]
Call: TypeAlias = Callable[..., Any]
Step: TypeAlias = tuple[int, str | int, bool]
"""One step of a path: its order in the response, its key or index, whether it may be null."""
Where: TypeAlias = tuple[Any, ...]
"""How a column is made from the column above: a field of it is (above, step), some of its rows are
(above, rows), and the items of its lists are (above, their ends, whether items may be null)."""

FAILED: Any = type("Failed", (), {})()
"""Replaces a value that failed. Its error is in the list of errors."""


async def execute(
    selection: Selection,
    one_by_one: bool,
    read: Read,
    schema: tuple[Any, ...],
    operation: Any,
    given: dict[str, Any] | None,
    context: Any,
    root: Any,
) -> ExecutionResult:
    """Executes an operation. `read`: reads the variables. `given`: the variables as given.

    `one_by_one`: each field begins when the previous one has ended, and none after a failed one.
    """
    variables = read(given or {})
    if isinstance(variables, list):
        return ExecutionResult(None, variables)
    run = Run((*schema, root, operation, variables, context, is_awaitable, None, None), variables)
    data: dict[str, Any] = {}
    for key, each in selection.fields.items() if one_by_one else ():
        answers = each.column(run, [root], ())
        [data[key]] = answers if type(answers) is list else await answers
        if data[key] is FAILED:
            return ExecutionResult(None, run.errors())
    if not one_by_one:
        rows = selection.rows(run, [root], ())
        [data] = rows if type(rows) is list else await rows
    return ExecutionResult(None if data is FAILED else data, run.errors())


@dataclass(slots=True, eq=False)
class Field:
    """A field of a selection.

    `facts`: what a resolver can ask about it. `bind`: returns, for the info and the arguments, a
    function of the parent; or of all parents, if `takes_all`. `read`: reads the value from a
    parent, if no resolver does. `coerce`: makes the answers of a column of scalars or enums.
    """

    step: Step
    place: str
    nodes: list[FieldNode]
    facts: tuple[Any, ...]
    arguments: Callable[[VariableValues], dict[str, Any]]
    bind: Callable[[GraphQLResolveInfo[Any], dict[str, Any]], Call]
    takes_all: bool
    read: Call | None
    coerce: Call | None
    complete: Call = field(init=False)

    def column(self, run: Run, parents: Column, where: Where) -> Any:
        """The answers, one per parent."""
        read, coerce, below = self.read, self.coerce, (where, self.step)
        if read and coerce and not run.failures:
            try:
                answers = coerce(list(map(read, parents)))
                if self.step[2] or None not in answers:
                    return answers
            except Exception:  # noqa: BLE001, S110 - done again below, to find out which ones fail
                pass
        if read:
            return self.complete(run, list(map(attempt, repeat(read), parents)), below)
        try:
            info = GraphQLResolveInfo(*self.facts, *run.facts)
            call = self.bind(info, self.arguments(run.variables))
        except Exception as error:  # noqa: BLE001 - it is answered
            return self.complete(run, [error] * len(parents), below)
        values = list(map(attempt, repeat(call), [parents] if self.takes_all else parents))
        if self.takes_all or CoroutineType in map(type, values) or any(map(is_awaitable, values)):
            return self._column_later(run, values, len(parents), below)
        return self.complete(run, values, below)

    async def _column_later(self, run: Run, values: Column, count: int, below: Where) -> Column:
        values = await all_of(list(map(attempt_later, values)))
        if self.takes_all:
            [found] = values
            if not isinstance(found, Exception) and len(found) != count:
                found = TypeError(f"{self.place} must return one value for each parent.")
            values = [found] * count if isinstance(found, Exception) else list(found)
        answers = self.complete(run, values, below)
        return answers if isinstance(answers, list) else await answers


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The fields that are selected on an object type, by their keys in the response."""

    fields: dict[str, Field]

    def rows(self, run: Run, parents: Column, where: Where) -> Any:
        """One dict per parent; FAILED for a parent with a failed field that cannot be null."""
        columns = [each.column(run, parents, where) for each in self.fields.values()]
        return then_all(columns, self._zipped, run, parents)

    def _zipped(self, columns: list[Column], run: Run, parents: Column) -> Column:
        if not columns:  # nothing is selected on this type
            return [{} for _ in parents]
        rows: Column = [dict(zip(self.fields, row)) for row in zip(*columns)]  # noqa: B905 - slower
        return [FAILED if FAILED in row.values() else row for row in rows] if run.failures else rows


@dataclass(slots=True)
class Run:
    """One execution of an operation. `facts`: what a resolver can ask about it."""

    facts: tuple[Any, ...]
    variables: VariableValues
    failures: list[tuple[tuple[Step, ...], GraphQLError]] = field(default_factory=list)

    def checked(self, each: Field, values: Column, where: Where) -> Column:
        """The values, with the errors of those that are exceptions noted."""
        for row, value in enumerate(values):
            if isinstance(value, Exception):
                path = path_of(where, row)
                error = located_error(value, each.nodes, [key for _order, key, _nullable in path])
                self.failures.append((path, error))
                values[row] = FAILED
        return values

    def errors(self) -> list[GraphQLError] | None:
        """The errors, in the order of the response; None if there are none.

        If an error makes a position null, the later errors below that position are dropped.
        """
        kept: list[GraphQLError] = []
        nulled: set[tuple[Step, ...]] = set()
        for path, error in sorted(self.failures, key=lambda failure: failure[0]):
            if any(path[:length] in nulled for length in range(len(path) + 1)):
                continue
            while path and not path[-1][2]:
                path = path[:-1]
            nulled.add(path)
            kept.append(error)
        return kept or None


def complete_values(
    complete: Call, each: Field, is_nullable: bool, run: Run, values: Column, where: Where
) -> Any:
    """The answers, through one of the functions below: FAILED for what fails and cannot be null."""
    return then(complete(each, run, values, where), _finished, each, is_nullable, run, where)


def _finished(answers: Column, each: Field, is_nullable: bool, run: Run, where: Where) -> Column:
    if is_nullable:
        return [None if v is FAILED else v for v in answers] if run.failures else answers
    if None not in answers:
        return answers
    null = TypeError(f"Cannot return null for non-nullable field {each.place}.")
    return run.checked(each, [null if v is None else v for v in answers], where)


def coerced(coerce: Call, write_column: Call | None, values: Column) -> Column:
    """The answers of scalars or enums. `write_column`: None if a value needs `coerce`."""
    answers: Column | None = write_column(values) if write_column else None
    if answers is None:
        return [None if value is None else coerce(value) for value in values]
    return answers


def complete_leaves(coerce: Call, each: Field, run: Run, values: Column, where: Where) -> Any:
    """Completes scalars and enums."""
    answers = [value if _is_done(value) else attempt(coerce, value) for value in values]
    return run.checked(each, answers, where)


def _is_done(value: Any) -> bool:
    return value is None or value is FAILED or isinstance(value, Exception)


def complete_lists(
    complete: Call, is_nullable: bool, each: Field, run: Run, values: Column, where: Where
) -> Any:
    """Completes lists: the items of all of them are one column."""
    lists = run.checked(each, [_items(value, each.place) for value in values], where)
    ends = list(accumulate(len(value) if type(value) is list else 0 for value in lists))
    items = [item for value in lists if type(value) is list for item in value]
    return then(complete(run, items, (where, ends, is_nullable)), _as_lists, run, lists, ends)


def _items(value: Any, place: str) -> Any:
    if _is_done(value):
        return value
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return attempt(list, value)
    return GraphQLError(f"Expected Iterable, but did not find one for field '{place}'.")


def _as_lists(answers: Column, run: Run, lists: Column, ends: list[int]) -> Column:
    for row, value in enumerate(lists):
        if type(value) is list:
            part = answers[ends[row] - len(value) : ends[row]]
            lists[row] = FAILED if run.failures and FAILED in part else part
    return lists


def complete_objects(
    find: Call, known: dict[type, Selection], field: Field, run: Run, values: Column, where: Where
) -> Any:
    """Completes objects. `find`: the selection for a value, which is then `known` by its class."""
    classes = set(map(type, values))
    if len(classes) == 1 and (only := known.get(classes.pop())):
        return only.rows(run, values, where)
    rows_of: dict[Selection, list[int]] = {}
    for row, value in enumerate(values):
        if type(value) not in known and not _is_done(value):
            found = attempt(find, value, run)
            if isinstance(found, Exception):
                values[row] = found
            else:
                known[type(value)] = found
        if selection := known.get(type(value)):
            rows_of.setdefault(selection, []).append(row)
    given = [(each, [values[row] for row in rows], (where, rows)) for each, rows in rows_of.items()]
    parts = [each.rows(run, parents, below) for each, parents, below in given]
    return then_all(parts, _as_values, run.checked(field, values, where), rows_of.values())


def _as_values(parts: list[Column], values: Column, rows_of: Iterable[list[int]]) -> Column:
    for rows, part in zip(rows_of, parts, strict=True):
        for row, value in zip(rows, part, strict=True):
            values[row] = value
    return values


def path_of(where: Where, row: int) -> tuple[Step, ...]:
    """The path of the value in that row of a column."""
    if not where:
        return ()
    above, what, *is_nullable = where
    if is_nullable:
        in_list = bisect_right(what, row)
        index = row - (what[in_list - 1] if in_list else 0)
        return (*path_of(above, in_list), (index, index, *is_nullable))
    return path_of(above, what[row]) if type(what) is list else (*path_of(above, row), what)


def attempt(call: Call, *given: Any) -> Any:
    """What the call returns, or the exception that it raises."""
    try:
        return call(*given)
    except Exception as error:  # noqa: BLE001 - it is answered
        return error


async def attempt_later(value: Any) -> Any:
    """The awaited value, or the exception that it raises."""
    try:
        return await value if is_awaitable(value) else value
    except Exception as error:  # noqa: BLE001 - it is answered
        return error


def then(values: Any, go_on: Call, *given: Any) -> Any:
    """What `go_on` makes of the values: at once, or in a coroutine if they are to be awaited."""
    return _later(values, go_on, given) if type(values) is CoroutineType else go_on(values, *given)


async def _later(values: Any, go_on: Call, given: tuple[Any, ...]) -> Any:
    return go_on(await values, *given)


def then_all(columns: list[Any], go_on: Call, *given: Any) -> Any:
    """The same for a list of columns: in a coroutine if some are to be awaited."""
    is_later = CoroutineType in map(type, columns)
    return _all_later(columns, go_on, given) if is_later else go_on(columns, *given)


async def _all_later(columns: list[Any], go_on: Call, given: tuple[Any, ...]) -> Any:
    done = iter(await all_of([each for each in columns if type(each) is CoroutineType]))
    return go_on([next(done) if type(each) is CoroutineType else each for each in columns], *given)


async def all_of(waiting: list[Any]) -> list[Any]:
    """All awaited values, concurrently. A single one needs no task."""
    return [await waiting[0]] if len(waiting) == 1 else await gather(*waiting)


class Resolver:
    """A resolver of one field. `takes_all`: whether it takes all parents at once."""

    def __init__(
        self,
        field: GraphQLField,
        declared: StrawberryField,
        handlers: Sequence[ErrorHandler],
    ) -> None:
        resolver = declared.base_resolver
        assert resolver is not None
        for argument in declared.arguments:
            field.args[NameConverter().from_argument(argument)].out_name = argument.python_name
        members = {str(each) for each in getattr(get_named_type(field.type), "types", ())}
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
                    # An error may hold the frames of its traceback, and these the error.
                    return each.member(error.with_traceback(None), info)
            raise

    def __call__(self, root: Any, info: Any, **arguments: Any) -> Any:
        """Resolves the field for one parent, as graphql-core calls it."""
        if not self.takes_all:
            return self.bind(info, arguments)(root)
        # graphql-core asks for one parent after the other: the loader collects them again.
        loaders, node = info.context.loaders, id(info.field_nodes[0])
        if node not in loaders:
            loaders[node] = DataLoader(load_fn=self.bind(info, arguments), cache=False)
        return loaders[node].load(root)


def bind(resolve: Call, info: Any, arguments: dict[str, Any]) -> Call:
    """A function of the parent, for a resolver as graphql-core calls it."""
    return lambda parent: resolve(parent, info, **arguments)


def constant(value: Any) -> Call:
    """A function that returns the value for any parent."""
    return lambda _parent: value
