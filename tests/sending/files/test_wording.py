"""What each row is told."""

from __future__ import annotations

import pytest

from domain.errors import InvalidFile, InvalidText
from domain.sending.files.wording import column_wording, wording_of

COLUMNS = ["Phone", "First Name", "sum"]
CELLS = ["+12025550120", " Ada ", "{{Phone}}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Dear {{First Name}}", "Dear Ada"),
        ("{{ first  name }}, {{SUM}}!", "Ada, {{Phone}}!"),
        ("{{Phone}}{{Phone}}", "+12025550120+12025550120"),
        ("{{{sum}}}", "{{{Phone}}}"),
        ("a { b } {{sum}}", "a { b } {{Phone}}"),
    ],
)
def test_placeholders_become_what_the_row_has_there(text: str, told: str) -> None:
    wording = wording_of(text, COLUMNS)
    assert wording is not None
    assert wording(CELLS) == told


@pytest.mark.parametrize("text", ["Hello", "{sum}", "{{a{b}}", "}} {{", ""])
def test_a_text_without_placeholders_is_the_same_for_all(text: str) -> None:
    assert wording_of(text, COLUMNS) is None


@pytest.mark.parametrize("text", ["{{nmae}}", "{{}}", "{{sum}} {{Phone2}}"])
def test_a_placeholder_of_no_column_is_refused_and_the_columns_are_named(text: str) -> None:
    with pytest.raises(InvalidText, match="It has: Phone, First Name, sum"):
        wording_of(text, COLUMNS)


def test_a_row_that_is_too_short_has_nothing_there() -> None:
    wording = wording_of("Dear {{First Name}}.", COLUMNS)
    assert wording is not None
    assert wording(["+12025550120"]) == "Dear ."
    assert column_wording("SUM", COLUMNS)(["+12025550120"]) == ""


def test_a_column_of_texts_is_told_as_it_stands() -> None:
    assert column_wording("first name", COLUMNS)(CELLS) == " Ada "
    with pytest.raises(InvalidFile, match=r"no column “text”\. It has: Phone, First Name, sum"):
        column_wording("text", COLUMNS)
