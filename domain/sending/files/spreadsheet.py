"""XLSX files: a sheet is written as CSV without its hidden rows, and then read like any other file.

openpyxl reads one row at a time. An XLSX file is a ZIP archive: its parts are checked before they
are read, so that a small file cannot fill the memory or keep a processor busy.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from domain.errors import InvalidFile
from domain.sending.files.number_formats import number_text

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MOST_ROWS = 200_000
MOST_COLUMNS = 1_000
MOST_BYTES = 100_000_000
"""Of the CSV."""

LAST_ROW = 1_048_576
"""Excel's own limit."""

LONGEST_CELL = 32_767
"""Characters: Excel's own limit."""

_TRUE = ("1", "true")
_ESCAPED = re.compile("_x00([01][0-9A-Fa-f])_")
"""A control character in a cell (ISO/IEC 29500-1, 22.9.2.19). openpyxl does not decode it."""

_STYLES = "xl/styles.xml"
_STRICT = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_OTHERS = {
    b"%PDF": "PDF file",
    b"\x89PNG": "picture",
    b"\xff\xd8\xff": "picture",
    b"GIF8": "picture",
}
_MEBIBYTE = 1024 * 1024
_MOST_OF_SHEETS, _MOST_OF_STRINGS, _MOST_OF_OTHERS = 128 * _MEBIBYTE, 32 * _MEBIBYTE, 8 * _MEBIBYTE
_MOST_PARTS = 10_000
_MOST_SHEETS = 50
_FIRST_ROWS = 1_000
"""Rows in which a sheet has its first cell."""

_MOST_ELEMENTS = 2_000_000
_LONGEST_ELEMENT = 4 * _MEBIBYTE
_CHUNK = 256 * 1024
_OVERLAP = 64
_ELEMENT = re.compile(rb"<(?:\w{1,20}:)?(?:row|si)[\s/>]")

warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")


