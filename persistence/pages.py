"""Pages of a list by keyset: what the window means in SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from domain.pages import Page, Window
from persistence.database import connection

if TYPE_CHECKING:
    from asyncpg import Record

Item = TypeVar("Item")

_LIKE_METACHARACTERS = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


@dataclass(slots=True)
class Filter:
    """Conditions that all must hold, with the values that their placeholders stand for."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        """One more condition; each `{}` in it stands for a value, same order."""
        self.conditions.append(condition.format(*[self.value(each) for each in values]))

    def value(self, value: Any) -> str:
        """The placeholder of one more value."""
        self.values.append(value)
        return f"${len(self.values)}"

    @property
    def where(self) -> str:
        """The WHERE clause; empty where nothing is asked."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


async def read_page(
    statement: str,
    wanted: Filter,
    window: Window[Any],
    item_of: Callable[[Record], Item],
    *,
    key: str = "id",
) -> Page[Item]:
    """One page of what `statement` lists, the highest key first.

    In the statement `{page}` stands for the WHERE, ORDER BY and LIMIT of the paged table, and
    `{order}` for the direction that its outermost ORDER BY has to repeat.
    """
    page = page_clause(wanted, window, key=key)
    async with connection() as pooled:
        rows = await pooled.fetch(
            statement.format(page=page, order=order_of(window)), *wanted.values
        )
    return page_of(rows, window, item_of)


def page_clause(wanted: Filter, window: Window[Any], *, key: str, within: str | None = None) -> str:
    """WHERE, ORDER BY and LIMIT of a page, by a key of which the highest comes first.

    One row more than the page holds: it tells whether there is more. `within`: a column that is
    the same for all rows, and leads the index that they are to be read by.
    """
    page = Filter(list(wanted.conditions), wanted.values)
    if window.after is not None:
        page.add(f"{key} < {{}}", window.after)
    if window.before is not None:
        page.add(f"{key} > {{}}", window.before)
    limit = page.value(window.size + 1)
    order = order_of(window)
    leading = f"{within} {order}, " if within else ""
    return f"{page.where} ORDER BY {leading}{key} {order} LIMIT {limit}"


def order_of(window: Window[Any]) -> str:
    """The direction that rows are read in: from the end, and turned round later, or not."""
    return "ASC" if window.from_end else "DESC"


def page_of(
    rows: Sequence[Record], window: Window[Any], item_of: Callable[[Record], Item]
) -> Page[Item]:
    """The page that rows make which were read by `page_clause`."""
    has_more = len(rows) > window.size
    items = [item_of(row) for row in rows[: window.size]]
    if window.from_end:
        items.reverse()
        return Page(items, has_next=window.before is not None, has_previous=has_more)
    return Page(items, has_next=has_more, has_previous=window.after is not None)


def matching(text: str) -> str:
    """The LIKE pattern for what contains a text, taken literally."""
    return f"%{text.translate(_LIKE_METACHARACTERS)}%"
