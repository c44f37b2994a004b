"""The table in a file that an operator imports, and its columns by their names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from domain.errors import InvalidFile
from domain.installation import Installation
from domain.sending.files.csv_rows import Row
from domain.sending.files.headers import words_of
from domain.sending.files.layout import Layout, columns_in_words, cut
from domain.sending.files.table import has_slipped, table_rows, value_in
from domain.sending.files.uploads import read_table


@dataclass(frozen=True, slots=True)
class Table:
    """A file that is a table, as CSV. Rows are read one at a time, from the beginning.

    `other_sheets`: the sheets of a spreadsheet that are not read.
    """

    file: BinaryIO
    layout: Layout
    other_sheets: Sequence[str] = ()

    def rows(self) -> Iterator[Row]:
        """The rows below the header."""
        return table_rows(self.file, self.layout)


@asynccontextmanager
async def opened_table(
    installation: Installation, file: BinaryIO, named: Sequence[str]
) -> AsyncIterator[Table]:
    """The table in a CSV or XLSX file. Raises InvalidFile, also if it has no rows.

    `named`: column names that identify the header line. Lines above it are skipped.
    """
    with installation.file_limits.temporary_file() as converted:
        read = partial(read_table, file, converted, installation.normaliser, named=named)
        layout, table, sheet = await asyncio.to_thread(read)
        if sheet is not None and sheet.hidden_rows:
            raise InvalidFile(
                f"The sheet “{cut(sheet.name)}” has hidden rows ({sheet.hidden_rows:,}). Show them"
                " or delete them, and save the file."
            )
        if not layout.rows:
            raise InvalidFile("The file has no rows below its header. Add some.")
        yield Table(table, layout, sheet.others if sheet is not None else ())


class Columns:
    """The columns of a table by name. `Client email`, `clientEmail`, `client_email` are equal."""

    def __init__(
        self, layout: Layout, *, required: Sequence[str], optional: Sequence[str] = ()
    ) -> None:
        """Raises InvalidFile if a required column is missing, or if a column is there twice."""
        wanted = {words_of(name) for name in (*required, *optional)}
        at: dict[tuple[str, ...], int] = {}
        for position, name in enumerate(layout.columns):
            # The reader numbers the second of two columns with the same name: `charged (2)`.
            words = words_of(name.removesuffix(" (2)"))
            if words in wanted and words in at:
                raise InvalidFile(
                    f"Two columns have the same name: {cut(layout.columns[at[words]])} and"
                    f" {cut(name)}. Remove or rename one of the two."
                )
            at[words] = position
        missing = [name for name in required if words_of(name) not in at]
        if missing:
            raise InvalidFile(
                f"The file has no column {', '.join(missing)}. Its first line must name its"
                f" columns. It has: {columns_in_words(layout.columns)}."
            )
        self._at = {name: at.get(words_of(name)) for name in (*required, *optional)}
        self._layout = layout

    def has(self, name: str) -> bool:
        """Whether the table has this column."""
        return self._at[name] is not None

    def texts_of(self, row: Row) -> dict[str, str]:
        """The trimmed cell of each column; empty if the file lacks it. Raises InvalidFile."""
        refuse_slipped(row, self._layout)
        cells = row.cells
        return {name: "" if at is None else value_in(cells, at) for name, at in self._at.items()}


def refuse_slipped(row: Row, layout: Layout) -> None:
    """Raises InvalidFile if the cells of the row are not in their columns."""
    if has_slipped(row, layout):
        raise InvalidFile(
            "This line has more cells than the first line has names. Put quotes around a text that"
            " contains the delimiter.",
            line=row.line,
        )
