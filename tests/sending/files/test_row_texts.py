"""The text for each row."""

from __future__ import annotations

import re

import pytest

from domain.errors import InvalidFile, InvalidText
from domain.sending.files.row_texts import (
    MissingValue,
    check_brackets,
    check_closed,
    columns_of_placeholders,
    text_in_column,
    text_with_placeholders,
)

COLUMNS = ["Phone", "First Name", "sum"]
CELLS = ["+12025550120", " Ada ", "{{Phone}}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dear {{First Name}}", "Dear Ada"),
        ("{{ first  name }}, {{SUM}}!", "Ada, {{Phone}}!"),
        ("{{Phone}}{{Phone}}", "+12025550120+12025550120"),
        ("{{{sum}}}", "{{{Phone}}}"),
        ("a { b } {{sum}}", "a { b } {{Phone}}"),
    ],
)
def test_placeholders_are_replaced_by_the_values_of_the_row(text: str, expected: str) -> None:
    text_of = text_with_placeholders(text, COLUMNS)
    assert text_of is not None
    assert text_of(CELLS) == expected


def test_a_value_that_a_spreadsheet_protected_is_unwrapped() -> None:
    text_of = text_with_placeholders("{{sum}}", COLUMNS)
    assert text_of is not None
    assert text_of(["", "", '="0012"']) == "0012"
    assert text_of(["", "", "=1+1"]) == "=1+1"


@pytest.mark.parametrize("text", ["Hello", "{sum}", "{{a{b}}", "}} {{", ""])
def test_a_text_without_placeholders_is_the_same_for_all(text: str) -> None:
    assert text_with_placeholders(text, COLUMNS) is None


@pytest.mark.parametrize("text", ["{{nmae}}", "{{}}", "{{sum}} {{Phone2}}"])
def test_a_placeholder_without_a_column_is_refused_and_the_columns_are_named(text: str) -> None:
    with pytest.raises(InvalidText, match="It has: Phone, First Name, sum"):
        text_with_placeholders(text, COLUMNS)


@pytest.mark.parametrize("cells", [["+12025550120"], ["+12025550120", " ", "1"], ["", '=""', ""]])
def test_an_empty_placeholder_is_a_missing_value_unless_it_is_allowed(cells: list[str]) -> None:
    text = "Dear {{First Name}}."
    strict = text_with_placeholders(text, COLUMNS)
    lenient = text_with_placeholders(text, COLUMNS, allow_missing=True)
    assert strict is not None
    assert lenient is not None
    with pytest.raises(MissingValue, match=r"no value for \{\{First Name\}\}\."):
        strict(cells)
    assert lenient(cells) == "Dear ."


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Dear {{First Name}, hello", "{{First Name}, hello"),
        ("Dear {First Name}}, hello", "Name}}"),
        ("{{First Name", "{{First Name"),
        ("{{sum}} of {{sum", "{{sum"),
        ("{{a{{sum}}}}", "{{a"),
        ("}} {{sum}}", "}}"),
    ],
)
def test_braces_that_are_of_no_placeholder_are_named(text: str, named: str) -> None:
    with pytest.raises(InvalidText, match=f"^“{re.escape(named)}” is not a whole placeholder"):
        check_closed(text)


@pytest.mark.parametrize("text", ["Hello", "{sum}", "{{sum}}{{sum}}", "{{{sum}}}", "{ {sum} }", ""])
def test_whole_placeholders_and_single_braces_are_texts(text: str) -> None:
    check_closed(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Hi {sum}", "{sum}"),
        ("{ SUM }", "{ SUM }"),
        ("{{phone}} {First Name}", "{First Name}"),
        ("{{{sum}}} {sum}", "{sum}"),
        ("Dear [first name]", "[first name]"),
        ("<Sum>", "<Sum>"),
        ("Dear «First Name»", "«First Name»"),  # as Word marks the fields of a letter
        ("<<sum>>", "<<sum>>"),
    ],
)
def test_a_column_in_other_brackets_is_refused_because_it_would_be_sent_as_written(
    text: str, named: str
) -> None:
    with pytest.raises(InvalidText, match=rf"^“{re.escape(named)}” is not a placeholder\. Write"):
        check_brackets(text, COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        "{{sum}}",
        "{{{sum}}}",
        "{note}",
        "sum",
        "{su{sum",
        "{}",
        "{\nsum",
        "[{{sum}}]",
        "[St Mary's]",
        "1 < 2 > 0",
        "<sum",
        "sum]",
        "«»",
    ],
)
def test_other_brackets_are_texts(text: str) -> None:
    check_brackets(text, COLUMNS)


def test_the_columns_of_placeholders_are_named_once() -> None:
    assert columns_of_placeholders("{{SUM}} {{phone}} {{sum}}", COLUMNS) == ["sum", "Phone"]
    assert columns_of_placeholders("Hello", COLUMNS) == []


def test_a_text_in_a_column_is_not_changed() -> None:
    assert text_in_column("first name", COLUMNS)(CELLS) == " Ada "
    assert text_in_column("SUM", COLUMNS)(["+12025550120"]) == ""
    with pytest.raises(InvalidFile, match=r"no column “text”\. It has: Phone, First Name, sum"):
        text_in_column("text", COLUMNS)
