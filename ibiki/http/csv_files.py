"""CSV files that are streamed page by page, with cells that no spreadsheet reads as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TypeVar

from starlette.responses import StreamingResponse

Item = TypeVar("Item")

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """The rows as CSV. A text that a spreadsheet would read as a formula gets an apostrophe.

    Numbers stay numbers: a negative number is not a formula.
    """
    written = io.StringIO()
    csv.writer(written).writerows(map(_cell, row) for row in rows)
    return written.getvalue()


def safe_cell(text: str) -> str:
    """The text, after an apostrophe if a spreadsheet would read it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_response(
    name: str,
    columns: Sequence[str],
    first: Sequence[Item],
    others: AsyncIterator[Sequence[Item]],
    rows_of: Callable[[Sequence[Item]], Iterable[Iterable[object]]],
) -> StreamingResponse:
    """A file with a header, the first page and the other pages, which are read as it is sent."""

    async def lines() -> AsyncIterator[str]:
        yield csv_lines([columns, *rows_of(first)])
        async for page in others:
            yield csv_lines(rows_of(page))

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
        },
    )


def _cell(value: object) -> object:
    return safe_cell(value) if isinstance(value, str) else value
