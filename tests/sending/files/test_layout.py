"""How a file is laid out: delimiter, header and columns, told by what stands in it."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidFile
from domain.sending.files.layout import MOST_COLUMNS
from domain.sending.files.rows import DELIMITERS
from tests.sending.files.files import csv_file, layout

TO = [f"+120255501{number:02}" for number in range(20, 30)]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiter_header_and_columns_are_told(delimiter: str, encoding: str) -> None:
    rows = [["Näme", "Phone", "Text"]]
    rows += [[f"Zoë {to[-1]}", to, "Hello, dear; a|b\tc\nd"] for to in TO]
    found = layout(csv_file(rows, delimiter=delimiter, encoding=encoding))
    assert (found.delimiter, found.has_header, found.rows) == (delimiter, True, 10)
    assert (found.columns, found.number_column) == (["Näme", "Phone", "Text"], 1)


@pytest.mark.parametrize(
    ("content", "delimiter", "has_header", "columns", "number_column"),
    [
        (b"phone\n2025550120\n", ",", True, ["phone"], 0),
        (b"2025550120\n2025550121\n", ",", False, ["column 1"], 0),
        (b"12345\n2025550121\n", ",", False, ["column 1"], 0),
        (b"'+12025550120\n'2025550121\n", ",", False, ["column 1"], 0),
        (b"12345\n", ",", False, ["column 1"], None),
        (b"+12025550120\n", ",", False, ["column 1"], 0),
        (b"n\n12345\n", ",", True, ["n"], None),
        (b"2025550120;Hello, you, there\n2025550121;Hi\n", ";", False, None, 0),
        (b"2025550120,Hello; you; there\n2025550121,Hi\n", ",", False, None, 0),
        (b"2025550120;Hi, you\n2025550121;Hi, me;too\n", ";", False, None, 0),
        (b"Hi, you|2025550120\nHi, you|2025550121\n", "|", False, None, 1),
        (b"name;phone;2026-11-21\nAda;2025550120;x\n", ";", True, None, 1),
        # One column of numbers among other numbers: most of it, or called like one.
        (b"id,a\n1,2025550120\n2025550121,2025550122\n", ",", True, ["id", "a"], 1),
        (b"id,Mobile\n2025550123,2025550120\n2025550124,12\n", ",", True, None, 1),
        (b"id,Mobile\n2025550123,2025550120\n2025550124,1\n2025550125,2\n", ",", True, None, 0),
        (b"a,,A,a\n2025550120,,,\n", ",", True, ["a", "column 2", "A (2)", "a (3)"], 0),
        (b"a\n\n2025550120,x\n", ",", True, ["a"], 0),
        # No number is valid: the one column that is called so, and nothing is guessed between two.
        (b"name,Phone\nAda,12\nBob,\n", ",", True, ["name", "Phone"], 1),
        (b"home phone,mobile\n1,2\n", ",", True, None, None),
        (b"sep=;\r\nphone;name\r\n2025550120;Ada\r\n", ";", True, ["phone", "name"], 0),
    ],
)
def test_the_layout_is_told_by_content(
    content: bytes,
    delimiter: str,
    has_header: bool,
    columns: list[str] | None,
    number_column: int | None,
) -> None:
    found = layout(content)
    assert (found.delimiter, found.has_header) == (delimiter, has_header)
    assert found.number_column == number_column
    assert columns is None or found.columns == columns


@given(
    st.permutations(["phone", "name", "note"]),
    st.lists(
        st.tuples(st.text("abc ,;|\t\"'\n", max_size=9), st.text('xyz,;|"1', max_size=9)),
        min_size=2,
        max_size=9,
    ),
    st.sampled_from(DELIMITERS),
)
def test_the_delimiter_is_told_whatever_stands_in_the_other_columns(
    header: list[str], others: list[tuple[str, str]], delimiter: str
) -> None:
    rows = [header]
    for to, (name, note) in zip(TO, others, strict=False):
        told = {"phone": to, "name": name, "note": note}
        rows.append([told[each] for each in header])
    found = layout(csv_file(rows, delimiter=delimiter, quote_all=True))
    assert (found.delimiter, found.columns) == (delimiter, header)
    assert found.number_column == header.index("phone")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_nothing_is_refused_as_empty(content: bytes) -> None:
    with pytest.raises(InvalidFile, match="empty"):
        layout(content)


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(InvalidFile, match="more than 1,000 columns"):
        layout(b"2025550120" + b"," * MOST_COLUMNS)


STRANGE = [b'"' * 300_001, b"," * 262_143, b"\n" * 1_000_000, b'",\n' * 90_000, b"a|;," * 60_000]


@pytest.mark.parametrize("content", STRANGE)
def test_strange_files_are_read_or_refused_in_good_time(content: bytes) -> None:
    began = time.process_time()
    with suppress(InvalidFile):
        layout(content)
    assert time.process_time() - began < 10
