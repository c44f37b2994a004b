"""The rows of an upload below its header, and the number that each is for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from domain.numbers import LONGEST_INPUT
from domain.sending.files.layout import MOST_COLUMNS, Layout, number_in
from domain.sending.files.rows import Row, rows_of

TOO_MANY_CELLS = MOST_COLUMNS + 1


def table_rows(file: BinaryIO, layout: Layout) -> Iterator[Row]:
    """The rows without the header, cut where they are wider than a table. Raises InvalidFile."""
    rows = rows_of(file, encoding=layout.encoding, delimiter=layout.delimiter)
    for row in islice(rows, int(layout.has_header), None):
        yield row if len(row.cells) <= MOST_COLUMNS else Row(row.line, row.cells[:TOO_MANY_CELLS])


def number_cell(row: Row, column: int, layout: Layout) -> str:
    """What stands for a number in the row, cut where it is far too long to be one.

    A row with more cells than there are columns has slipped (a delimiter stands in it without
    quotes): all of it, joined by commas, which is no number.
    """
    cells = row.cells
    if len(cells) == TOO_MANY_CELLS or any(map(str.strip, cells[len(layout.columns) :])):
        return ", ".join(cells)[: LONGEST_INPUT + 1]
    return number_in(cells[column])[: LONGEST_INPUT + 1] if column < len(cells) else ""
