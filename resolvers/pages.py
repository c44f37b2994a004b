"""Pages of a connection: makes a window of its four arguments, and cursors of its keys."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from domain import ids
from domain.errors import InvalidInput
from domain.pages import Window

DEFAULT_SIZE = 25
LARGEST_SIZE = 100
_LARGEST_NUMBER = 2**63


@dataclass(frozen=True, slots=True)
class Cursors:
    """How the cursors of a list encode the key that it is ordered by.

    `key_of` returns the key of an item. `decode` reverses `encode`; it returns
    None if the text is not a cursor of the list.
    """

    key_of: Callable[[Any], Any]
    encode: Callable[[Any], str]
    decode: Callable[[str], Any | None]


def by_id(attribute: str = "id") -> Cursors:
    """Cursors of a list that is ordered by a UUID."""
    return Cursors(attrgetter(attribute), lambda key: f"c{ids.to_base32(key)}", _decode_id)


def window_of(
    cursors: Cursors,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Window[Any]:
    """The requested window. Raises InvalidInput."""
    if first is not None and last is not None:
        raise InvalidInput("Give first or last, not both.", field="last")
    field, size = ("first", first) if last is None else ("last", last)
    if size is not None and not 0 <= size <= LARGEST_SIZE:
        raise InvalidInput(f"{field} is from 0 to {LARGEST_SIZE}.", field=field)
    return Window(
        size=DEFAULT_SIZE if size is None else size,
        after=_decode(cursors, "after", after),
        before=_decode(cursors, "before", before),
        from_end=last is not None,
    )


def _decode(cursors: Cursors, field: str, cursor: str | None) -> Any:
    if cursor is None:
        return None
    key = cursors.decode(cursor)
    if key is None:
        raise InvalidInput(f"{field} is not a cursor of this list.", field=field)
    return key


def _decode_id(cursor: str) -> UUID | None:
    return ids.from_base32(cursor[1:]) if cursor[:1] == "c" else None


def _encode_text(key: tuple[str | None, UUID]) -> str:
    """The ID and the text, so that one cursor serves every order."""
    text, id = key
    tail = "" if text is None else f".{base64.urlsafe_b64encode(text.encode()).decode()}"
    return f"c{ids.to_base32(id)}{tail}"


def _decode_text(cursor: str) -> tuple[str | None, UUID] | None:
    head, dot, tail = cursor.partition(".")
    id = _decode_id(head)
    try:
        text = base64.b64decode(tail, b"-_", validate=True).decode() if dot else None
    except ValueError:  # binascii.Error and UnicodeError are ValueErrors
        return None
    if id is None or (text is not None and "\0" in text):
        return None
    return text, id


def _decode_number(cursor: str) -> int | None:
    digits = cursor[1:]
    if cursor[:1] != "n" or not digits.isdecimal() or not digits.isascii() or len(digits) > 19:
        return None
    number = int(digits)
    return number if number < _LARGEST_NUMBER and str(number) == digits else None


BY_KEY = Cursors(attrgetter("key"), _encode_text, _decode_text)
"""Cursors of a list that is ordered by a text (or None) and a UUID, or by the UUID alone."""

BY_VERSION = Cursors(attrgetter("version"), lambda key: f"n{key}", _decode_number)
"""Cursors of a list that is ordered by a version: a whole number of 0 or more."""
