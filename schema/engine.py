"""Answers documents: each is parsed, measured and validated once, and executed for each request.

It does not use `strawberry.Schema.execute`: its hooks and extensions cost three times as much as
the execution of a small document. docs/decisions/0005 has the figures.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast
from uuid import uuid4

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution import Executor, create_source_event_stream
from strawberry.execution import optimized_is_awaitable

from domain.errors import TryAgain
from domain.identity.access import Actor
from domain.installation import Installation
from domain.live.subscriptions import Watch
from resolvers.context import Context
from schema.execution.compiling import Execute, compile_operation
from schema.limits import (
    DocumentLimits,
    Size,
    TooComplex,
    fragments_of,
    measure_document,
    operations_of,
    root_fields,
    start_variables_of,
)
from schema.masking import is_unavailable, refusals_in, shown_errors
from schema.rows import CountedList, RowPlan, count_rows, defaults_of
from schema.values import bound_variables, check_literals

_MOST_ERRORS = 5
_MOST_TITLED = 3
_MOST_CHARACTERS = 300_000
"""Of all documents that are remembered."""
_GAVE_UP = "Parsing aborted."

is_awaitable = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)


class NotExecuted(Exception):
    """A request that is not executed."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document that may be executed.

    `kind`: query, mutation or subscription. `title`: the kind and the names of the first fields.
    `rows`: the lists that it reads. `run`: None if graphql-core executes it. `start_variables`:
    variables that only say where a reader starts.
    """

    document: DocumentNode
    name: str | None
    kind: str
    title: str
    rows: Sequence[CountedList]
    defaults: Mapping[str, int]
    introspects: bool
    run: Execute | None = None
    start_variables: frozenset[str] = frozenset()


@dataclass(slots=True)
class Answer:
    """The answer to an operation. `data` is None if a field failed that cannot be null.

    `unavailable`: something is missing because the database is unavailable.
    """

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    executed: bool = True
    unavailable: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The response. It has no `data` if nothing was executed."""
        body: dict[str, Any] = {"errors": self.errors} if self.errors else {}
        if self.executed:
            body["data"] = self.data
        return body


@dataclass(slots=True)
class Engine:
    """One schema with its limits and its cache of documents.

    `most_texts`, `most_objects`: the longest lists that any field takes. `open_introspection`:
    whether a request without a credential may read the schema.
    """

    schema: GraphQLSchema
    limits: DocumentLimits = field(default_factory=DocumentLimits)
    most_texts: int = 100_000
    most_objects: int = 10_000
    open_introspection: bool = True
    _documents: _Documents = field(init=False)

    def __post_init__(self) -> None:
        self._documents = _Documents()

    def find(self, query: str, operation_name: str | None = None) -> Operation:
        """The requested operation. Raises NotExecuted with the errors of the document."""
        found = self._documents.get(query)
        if found is None:
            found = self._read(query)
            self._documents.keep(query, found)
        if isinstance(found, NotExecuted):
            raise NotExecuted(found.errors)
        return _choose(found, operation_name)

    async def execute(
        self,
        operation: Operation,
        variables: dict[str, Any] | None,
        context: Context,
        event: object = None,
    ) -> Answer:
        """The answer to the operation, with masked errors. Errors of fields are not raised.

        `event`: the event of a subscription.
        """
        try:
            self._check(operation, variables or {}, context)
        except GraphQLError as error:
            return self.rejection([error], context.request_id)
        if operation.run is None:
            result = await self._execute_unplanned(operation, variables, context, event)
        else:
            result = await operation.run(variables, context, event)
            if not result.errors:
                return Answer(result.data, [])
        for operation_name, refusal in refusals_in(result.errors or ()):
            context.installation.observer.refused(operation_name, refusal)
        if result.errors and result.data is None and not any(e.path for e in result.errors):
            return self.rejection(result.errors, context.request_id)
        errors, mutates = result.errors or (), operation.kind == "mutation"
        return Answer(
            result.data,
            shown_errors(errors, context.request_id, mutates=mutates),
            unavailable=is_unavailable(errors, mutates=mutates),
        )

    async def watch(
        self, operation: Operation, variables: dict[str, Any] | None, context: Context
    ) -> Watch:
        """What a subscription watches. Raises NotExecuted if it is not executed."""
        try:
            self._check(operation, variables or {}, context)
            executor = Executor.build(
                self.schema,
                operation.document,
                context_value=context,
                raw_variable_values=variables,
                operation_name=operation.name,
                is_awaitable=is_awaitable,
                hide_suggestions=True,
            )
        except GraphQLError as error:
            raise NotExecuted([error]) from None
        if isinstance(executor, list):
            raise NotExecuted(executor[:_MOST_ERRORS])
        running = create_source_event_stream(executor)
        watch = await running if is_awaitable(running) else running
        if isinstance(watch, ExecutionResult):
            for operation_name, refusal in refusals_in(watch.errors or ()):
                context.installation.observer.refused(operation_name, refusal)
            raise NotExecuted(watch.errors or ())
        return cast("Watch", watch)

    def rejection(self, errors: Sequence[GraphQLError], request_id: str) -> Answer:
        """The answer to a request that is not executed."""
        return Answer(None, shown_errors(errors, request_id), executed=False)

    def failure(self, failure: Exception, request_id: str) -> Answer:
        """The answer if something was raised outside of any field: a refusal, or masked."""
        return self.rejection([GraphQLError(str(failure), original_error=failure)], request_id)

    async def _execute_unplanned(
        self,
        operation: Operation,
        variables: dict[str, Any] | None,
        context: Context,
        event: object,
    ) -> ExecutionResult:
        running = execute(
            self.schema,
            operation.document,
            event,
            context_value=context,
            variable_values=variables,
            operation_name=operation.name,
            max_coercion_errors=_MOST_ERRORS,
            executor_class=Executor,
            is_awaitable=is_awaitable,
            hide_suggestions=True,
        )
        return running if isinstance(running, ExecutionResult) else await running

    def _check(self, operation: Operation, variables: dict[str, Any], context: Context) -> None:
        if operation.introspects and context.actor is None and not self.open_introspection:
            raise GraphQLError("Sign in to read the schema.")
        bound_variables(variables, most_texts=self.most_texts, most_objects=self.most_objects)
        if operation.rows:
            rows = count_rows(operation.rows, {**operation.defaults, **variables})
            if rows > self.limits.rows:
                raise TooComplex(
                    f"A request reads at most {self.limits.rows} rows; this one could read {rows}."
                )

    def _read(self, query: str) -> list[Operation] | NotExecuted:
        try:
            document = self._parse(query)
            size = measure_document(document, self.limits)
            check_literals(document)
        except GraphQLError as error:
            # It stays in the cache: without its traceback, which would keep frames alive.
            return NotExecuted([error.with_traceback(None)])
        errors = validate(self.schema, document, max_errors=_MOST_ERRORS, hide_suggestions=True)
        return NotExecuted(errors) if errors else self._plan(document, size)

    def _parse(self, query: str) -> DocumentNode:
        if len(query) > self.limits.characters:
            raise TooComplex(f"A document has at most {self.limits.characters} characters.")
        try:
            return parse(
                query,
                max_lexical_tokens=self.limits.tokens,
                max_comments=self.limits.comments,
            )
        except GraphQLSyntaxError as error:
            if error.message.endswith(_GAVE_UP):
                raise TooComplex(error.message) from None
            raise

    def _plan(self, document: DocumentNode, size: Size) -> list[Operation]:
        rows = RowPlan(self.schema, fragments_of(document))
        is_usual = not size.directives and not size.introspects
        start_variables = start_variables_of(document)
        return [
            Operation(
                document=document,
                name=each.name.value if each.name else None,
                kind=each.operation.value,
                title=_title_of(each),
                rows=rows.of(each),
                defaults=defaults_of(each),
                introspects=size.introspects,
                run=compile_operation(self.schema, document, each) if is_usual else None,
                start_variables=start_variables,
            )
            for each in operations_of(document)
        ]


