"""The rows of a CSV file (RFC 4180, with other delimiters and line ends too).

Python's csv module parses, in its strict mode: a file with a quote that is not closed is refused.
Only one row at a time is in memory, and its size is limited.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator
from typing import BinaryIO, NamedTuple

from domain.errors import InvalidFile

DELIMITERS = (",", ";", "\t", "|")
LONGEST_ROW = 256 * 1024
"""In characters."""

# The line that tells Excel the delimiter. Spreadsheets quote it, and add delimiters, on saving.
_SEPARATOR_LINE = re.compile(r'"?sep=([^\s\w"]|\t)"?[ ]*([,;\t|]*)[ ]*\r?\n?', re.IGNORECASE)


class Row(NamedTuple):
    """The cells of a row, unchanged. `line`: the line on which it begins, from 1."""

    line: int
    cells: list[str]


def declared_delimiter(file: BinaryIO, encoding: str) -> str | None:
    """The delimiter that a first line such as `sep=;` declares; None if there is no such line."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        match = _SEPARATOR_LINE.fullmatch(text.readline(100))
    finally:
        text.detach()
    # "sep=;,,," was saved again with commas.
    return (match[2] or match[1])[0] if match else None


def csv_rows(
    file: BinaryIO, *, encoding: str, delimiter: str, count_rows: bool = False
) -> Generator[Row, None, None]:
    """The rows that are not blank. Raises InvalidFile with the line that cannot be read.

    A first line such as `sep=;` is skipped. `count_rows`: number the rows and not the lines, for a
    file that was a spreadsheet.
    """
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield from _parsed(_Lines(text), delimiter, count_rows=count_rows)
    finally:
        # The file may have been closed before the last row was read.
        if not file.closed:
            text.detach()


def _parsed(lines: _Lines, delimiter: str, *, count_rows: bool) -> Generator[Row, None, None]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    count = 0
    while True:
        line = lines.begin_row()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InvalidFile(f"Line {line}: {_in_words(error)}", line=line) from None
        if cells is None:
            return
        count += 1
        if any(map(str.strip, cells)):
            yield Row(count if count_rows else line, cells)


class _Lines:
    """The lines of a text. Raises InvalidFile if those of one row are too long."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._read = 0
        self._row_line = 1
        self._row_size = 0
        self._first = self._next_line()
        if _SEPARATOR_LINE.fullmatch(self._first):
            self._read, self._first = 1, self._next_line()

    def begin_row(self) -> int:
        """Returns the number of the next line, on which a new row begins."""
        self._row_line, self._row_size = self._read + 1, 0
        return self._row_line

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line, self._first = self._first or self._next_line(), ""
        if not line:
            raise StopIteration
        self._read += 1
        self._row_size += len(line)
        if self._row_size > LONGEST_ROW:
            raise InvalidFile(
                f"Line {self._row_line}: the row is longer than {LONGEST_ROW:,} characters. Check"
                " that every quote is closed.",
                line=self._row_line,
            )
        return line

    def _next_line(self) -> str:
        return self._text.readline(LONGEST_ROW + 1)


def _in_words(error: csv.Error) -> str:
    reason = str(error)
    if "unexpected end" in reason:
        return "a quote is opened and never closed. Add the missing quote, or delete this one."
    if "field larger" in reason:
        return "a cell is too long. Check that every quote is closed."
    if "expected after" in reason:
        return (
            "there is text between the end of a quoted cell and the next delimiter."
            " Write each quote within a quoted cell twice."
        )
    return "the row cannot be read. Save the file as CSV again, and upload that."
