"""Plans against graphql-core: the same answers and errors for documents made up over the schema.

Every value is made up too, from a seed: right, null, wrong, raised, at once or later.
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    execute,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)

from domain.ids import new_id
from schema.execution.plans import plan_of
from schema.execution.run import is_awaitable
from schema.limits import operations_of
from schema.schema import build_schema

SCHEMA = build_schema()
ID = new_id()


class Source:
    """An object of a type, every attribute of it made up from its seed."""

    type_name = ""

    def __init__(self, seed: str) -> None:
        self.seed = seed

    def __getattr__(self, name: str) -> Any:
        if name not in ATTRIBUTES[self.type_name]:
            raise AttributeError(name)
        return made_up(ATTRIBUTES[self.type_name][name], f"{self.seed}.{name}", values_seed)


values_seed = 0


NOT_A_SCALAR = object()
"""One object: its text has an address, and both answers must have the same."""


def made_up(type_: Any, seed: str, general: int) -> Any:
    """A value of the type, now and then a wrong one. Raises as well."""
    chance = random.Random(f"{general} {seed}")
    match chance.randrange(40):
        case 0:
            return None
        case 1:
            raise ZeroDivisionError(seed)
        case 2:
            return NOT_A_SCALAR
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    elif chance.randrange(6) == 0:
        return None
    if isinstance(type_, GraphQLList):
        items = range(chance.randrange(4))
        return [made_up(type_.of_type, f"{seed}[{each}]", general) for each in items]
    if isinstance(type_, (GraphQLUnionType, GraphQLInterfaceType)):
        type_ = chance.choice(SCHEMA.get_possible_types(type_))
    if isinstance(type_, GraphQLObjectType):
        return SOURCES[type_.name](seed)
    return leaf(type_, chance)


def leaf(type_: Any, chance: random.Random) -> Any:
    if isinstance(type_, GraphQLEnumType):
        return chance.choice([value.value for value in type_.values.values()])
    values: dict[str, Any] = {
        "ID": ID,
        "Int": 7,
        "Boolean": True,
        "Units": chance.choice([1, 2**53]),
        "Money": Decimal("1.5"),
        "DateTime": datetime(2026, 11, 1, tzinfo=UTC),
        "JSON": {"a": [1]},
    }
    return values.get(type_.name, "text")


def resolver(field: GraphQLField, name: str) -> Callable[..., Any]:
    """Answers what is made up: at once, or after a few turns of the loop."""

    async def later(seed: str, turns: int) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        return made_up(field.type, seed, values_seed)

    def resolve(source: Any, _info: Any, **arguments: Any) -> Any:
        seed = f"{getattr(source, 'seed', '')}.{name}({arguments})"
        turns = random.Random(f"{values_seed} {seed} turns").randrange(4)
        match turns:
            case 0:
                return made_up(field.type, seed, values_seed)
            case 1 if random.Random(seed).randrange(9) == 0:
                return ZeroDivisionError(seed)
        return later(seed, turns)

    return resolve


def _named(type_: GraphQLNamedType) -> Callable[..., bool]:
    return lambda value, _info: getattr(value, "type_name", None) == type_.name


def _types() -> Iterator[GraphQLObjectType]:
    for type_ in SCHEMA.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            yield type_


def _prepare() -> None:
    for type_ in SCHEMA.type_map.values():
        if isinstance(type_, (GraphQLUnionType, GraphQLInterfaceType)):
            type_.resolve_type = lambda value, _info, _type: value.type_name
    for object_type in _types():
        SOURCES[object_type.name] = type(
            object_type.name, (Source,), {"type_name": object_type.name}
        )
        object_type.is_type_of = _named(object_type)
        attributes = ATTRIBUTES[object_type.name] = {}
        for name, field in object_type.fields.items():
            declared = field.extensions["strawberry-definition"]
            if declared.is_basic_field:
                attributes[declared.python_name] = field.type
            else:
                field.resolve = resolver(field, name)


SOURCES: dict[str, type[Source]] = {}
ATTRIBUTES: dict[str, dict[str, Any]] = {}
_prepare()


class Writer:
    """Writes a document: aliases, fragments of both kinds, fields that stand twice."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.fragments: list[str] = []

    def document(self, kind: str) -> str:
        root = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type}[kind]
        assert root is not None
        return f"{kind} {self.selection(root, 4)} " + " ".join(self.fragments)

    def selection(self, type_: Any, depth: int) -> str:
        parts = [self.part(type_, depth) for _ in range(self.chance.randint(1, 4))]
        return "{ " + " ".join(parts) + " }"

    def part(self, type_: Any, depth: int) -> str:
        narrow = self.narrower(type_)
        match self.chance.randrange(8):
            case 0:
                return "__typename"
            case 1 if depth:
                return f"... on {narrow} {self.selection(narrow, depth - 1)}"
            case 2 if depth:
                name = f"F{len(self.fragments)}"
                self.fragments.append("")
                body = self.selection(narrow, depth - 1)
                self.fragments[int(name[1:])] = f"fragment {name} on {narrow} {body}"
                return f"...{name} ...{name}"
        if isinstance(type_, GraphQLUnionType):
            return f"... on {narrow} {self.selection(narrow, max(depth - 1, 0))}"
        return self.field(type_, depth)

    def narrower(self, type_: Any) -> Any:
        """The type itself, or one of those that it stands for."""
        abstract = isinstance(type_, (GraphQLUnionType, GraphQLInterfaceType))
        return self.chance.choice(SCHEMA.get_possible_types(type_)) if abstract else type_

    def field(self, type_: Any, depth: int) -> str:
        fields = {
            name: field
            for name, field in type_.fields.items()
            if depth or not is_composite_type(get_named_type(field.type))
        }
        if not fields:
            return "__typename"
        name, field = self.chance.choice(list(fields.items()))
        alias = f"a{self.chance.randrange(9999)}: " if self.chance.randrange(3) == 0 else ""
        required = {
            argument: _literal(value.type)
            for argument, value in field.args.items()
            if isinstance(value.type, GraphQLNonNull)
        }
        asked = ", ".join(f"{key}: {value}" for key, value in required.items())
        named = get_named_type(field.type)
        below = self.selection(named, depth - 1) if is_composite_type(named) else ""
        return f"{alias}{name}{f'({asked})' if asked else ''} {below}"


