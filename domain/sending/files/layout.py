"""How a file is laid out: its delimiter, its header, and which column holds what.

The header decides which column holds the phone numbers: the numbers themselves decide only if
there is no header. A message to an account number would reach a stranger.
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
from domain.sending.files.csv_rows import DELIMITERS, Row, csv_rows, declared_delimiter
from domain.sending.files.headers import PHONES, ColumnKind, kind_of, words_of
from domain.sending.files.text_encoding import encoding_of

MOST_COLUMNS = 1_000
LONGEST_COLUMN_NAME = 200
_SAMPLE = 200
"""Rows by which the delimiter and the header are found."""

_MOST_TITLES = 10
_LONGEST_NUMBER = 64
_LONGEST_IN_SENTENCE = 60
_MOST_NAMED = 20
_BETWEEN_DIGITS = re.compile(r"[\s().+/'=\"-]")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read.

    `skipped_rows`: titles and the header. `columns`: names, each different. `number_columns`: the
    columns that fit equally well to be sent to; one is used, several are refused. `phone_columns`:
    all that hold the phones of a contact, the mobile first. `left_out`: fax, backup and emergency
    numbers, which are never used by themselves. `sheet`: the sheet's name if it was a spreadsheet;
    its rows are then numbered, and not its lines.
    """

    encoding: str
    delimiter: str
    has_header: bool
    skipped_rows: int
    columns: Sequence[str]
    number_columns: Sequence[int]
    phone_columns: Sequence[int]
    left_out: Sequence[int]
    rows: int
    sheet: str | None = None

    @property
    def number_column(self) -> int:
        """The column to send to. Raises InvalidFile if the file does not say which it is."""
        kind = "file" if self.sheet is None else "sheet"
        where = kind if self.sheet is None else f"sheet “{cut(self.sheet)}”"
        names = [f"“{cut(self.columns[at])}”" for at in self.number_columns]
        if len(names) == 1:
            return self.number_columns[0]
        if names:
            found = " and ".join(names[:_MOST_NAMED])
            raise InvalidFile(
                f"Several columns may hold the phone numbers: {found}. Give the name of one of"
                " them as column."
            )
        raise InvalidFile(
            f"No column of the {where} holds phone numbers, as far as its name says. Give the name"
            f" of one as column. The {kind} has: {columns_in_words(self.columns)}."
        )


def layout_of(
    file: BinaryIO,
    normaliser: Normaliser,
    *,
    charset: str | None = None,
    sheet: str | None = None,
    named: Sequence[str] = (),
) -> Layout:
    """The layout of the whole file, which is read from end to end. Raises InvalidFile.

    `sheet`: its name if the file was a spreadsheet. `named`: names of columns by which the header
    is known.
    """
    encoding = "utf-8" if sheet is not None else encoding_of(file, charset)
    reading = _Reading(file, encoding, count_rows=sheet is not None)
    delimiter = _delimiter(reading, normaliser, named, is_sheet=sheet is not None)
    sample = reading.sample(delimiter)
    if sample and "".join(sample[0].cells).strip().upper() == "BEGIN:VCARD":
        raise InvalidFile(
            "This is a file of vCards, as phones export contacts. Save the contacts as CSV, for"
            " example in Google Contacts or Outlook, and upload that."
        )
    header = _row_that_names(named, sample)
    if header is None:
        header = _header(sample, normaliser)
    width = max((len(row.cells) for row in sample), default=0)
    if width > MOST_COLUMNS:
        raise InvalidFile(f"The file has more than {MOST_COLUMNS:,} columns.", line=sample[0].line)
    names = [""] * width if header is None else sample[header].cells
    skipped = 0 if header is None else header + 1
    kinds = [kind_of(name) for name in names]
    rows, filled = _count(reading, delimiter, skipped, [at for at, _ in _ranked(kinds)])
    if not rows and not skipped:
        raise InvalidFile("The file is empty. Check that it was saved.")
    found = [(at, kind) for at, kind in _ranked(kinds) if filled[at]] or _ranked(kinds)
    number_columns = [at for at, kind in found if kind is found[0][1]]
    phone_columns = [at for at, kind in found if kind in PHONES] or number_columns
    if header is None:
        number_columns = phone_columns = _columns_of_numbers(sample, normaliser)
    return Layout(
        encoding=encoding,
        delimiter=delimiter,
        has_header=header is not None,
        skipped_rows=skipped,
        columns=_names(names),
        number_columns=number_columns,
        phone_columns=phone_columns,
        left_out=[at for at, kind in enumerate(kinds) if kind is ColumnKind.EXCLUDED_PHONE],
        rows=rows,
        sheet=sheet,
    )


def has_numbers(file: BinaryIO, normaliser: Normaliser) -> bool:
    """Whether one of the first rows of a sheet, as CSV, contains a phone number."""
    sample = _Reading(file, "utf-8", count_rows=False).sample(",")
    return any(any(normaliser.normalise_many(_cut(row.cells))) for row in sample)


def column_of(columns: Sequence[str], name: str) -> int | None:
    """The position of the column of that name, ignoring case; None if there is none."""
    wanted = key_of(name)
    return next((at for at, each in enumerate(columns) if key_of(each) == wanted), None)


def column_named(name: str, columns: Sequence[str]) -> int:
    """The position of the column of that name. Raises InvalidFile if there is none."""
    at = column_of(columns, name)
    if at is None:
        raise InvalidFile(
            f"The file has no column “{cut(name)}”. It has: {columns_in_words(columns)}."
        )
    return at


def columns_in_words(columns: Sequence[str]) -> str:
    """The names, for a sentence."""
    names = ", ".join(map(cut, columns[:_MOST_NAMED]))
    return f"{names}, …" if len(columns) > _MOST_NAMED else names


