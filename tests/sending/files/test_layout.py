"""How a file is laid out: delimiter, header and columns, found by content and by names."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidFile
from domain.sending.files.csv_rows import DELIMITERS
from domain.sending.files.layout import MOST_COLUMNS
from tests.sending.files.files import csv_file, layout

TO = [f"+120255501{number:02}" for number in range(20, 30)]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_delimiter_the_header_and_the_columns_are_found(delimiter: str, encoding: str) -> None:
    rows = [["Näme", "Phone", "Text"]]
    rows += [[f"Zoë {to[-1]}", to, "Hello, dear; a|b\tc\nd"] for to in TO]
    found = layout(csv_file(rows, delimiter=delimiter, encoding=encoding))
    assert (found.delimiter, found.has_header, found.rows) == (delimiter, True, 10)
    assert (found.columns, found.number_columns) == (["Näme", "Phone", "Text"], [1])


@pytest.mark.parametrize(
    ("content", "delimiter", "has_header", "columns", "number_columns"),
    [
        (b"phone\n2025550120\n", ",", True, ["phone"], [0]),
        (b"2025550120\n2025550121\n", ",", False, ["column 1"], [0]),
        (b"12345\n2025550121\n", ",", False, ["column 1"], [0]),
        (b"'+12025550120\n'2025550121\n", ",", False, ["column 1"], [0]),
        (b'="2025550120"\n="2025550121"\n', ",", False, ["column 1"], [0]),
        (b"12345\n", ",", False, ["column 1"], []),
        (b"+12025550120\n", ",", False, ["column 1"], [0]),
        (b"n\n12345\n", ",", True, ["n"], []),
        (b"2025550120;Hello, you, there\n2025550121;Hi\n", ";", False, None, [0]),
        (b"2025550120,Hello; you; there\n2025550121,Hi\n", ",", False, None, [0]),
        (b"2025550120;Hi, you\n2025550121;Hi, me;too\n", ";", False, None, [0]),
        (b"Hi, you|2025550120\nHi, you|2025550121\n", "|", False, None, [1]),
        (b"name;phone;2026-11-21\nAda;2025550120;x\n", ";", True, None, [1]),
        (
            b"a,,A,a,phone\n2025550120,,,,\n",
            ",",
            True,
            ["a", "column 2", "A (2)", "a (3)", "phone"],
            [4],
        ),
        (b"name,Phone\nAda,12\nBob,\n", ",", True, ["name", "Phone"], [1]),
        # Without a header the numbers decide, if they can.
        (b"2025550143,Ann,2025550101\n2025550144,Bob,2025550102\n", ",", False, None, [0, 2]),
        (b"1,A,2025550101\n2,B,2025550102\n2025550103,C,2025550104\n", ",", False, None, [2]),
        # With a header its words decide, and not what looks like a number.
        (b"id,a\n1,2025550120\n2025550121,2025550122\n", ",", True, ["id", "a"], []),
        (b"id,Mobile\n2025550123,2025550120\n2025550124,12\n", ",", True, None, [1]),
        (b"id,Mobile\n2025550123,1\n2025550124,2\n2025550125,3\n", ",", True, None, [1]),
        (b"Account number,Name,Phone\n2025550143,Ann,2025550101\n", ",", True, None, [2]),
        (b"Fax number,Name,Mobile\n2025550143,Ann,2025550101\n", ",", True, None, [2]),
        (b"backup phone number,phone number,name\n2025550103,2025550101,A\n", ",", True, None, [1]),
        (b"Phone,Name,Student number\n,Ann,2025550101\n", ",", True, None, [0]),
        (b"Phone,Emergency phone\n,2025550101\n", ",", True, None, [0]),
        (b"Fax,Name\n2025550101,Ann\n", ",", True, None, []),
        (b"home phone,mobile\n2025550101,2025550102\n", ",", True, None, [1]),
        (b"home phone,mobile\n2025550101,\n", ",", True, None, [0]),  # no mobile in the file
        (b"home phone,mobile\n1,2\n", ",", True, None, [1]),
        (b"Phone,Number\n2025550101,2025550102\n", ",", True, None, [0]),
        (b"Phone 1,Phone 2\n2025550101,2025550102\n", ",", True, None, [0, 1]),
        (b"Phone 1,Phone 2\n2025550101,\n", ",", True, None, [0]),
        (b"phone,Phone\n2025550101,2025550102\n", ",", True, ["phone", "Phone (2)"], [0, 1]),
        (b"Mother mobile,Father mobile\n2025550101,2025550102\n", ",", True, None, [0, 1]),
        (b"to,text\n2025550101,Hi\n", ",", True, None, [0]),
        ("Näme;Telefon (mobil)\nZoë;2025550101\n".encode("cp1252"), ";", True, None, [1]),
        # A line that declares the delimiter.
        (b"sep=;\r\nphone;name\r\n2025550120;Ada\r\n", ";", True, ["phone", "name"], [0]),
        (b"SEP=;\nphone;name\n2025550120;Ada\n", ";", True, ["phone", "name"], [0]),
        (b"sep=;;\nphone;name\n2025550120;Ada\n", ";", True, ["phone", "name"], [0]),
        (b"sep=; \nphone;name\n2025550120;Ada\n", ";", True, ["phone", "name"], [0]),
        (b'"sep=,"\nphone,name\n2025550120,Ada\n', ",", True, ["phone", "name"], [0]),
        (b'"sep=;"\nphone;name\n2025550120;Ada\n', ";", True, ["phone", "name"], [0]),
        (b"sep=;,,\nphone,name,x\n2025550120,Ada,\n", ",", True, ["phone", "name", "x"], [0]),
        (b"sep=\t\nphone\tname\n2025550120\tAda\n", "\t", True, ["phone", "name"], [0]),
        (b"sep=^\nphone^name\n2025550120^Ada\n", "^", True, ["phone", "name"], [0]),
        (b"\xef\xbb\xbfsep=;\nphone;name\n2025550120;a,b\n", ";", True, ["phone", "name"], [0]),
        (b"sep=\n2025550120\n", ",", True, ["sep="], []),
        # A title above the header.
        (b"Class list 2026\nName,Phone\nAnn,2025550101\n", ",", True, ["Name", "Phone"], [1]),
        (b"Phone list,\n,\nName,Phone\nAnn,2025550101\n", ",", True, ["Name", "Phone"], [1]),
        (b"Made by,Ann Phone\nName,Mobile,Fax\nAnn,2025550101,\n", ",", True, None, [1]),
    ],
)
def test_the_header_decides_which_column_holds_the_numbers(
    content: bytes,
    delimiter: str,
    has_header: bool,
    columns: list[str] | None,
    number_columns: list[int],
) -> None:
    found = layout(content)
    assert (found.delimiter, found.has_header) == (delimiter, has_header)
    assert found.number_columns == number_columns
    assert columns is None or found.columns == columns


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Phone 1,Phone 2\n2025550101,2025550102\n", "“Phone 1” and “Phone 2”"),
        (b"2025550143,Ann,2025550101\n", "“column 1” and “column 3”"),
        (b"who,whereto\nAnn,2025550101\n", "as far as its name says.* has: who, whereto"),
    ],
)
def test_a_file_that_does_not_say_where_its_numbers_are_is_refused(
    content: bytes, words: str
) -> None:
    with pytest.raises(InvalidFile, match=words):
        assert layout(content).number_column is None


def test_a_title_above_unknown_names_is_refused() -> None:
    with pytest.raises(InvalidFile, match="Line 1 looks like a title") as refused:
        layout(b"My list\nwho,whereto\nAnn,2025550101\nBob,2025550102\n")
    assert refused.value.line == 1


@given(
    st.permutations(["phone", "name", "note"]),
    st.lists(
        st.tuples(st.text("abc ,;|\t\"'\n", max_size=9), st.text('xyz,;|"1', max_size=9)),
        min_size=2,
        max_size=9,
    ),
    st.sampled_from(DELIMITERS),
)
def test_the_delimiter_is_found_whatever_the_other_columns_hold(
    header: list[str], others: list[tuple[str, str]], delimiter: str
) -> None:
    rows = [header]
    for to, (name, note) in zip(TO, others, strict=False):
        cells = {"phone": to, "name": name, "note": note}
        rows.append([cells[each] for each in header])
    found = layout(csv_file(rows, delimiter=delimiter, quote_all=True))
    assert (found.delimiter, found.columns) == (delimiter, header)
    assert found.number_columns == [header.index("phone")]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_is_refused_as_empty(content: bytes) -> None:
    with pytest.raises(InvalidFile, match="empty"):
        layout(content)


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(InvalidFile, match="more than 1,000 columns"):
        layout(b"2025550120" + b"," * MOST_COLUMNS)


STRANGE = [b'"' * 300_001, b"," * 262_143, b"\n" * 200_000, b'",\n' * 90_000, b"a|;," * 60_000]


@pytest.mark.parametrize("content", STRANGE)
def test_strange_files_are_read_or_refused_in_good_time(content: bytes) -> None:
    began = time.thread_time()
    with suppress(InvalidFile):
        layout(content)
    assert time.thread_time() - began < 10
