"""The arguments of a connection become a window, or an error that says what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.ids import new_id
from domain.pages import Window
from resolvers.pages import BY_VERSION, by_id, window_of

BY_ID = by_id()
KEY = new_id()


@dataclass
class Line:
    version: int
    id: UUID = KEY


def test_a_page_has_25_items_by_default() -> None:
    assert window_of(BY_ID) == Window(size=25)
    assert window_of(BY_ID, first=None, last=None) == Window(size=25)


def test_a_page_begins_at_a_cursor_from_either_end() -> None:
    cursor = BY_ID.encode(KEY)
    assert window_of(BY_ID, first=3, after=cursor) == Window(size=3, after=KEY)
    assert window_of(BY_ID, last=4, before=cursor) == Window(size=4, before=KEY, from_end=True)


@pytest.mark.parametrize(
    ("requested", "sentence", "field"),
    [
        ({"first": 101}, "first is from 0 to 100.", "first"),
        ({"last": 10**9}, "last is from 0 to 100.", "last"),
        ({"first": -1}, "first is from 0 to 100.", "first"),
        ({"first": 1, "last": 1}, "Give first or last, not both.", "last"),
        ({"after": ""}, "after is not a cursor of this list.", "after"),
        ({"before": "nonsense"}, "before is not a cursor of this list.", "before"),
        ({"after": "c\0"}, "after is not a cursor of this list.", "after"),
        ({"after": BY_VERSION.encode(7)}, "after is not a cursor of this list.", "after"),
    ],
)
def test_invalid_arguments_are_refused(
    requested: dict[str, Any], sentence: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        window_of(BY_ID, **requested)
    assert (str(refused.value), refused.value.field) == (sentence, field)


@given(st.uuids())
def test_a_cursor_by_id_is_read_back(key: UUID) -> None:
    assert BY_ID.decode(BY_ID.encode(key)) == key


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_cursor_by_number_is_read_back(number: int) -> None:
    assert BY_VERSION.decode(BY_VERSION.encode(number)) == number


@given(st.one_of(st.text(max_size=25), st.from_regex(r"n[0-9٠-٩]{0,25}", fullmatch=True)))
def test_a_cursor_has_one_spelling(text: str) -> None:
    number = BY_VERSION.decode(text)
    assert number is None or BY_VERSION.encode(number) == text


def test_the_key_is_taken_from_the_item() -> None:
    assert BY_ID.key_of(Line(3)) == KEY
    assert BY_VERSION.key_of(Line(3)) == 3
