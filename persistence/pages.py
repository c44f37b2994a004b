"""Pages of a list by keyset: what a `Window` means for a queryset and for SQL.

Lists off the hot paths use `list_page` with a Tortoise queryset. Lists that need joins use SQL with
`Filter` and `read_page`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from asyncpg import Record
from tortoise.expressions import Q, Value
from tortoise.functions import Lower
from tortoise.models import Model
from tortoise.queryset import QuerySet

from domain.pages import Page, Window
from persistence.database import Connection, fetch

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)

NEWEST_FIRST = ("-id",)

_LIKE_METACHARACTERS = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


async def list_page(
    query: QuerySet[Row],
    window: Window[Any],
    *,
    order: Sequence[str] = NEWEST_FIRST,
    count: bool = False,
) -> Page[Row]:
    """One page of the rows that a queryset finds.

    `order`: columns or annotations that are never null, as for `order_by`; the last one is unique,
    so that no row is skipped at the border of a page. The keys of the window are the values of
    these columns: one value for one column, a tuple for several. `count`: whether to count all rows
    of the queryset, which reads them all.
    """
    total = await query.count() if count else None
    if window.after is not None:
        query = query.filter(_beyond(order, _values(window.after)))
    if window.before is not None:
        query = query.filter(_beyond(_reversed(order), _values(window.before)))
    read_in = _reversed(order) if window.from_end else order
    # One row more than the page holds shows whether there is another page.
    rows = await query.order_by(*read_in).limit(window.size + 1)
    return _cut(rows, window, total)


def order_columns(order: str) -> tuple[list[str], Callable[[tuple[Any, UUID]], Any]]:
    """The columns of the orders NEWEST and OLDEST, and of any other one: by a text, ignoring case.

    Also a function that makes the values of these columns of a key (text, ID). The annotation
    `lowered` is the text in lower case. PostgreSQL lowers the key too: its rules for letters differ
    from Python's.
    """
    if order in ("NEWEST", "OLDEST"):
        return ["-id" if order == "NEWEST" else "id"], lambda key: key[1]

    def by_text(key: tuple[Any, UUID]) -> Any:
        lowered: Any = Value(key[0] or "")
        return Lower(lowered), key[1]

    return ["lowered", "id"], by_text


def _beyond(order: Sequence[str], values: Sequence[Any]) -> Q:
    """The rows that come after a key in this order.

    For (a, b) it is `a >= x AND (a > x OR b > y)`: PostgreSQL finds `a >= x` in an index, but would
    not do so for the shorter `a > x OR (a = x AND b > y)`.
    """
    (name, value), *others = zip(order, values, strict=True)
    column = name.removeprefix("-")
    comparison = "lt" if name.startswith("-") else "gt"
    strictly = Q(**{f"{column}__{comparison}": value})
    if not others:
        return strictly
    rest = _beyond([each[0] for each in others], [each[1] for each in others])
    return Q(Q(**{f"{column}__{comparison}e": value}), Q(strictly, rest, join_type=Q.OR))


def _values(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _reversed(order: Sequence[str]) -> list[str]:
    return [name[1:] if name.startswith("-") else f"-{name}" for name in order]


def _cut(rows: Sequence[Item], window: Window[Any], total: int | None = None) -> Page[Item]:
    """The page of rows that were read in the direction of the window, one more than it holds."""
    has_more = len(rows) > window.size
    items = list(rows[: window.size])
    if window.from_end:
        items.reverse()
        return Page(items, window.before is not None, has_more, total)
    return Page(items, has_more, window.after is not None, total)


# The same for SQL


@dataclass(slots=True)
class Filter:
    """Conditions of a WHERE clause that must all hold, with the values of their placeholders."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        """Adds a condition. Each `{}` in it is replaced by the placeholder of a value, in order."""
        self.conditions.append(condition.format(*[self.value(each) for each in values]))

    def value(self, value: Any) -> str:
        """Adds a value and returns its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"

    @property
    def where(self) -> str:
        """The WHERE clause; empty if there is no condition."""
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


async def read_page(
    statement: str,
    wanted: Filter,
    window: Window[Any],
    item_of: Callable[[Record], Item],
    *,
    key: str = "id",
    keeps_plan: bool = False,
    tx: Connection | None = None,
) -> Page[Item]:
    """One page of what `statement` lists, highest key first.

    In the statement, `{page}` is replaced by the WHERE, ORDER BY and LIMIT of the paged table, and
    `{order}` by the direction, which an outer ORDER BY has to repeat. `keeps_plan`: see
    `page_clause`.
    """
    wanted = Filter(wanted.conditions, list(wanted.values))  # the read may be repeated
    page = page_clause(wanted, window, key=key, keeps_plan=keeps_plan)
    rows = await fetch(
        statement.format(page=page, order=order_of(window)),
        *wanted.values,
        tx=tx,
    )
    return page_of(rows, window, item_of)


