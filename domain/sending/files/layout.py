"""How a file of separated values is laid out: its delimiter, its header, and which column is which.

Told by content: of the four delimiters the one by which most rows hold a phone number, and of the
columns the one that holds most of them, else the one that is called so. A header is a first row
without a number in that column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from domain.errors import InvalidFile
from domain.numbers import Normaliser
from domain.sending.files.decoding import encoding_of
from domain.sending.files.rows import DELIMITERS, Row, rows_of

MOST_COLUMNS = 1_000
LONGEST_COLUMN_NAME = 200
_SAMPLE = 200
"""Rows by which a file is judged."""

_LONGEST_NUMBER = 64
_LONGEST_TOLD = 60
_BETWEEN_DIGITS = re.compile(r"[\s().+/-]")
_HINTS = re.compile(r"phone|mobile|cell|number|msisdn|recipient|whatsapp|\btel\b|\bsms\b|\bto\b")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read. `rows`: without the header.

    `columns`: names, each once, in any case; `number_column`: None where no column holds numbers.
    """

    encoding: str
    delimiter: str
    has_header: bool
    columns: Sequence[str]
    number_column: int | None
    rows: int


def layout_of(file: BinaryIO, normaliser: Normaliser, *, charset: str | None = None) -> Layout:
    """The layout of the whole file, once read from end to end. Raises InvalidFile."""
    encoding = encoding_of(file, charset)
    delimiter = max(DELIMITERS, key=lambda each: _fit(_sample(file, encoding, each), normaliser))
    rows = sum(1 for _ in rows_of(file, encoding=encoding, delimiter=delimiter))
    sample = _sample(file, encoding, delimiter)
    if not rows:
        raise InvalidFile("The file is empty.")
    if max(len(row.cells) for row in sample) > MOST_COLUMNS:
        raise InvalidFile(f"The file has more than {MOST_COLUMNS:,} columns.", line=sample[0].line)
    first = sample[0].cells
    number_column = _number_column(sample[1:], first, normaliser)
    if number_column is None:
        number_column = _number_column(sample, [], normaliser)
    if number_column is None:
        number_column = _column_called_so(first)
    asked = first if number_column is None else [_cell(first, number_column)]
    has_header = not any(map(_is_a_number, asked))
    return Layout(
        encoding=encoding,
        delimiter=delimiter,
        has_header=has_header,
        columns=_names(first if has_header else [""] * max(len(row.cells) for row in sample)),
        number_column=number_column,
        rows=rows - has_header,
    )


def column_of(columns: Sequence[str], name: str) -> int | None:
    """Where the column of that name stands, whatever the case; None where there is none."""
    wanted = _key(name)
    return next((at for at, each in enumerate(columns) if _key(each) == wanted), None)


def columns_in_words(columns: Sequence[str], *, most: int = 20) -> str:
    """The names, for a sentence."""
    told = ", ".join(map(cut, columns[:most]))
    return f"{told}, …" if len(columns) > most else told


def number_in(cell: str) -> str:
    """What stands for a number in a cell: without the apostrophe that keeps spreadsheets away."""
    return cell.strip().removeprefix("'")


def cut(name: str) -> str:
    """A name as it is repeated in a sentence."""
    return " ".join(name.split())[:_LONGEST_TOLD]


def _sample(file: BinaryIO, encoding: str, delimiter: str) -> list[Row]:
    """The first rows, each cell cut; up to where the delimiter makes no sense any more."""
    sample: list[Row] = []
    rows = rows_of(file, encoding=encoding, delimiter=delimiter)
    try:
        for row in islice(rows, _SAMPLE):
            cells = [cell[:LONGEST_COLUMN_NAME] for cell in row.cells[: MOST_COLUMNS + 1]]
            sample.append(Row(row.line, cells))
    except InvalidFile:
        pass  # said by whoever reads the whole file by the delimiter that fits
    finally:
        rows.close()
    return sample


def _fit(sample: Sequence[Row], normaliser: Normaliser) -> tuple[int, int, int]:
    """The higher, the better: rows with a number, rows as wide as the first one, columns."""
    if not sample:
        return 0, 0, 0
    width = len(sample[0].cells)
    numbers = sum(any(normaliser.normalise_many(_cut(row.cells))) for row in sample)
    even = sum(len(row.cells) == width for row in sample) if width > 1 else 0
    return numbers, even, width


def _number_column(
    sample: Sequence[Row], header: Sequence[str], normaliser: Normaliser
) -> int | None:
    """The column with the most numbers; where one is called like that, most of it is enough."""
    valid: Counter[int] = Counter()
    filled: Counter[int] = Counter()
    for row in sample:
        for at, number in enumerate(normaliser.normalise_many(_cut(row.cells))):
            filled[at] += bool(row.cells[at].strip())
            valid[at] += number is not None

    def fit(at: int) -> tuple[bool, int]:
        is_called_so = _HINTS.search(_cell(header, at).casefold()) is not None
        return is_called_so and valid[at] * 2 >= filled[at], valid[at]

    found = [at for at in sorted(valid) if valid[at]]
    return max(found, key=fit) if found else None


def _column_called_so(header: Sequence[str]) -> int | None:
    """The one column that is called like numbers, though none of those looked at is valid."""
    called_so = [at for at, cell in enumerate(header) if _HINTS.search(cell.casefold())]
    return called_so[0] if len(called_so) == 1 else None


def _is_a_number(cell: str) -> bool:
    """Whether it is meant to be a phone number, be it a valid one or not."""
    digits = _BETWEEN_DIGITS.sub("", number_in(cell).removeprefix("tel:"))
    return len(digits) >= 5 and digits.isdecimal()


def _names(cells: Sequence[str]) -> list[str]:
    """A name for each column: what the header says, else its place; none stands twice."""
    names: list[str] = []
    taken: set[str] = set()
    for at, cell in enumerate(cells, start=1):
        name = base = " ".join(cell.split()) or f"column {at}"
        again = 2
        while _key(name) in taken:
            name, again = f"{base} ({again})", again + 1
        taken.add(_key(name))
        names.append(name)
    return names


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()


def _cut(cells: Sequence[str]) -> list[str]:
    return [number_in(cell)[:_LONGEST_NUMBER] for cell in cells]


def _cell(cells: Sequence[str], at: int) -> str:
    return cells[at] if at < len(cells) else ""
