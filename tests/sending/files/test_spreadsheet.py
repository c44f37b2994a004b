"""XLSX files: read as a person sees them, and refused if they are damaged or much too large."""

from __future__ import annotations

import io
import time
import zipfile
from contextlib import suppress
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidFile
from domain.numbers import Normaliser
from domain.sending.files import spreadsheet
from domain.sending.files.layout import Layout, layout_of
from domain.sending.files.spreadsheet import is_spreadsheet, write_as_csv
from domain.sending.files.table import table_rows
from tests.sending.files.files import less_memory_than, xlsx

US = Normaliser("US")
SHEET = "xl/worksheets/sheet1.xml"
MEBIBYTE = 1024 * 1024


def changed(content: bytes, name: str, part: bytes) -> bytes:
    """The archive with another part of that name."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for each in old.infolist():
            if each.filename != name:
                new.writestr(each.filename, old.read(each))
        new.writestr(name, part)
    return file.getvalue()


def with_strings(content: bytes, strings: bytes) -> bytes:
    """The archive with a table of strings, as Excel writes it."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        types = archive.read("[Content_Types].xml")
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    content = changed(content, "[Content_Types].xml", types.replace(b"</Types>", override.encode()))
    table = f'<sst xmlns="{main}">'.encode() + strings + b"</sst>"
    return changed(content, "xl/sharedStrings.xml", table)


def sheet_xml(rows: bytes) -> bytes:
    return (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b"<sheetData>" + rows + b"</sheetData></worksheet>"
    )


def read(content: bytes) -> tuple[Layout, list[tuple[int, list[str]]]]:
    """The layout, and the rows below the header with their numbers."""
    file, converted = io.BytesIO(content), io.BytesIO()
    assert is_spreadsheet(file)
    sheet = write_as_csv(file, converted).name
    layout = layout_of(converted, US, sheet=sheet)
    return layout, [(row.line, row.cells) for row in table_rows(converted, layout)]


def test_numbers_are_read_in_full_digits() -> None:
    layout, rows = read(
        xlsx(
            [
                ["Name", "Mobile"],
                ["Ann", 2025550101],
                ["Bob", "+1 202 555 0102"],
                [],
                ["Cem", 12025550103.0],
                ["two\nlines", "'2025550104"],
                ["Zoë", 491701234567],
            ]
        )
    )
    assert (layout.rows, layout.columns, layout.number_columns) == (5, ["Name", "Mobile"], [1])
    assert rows == [
        (2, ["Ann", "2025550101"]),
        (3, ["Bob", "+1 202 555 0102"]),
        (5, ["Cem", "12025550103"]),
        (6, ["two\nlines", "'2025550104"]),
        (7, ["Zoë", "491701234567"]),
    ]
    assert layout.sheet == "Sheet"


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (2025550101, "General", "2025550101"),
        (2025550101, "0.00", "2025550101.00"),
        (2025550101, "#,##0", "2025550101"),
        (7700900123, "00000000000", "07700900123"),
        (42, "0000", "0042"),
        (12.5, "0.00", "12.50"),
        (1234.5, "#,##0.00", "1,234.50"),
        (1234, "#,##0", "1,234"),
        (9123456789, '"+91 "0', "+91 9123456789"),
        (2025550143, '"+"0', "+2025550143"),
        (2025550143, "\\+0", "+2025550143"),
        (2025550143, "+##########", "+2025550143"),
        (2025550143, '"Mobile (+20) "0', "+20 2025550143"),
        (2025550143, '"Phone 1: "0', "2025550143"),
        (2025550143, "+0 000 000 000", "+2025550143"),
        (2025550143, "[<=9999999]###-####;(###) ###-####", "2025550143"),
        (7700900123, '"0"0', "07700900123"),
        (2025550101, "@", "2025550101"),
        (0.85, "0%", "85%"),
        (0.125, "0.0%", "12.5%"),
        (0.145, "0%", "15%"),
        (0.5, '0"%"', "1%"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (-1234.5, '"$"#,##0.00', "-$1,234.50"),
        (-1234.5, '"$"#,##0.00_);\\("$"#,##0.00\\)', "($1,234.50)"),
        (1234.5, '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)', "$1,234.50"),
        (1234.5, "#,##0.00\\ [$€-407]", "1,234.50 €"),
        (1500000, '"UGX "#,##0', "1500000"),
        (2.675, "0.00", "2.68"),
        (12, '0" days"', "12 days"),
        (1234.5, "0.00E+00", "1234.5"),
        (1.5, "# ?/?", "1.5"),
        (7, "@", "7"),
        (0.1 + 0.2, "General", "0.3"),
        (-3, "General", "-3"),
        (1e15, "General", "1.00000000000000E+15"),
        (123456789012345678, "General", "1.23456789012346E+17"),
        (True, "General", "TRUE"),
        (date(2026, 11, 21), "yyyy-mm-dd", "2026-11-21"),
        (datetime(2026, 11, 21, 9, 30), "yyyy-mm-dd h:mm", "2026-11-21 09:30"),
        (timedelta(hours=30), "[h]:mm:ss", "30:00:00"),
        (time_of_day(9, 30), "hh:mm", "09:30"),
        ("#N/A", "General", "#N/A"),
        ("=1+1", "General", ""),  # a formula whose result was never computed
        (" x ", "General", " x "),
        ("one_x000D_\ntwo_x000d_\nthree", "General", "one\ntwo\nthree"),  # SheetJS and xlsxwriter
        ("a_x0007_b _x0041_ _x0000_", "General", "a\x07b _x0041_ \ufffd"),
    ],
)
def test_a_cell_is_read_as_it_is_shown(value: Any, number_format: str, text: str) -> None:
    content = xlsx(
        [["phone", "x", "y"], ["2025550101", value, "end"]], formats={"B2": number_format}
    )
    [(_, cells)] = read(content)[1]
    assert cells == ["2025550101", text, "end"]


