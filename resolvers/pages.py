"""Pages of a connection: its four arguments become a window, its keys become cursors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from domain.errors import InvalidInput
from domain.pages import Window
from resolvers import ids

DEFAULT_SIZE = 25
LARGEST_SIZE = 100
_LARGEST_NUMBER = 2**63


@dataclass(frozen=True, slots=True)
class Cursors:
    """How the key that a list is ordered by is said in its cursors.

    `key_of` takes the key from an item; `encode` and `decode` are each other's reverse.
    """

    key_of: Callable[[Any], Any]
    encode: Callable[[Any], str]
    decode: Callable[[str], Any | None]


def by_id(attribute: str = "id") -> Cursors:
    """Cursors of a list that is ordered by a UUID."""
    return Cursors(attrgetter(attribute), lambda key: f"c{ids.to_base32(key)}", _decode_id)


def by_number(attribute: str) -> Cursors:
    """Cursors of a list that is ordered by a whole number of 0 or more."""
    return Cursors(attrgetter(attribute), lambda key: f"n{key}", _decode_number)


def window_of(
    cursors: Cursors,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> Window[Any]:
    """The window that is asked for. Raises InvalidInput for one that makes no sense."""
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


def _decode_number(cursor: str) -> int | None:
    digits = cursor[1:]
    if cursor[:1] != "n" or not digits.isdecimal() or not digits.isascii() or len(digits) > 19:
        return None
    number = int(digits)
    return number if number < _LARGEST_NUMBER and str(number) == digits else None