def is_spreadsheet(file: BinaryIO) -> bool:
    """Whether the file is an archive such as XLSX.

    Raises InvalidFile for an old Excel file, a PDF file and a picture.
    """
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == _OLE:
        raise InvalidFile(
            "This is an old Excel file (.xls), or it has a password. Save it as .xlsx without a"
            " password, or as CSV in UTF-8."
        )
    for signature, kind in _OTHERS.items():
        if start.startswith(signature):
            raise InvalidFile(f"This is a {kind}. Save the table as .xlsx or as CSV in UTF-8.")
    return start == _ZIP


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that was written as CSV.

    `hidden_rows`: how many filled rows were left out because they are hidden, for example by a
    filter. `others`: the other visible sheets that have cells. `formulas`: by column, the first row
    in which a formula has no result. Programs that compute nothing write such files.
    """

    name: str
    hidden_rows: int
    others: Sequence[str]
    formulas: Mapping[int, int] = field(default_factory=dict)


def write_as_csv(file: BinaryIO, into: BinaryIO, position: int = 0) -> Sheet:
    """Writes a sheet as CSV in UTF-8: the first, second, ... of the visible ones that have cells.

    Blank and hidden rows become empty lines, so that the rows keep their numbers. Raises
    InvalidFile, also if the file has no such sheet.
    """
    with _refusals():
        _check_archive(file)
    with _refusals():
        book = _book_of(file)
        try:
            visible = [each for each in book.worksheets if each.sheet_state == "visible"]
            filled = [each for each in visible[:_MOST_SHEETS] if _has_cells(each)]
            if position < len(filled):
                sheet = filled.pop(position)
                formulas: dict[int, int] = {}
                hidden = _write_sheet(sheet, into, formulas)
                others = [str(each.title) for each in filled]
                return Sheet(str(sheet.title), hidden, others, formulas)
        finally:
            book.close()
    raise InvalidFile("The file is empty. Check that it was saved.")


def _book_of(file: BinaryIO) -> Workbook:
    # openpyxl takes 0.3 s to import, and few processes ever read a spreadsheet.
    from openpyxl.reader.excel import ExcelReader

    reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
    reader.archive = _Archive(file)
    reader.read()
    return reader.wb


class _Archive(zipfile.ZipFile):
    """An XLSX file whose styles are number formats and nothing else.

    openpyxl refuses whole files for fonts and fills that Excel accepts, such as the `<fill/>` of
    excel-builder-vanilla.
    """

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        content = super().read(name, pwd)
        return _number_formats_of(content) if name == _STYLES else content


def _number_formats_of(styles: bytes) -> bytes:
    from openpyxl.xml.functions import Element, SubElement, fromstring, tostring

    old = fromstring(styles)
    new = Element(old.tag)
    for part in old:
        if part.tag.endswith("}numFmts"):
            new.append(part)
        elif part.tag.endswith("}cellXfs"):
            formats = SubElement(new, part.tag)
            for each in part:
                SubElement(formats, each.tag, numFmtId=each.get("numFmtId", "0"))
    return bytes(tostring(new))


def _has_cells(sheet: ReadOnlyWorksheet) -> bool:
    rows = islice(_rows_of(sheet), _FIRST_ROWS)
    return any(any(map(_text_of, cells)) for _, _, cells in rows)


def _write_sheet(sheet: ReadOnlyWorksheet, into: BinaryIO, formulas: dict[int, int]) -> int:
    """Writes the sheet and returns how many filled rows are hidden. Fills `formulas`."""
    into.seek(0)
    into.truncate()
    text = io.TextIOWrapper(into, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    count = hidden = last = 0
    try:
        for number, is_hidden, found in _rows_of(sheet, formulas):
            if number <= last:
                continue
            cells = [_text_of(cell) for cell in found]
            while cells and not cells[-1]:
                cells.pop()
            if is_hidden and cells:
                _check_visible(sheet, number, count)
                hidden, cells = hidden + 1, []
            count += bool(cells)
            _check_size(number, count + hidden, len(cells), into.tell())
            writer.writerows([] for _ in range(last + 1, number))
            writer.writerow(cells)
            last = number
    finally:
        text.detach()
    return hidden


def _rows_of(
    sheet: ReadOnlyWorksheet, formulas: dict[int, int] | None = None
) -> Iterator[tuple[int, bool, list[Any]]]:
    """The number of each row, whether it is hidden, and its cells.

    `formulas`: gets the columns and rows of those that have no result.

    `iter_rows` does not say which rows are hidden: only the parser below it knows.
    """
    from openpyxl.cell.read_only import EMPTY_CELL, ReadOnlyCell
    from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

    class Parser(WorkSheetParser):  # type: ignore[misc]
        def parse_cell(self, element: Any) -> dict[str, Any]:
            cell: dict[str, Any] = super().parse_cell(element)
            # A result that is an empty text has the type "str".
            is_empty = cell["value"] is None and element.get("t") != "str"
            if formulas is not None and is_empty and element.find(FORMULA_TAG) is not None:
                formulas.setdefault(cell["column"] - 1, cell["row"])
            return cell

    book = sheet.parent
    with sheet._get_source() as source:
        parser = Parser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        for number, found in parser.parse():
            # What the parser keeps of each row is not needed: it would fill the memory.
            attributes = parser.row_dimensions.pop(str(number), {})
            cells = [EMPTY_CELL] * max((each["column"] for each in found), default=0)
            for each in found:
                cells[each["column"] - 1] = ReadOnlyCell(sheet, **each)
            yield number, attributes.get("hidden") in _TRUE, cells


def _check_visible(sheet: ReadOnlyWorksheet, number: int, count: int) -> None:
    """Raises InvalidFile if a hidden row may hold the names of the columns."""
    if not count:
        raise InvalidFile(
            f"Row {number} of the sheet “{sheet.title}” is hidden, and it may hold the names of the"
            " columns. Show the row or delete it.",
            line=number,
        )


def _check_size(number: int, count: int, columns: int, size: int) -> None:
    if count > MOST_ROWS:
        raise InvalidFile(
            f"The sheet has more than {MOST_ROWS:,} rows. Save it as CSV in UTF-8 and upload that.",
            line=number,
        )
    if columns > MOST_COLUMNS:
        raise InvalidFile(f"The file has more than {MOST_COLUMNS:,} columns.", line=number)
    if size > MOST_BYTES:
        raise InvalidFile(f"The sheet has more than {MOST_BYTES:,} characters.", line=number)
    if number > LAST_ROW:
        raise InvalidFile(f"A row has the number {number:,}, and Excel's last row is {LAST_ROW:,}.")


def _text_of(cell: Any) -> str:
    """The text that a person sees in the cell, as far as a simple number format decides it."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value[:LONGEST_CELL])
        return text.replace("\r\n", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return number_text(value, str(cell.number_format))
    return _date_text(value)


def _date_text(value: date | time | timedelta | object) -> str:
    if isinstance(value, datetime):
        text = value.isoformat(" ", "minutes" if not value.second else "seconds")
        return text.removesuffix(" 00:00")
    if isinstance(value, time):
        return value.isoformat("minutes" if not value.second else "seconds")
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)[:LONGEST_CELL]