def test_the_strings_of_excel_are_read() -> None:
    strings = b"<si><t>Phone</t></si><si><r><t>+1 202 555</t></r><r><t> 0101</t></r></si>"
    rows = b"".join(
        b'<row r="%d"><c r="A%d" t="s"><v>%d</v></c></row>' % (at + 1, at + 1, at) for at in (0, 1)
    )
    layout, found = read(with_strings(changed(GOOD, SHEET, sheet_xml(rows)), strings))
    assert (layout.columns, found) == (["Phone"], [(2, ["+1 202 555 0101"])])


def test_styles_that_excel_accepts_and_openpyxl_refuses_are_not_read() -> None:
    # As excel-builder-vanilla 4 writes a fill, and others a font of the family 15.
    styles = (
        b'<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b'<numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/></numFmts>'
        b'<fonts><font><family val="15"/></font></fonts><fills><fill/></fills>'
        b'<cellXfs><xf numFmtId="0" fillId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>'
    )
    row = b'<row r="1"><c r="A1" s="1"><v>46000</v></c><c r="B1"><v>2025550101</v></c></row>'
    _, found = read(changed(changed(GOOD, SHEET, sheet_xml(row)), "xl/styles.xml", styles))
    assert found == [(1, ["2025-12-09", "2025550101"])]


def test_how_a_name_is_spoken_is_no_part_of_it() -> None:
    """Excel keeps what was typed to get Japanese characters beside them."""
    strings = b"<si><t>Name</t></si>" + (
        '<si><t>\u5c71\u7530</t><rPh sb="0" eb="2"><t>\u30e4\u30de\u30c0</t></rPh></si>'.encode()
    )
    rows = (
        b'<row r="1"><c r="A1" t="s"><v>0</v></c>'
        b'<c r="B1" t="inlineStr"><is><t>Phone</t></is></c></row>'
        b'<row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2"><v>12025550101</v></c></row>'
    )
    _, found = read(with_strings(changed(GOOD, SHEET, sheet_xml(rows)), strings))
    assert found == [(2, ["\u5c71\u7530", "12025550101"])]


def test_a_row_number_beyond_the_last_row_of_excel_is_refused() -> None:
    row = b'<row r="9999999999"><c><v>1</v></c></row>'
    with pytest.raises(InvalidFile, match=r"last row is 1,048,576"):
        read(changed(GOOD, SHEET, sheet_xml(b'<row r="1"><c r="A1"><v>1</v></c></row>' + row)))


def test_a_title_above_the_header_is_skipped() -> None:
    layout, rows = read(xlsx([["Our class"], [], ["Name", "Phone"], ["Ann", 2025550101]]))
    assert (layout.columns, layout.number_columns) == (["Name", "Phone"], [1])
    assert rows == [(4, ["Ann", "2025550101"])]


GOOD = xlsx([["phone", "name"], ["2025550101", "Ann"]])


