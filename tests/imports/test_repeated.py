"""RepeatedKeys that are twice in a file are found, however many there are."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from domain.imports.importing import RepeatedKeys


@given(keys=st.lists(st.text("ab", max_size=3), max_size=60), most=st.integers(1, 7))
def test_each_repeated_line_is_found_with_the_first_one(keys: list[str], most: int) -> None:
    found = RepeatedKeys(io.BytesIO(), most_in_memory=most)
    for line, key in enumerate(keys, start=2):
        found.add(key, line)
    expected = [
        (line, keys.index(key) + 2)
        for line, key in enumerate(keys, start=2)
        if keys.index(key) + 2 < line
    ]
    assert sorted(found.repeated()) == expected
