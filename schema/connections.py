"""Relay connections: `connection_field` declares one, which shows a page of the domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.extensions import FieldExtension
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import get_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

from domain.pages import Page
from resolvers.pages import Cursors, by_id, window_of
from schema.fields import Resolver, described, resolved_field

BY_ID = by_id()

PAGE_ARGUMENTS: dict[str, tuple[Any, str]] = {
    "first": (
        int | None,
        "How many items to list from the start: 0 to 100. Default: 25. Not together with `last`.",
    ),
    "after": (str | None, "A cursor: lists only items that come after it."),
    "last": (int | None, "How many items to list from the end: 0 to 100."),
    "before": (str | None, "A cursor: lists only items that come before it."),
}


@dataclass(frozen=True, slots=True)
class Edge:
    """One item of a page and its cursor."""

    node: Any
    cursor: str


@dataclass(frozen=True, slots=True)
class PageEnds:
    """Whether more items are around a page, and its first and last cursor."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="The position of a page in its list.")
class PageInfo:
    has_next_page: bool = described("Whether items come after this page.")
    has_previous_page: bool = described("Whether items come before this page.")
    start_cursor: str | None = described(
        "The cursor of the first item, for `before`. Null if the page is empty."
    )
    end_cursor: str | None = described(
        "The cursor of the last item, for `after`. Null if the page is empty."
    )


def connection_field(
    resolver: Callable[..., Any],
    node: type,
    *,
    cursors: Cursors = BY_ID,
    description: str | None = None,
) -> Any:
    """A field that lists `node` in pages.

    The resolver takes `window: Window[…]` and returns a `domain.pages.Page` (or one for each of
    its `roots`). This adds the four arguments of a connection, checks them, and makes the window.
    """
    return strawberry.field(
        resolver=Resolver(resolver),
        graphql_type=connection(node, cursors),
        extensions=[_Windowed(cursors)],
        description=description,
    )


def defined_later(name: str, module: str) -> Any:
    """A type that may be null, of a module that is imported only when the schema is built."""
    return LazyType(name, module) | None


@cache
def connection(node: type, cursors: Cursors = BY_ID) -> Any:
    """The type `<Node>Connection`, with its edge; its source is a `domain.pages.Page`."""
    definition = get_object_definition(node, strict=True)
    edge = _edge(definition.name, node)

    def edges(root: Page[Any]) -> list[Edge]:
        return [Edge(item, cursors.encode(cursors.key_of(item))) for item in root.items]

    def nodes(root: Page[Any]) -> list[Any]:
        return list(root.items)

    def page_info(root: Page[Any]) -> PageEnds:
        ends = [cursors.encode(cursors.key_of(root.items[at])) for at in (0, -1) if root.items]
        start, end = ends or (None, None)
        return PageEnds(root.has_next, root.has_previous, start, end)

    def total_count(root: Page[Any]) -> int | None:
        return root.total

    members = {
        "edges": resolved_field(
            edges,
            list[edge],  # type: ignore[valid-type]
            description="The items of this page, each with its cursor.",
        ),
        "nodes": resolved_field(
            nodes,
            list[node],  # type: ignore[valid-type]
            description="The items of this page.",
        ),
        "page_info": resolved_field(
            page_info, PageInfo, description="The position of this page in the list."
        ),
        "total_count": resolved_field(
            total_count,
            int | None,
            description="The number of items on all pages. Null if counting would be slow.",
        ),
    }
    return strawberry.type(
        type(f"{definition.name}Connection", (), members),
        description=f"One page of a list of items of the type {definition.name}.",
    )


def _edge(name: str, node: type) -> Any:
    members = {
        "__annotations__": {"node": node, "cursor": str},
        "node": described("The item itself."),
        "cursor": described("The position of the item, for `after` and `before`."),
    }
    return strawberry.type(
        type(f"{name}Edge", (), members), description=f"One {name} of a list, with its cursor."
    )


class _Windowed(FieldExtension):
    """Makes the four arguments of a connection one `window` for the resolver."""

    def __init__(self, cursors: Cursors) -> None:
        self.cursors = cursors

    def apply(self, field: StrawberryField) -> None:
        """Shows first, after, last and before instead of `window`."""
        page_arguments = [
            StrawberryArgument(name, None, StrawberryAnnotation(type_), description=description)
            for name, (type_, description) in PAGE_ARGUMENTS.items()
        ]
        field.arguments = [*page_arguments, *field.arguments]

    def map_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments for the resolver. Raises InvalidInput."""
        requested = {name: kwargs.pop(name, None) for name in PAGE_ARGUMENTS}
        kwargs["window"] = window_of(self.cursors, **requested)
        return kwargs