UNREADABLE = {
    "no cells": (xlsx([]), "The file is empty"),
    "only the start": (GOOD[:200], "damaged"),
    "without the end": (GOOD[:-30], "damaged"),
    "a few bytes": (b"PK\x03\x04\x14\x00", "damaged"),
    "a sheet without an end": (changed(GOOD, SHEET, b"<worksheet"), "damaged"),
    "an empty sheet": (changed(GOOD, SHEET, b""), "damaged"),
    "another workbook": (changed(GOOD, "xl/workbook.xml", b"<x/>"), "damaged|empty"),
    "a comment": (changed(GOOD, SHEET, sheet_xml(b"<!-- </row> -->")), "cannot be read"),
    "an unknown string": (
        changed(GOOD, SHEET, sheet_xml(b'<row r="1"><c r="A1" t="s"><v>99</v></c></row>')),
        "damaged",
    ),
    "an unknown column": (
        changed(GOOD, SHEET, sheet_xml(b'<row r="1"><c r="ZZZZZZ1"><v>1</v></c></row>')),
        "damaged",
    ),
    "strict XML": (
        changed(
            GOOD,
            "xl/workbook.xml",
            b'<workbook xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"/>',
        ),
        "Strict Open XML",
    ),
    "many columns": (xlsx([["x"] * 1_001]), "more than 1,000 columns"),
}


@pytest.mark.parametrize(("content", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_cannot_be_read_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(InvalidFile, match=words):
        read(content)


def test_another_archive_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<x/>")
    with pytest.raises(InvalidFile, match="This is not an XLSX file"):
        read(file.getvalue())


def test_an_old_excel_file_is_refused_and_the_error_says_what_to_do() -> None:
    with pytest.raises(InvalidFile, match=r"old Excel file \(\.xls\).* Save it as \.xlsx"):
        is_spreadsheet(io.BytesIO(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600))


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"%PDF-1.7\n", "PDF file"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\xff\xd8\xff\xe0", "picture"),
        (b"GIF89a", "picture"),
    ],
)
def test_a_document_that_is_no_table_is_named(start: bytes, kind: str) -> None:
    with pytest.raises(InvalidFile, match=f"This is a {kind}"):
        is_spreadsheet(io.BytesIO(start + b"\0" * 100))


BOMBS = {
    "a picture": changed(GOOD, "xl/media/image1.png", b" " * 9 * MEBIBYTE),
    "a part of zeros": changed(GOOD, "xl/styles.xml", b" " * 9 * MEBIBYTE),
    "many strings": with_strings(GOOD, b"<si/>" * 3_000_000),
    "many rows": changed(GOOD, SHEET, sheet_xml(b"<row/>" * 2_100_000)),
    "a wide row": changed(GOOD, SHEET, sheet_xml(b"<row>" + b"<c/>" * 2_000_000 + b"</row>")),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_archive_with_much_in_it_is_refused_in_little_memory(name: str) -> None:
    assert len(BOMBS[name]) < MEBIBYTE
    began = time.thread_time()
    with less_memory_than(32 * MEBIBYTE), pytest.raises(InvalidFile, match=r"too large|too long"):
        read(BOMBS[name])
    assert time.thread_time() - began < 10


def test_cells_far_apart_take_no_memory_for_what_is_between_them() -> None:
    rows = b'<row r="1"><c r="A1"><v>2025550101</v></c></row>'
    rows += b'<row r="50000"><c r="BZ50000"><v>1</v></c></row>'
    with less_memory_than(16 * MEBIBYTE):
        layout, _ = read(changed(GOOD, SHEET, sheet_xml(rows)))
    assert layout.rows == 2


def test_a_sheet_with_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 3)
    content = xlsx([["phone"], *[["2025550101"]] * 3])
    with pytest.raises(InvalidFile, match="more than 3 rows"):
        read(content)
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 4)
    assert read(content)[0].rows == 3


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**16), 10**16),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
)


@given(st.lists(st.lists(cells, max_size=4), max_size=5))
def test_any_sheet_is_read_or_refused(rows: list[list[Any]]) -> None:
    with suppress(InvalidFile):
        layout, found = read(xlsx([["phone"], *rows]))
        assert layout.rows == len(found)


@settings(deadline=None)  # the machine may be busy
@given(st.integers(2_000_000_000, 999_999_999_999_999))
def test_no_digit_of_a_number_is_lost(number: int) -> None:
    [(_, [cell])] = read(xlsx([["phone"], [number]]))[1]
    assert cell == str(number)


@given(st.data())
def test_a_damaged_archive_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidFile):
        read(bytes(content))
