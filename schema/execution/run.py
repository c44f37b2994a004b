"""Executes operations by plans: what is the same for every request of a document is found once.

graphql-core collects the fields of each selection anew for every request, and asks of every value
what kind of type it has: docs/decisions/0040 has the figures. A plan comes to the same answers,
with the same errors at the same paths, in the same order: tests/schema/test_execution.py compares.

What no resolver here does is not looked for: to answer an asynchronous iterator, a list of
awaitables, or values of one class for two types (`schema.binding`).
"""

from __future__ import annotations

from asyncio import Future, gather
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any, TypeGuard, cast

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    located_error,
)
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues, get_variable_values
from graphql.pyutils import Path, gather_with_cancel
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.execution import optimized_is_awaitable

from schema.execution.coercing import ReadArguments, ReadVariables

Complete = Callable[["Run", "Field", Path, Any], Any]
"""The answer for a value, or a coroutine that comes to it; None for none. Raises."""

is_awaitable = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)
_in_background: set[Future[Any]] = set()


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of a selection.

    `read`, `write`: of a leaf that is an attribute of its source, instead of `complete`.
    `nullable`: whether what fails becomes null here.
    """

    key: str
    name: str
    parent: GraphQLObjectType
    definition: GraphQLField
    nodes: list[FieldNode]
    nullable: bool
    complete: Complete
    arguments: ReadArguments
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How one operation is executed. `serially`: one root field after the other."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    fields: Sequence[Field]
    serially: bool
    variables: ReadVariables

    async def execute(
        self, raw_variables: dict[str, Any] | None, context: Any, source: Any, *, most_errors: int
    ) -> ExecutionResult:
        """The result, as graphql-core's `execute` comes to it. `source`: a subscription's event."""
        raw = raw_variables or {}
        variables = self.variables(raw) or self._careful(raw, most_errors)
        if isinstance(variables, list):
            return ExecutionResult(None, variables)
        run = Run(self, variables, context, source)
        data: dict[str, Any] | None
        try:
            if self.serially:
                data = await run.serially(self.fields)
            else:
                running = run.fields(self.fields, source, None)
                data = running if isinstance(running, dict) else await running
        except GraphQLError as error:
            run.errors.add(error, None)
            data = None
        return ExecutionResult(data, run.errors.errors or None)

    def _careful(
        self, raw: dict[str, Any], most_errors: int
    ) -> VariableValues | list[GraphQLError]:
        return get_variable_values(
            self.schema,
            self.operation.variable_definitions or (),
            raw,
            max_errors=most_errors,
            hide_suggestions=True,
        )


@dataclass(slots=True)
class Run:
    """One execution of a plan."""

    plan: Plan
    variables: VariableValues
    context: Any
    source: Any
    errors: CollectedErrors = field(default_factory=CollectedErrors)

    async def serially(self, fields: Iterable[Field]) -> dict[str, Any]:
        """The answers of root fields, each begun when the one before it has ended."""
        results: dict[str, Any] = {}
        for each in fields:
            result = self.resolve(each, self.source, None)
            results[each.key] = await result if type(result) is CoroutineType else result
        return results

    def fields(
        self, fields: Iterable[Field], source: Any, path: Path | None
    ) -> dict[str, Any] | Coroutine[Any, Any, dict[str, Any]]:
        """The answers of a selection; a coroutine where any has to be awaited."""
        results: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for each in fields:
                if each.read is None or each.write is None:
                    result = self.resolve(each, source, path)
                    if type(result) is CoroutineType:
                        waiting.append(each.key)
                else:
                    try:
                        result = each.write(each.read(source))
                    except Exception as failure:  # noqa: BLE001 - whatever it is, it is answered
                        result = self.fail(each, failure, _below(path, each), each.nullable)
                results[each.key] = result
        except Exception:
            settle([results[key] for key in waiting])
            raise
        return gathered(results, waiting) if waiting else results

    def resolve(self, each: Field, source: Any, path: Path | None) -> Any:
        """The answer of a field with a resolver, or a coroutine that comes to it."""
        own_path = _below(path, each)
        try:
            arguments = each.arguments(self.variables)
            assert each.definition.resolve is not None
            value = each.definition.resolve(source, self.facts(each, own_path), **arguments)
            if is_awaitable(value):
                return self._awaited(each, value, own_path)
            done = self.complete(each, own_path, value)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is answered
            return self.fail(each, failure, own_path, each.nullable)
        if type(done) is CoroutineType:
            return self.guarded(each, done, own_path, each.nullable)
        return done

    def complete(self, each: Field, path: Path, value: Any) -> Any:
        """The answer for what a resolver answered. Raises what it answered as an exception."""
        if isinstance(value, Exception):
            raise value
        return each.complete(self, each, path, value)

    async def guarded(
        self, each: Field, running: Awaitable[Any], path: Path, nullable: bool
    ) -> Any:
        """What it comes to; null where it fails and may be null."""
        try:
            return await running
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is answered
            return self.fail(each, failure, path, nullable)

    def fail(self, each: Field, failure: Exception, path: Path, nullable: bool) -> Any:
        """Null, and the failure noted, where that may be; else raises it to the place above."""
        error = located_error(failure, each.nodes, path.as_list())
        if not nullable:
            raise error
        self.errors.add(error, path)
        return None

    def facts(self, each: Field, path: Path) -> GraphQLResolveInfo[Any]:
        """What a resolver is told."""
        plan = self.plan
        return GraphQLResolveInfo(
            each.name,
            each.nodes,
            each.definition.type,
            each.parent,
            path,
            plan.schema,
            plan.fragments,
            self.source,
            plan.operation,
            self.variables,
            self.context,
            is_awaitable,
            None,
            _HELPERS,
        )

    async def _awaited(self, each: Field, value: Awaitable[Any], path: Path) -> Any:
        try:
            done = self.complete(each, path, await value)
            return await done if type(done) is CoroutineType else done
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is answered
            return self.fail(each, failure, path, each.nullable)


async def gathered(results: Any, waiting: Sequence[Any]) -> Any:
    """The results, with what waits under these keys (or indices) awaited at once."""
    if len(waiting) == 1:
        results[waiting[0]] = await results[waiting[0]]
    else:
        awaited = await gather_with_cancel(*(results[key] for key in waiting))
        for key, result in zip(waiting, awaited, strict=True):
            results[key] = result
    return results


def settle(waiting: Sequence[Awaitable[Any]]) -> None:
    """Lets what was begun come to its end unheard, where the answer has failed without it."""
    if waiting:
        future = gather(*waiting, return_exceptions=True)
        _in_background.add(future)
        future.add_done_callback(_in_background.discard)


def _below(path: Path | None, each: Field) -> Path:
    return Path(path, each.key, each.parent.name)


_HELPERS = GraphQLResolveInfoHelpers(
    gather=lambda values: gather_with_cancel(*values),
    track=lambda values: settle([value for value in values if is_awaitable(value)]),
)