def cut(name: str) -> str:
    """A name, short enough to be repeated in a sentence."""
    return " ".join(name.split())[:_LONGEST_IN_SENTENCE]


@dataclass(frozen=True, slots=True)
class _Reading:
    """A file and how its text is read, for every delimiter."""

    file: BinaryIO
    encoding: str
    count_rows: bool

    def sample(self, delimiter: str) -> list[Row]:
        """The first rows, each cell cut, as far as they can be read with this delimiter."""
        sample: list[Row] = []
        rows = csv_rows(self.file, encoding=self.encoding, delimiter=delimiter)
        try:
            for row in islice(rows, _SAMPLE):
                cells = [cell[:LONGEST_COLUMN_NAME] for cell in row.cells[: MOST_COLUMNS + 1]]
                sample.append(Row(row.line, cells))
        except InvalidFile:
            pass  # raised again when the whole file is read
        finally:
            rows.close()
        return sample


def _delimiter(
    reading: _Reading, normaliser: Normaliser, named: Sequence[str], *, is_sheet: bool
) -> str:
    if is_sheet:
        return ","
    declared = declared_delimiter(reading.file, reading.encoding)
    samples = {each: reading.sample(each) for each in ([declared] if declared else DELIMITERS)}
    for each, sample in samples.items():
        if _row_that_names(named, sample) is not None:
            return each
    return max(samples, key=lambda each: _fit(samples[each], normaliser))


def _row_that_names(names: Sequence[str], sample: Sequence[Row]) -> int | None:
    """The position of the first row that has all of these names; None if there are none."""
    wanted = {words_of(name) for name in names}
    for at, row in enumerate(sample[:_MOST_TITLES]):
        if wanted and wanted <= {words_of(cell) for cell in row.cells}:
            return at
    return None


def _fit(sample: Sequence[Row], normaliser: Normaliser) -> tuple[int, int, int]:
    """The higher, the better: rows with a number, rows as wide as the first one, columns."""
    if not sample:
        return 0, 0, 0
    width = len(sample[0].cells)
    numbers = sum(any(normaliser.normalise_many(_cut(row.cells))) for row in sample)
    even = sum(len(row.cells) == width for row in sample) if width > 1 else 0
    return numbers, even, width


def _header(sample: Sequence[Row], normaliser: Normaliser) -> int | None:
    """The position of the row of column names; None if the file has none. Raises InvalidFile.

    Lines above the header, such as a title, are skipped if the header's names are known, and
    refused if they are not.
    """
    heads: list[Row] = []
    for row in sample[:_MOST_TITLES]:
        if any(normaliser.normalise_many(_cut(row.cells))):
            break
        heads.append(row)
    known = [sum(kind_of(cell) is not ColumnKind.UNKNOWN for cell in row.cells) for row in heads]
    if any(known):
        return known.index(max(known))
    if not heads or any(map(_is_a_number, sample[0].cells)):
        return None
    widths = Counter(_filled(row.cells) for row in sample[1:])
    if widths and _filled(sample[0].cells) == 1 < widths.most_common(1)[0][0]:
        line = sample[0].line
        raise InvalidFile(
            f"Line {line} looks like a title. Remove the lines above the column names.", line=line
        )
    return 0


def _ranked(kinds: Sequence[ColumnKind]) -> list[tuple[int, ColumnKind]]:
    """The columns that can be sent to, by kind and then by position."""
    found = [(at, kind) for at, kind in enumerate(kinds) if kind.can_be_sent_to]
    return sorted(found, key=lambda each: (each[1].value, each[0]))


def _count(
    reading: _Reading, delimiter: str, skipped: int, columns: Sequence[int]
) -> tuple[int, Counter[int]]:
    """How many rows there are below the header, and in how many of them each column is filled."""
    filled: Counter[int] = Counter()
    rows = 0
    for row in islice(
        csv_rows(
            reading.file,
            encoding=reading.encoding,
            delimiter=delimiter,
            count_rows=reading.count_rows,
        ),
        skipped,
        None,
    ):
        rows += 1
        cells = row.cells
        for at in columns:
            if at < len(cells) and cells[at].strip():
                filled[at] += 1
    return rows, filled


def _columns_of_numbers(sample: Sequence[Row], normaliser: Normaliser) -> list[int]:
    """The columns with the most valid numbers, and those with at least half as many."""
    valid: Counter[int] = Counter()
    for row in sample:
        numbers = normaliser.normalise_many(_cut(row.cells))
        valid.update(at for at, number in enumerate(numbers) if number is not None)
    most = max(valid.values(), default=0)
    return [at for at in sorted(valid) if 2 * valid[at] >= most]


def _is_a_number(cell: str) -> bool:
    """Whether it is meant to be a phone number, valid or not."""
    digits = _BETWEEN_DIGITS.sub("", cell.strip().removeprefix("tel:"))
    return len(digits) >= 5 and digits.isdecimal()


def _names(cells: Sequence[str]) -> list[str]:
    """A name for each column: the header's, else its position. Repeated names are numbered."""
    names: list[str] = []
    used: set[str] = set()
    for at, cell in enumerate(cells, start=1):
        name = base = " ".join(cell.split()) or f"column {at}"
        again = 2
        while key_of(name) in used:
            name, again = f"{base} ({again})", again + 1
        used.add(key_of(name))
        names.append(name)
    return names


def key_of(name: str) -> str:
    """What names of columns and placeholders are compared by."""
    return " ".join(name.split()).casefold()


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell.strip())


def _cut(cells: Sequence[str]) -> list[str]:
    return [cell[:_LONGEST_NUMBER] for cell in cells]