def _check_archive(file: BinaryIO) -> None:
    """Raises InvalidFile if a part that openpyxl reads is too large, or not a spreadsheet's."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        names = {part.filename for part in parts}
        if "xl/workbook.xml" not in names and "[Content_Types].xml" not in names:
            raise InvalidFile(
                "This is not an XLSX file. Save the table as .xlsx or as CSV in UTF-8."
            )
        if len(parts) > _MOST_PARTS:
            raise InvalidFile("The file has too many parts. Save the table as CSV in UTF-8.")
        for part in parts:
            _check_part(archive, part)
        if "xl/workbook.xml" in names and _STRICT in archive.read("xl/workbook.xml"):
            # openpyxl knows other namespaces only: it would find no sheet.
            raise InvalidFile(
                "This is a Strict Open XML file. Save it as an Excel Workbook (.xlsx) or as CSV in"
                " UTF-8."
            )


def _check_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    name = part.filename.casefold()
    most = _MOST_OF_OTHERS
    if "worksheets/" in name:
        most = _MOST_OF_SHEETS
    elif name.endswith("sharedstrings.xml"):
        most = _MOST_OF_STRINGS
    # zipfile never reads more of a part than the size that it declares.
    if part.file_size > most:
        raise InvalidFile(
            f"The file is too large: a part of it has more than {most // _MEBIBYTE} MiB. Save the"
            " table as CSV in UTF-8."
        )
    if most != _MOST_OF_OTHERS:
        with archive.open(part) as source:
            _check_elements(source)


def _check_elements(source: Any) -> None:
    """Raises InvalidFile if one row is very long, or if there are too many rows or strings.

    openpyxl keeps one row in memory, and a remainder of each.
    """
    count = since_last = 0
    before = b""
    while chunk := source.read(_CHUNK):
        text = before + chunk
        # Spreadsheets write no comments and no document types; either could hide a row's end.
        if b"<!" in text:
            raise InvalidFile("This XLSX file cannot be read. Save the table as CSV in UTF-8.")
        found = [match.start() for match in _ELEMENT.finditer(text)]
        count += len(found)
        since_last = len(text) - found[-1] if found else since_last + len(chunk)
        if count > _MOST_ELEMENTS or since_last > _LONGEST_ELEMENT:
            raise InvalidFile(
                "A row of the file is too long, or it has too many rows. Split the file."
            )
        before = text[-_OVERLAP:]


@contextmanager
def _refusals() -> Iterator[None]:
    """Raises InvalidFile for every error of the library: a damaged file is not our defect."""
    try:
        yield
    except (InvalidFile, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk is full, for example
        raise InvalidFile(
            "This XLSX file is damaged, or it is another kind of file. Save the table as .xlsx or"
            " as CSV in UTF-8."
        ) from None
