"""RepeatedKeys that are twice in a file are found, however many there are."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from domain.imports.importing import RepeatedKeys


@given(keys=st.lists(st.text("ab", max_size=3), max_size=60))
def test_each_repeated_line_is_found_with_the_first_one(keys: list[str]) -> None:
    with closing(sqlite3.connect("")) as database:
        found = RepeatedKeys(database)
        for line, key in enumerate(keys, start=2):
            found.add(key, line)
        repeated = list(found.repeated())
    expected = [
        (line, keys.index(key) + 2)
        for line, key in enumerate(keys, start=2)
        if keys.index(key) + 2 < line
    ]
    assert repeated == expected
