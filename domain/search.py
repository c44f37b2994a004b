"""Search texts: taken literally, in names, numbers and message texts."""

from __future__ import annotations

import re

from domain.errors import InvalidInput

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