def page_clause(
    wanted: Filter,
    window: Window[Any],
    *,
    key: str,
    within: str | None = None,
    keeps_plan: bool = False,
) -> str:
    """WHERE, ORDER BY and LIMIT of a page, by a key in descending order.

    The limit is one row more than the page holds, to see whether there is another page. `within`: a
    column that has one value in all rows and comes first in the index to read by. `keeps_plan`:
    writes the limit into the statement. Without that, PostgreSQL plans the statement each time: it
    expects of an unknown limit a tenth of the table. Only if one index is best for all values.
    """
    page = Filter(list(wanted.conditions), wanted.values)
    if window.after is not None:
        page.add(f"{key} < {{}}", window.after)
    if window.before is not None:
        page.add(f"{key} > {{}}", window.before)
    limit = str(window.size + 1) if keeps_plan else page.value(window.size + 1)
    order = order_of(window)
    leading = f"{within} {order}, " if within else ""
    return f"{page.where} ORDER BY {leading}{key} {order} LIMIT {limit}"


def beyond_cursors(wanted: Filter, window: Window[UUID]) -> list[str]:
    """The conditions of `page_clause` for the cursors, which lead PostgreSQL to no index."""
    cursors = ((window.after, "<"), (window.before, ">"))
    return [
        f"coalesce(id {comparison} {wanted.value(cursor)}, false)"
        for cursor, comparison in cursors
        if cursor is not None
    ]


def add_limit(wanted: Filter, last: str, window: Window[Any], *, key: str) -> None:
    """The condition that a row does not come after the last one that a search looks at.

    It limits the work of a search that finds little. `last`: a SELECT of the key of that row, with
    the values of `wanted`; no row if the list is shorter. An index must have the list in order.
    """
    end = "'ffffffff-ffff-ffff-ffff-ffffffffffff'" if window.from_end else f"'{UUID(int=0)}'"
    comparison = "<=" if window.from_end else ">="
    wanted.conditions.append(f"{key} {comparison} coalesce(({last}), {end}::uuid)")


def order_of(window: Window[Any]) -> str:
    """The direction that rows are read in: backwards if the page is at the end of the window."""
    return "ASC" if window.from_end else "DESC"


def page_of(
    rows: Sequence[Record], window: Window[Any], item_of: Callable[[Record], Item]
) -> Page[Item]:
    """The page of rows that were read with `page_clause`."""
    page = _cut(rows, window)
    return page.with_items([item_of(row) for row in page.items])


ACCENTS = frozenset(map(chr, range(0x300, 0x370)))
PLAIN = dict(zip("łøđðɖħŧıɓɗƙƴɛəɔŋƒʋ", "lodddhtibdkyeeonfv", strict=True)) | {
    "ß": "ss",
    "ſ": "s",
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
}
"""Letters without an accent that are often written as another letter, or as two."""


def _variants() -> Mapping[str, str]:
    """By letter, the same letter with each accent, and those written as it: "òóôõö…ø" for "o"."""
    variants: dict[str, str] = {}
    for letter in map(chr, range(0xC0, 0x2000)):
        parts = unicodedata.normalize("NFD", letter)
        first, accents = parts[0].lower(), parts[1:]
        plain = PLAIN.get(first, first)
        if plain != first or (accents and ACCENTS.issuperset(accents)):
            for key in {plain[0], plain}:
                variants[key] = variants.get(key, "") + letter
    return variants


VARIANTS = _variants()
_LETTERS = re.compile("ss|ae|oe|th|.", re.DOTALL | re.IGNORECASE)


def without_accents(text: str) -> str:
    """The regular expression for values that contain a text, whatever accents both have.

    "Lukasz" finds "Łukasz", and "gross" finds "Groß". PostgreSQL compares it with 100,000 names as
    fast as a LIKE pattern. To remove the accents of each name takes five times as long.
    """
    parts = [each for each in unicodedata.normalize("NFD", text) if each not in ACCENTS]
    plain = "".join(PLAIN.get(each.lower(), each) for each in parts)
    return "".join(map(_with_any_accent, _LETTERS.findall(unicodedata.normalize("NFC", plain))))


def _with_any_accent(letters: str) -> str:
    variants = VARIANTS.get(letters.lower(), "")
    if len(letters) > 1:
        either = f"(?:{''.join(map(_with_any_accent, letters))}|[{variants}])"
    else:
        either = f"[{letters}{variants}]" if variants else re.escape(letters)
    return either + "[\u0300-\u036f]*"


def matching(text: str) -> str:
    """The LIKE pattern for values that contain a text, taken literally."""
    return f"%{text.translate(_LIKE_METACHARACTERS)}%"
