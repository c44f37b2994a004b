"""XLSX files: their first sheet is written as CSV, which is then read like any other.

openpyxl reads one row at a time. An XLSX file is a ZIP archive: its parts are checked before they
are read, so that a small file cannot fill the memory or keep a processor busy.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

from domain.errors import InvalidFile
from domain.sending.files.number_formats import number_text

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MOST_ROWS = 200_000
MOST_COLUMNS = 1_000
MOST_BYTES = 100_000_000
"""Of the CSV."""

LONGEST_CELL = 32_767
"""Characters: Excel's own limit."""

_STRICT = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_MEBIBYTE = 1024 * 1024
_MOST_OF_SHEETS, _MOST_OF_STRINGS, _MOST_OF_OTHERS = 128 * _MEBIBYTE, 32 * _MEBIBYTE, 8 * _MEBIBYTE
_MOST_PARTS = 10_000
_MOST_ELEMENTS = 2_000_000
_LONGEST_ELEMENT = 4 * _MEBIBYTE
_CHUNK = 256 * 1024
_OVERLAP = 64
_ELEMENT = re.compile(rb"<(?:\w{1,20}:)?(?:row|si)[\s/>]")

warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")


def is_spreadsheet(file: BinaryIO) -> bool:
    """Whether the file is an archive such as XLSX. Raises InvalidFile for an old Excel file."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start == _OLE:
        raise InvalidFile(
            "This is an old Excel file (.xls), or it has a password. Save it as .xlsx without a"
            " password, or as CSV in UTF-8."
        )
    return start == _ZIP


def write_as_csv(file: BinaryIO, into: BinaryIO) -> str:
    """Writes the first sheet that has cells as CSV in UTF-8, and returns the sheet's name.

    Blank rows stay, so that the rows keep their numbers. Raises InvalidFile.
    """
    with _refusals():
        _check_archive(file)
    # openpyxl takes 0.3 s to import, and few processes ever read a spreadsheet.
    from openpyxl import load_workbook

    with _refusals():
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            for sheet in book.worksheets:
                if sheet.sheet_state == "visible" and _write_sheet(sheet, into):
                    return str(sheet.title)
        finally:
            book.close()
    raise InvalidFile("The file is empty. Check that it was saved.")


def _write_sheet(sheet: ReadOnlyWorksheet, into: BinaryIO) -> bool:
    """Whether the sheet has a cell."""
    into.seek(0)
    into.truncate()
    text = io.TextIOWrapper(into, "utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    count = 0
    sheet.reset_dimensions()  # what a file says of its size can be wrong
    try:
        for number, row in enumerate(sheet.iter_rows(), start=1):
            cells = [_text_of(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            count += bool(cells)
            _check_size(number, count, len(cells), into.tell())
            writer.writerow(cells)
    finally:
        text.detach()
    return count > 0


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
    if number > MOST_ROWS and not count:
        raise InvalidFile("The file is empty. Check that it was saved.")


def _text_of(cell: Any) -> str:
    """The text that a person sees in the cell, as far as a simple number format decides it."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value[:LONGEST_CELL].replace("\0", "\N{REPLACEMENT CHARACTER}")
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
