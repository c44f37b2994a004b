"""What the row of a file is told: a text with {{column}} placeholders, or a column of texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from domain.errors import InvalidFile, InvalidText
from domain.sending.files.layout import column_of, columns_in_words, cut

Wording = Callable[[Sequence[str]], str]
"""The text of a row, by its cells."""

_LONGEST_CELL = 40_000
"""Characters: more than any text that can be sent has, so that one row cannot fill the memory."""

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")


def wording_of(text: str, columns: Sequence[str]) -> Wording | None:
    """The text with the row's cells, trimmed, in its placeholders; None where it has none.

    What stands in a cell is never read as a placeholder. Raises InvalidText for a placeholder of
    no column.
    """
    parts = _PLACEHOLDER.split(text)
    if len(parts) == 1:
        return None
    places = [_place(name, columns) for name in parts[1::2]]
    literals = parts[::2]

    def told(cells: Sequence[str]) -> str:
        said = [literals[0]]
        for place, literal in zip(places, literals[1:], strict=True):
            cell = cells[place].strip() if place < len(cells) else ""
            said += (cell[:_LONGEST_CELL], literal)
        return "".join(said)

    return told


def column_wording(name: str, columns: Sequence[str]) -> Wording:
    """What stands in the column, as it stands there. Raises InvalidFile where there is none."""
    place = place_of(name, columns)
    return lambda cells: cells[place] if place < len(cells) else ""


def place_of(name: str, columns: Sequence[str]) -> int:
    """Where the column stands. Raises InvalidFile where there is none."""
    place = column_of(columns, name)
    if place is None:
        raise InvalidFile(
            f"The file has no column “{cut(name)}”. It has: {columns_in_words(columns)}."
        )
    return place


def _place(name: str, columns: Sequence[str]) -> int:
    place = column_of(columns, name)
    if place is None:
        raise InvalidText(
            f"The text asks for {{{{{cut(name)}}}}}, and the file has no such column. It has: "
            f"{columns_in_words(columns)}."
        )
    return place
