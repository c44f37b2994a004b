"""Search texts."""

from __future__ import annotations

import pytest

from domain.errors import InvalidInput
from domain.pages import digits_of, search_of


@pytest.mark.parametrize(
    ("given", "searched"),
    [(None, None), ("", None), ("  \n", None), (" Ada ", "Ada"), ("50%", "50%")],
)
def test_a_search_is_trimmed_and_may_be_empty(given: str | None, searched: str | None) -> None:
    assert search_of(given) == searched


@pytest.mark.parametrize("given", ["a\x00b", "\ud800", "x" * 201])
def test_a_search_that_no_row_can_match_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput):
        search_of(given)


@pytest.mark.parametrize(
    ("searched", "digits"),
    [
        ("+1 (202) 555-01", "+120255501"),
        ("0100", "0100"),
        ("555 lunch", None),
        ("٤٥", None),
        ("+", None),
    ],
)
def test_a_part_of_a_number_is_recognised_in_any_usual_form(
    searched: str, digits: str | None
) -> None:
    assert digits_of(searched) == digits
