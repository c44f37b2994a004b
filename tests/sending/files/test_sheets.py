"""Which sheet of an XLSX file is read, and which of its rows: those that a person sees."""

from __future__ import annotations

import io
import zipfile

import pytest
from openpyxl import Workbook

from domain.errors import InvalidFile
from domain.numbers import Normaliser
from domain.sending.files.layout import Layout
from domain.sending.files.spreadsheet import Sheet
from domain.sending.files.table import table_rows
from domain.sending.files.uploads import read_table
from tests.sending.files.files import saved
from tests.sending.files.test_spreadsheet import GOOD, SHEET, changed, sheet_xml

US = Normaliser("US")


def pupils(*numbers: int, title: str = "Pupils") -> Workbook:
    book = Workbook()
    book.active.title = title
    book.active.append(["Name", "Mobile"])
    for number in numbers:
        book.active.append(["Ann", number])
    return book


def table_of(content: bytes) -> tuple[Layout, list[int], Sheet]:
    """The layout, the numbers of the rows, and what was left out."""
    layout, table, sheet = read_table(io.BytesIO(content), io.BytesIO(), US)
    assert sheet is not None
    return layout, [row.line for row in table_rows(table, layout)], sheet


def test_the_first_visible_sheet_with_cells_is_read() -> None:
    book = Workbook()
    book.create_sheet("Hidden").append(["phone"])
    book["Hidden"].sheet_state = "hidden"
    for name in ("People", "Others"):
        book.create_sheet(name).append(["phone", name])
        book[name].append([2025550101, "x"])
    layout, _, _ = table_of(saved(book))
    assert (layout.sheet, layout.columns) == ("People", ["phone", "People"])


def test_rows_that_a_filter_hides_are_left_out_and_counted() -> None:
    book = pupils(2025550101, 2025550102, 2025550103, 2025550104)
    for row in (2, 4, 7):  # the last one has no cells
        book.active.row_dimensions[row].hidden = True
    layout, rows, sheet = table_of(saved(book))
    assert (layout.rows, rows, sheet.hidden_rows) == (2, [3, 5], 2)


def test_rows_of_a_spreadsheet_that_writes_true_are_hidden_too() -> None:
    rows = b"".join(
        b'<row r="%d" %s><c r="A%d"><v>%d</v></c></row>' % (at, hidden, at, 2025550100 + at)
        for at, hidden in [(1, b""), (2, b'hidden="true"'), (3, b'hidden="false"')]
    )
    _, found, sheet = table_of(changed(GOOD, SHEET, sheet_xml(rows)))
    assert (found, sheet.hidden_rows) == ([1, 3], 1)


def test_a_hidden_row_above_all_others_is_refused_because_it_may_be_the_header() -> None:
    book = pupils(2025550101)
    book.active.row_dimensions[1].hidden = True
    with pytest.raises(InvalidFile, match="Row 1 of the sheet “Pupils” is hidden"):
        table_of(saved(book))


def test_notes_on_the_first_sheet_are_not_the_table() -> None:
    book = pupils(2025550101)
    notes = book.create_sheet("Notes", 0)
    for line in ("Please read this first", "The list is of October."):
        notes.append([line])
    book.create_sheet("Empty")
    book.create_sheet("Staff").append(["Name", "Mobile"])
    layout, rows, sheet = table_of(saved(book))
    assert (layout.sheet, rows, sheet.others) == ("Pupils", [2], ["Notes", "Staff"])


def test_a_first_sheet_with_numbers_is_never_passed_over() -> None:
    """Another sheet has a clear header, but its people are others."""
    book = pupils(2025550102, title="Staff")
    first = book.create_sheet("Class 5A", 0)
    for row in (["Name", "Guardian"], ["Ann", 2025550101]):
        first.append(row)
    layout, _, sheet = table_of(saved(book))
    assert (layout.sheet, sheet.others) == ("Class 5A", ["Staff"])
    with pytest.raises(InvalidFile, match="No column of the sheet “Class 5A” holds"):
        assert layout.number_column


def test_a_file_of_notes_only_is_read_as_its_first_sheet() -> None:
    book = Workbook()
    book.active.append(["Notes"])
    book.active.append(["Nothing here."])
    book.create_sheet("More").append(["Nothing here either."])
    assert table_of(saved(book))[0].sheet == "Sheet"


@pytest.mark.parametrize(("column", "cell"), [("B", "B3"), ("C", "C3")])
def test_a_phone_column_with_formulas_without_results_is_refused(column: str, cell: str) -> None:
    book = pupils(2025550101, 2025550102, 2025550103)
    book.active["C1"] = "Guardian phone"
    book.active[cell] = f"={column}2+1"
    with pytest.raises(InvalidFile, match="has a formula without a result") as refused:
        table_of(saved(book))
    assert refused.value.line == 3
    assert "save it there" in str(refused.value)


def test_formulas_elsewhere_and_formulas_with_empty_results_are_read() -> None:
    book = pupils(2025550101, 2025550102)
    book.active["A3"] = '=UPPER("ann")'
    empty = b'<row r="9"><c r="B9" t="str"><f>IF(A9="","",A9)</f><v></v></c></row></sheetData>'
    content = saved(book)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read(SHEET).replace(b"</sheetData>", empty)
    layout, rows, _ = table_of(changed(content, SHEET, sheet))
    assert (layout.number_columns, rows) == ([1], [2, 3])
