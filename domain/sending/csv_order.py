"""What to send to the rows of an upload, and the rows as a send needs them, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO

from domain.errors import InvalidText
from domain.numbers import Normaliser
from domain.sending.files.csv_rows import Row
from domain.sending.files.layout import Layout, column_named
from domain.sending.files.row_texts import (
    MissingValue,
    RowText,
    columns_of_placeholders,
    text_in_column,
    text_with_placeholders,
)
from domain.sending.files.table import number_cell, table_rows
from domain.sending.messages import FileColumns
from domain.sending.text import Encoding, check_text

_CHUNK = 256
"""Rows that are in memory at once with all cells: their other cells can be long."""


@dataclass(frozen=True, slots=True)
class CsvOrder:
    """What to send, and which columns of the file to use.

    One of `text`, `text_column` and `template`, the name of a saved text. `column`: of the numbers;
    None to choose it by its name. `allow_missing_values`: send also if a placeholder's cell is
    empty. `send_at`: with a time zone; None for now. `ignore_quiet_hours`: send also in quiet
    hours.
    """

    text: str | None = None
    column: str | None = None
    text_column: str | None = None
    allow_missing_values: bool = False
    send_at: datetime | None = None
    ignore_quiet_hours: bool = False
    template: str | None = None


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How the rows of a file are read. `text_of`: None if the text is the same for all.

    `most_segments`: of a text; None if the texts were checked before.
    """

    layout: Layout
    number_column: int
    text_of: RowText | None
    columns: FileColumns
    most_segments: int | None


@dataclass(slots=True)
class RowPart:
    """Some rows of a file, in order, as they were read. Nothing is left out.

    `written`: the cells with the numbers. `numbers`: E.164, None for an invalid one. `lines`: on
    which each begins. `texts`: of each; empty if the text is the same for all. `missing`: what is
    missing for a row, by its position here.
    """

    written: list[str] = field(default_factory=list)
    numbers: list[str | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    missing: dict[int, str] = field(default_factory=dict)

    def extend(self, after: RowPart) -> None:
        """Adds the rows that come after these."""
        start = len(self.written)
        self.written += after.written
        self.numbers += after.numbers
        self.lines += after.lines
        self.texts += after.texts
        self.missing |= {start + at: what for at, what in after.missing.items()}


def row_format_of(layout: Layout, order: CsvOrder, *, most_segments: int) -> RowFormat:
    """How to read the rows for an order. Raises InvalidText, InvalidFile if it does not fit."""
    columns = layout.columns
    text_of = _row_text(columns, order, most_segments=most_segments)
    if order.column is None:
        number_column = layout.number_column
    else:
        number_column = column_named(order.column, columns)
    text_column = order.text_column
    used = FileColumns(
        number=columns[number_column],
        text=None if text_column is None else columns[column_named(text_column, columns)],
        placeholders=columns_of_placeholders(order.text or "", columns),
        sheet=layout.sheet,
    )
    if text_of is None:
        check_text(order.text or "", most_segments=most_segments)
    return RowFormat(layout, number_column, text_of, used, most_segments)


def read_parts(
    file: BinaryIO, row_format: RowFormat, normaliser: Normaliser, *, rows: int, skip: int = 0
) -> Iterator[RowPart]:
    """The rows in parts of this size after the first `skip`. Raises InvalidText and InvalidFile."""
    left = islice(table_rows(file, row_format.layout), skip, None)
    while True:
        part = RowPart()
        while len(part.written) < rows and _read_chunk(
            part, islice(left, min(_CHUNK, rows - len(part.written))), row_format, normaliser
        ):
            pass
        if not part.written:
            return
        yield part


def _read_chunk(
    part: RowPart, rows: Iterator[Row], row_format: RowFormat, normaliser: Normaliser
) -> bool:
    """Adds the rows to the part. False if there are none."""
    chunk = list(rows)
    written = [number_cell(row, row_format.number_column, row_format.layout) for row in chunk]
    numbers = normaliser.normalise_many(written)
    start = len(part.written)
    part.written += written
    part.numbers += numbers
    part.lines += [row.line for row in chunk]
    if row_format.text_of is not None:
        for at, (row, number) in enumerate(zip(chunk, numbers, strict=True), start):
            text = ""
            try:
                text = row_format.text_of(row.cells) if number else ""
            except MissingValue as error:
                part.missing[at] = str(error)
            if number and at not in part.missing and row_format.most_segments is not None:
                _check_text_of(text, row.line, row_format.most_segments)
            part.texts.append(text)
    return bool(chunk)


def _row_text(columns: Sequence[str], order: CsvOrder, *, most_segments: int) -> RowText | None:
    longest = 2 * Encoding.GSM7.capacity(most_segments)  # placeholders can be long
    if len(order.text or "") > longest:
        raise InvalidText(
            f"The text has more than {longest:,} characters, placeholders included. Shorten it."
        )
    if order.text is not None and order.text_column is not None:
        raise InvalidText("Give either text or textColumn, and not both.")
    if order.text_column is not None:
        return text_in_column(order.text_column, columns)
    if order.text is None:
        raise InvalidText(
            "Give a text, a template, or in textColumn the column that contains the texts."
        )
    return text_with_placeholders(order.text, columns, allow_missing=order.allow_missing_values)


def _check_text_of(text: str, line: int, most_segments: int) -> None:
    try:
        check_text(text, most_segments=most_segments)
    except InvalidText as refused:
        raise InvalidText(f"Line {line}: {refused}", path=None) from None