@dataclass(frozen=True, slots=True)
class EventRenderer:
    """Executes a subscription once per event. `actor`: of a viewpoint."""

    engine: Engine
    installation: Installation
    operation: Operation
    variables: dict[str, Any] | None
    actor: Actor | None

    async def render(self, value: Any) -> bytes:
        """The response as JSON. Raises TryAgain if the database is unavailable: render it later."""
        answer = await self.engine.execute(
            self.operation, self.variables, self.context(), event=value
        )
        if answer.unavailable:
            raise TryAgain
        return orjson.dumps(answer.body)

    def render_failure(self, failure: Exception) -> bytes:
        """The errors of the subscription's field as JSON: of a refusal, or a masked one."""
        document, name = self.operation.document, self.operation.name
        definition = get_operation_ast(document, name)
        assert definition is not None
        fields = root_fields(definition.selection_set, fragments_of(document))
        key = fields[0].alias or fields[0].name
        error = GraphQLError(str(failure), fields, path=[key.value], original_error=failure)
        return orjson.dumps(self.engine.rejection([error], uuid4().hex).errors)

    async def watch(self) -> Watch:
        """What the subscription watches. Raises NotExecuted."""
        return await self.engine.watch(self.operation, self.variables, self.context())

    def context(self) -> Context:
        """A new context for each event, because loaders cache what they have read."""
        return Context(self.installation, self.actor, address="", request_id=uuid4().hex)


class _Documents:
    """A cache of documents: the last used ones, limited by the length of their texts.

    A syntax tree takes up to 200 bytes for each character of its text: 60 MB at most.
    """

    def __init__(self) -> None:
        self._characters = 0
        self._kept: OrderedDict[str, list[Operation] | NotExecuted] = OrderedDict()

    def get(self, query: str) -> list[Operation] | NotExecuted | None:
        found = self._kept.get(query)
        if found is not None:
            self._kept.move_to_end(query)
        return found

    def keep(self, query: str, found: list[Operation] | NotExecuted) -> None:
        if len(query) > _MOST_CHARACTERS // 10:
            return
        self._kept[query] = found
        self._characters += len(query)
        while self._characters > _MOST_CHARACTERS:
            dropped, _ = self._kept.popitem(last=False)
            self._characters -= len(dropped)


def _title_of(operation: OperationDefinitionNode) -> str:
    selected = operation.selection_set.selections[:_MOST_TITLED]
    names = [each.name.value for each in selected if isinstance(each, FieldNode)]
    return " ".join([operation.operation.value, *names])


def _choose(operations: Sequence[Operation], name: str | None) -> Operation:
    if name:
        named = [each for each in operations if each.name == name]
        if not named:
            raise NotExecuted([GraphQLError("The document has no operation of that name.")])
        return named[0]
    if len(operations) != 1:
        raise NotExecuted(
            [GraphQLError("The document has several operations: name one in operationName.")]
        )
    return operations[0]
