"""The rows of a file of separated values (RFC 4180, with other delimiters and line ends too).

Python's csv module parses, strictly: a file whose quotes do not close is refused and not guessed
at. Whatever stands in a file, one row at a time is in memory, and no more than so much of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Generator
from dataclasses import dataclass
from typing import BinaryIO

from domain.errors import InvalidFile

DELIMITERS = (",", ";", "\t", "|")
LONGEST_ROW = 256 * 1024
"""Characters."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row, as they stand there. `line`: on which it begins, from 1."""

    line: int
    cells: list[str]


def rows_of(file: BinaryIO, *, encoding: str, delimiter: str) -> Generator[Row, None, None]:
    """The rows that are not blank. Raises InvalidFile with the line for what cannot be read.

    The line by which Excel is told the delimiter (`sep=;`) is none of them.
    """
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield from _parsed(_Lines(text), delimiter)
    finally:
        text.detach()


def _parsed(lines: _Lines, delimiter: str) -> Generator[Row, None, None]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.begin_row()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InvalidFile(f"Line {line}: {_in_words(error)}", line=line) from None
        if cells is None:
            return
        is_told = line == 1 and delimiter.join(cells) == f"sep={delimiter}"
        if any(map(str.strip, cells)) and not is_told:
            yield Row(line, cells)


class _Lines:
    """The lines of a text, each as it ends, as long as a row of them does not grow too long."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._read = 0
        self._row_line = 1
        self._row_size = 0

    def begin_row(self) -> int:
        """A new row begins on the next line: its number."""
        self._row_line, self._row_size = self._read + 1, 0
        return self._row_line

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LONGEST_ROW + 1)
        if not line:
            raise StopIteration
        self._read += 1
        self._row_size += len(line)
        if self._row_size > LONGEST_ROW:
            raise InvalidFile(
                f"Line {self._row_line}: the row is longer than {LONGEST_ROW:,} characters. Is a"
                " quote that was opened never closed?",
                line=self._row_line,
            )
        return line


def _in_words(error: csv.Error) -> str:
    said = str(error)
    if "unexpected end" in said:
        return "a quote is opened and never closed."
    if "field larger" in said:
        return "a cell is too long. Is a quote that was opened never closed?"
    if "expected after" in said:
        return "something stands between the end of a quoted cell and the next delimiter."
    return "the row cannot be read."
