"""A query, a connection and a mutation, declared as docs/adding-a-field.md says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
import strawberry
from graphql import GraphQLObjectType, Undefined, print_schema

from domain import ids
from domain.errors import Forbidden, InsufficientBalance, NotFound, RateLimited, TryAgain
from domain.ids import Kind, new_id
from domain.pages import Page, Window
from resolvers.context import Info, actor_of
from schema import errors
from schema.connections import connection_field
from schema.engine import Engine
from schema.schema import build_schema
from schema.values import Money, Units, id_of, represents
from tests.schema.fakes import actor_with, context_with

BOOKS = [new_id() for _ in range(30)]


@dataclass(frozen=True, slots=True)
class DomainBook:
    id: UUID
    price: Decimal
    pages: int
    author_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DomainLeaflet:
    pages: int


@strawberry.type
@represents(DomainLeaflet)
class Leaflet:
    pages: Units


@strawberry.type
@represents(DomainBook)
class Book:
    id: strawberry.ID = id_of(Kind.SEND)
    author_id: strawberry.ID | None = id_of(Kind.USER)
    price: Money
    pages: Units


@strawberry.input
class BuyInput:
    id: strawberry.ID
    units: Units
    note: str | None = strawberry.UNSET


BuyResult = Annotated[
    Leaflet | Book | errors.InsufficientBalance | errors.NotFound, strawberry.union("BuyResult")
]


async def list_books(info: Info, window: Window[UUID], search: str | None = None) -> Page[Any]:
    actor_of(info)
    start = 0 if window.after is None else BOOKS.index(window.after) + 1
    found = BOOKS[start : start + window.size]
    books = [DomainBook(each, Decimal(2), 100) for each in found]
    return Page(books, has_next=start + window.size < len(BOOKS), has_previous=start > 0)


async def buy(info: Info, input: BuyInput) -> DomainBook | DomainLeaflet:
    ids.decode(Kind.SEND, input.id)
    if input.units == 6:
        return DomainLeaflet(2)
    refusal: Callable[[], Exception] | None = {
        1: lambda: InsufficientBalance(required=3, available=1, unit="credit"),
        2: lambda: NotFound("book"),
        3: lambda: Forbidden(),
        4: lambda: RateLimited(7),
        5: lambda: ZeroDivisionError("the secret of the installation"),
        7: lambda: TryAgain(),
    }.get(input.units)
    if refusal is not None:
        raise refusal()
    return DomainBook(BOOKS[0], Decimal("1.5"), 12 if input.note is strawberry.UNSET else 13)


@strawberry.type
class Query:
    books = connection_field(list_books, Book)


@strawberry.type
class Mutation:
    buy = strawberry.field(resolver=buy, graphql_type=BuyResult)


ENGINE = Engine(build_schema(Query, Mutation))
BUY = """mutation ($input: BuyInput!) { buy(input: $input) {
    __typename ... on Book { id authorId price pages } ... on UserError { message }
    ... on InsufficientBalance { required available unit } } }"""


async def ask(query: str, **variables: Any) -> dict[str, Any]:
    operation = ENGINE.find(query)
    answer = await ENGINE.execute(operation, variables, context_with(actor_with()))
    return answer.body


async def bought(units: int, **given: Any) -> dict[str, Any]:
    return await ask(BUY, input={"id": ids.encode(Kind.SEND, new_id()), "units": units, **given})


def test_an_optional_argument_is_shown_without_a_default() -> None:
    printed = print_schema(ENGINE.schema)
    query = ENGINE.schema.type_map["Query"]
    assert isinstance(query, GraphQLObjectType)
    books = query.fields["books"]
    shown = {name: (str(each.type), each.default_value) for name, each in books.args.items()}
    assert shown == {
        "first": ("Int", Undefined),
        "after": ("String", Undefined),
        "last": ("Int", Undefined),
        "before": ("String", Undefined),
        "search": ("String", Undefined),
    }
    assert str(books.type) == "BookConnection!"
    assert "note: String\n" in printed
    assert "edges: [BookEdge!]!" in printed
    assert "nodes: [Book!]!" in printed
    assert "totalCount: Int\n" in printed


async def test_a_connection_is_walked_by_its_cursors() -> None:
    query = """query ($after: String) { books(first: 20, after: $after) {
        nodes { id } edges { cursor node { id price } } totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    first = (await ask(query))["data"]["books"]
    second = (await ask(query, after=first["pageInfo"]["endCursor"]))["data"]["books"]
    shown = [node["id"] for node in first["nodes"] + second["nodes"]]
    assert shown == [ids.encode(Kind.SEND, book) for book in BOOKS]
    assert first["edges"][0]["node"] == {"id": shown[0], "price": "2.00"}
    assert first["edges"][-1]["cursor"] == first["pageInfo"]["endCursor"]
    assert first["totalCount"] is None
    ends = ("hasNextPage", "hasPreviousPage")
    assert [first["pageInfo"][end] for end in ends] == [True, False]
    assert [second["pageInfo"][end] for end in ends] == [False, True]


async def test_an_empty_page_has_no_cursors() -> None:
    answer = await ask("{ books(first: 0) { nodes { id } pageInfo { startCursor endCursor } } }")
    ends = {"startCursor": None, "endCursor": None}
    assert answer["data"]["books"] == {"nodes": [], "pageInfo": ends}


async def test_a_success_can_be_distinguished_from_a_refusal_in_the_union() -> None:
    book = (await bought(9))["data"]["buy"]
    assert book["__typename"] == "Book"
    assert (book["price"], book["pages"], book["authorId"]) == ("1.50", 12, None)
    assert (await bought(6))["data"]["buy"] == {"__typename": "Leaflet"}
    refusal = (await bought(1))["data"]["buy"]
    assert refusal == {
        "__typename": "InsufficientBalance",
        "message": "This takes 3 credits, but the balance is 1 credit."
        " Nothing was sent or charged.",
        "required": 3,
        "available": 1,
        "unit": "credit",
    }
    missing = (await bought(2))["data"]["buy"]
    assert missing == {"__typename": "NotFound", "message": "No such book."}


async def test_an_id_of_another_kind_is_not_found() -> None:
    foreign = await bought(9, id=ids.encode(Kind.MESSAGE, new_id()))
    assert foreign["data"]["buy"] == {"__typename": "NotFound", "message": "No such send."}


async def test_null_clears_a_value_and_an_absent_field_keeps_it() -> None:
    assert (await bought(9, note=None))["data"]["buy"]["pages"] == 13


async def test_a_refusal_outside_the_union_is_a_top_level_error_with_its_code() -> None:
    [error] = (await bought(3))["errors"]
    assert error["message"] == "Your role does not allow this. Ask your operator."
    assert error["extensions"] == {"code": "FORBIDDEN"}
    assert error["path"] == ["buy"]
    [error] = (await bought(4))["errors"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 7}
    [error] = (await bought(7))["errors"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}


async def test_a_defect_is_masked_and_logged_with_its_correlation_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, logger="ibiki.graphql"):
        answer = await bought(5)
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "correlationId": "req-1"}
    assert "secret" not in str(answer)
    [record] = caplog.records
    assert record.exc_info is not None
    assert vars(record)["request_id"] == "req-1"
