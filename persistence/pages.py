"""Pages of a list by keyset: what the window means in SQL."""

from __future__ import annotations

from collections.abc import Callable
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
    rows = await _fetch(statement, wanted, window, key)
    has_more = len(rows) > window.size
    items = [item_of(row) for row in rows[: window.size]]
    if window.from_end:
        items.reverse()
        return Page(items, has_next=window.before is not None, has_previous=has_more)
    return Page(items, has_next=has_more, has_previous=window.after is not None)


def matching(text: str) -> str:
    """The LIKE pattern for what contains a text, taken literally."""
    return f"%{text.translate(_LIKE_METACHARACTERS)}%"


async def _fetch(statement: str, wanted: Filter, window: Window[Any], key: str) -> list[Record]:
    page = Filter(list(wanted.conditions), list(wanted.values))
    if window.after is not None:
        page.add(f"{key} < {{}}", window.after)
    if window.before is not None:
        page.add(f"{key} > {{}}", window.before)
    order = "ASC" if window.from_end else "DESC"
    # One more than asked for: whether there is more.
    limit = page.value(window.size + 1)
    clause = f"{page.where} ORDER BY {key} {order} LIMIT {limit}"
    async with connection() as pooled:
        return await pooled.fetch(statement.format(page=clause, order=order), *page.values)