def _literal(type_: GraphQLInputType) -> str:
    if isinstance(type_, GraphQLNonNull):
        return _literal(type_.of_type)
    if isinstance(type_, GraphQLList):
        return f"[{_literal(type_.of_type)}]"
    if isinstance(type_, GraphQLEnumType):
        return str(next(iter(type_.values)))
    fields: Mapping[str, Any] = getattr(type_, "fields", {})
    if fields:
        needed = {k: v.type for k, v in fields.items() if isinstance(v.type, GraphQLNonNull)}
        return "{" + ", ".join(f"{k}: {_literal(v)}" for k, v in needed.items()) + "}"
    return {
        "Int": "1",
        "Boolean": "true",
        "Units": "1",
        "Money": '"1.00"',
        "PhoneNumber": '"+12025550100"',
        "DateTime": '"2026-11-01T00:00:00Z"',
    }.get(str(type_), '"x"')


async def both(text: str) -> tuple[ExecutionResult, ExecutionResult]:
    """What graphql-core comes to, and what the plan comes to."""
    document = parse(text)
    plan = plan_of(SCHEMA, document, operations_of(document)[0])
    assert plan is not None
    running = execute(SCHEMA, document, is_awaitable=is_awaitable, hide_suggestions=True)
    theirs = running if isinstance(running, ExecutionResult) else await running
    return theirs, await plan.execute(None, None, None, most_errors=5)


def said(result: ExecutionResult) -> Any:
    """All that a caller hears, and what is behind it."""
    errors = [(each.formatted, repr(each.original_error)) for each in result.errors or ()]
    return result.data, errors


def made_documents(count: int) -> Iterator[tuple[int, str]]:
    """Valid documents with the seed of each."""
    for seed in range(count):
        text = Writer(random.Random(seed)).document("mutation" if seed % 4 == 0 else "query")
        if not validate(SCHEMA, parse(text)):
            yield seed, text


DOCUMENTS = list(made_documents(300))


# A field that fails cancels what stands beside it, begun or not: graphql-core does so too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("part", range(4))
async def test_a_plan_answers_what_graphql_core_answers(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = failed = 0
    for seed, text in DOCUMENTS[part::4]:
        for values in range(3):
            monkeypatch.setattr(sys.modules[__name__], "values_seed", 10 * seed + values)
            theirs, ours = await both(text)
            assert said(ours) == said(theirs), text
            compared += 1
            failed += bool(ours.errors)
    gc.collect()
    assert compared > 150
    assert 30 < failed < compared
