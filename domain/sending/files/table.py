"""An upload, its rows below the header, and the cells of a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO
from uuid import UUID

from domain.numbers import LONGEST_INPUT
from domain.sending.files.csv_rows import Row, csv_rows
from domain.sending.files.layout import MOST_COLUMNS, Layout

TOO_MANY_CELLS = MOST_COLUMNS + 1
LONGEST_CELL = 40_000
"""Characters: longer than any text that can be sent, so that one row cannot fill the memory."""

PART_BYTES = 1024 * 1024
KEPT_SECONDS = 24 * 3600.0
"""How long an upload is kept."""

# Spreadsheets write text that looks like a number or a formula as ="0012".
_PROTECTED = re.compile(r'="([^"]*)"').fullmatch


@dataclass(frozen=True, slots=True)
class Upload:
    """A client's file and how it is laid out. `size`: in bytes, as CSV.

    `hidden_rows`, `other_sheets`: what was left out of a spreadsheet, known only when it arrives.
    """

    id: UUID
    client_id: UUID
    size: int
    layout: Layout
    hidden_rows: int = 0
    other_sheets: Sequence[str] = ()

    @property
    def parts(self) -> int:
        """The number of parts that it is stored in."""
        return -(-self.size // PART_BYTES)


def table_rows(file: BinaryIO, layout: Layout) -> Iterator[Row]:
    """The rows without the header, cut if they are wider than a table. Raises InvalidFile."""
    rows = csv_rows(
        file,
        encoding=layout.encoding,
        delimiter=layout.delimiter,
        count_rows=layout.sheet is not None,
    )
    for row in islice(rows, layout.skipped_rows, None):
        yield row if len(row.cells) <= MOST_COLUMNS else Row(row.line, row.cells[:TOO_MANY_CELLS])


def has_slipped(row: Row, layout: Layout) -> bool:
    """Whether the row has more cells than there are columns.

    Its cells are then not in their columns: a delimiter is in one of them without quotes.
    """
    cells = row.cells
    if len(cells) <= len(layout.columns):
        return False  # quick for the usual ones
    return len(cells) == TOO_MANY_CELLS or any(map(str.strip, cells[len(layout.columns) :]))


def number_cell(row: Row, column: int, layout: Layout) -> str:
    """The number in the row, cut if it is too long; the whole row, which is not a number, if the
    row has slipped.
    """
    if has_slipped(row, layout):
        return ", ".join(row.cells)[: LONGEST_INPUT + 1]
    return row.cells[column].strip()[: LONGEST_INPUT + 1] if column < len(row.cells) else ""


def value_in(cells: Sequence[str], column: int) -> str:
    """The text in the column, trimmed and cut; empty if the row is too short."""
    if column >= len(cells):
        return ""
    cell = cells[column][:LONGEST_CELL].strip()
    if cell.startswith("=") and (protected := _PROTECTED(cell)):
        return protected[1].strip()
    return cell
