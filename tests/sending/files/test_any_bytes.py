"""Any bytes can be uploaded: they are read, or refused as an invalid file."""

from __future__ import annotations

import io
import re

from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import InvalidFile
from domain.inbox.contact_columns import contact_columns_of
from domain.inbox.contact_import import read_cards
from domain.sending.files.layout import Layout, layout_of
from domain.sending.files.spreadsheet import is_spreadsheet, write_as_csv
from domain.sending.files.table import number_cell, table_rows
from tests.sending.files.files import NORMALISER, csv_file

HEADERS = st.sampled_from(
    [
        "Phone",
        "Mobile",
        "Fax",
        "Account number",
        "Name",
        "Company",
        "Home Phone",
        "Phone 2",
        "",
        "x",
    ]
)
CELLS = st.one_of(
    st.sampled_from(
        [
            "2025550101",
            "+1 (202) 555-0102",
            '="2025550103"',
            "2025550104.0",
            "2.02556E+09",
            "2025550105 ::: 2025550106",
            "12",
            "Ann",
            "",
            "two\nlines",
            "=1+1",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)


def read(content: bytes) -> tuple[io.BytesIO, Layout] | None:
    """The file as CSV and its layout; None if it is refused."""
    file = io.BytesIO(content)
    try:
        if not is_spreadsheet(file):
            return file, layout_of(file, NORMALISER)
        converted = io.BytesIO()
        sheet = write_as_csv(file, converted).name
        return converted, layout_of(converted, NORMALISER, sheet=sheet)
    except InvalidFile:
        return None


@given(st.binary(max_size=200))
@example(b"PK\x03\x04")
@example(b"sep=")
@example(b'"sep=;')
@example(b"sep=;")
@example(b"\xff\xfe")
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    found = read(content)
    if found is not None:
        file, layout = found
        assert sum(1 for _ in table_rows(file, layout)) == layout.rows


@given(
    st.lists(HEADERS, min_size=1, max_size=4),
    st.lists(st.lists(CELLS, max_size=5), max_size=5),
    st.sampled_from(",;\t|"),
    st.booleans(),
)
def test_a_number_that_is_read_is_written_in_its_row(
    header: list[str], rows: list[list[str]], delimiter: str, has_title: bool
) -> None:
    """No digit is changed, and no number comes from a column that can never be meant."""
    title = [["My list"]] if has_title else []
    found = read(csv_file([*title, header, *rows], delimiter=delimiter, quote_all=True))
    if found is None:
        return
    file, layout = found
    for column in layout.number_columns:
        assert layout.columns[column].split(" (")[0] not in ("Fax", "Account number", "Name")
        cells = [number_cell(row, column, layout) for row in table_rows(file, layout)]
        for cell, number in zip(cells, NORMALISER.normalise_many(cells), strict=True):
            digits = re.sub(r"\D", "", cell)
            assert number is None or number[2:] in digits
    try:
        columns = contact_columns_of(layout)
    except InvalidFile:
        return
    written = "".join(re.sub(r"[^0-9|]", "", "|".join(row)) + "|" for row in rows)
    cards, rejected = read_cards(file, layout, columns, NORMALISER)
    assert all(card.number[2:] in written for card in cards)
    assert all(each.message for each in rejected)
