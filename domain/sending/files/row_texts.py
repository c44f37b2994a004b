"""Texts with {{column}} placeholders: templates, and the text for a row of a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.errors import InvalidText
from domain.identity.directory import TextKey
from domain.sending.files.layout import column_named, column_of, columns_in_words, cut, key_of
from domain.sending.files.table import LONGEST_CELL, value_in

RowText = Callable[[Sequence[str]], str]
"""The text for the cells of a row. Raises MissingValue."""

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_IN_BRACKETS = re.compile(r"(?:\{|\[|<{1,2}|«)(?P<name>[^{}\[\]<>«»]{1,200})(?:\}|\]|>{1,2}|»)")
"""A name as other programs mark it: {name}, [name], <name>, <<name>>, «name»."""

_TWO_BRACES = re.compile(r"\{\{[^\0]{0,40}|[^\s\0]{0,40}\}\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A text of a client with a name. Two names never differ only in case."""

    id: UUID
    client_id: UUID
    name: str
    text: str
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> TextKey:
        """Its position in a list of templates."""
        return self.name, self.id

    @property
    def placeholders(self) -> Sequence[str]:
        """The names of the values that it needs, each once, in order."""
        return placeholders_of(self.text)


class MissingValue(Exception):
    """The row has no value for {{{name}}}."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The row has no value for {{{{{cut(name)}}}}}.")


def text_with_placeholders(
    text: str, columns: Sequence[str], *, allow_missing: bool = False
) -> RowText | None:
    """The text with the row's cells in its placeholders; None if it has no placeholders.

    A cell is never read as a placeholder itself. `allow_missing`: an empty cell leaves nothing;
    otherwise it raises MissingValue. Raises InvalidText for a placeholder without a column.
    """
    parts = _PLACEHOLDER.split(text)
    if len(parts) == 1:
        return None
    positions = [_column_of_placeholder(name, columns) for name in parts[1::2]]
    literals = parts[::2]

    def text_of(cells: Sequence[str]) -> str:
        filled = [literals[0]]
        for position, literal in zip(positions, literals[1:], strict=True):
            value = value_in(cells, position)
            if not value and not allow_missing:
                raise MissingValue(columns[position])
            filled += (value, literal)
        return "".join(filled)

    return text_of


def text_in_column(name: str, columns: Sequence[str]) -> RowText:
    """The text in the column, unchanged. Raises InvalidFile if there is no such column."""
    position = column_named(name, columns)
    return lambda cells: cells[position][:LONGEST_CELL] if position < len(cells) else ""


def check_closed(text: str) -> None:
    """Raises InvalidText for two braces that are of no placeholder, such as {{name}."""
    found = _TWO_BRACES.search("\0".join(_literals_of(text)))
    if found:
        raise InvalidText(
            f"“{cut(found[0])}” is not a whole placeholder. Write it as {{{{name}}}}, with two"
            " braces on each side."
        )


def check_brackets(text: str, columns: Sequence[str]) -> None:
    """Raises InvalidText for a column in other brackets: [name] would be sent as it is written."""
    for found in _IN_BRACKETS.finditer("\0".join(_literals_of(text))):
        name = found["name"]
        if column_of(columns, name) is not None:
            raise InvalidText(
                f"“{cut(found[0])}” is not a placeholder. Write it as {{{{{cut(name)}}}}}, with two"
                " braces on each side."
            )


def placeholders_of(text: str) -> list[str]:
    """The names of the placeholders of a text, each once, in order."""
    names: dict[str, str] = {}
    for name in _names_in(text):
        names.setdefault(key_of(name), name.strip())
    return list(names.values())


def filled(text: str, values: Mapping[str, str]) -> tuple[str, str | None]:
    """The text with the values in its placeholders, and the name of one that has no value, or None.

    Names are compared as those of columns are. A value is never read as a placeholder itself.
    """
    columns, cells = list(values), list(values.values())
    for name in _names_in(text):
        position = column_of(columns, name)
        if position is None or not value_in(cells, position):
            return "", cut(name)
    text_of = text_with_placeholders(text, columns)
    return (text if text_of is None else text_of(cells)), None


def columns_of_placeholders(text: str, columns: Sequence[str]) -> list[str]:
    """The columns that the text's placeholders name, each once, in order."""
    found = (column_of(columns, name) for name in _names_in(text))
    return list(dict.fromkeys(columns[at] for at in found if at is not None))


def _names_in(text: str) -> list[str]:
    return _PLACEHOLDER.split(text)[1::2]


def _literals_of(text: str) -> list[str]:
    return _PLACEHOLDER.split(text)[::2]


def _column_of_placeholder(name: str, columns: Sequence[str]) -> int:
    position = column_of(columns, name)
    if position is None:
        raise InvalidText(
            f"The text contains {{{{{cut(name)}}}}}, and the file has no such column. It has: "
            f"{columns_in_words(columns)}."
        )
    return position
