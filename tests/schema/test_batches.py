"""A resolver that takes `roots` is called once for all parents, by both executors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import strawberry

from domain.errors import Forbidden
from domain.pages import Page, Window
from resolvers.context import Info
from schema.connections import connection_field
from schema.engine import Engine
from schema.fields import resolved_field
from schema.schema import build_schema
from schema.values import represents
from tests.schema.fakes import context_with


@dataclass(frozen=True, slots=True)
class DomainShelf:
    number: int


@dataclass(frozen=True, slots=True)
class DomainBook:
    shelf: int
    title: str


calls: list[list[int]] = []


async def books_of(roots: Sequence[DomainShelf], info: Info, fail: int = 0) -> list[Any]:
    """The book of each shelf; an exception for the shelf of that number."""
    calls.append([root.number for root in roots])
    await asyncio.sleep(0)
    return [
        Forbidden() if root.number == fail else DomainBook(root.number, f"Book {root.number}")
        for root in roots
    ]


async def pages_of(roots: Sequence[DomainBook], info: Info, window: Window[Any]) -> list[Page[Any]]:
    """A page of shelves for each book."""
    calls.append([root.shelf for root in roots])
    return [Page([DomainShelf(9)] * window.size, False, False) for _ in roots]


async def one_book(roots: Sequence[DomainShelf]) -> list[DomainBook]:
    """A defect: one value for all parents."""
    return [DomainBook(1, "The only one")]


async def shelves(info: Info) -> list[DomainShelf]:
    """Three of them."""
    return [DomainShelf(number) for number in (1, 2, 3)]


@strawberry.type
@represents(DomainBook)
class Book:
    title: str


@strawberry.type
@represents(DomainShelf)
class Shelf:
    number: int
    book = resolved_field(books_of, Book | None)
    one = resolved_field(one_book, Book | None)


@strawberry.type
@represents(DomainBook)
class Volume:
    title: str
    shelves = connection_field(pages_of, Shelf)


@strawberry.type
class Query:
    shelves = strawberry.field(resolver=shelves, graphql_type=list[Shelf])
    volume = strawberry.field(resolver=lambda: DomainBook(7, "Volume"), graphql_type=Volume)


async def write(info: Info, number: int) -> int:
    """Writes the number, unless it is odd."""
    calls.append([number])
    if number % 2:
        raise Forbidden
    return number


@strawberry.type
class Mutation:
    write = strawberry.field(resolver=write, graphql_type=int)


ENGINE = Engine(build_schema(Query, Mutation, None))


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


async def ask(query: str) -> dict[str, Any]:
    answer = await ENGINE.execute(ENGINE.find(query), None, context_with())
    return answer.body


@pytest.mark.parametrize("directive", ["", "@include(if: true)"])
async def test_all_parents_of_a_list_are_resolved_by_one_call(directive: str) -> None:
    answer = await ask(f"{{ shelves {{ number {directive} book {{ title }} }} }}")
    titles = [shelf["book"]["title"] for shelf in answer["data"]["shelves"]]
    assert titles == ["Book 1", "Book 2", "Book 3"]
    assert calls == [[1, 2, 3]]


@pytest.mark.parametrize("directive", ["", "@include(if: true)"])
async def test_an_exception_among_the_values_fails_that_one(directive: str) -> None:
    answer = await ask(f"{{ shelves {{ book(fail: 2) {directive} {{ title }} }} }}")
    books = [shelf["book"] for shelf in answer["data"]["shelves"]]
    assert books == [{"title": "Book 1"}, None, {"title": "Book 3"}]
    [error] = answer["errors"]
    assert error["path"] == ["shelves", 1, "book"]
    assert error["extensions"] == {"code": "FORBIDDEN"}


async def test_too_few_values_fail_every_parent() -> None:
    answer = await ask("{ shelves { one { title } } }")
    assert [shelf["one"] for shelf in answer["data"]["shelves"]] == [None, None, None]
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"] * 3


async def test_two_fields_with_other_arguments_are_two_calls() -> None:
    await ask("{ shelves { a: book { title } b: book(fail: 1) { title } } }")
    assert calls == [[1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize("directive", ["", "@include(if: true)"])
async def test_a_connection_can_be_resolved_for_all_parents(directive: str) -> None:
    answer = await ask(f"{{ volume {{ shelves(first: 2) {directive} {{ nodes {{ number }} }} }} }}")
    assert answer["data"]["volume"]["shelves"]["nodes"] == [{"number": 9}] * 2
    assert calls == [[7]]


async def test_a_list_is_answered_without_a_task() -> None:
    loop, made = asyncio.get_running_loop(), []

    def factory(
        loop: asyncio.AbstractEventLoop, running: Coroutine[Any, Any, Any], **named: Any
    ) -> asyncio.Task[Any]:
        made.append(running)
        return asyncio.Task(running, loop=loop, **named)

    before: Callable[..., Any] | None = loop.get_task_factory()
    loop.set_task_factory(factory)  # type: ignore[arg-type]
    try:
        await ask("{ shelves { number book { title } } }")
    finally:
        loop.set_task_factory(before)
    assert made == []


async def test_no_mutation_begins_after_one_that_fails() -> None:
    answer = await ask("mutation { a: write(number: 2) b: write(number: 3) c: write(number: 4) }")
    assert answer["data"] is None
    assert [error["path"] for error in answer["errors"]] == [["b"]]
    assert calls == [[2], [3]]
