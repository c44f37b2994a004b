"""Pages of lists, which are read by the key that orders them and never by offset; searches."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.errors import InvalidInput

Key = TypeVar("Key")
Item = TypeVar("Item")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Window(Generic[Key]):
    """The requested part of an ordered list: at most `size` items between two keys.

    `from_end`: the last items instead of the first. The order stays the same.
    """

    size: int
    after: Key | None = None
    before: Key | None = None
    from_end: bool = False

    def with_keys(self, key_of: Callable[[Key], Other]) -> Window[Other]:
        """The same window by other keys."""
        after = None if self.after is None else key_of(self.after)
        before = None if self.before is None else key_of(self.before)
        return Window(self.size, after, before, self.from_end)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items in the order of the list. `total` is None if it was not counted."""

    items: Sequence[Item]
    has_next: bool
    has_previous: bool
    total: int | None = None

    def with_items(self, items: Sequence[Other]) -> Page[Other]:
        """The same page with other items, one for each item."""
        return Page(items, self.has_next, self.has_previous, self.total)


LONGEST_SEARCH = 200
_UNFINDABLE = re.compile(r"[\x00\ud800-\udfff]")
_BETWEEN_DIGITS = str.maketrans("", "", " \u00a0-.()/")
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)


def search_of(given: str | None, *, field: str = "search") -> str | None:
    """The search text, trimmed; None if empty. Raises InvalidInput."""
    if given is None:
        return None
    if len(given) > LONGEST_SEARCH or _UNFINDABLE.search(given):
        raise InvalidInput(
            f"A search has at most {LONGEST_SEARCH} characters of plain text.", field=field
        )
    return given.strip() or None


def digits_of(search: str) -> str | None:
    """The digits if the search looks like a phone number or a part of one, in any usual form."""
    written = search.translate(_BETWEEN_DIGITS)
    return written if _NUMBER.fullmatch(written) else None
