"""Reading CSV files: what any program wrote is read unchanged."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidFile
from domain.sending.files.csv_rows import DELIMITERS, LONGEST_ROW, csv_rows
from domain.sending.files.text_encoding import encoding_of
from tests.sending.files.files import csv_file

LATIN = "abcäöüéñß€“”…0123456789"
PUNCTUATION = ",;\t|\"' \n\r=+-@\\{}"


def cells(letters: str) -> st.SearchStrategy[str]:
    """Cells of these letters and of all marks that CSV uses."""
    return st.text(st.sampled_from(letters + PUNCTUATION), max_size=12)


ANY_CELL = st.text(
    st.characters(exclude_characters="\0\ufeff", exclude_categories=["Cs"]), max_size=12
)


def tables(cell: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    """Tables of some columns, without rows that are blank."""

    def of_width(width: int) -> st.SearchStrategy[list[list[str]]]:
        row = st.lists(cell, min_size=width, max_size=width)
        return st.lists(row.filter(lambda cells: any(map(str.strip, cells))), max_size=6)

    return st.integers(1, 4).flatmap(of_width)


def read(content: bytes, encoding: str, delimiter: str = ",") -> list[list[str]]:
    file = io.BytesIO(content)
    return [row.cells for row in csv_rows(file, encoding=encoding, delimiter=delimiter)]


@given(
    tables(ANY_CELL),
    st.sampled_from(DELIMITERS),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.booleans(),
)
def test_any_table_is_read_as_it_was_written(
    table: list[list[str]], delimiter: str, encoding: str, line_end: str, quote_all: bool
) -> None:
    # csv does not quote the line ends that it does not write.
    quoted = quote_all or any("\r" in cell or "\n" in cell for row in table for cell in row)
    content = csv_file(
        table, encoding=encoding, delimiter=delimiter, line_end=line_end, quote_all=quoted
    )
    found = encoding_of(io.BytesIO(content))
    assert found == encoding
    assert read(content, found, delimiter) == table


@given(tables(cells(LATIN)), st.sampled_from(DELIMITERS))
def test_windows_1252_is_read_as_it_was_written(table: list[list[str]], delimiter: str) -> None:
    content = csv_file(table, encoding="cp1252", delimiter=delimiter, quote_all=True)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if content[: error.start].isascii():
            assert encoding_of(io.BytesIO(content)) == "cp1252"
        else:  # it can be damaged UTF-8
            with pytest.raises(InvalidFile, match="is unknown"):
                encoding_of(io.BytesIO(content))
    assert read(content, "cp1252", delimiter) == table


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb\nc", [1, 2, 3]),
        (b"a\r\n\r\nb\r\n", [1, 3]),
        (b"a\rb\r\rc", [1, 2, 4]),
        (b'"a\nb"\nc', [1, 3]),
        (b'"a\r\n\r\nb",x\r\nc', [1, 4]),
        (b"a\n , \n,,\nb\n", [1, 4]),
        (b"sep=,\na\n", [2]),
        (b"a\nsep=,\n", [1, 2]),
    ],
)
def test_each_row_has_the_line_on_which_it_begins(content: bytes, lines: list[int]) -> None:
    rows = csv_rows(io.BytesIO(content), encoding="utf-8", delimiter=",")
    assert [row.line for row in rows] == lines


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b'a,b\nc,"d\ne\n', 2, "never closed. Add the missing quote"),
        (b'a,b\nc,"d"e\n', 2, "the next delimiter. Write each quote"),
        (b'a\n\n"' + b"x" * 200_000 + b'"\n', 3, "a cell is too long"),
        (b"a\n" + b"," * (LONGEST_ROW + 1), 2, "longer than"),
        (b'a\n"x' + b'\n","x' * (LONGEST_ROW // 4), 2, "longer than"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_line(
    content: bytes, line: int, words: str
) -> None:
    with pytest.raises(InvalidFile, match=words) as refused:
        read(content, "utf-8")
    assert refused.value.line == line
    assert refused.value.message.startswith(f"Line {line}: ")


def test_a_quote_inside_an_unquoted_cell_is_kept() -> None:
    assert read(b'5" pipe,6 ft\n', "utf-8") == [['5" pipe', "6 ft"]]


def test_cells_that_look_like_formulas_are_not_changed() -> None:
    row = ["=1+1", "+12025550100", "-2", "@SUM(A1)", "\t=cmd"]
    assert read(csv_file([row]), "utf-8") == [row]


def test_rows_end_quietly_after_their_file_is_closed() -> None:
    file = io.BytesIO(b"a,b\n1,2\n")
    rows = csv_rows(file, encoding="utf-8", delimiter=",")
    next(rows)
    file.close()
    rows.close()
