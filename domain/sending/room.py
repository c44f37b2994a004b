"""Room in memory for large sends: all their recipients are there until it is their turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import RateLimited

LARGE = 1_000
"""Recipients from which a list needs room; it is sorted in a thread, and others are answered."""

MOST_RECIPIENTS = 2_000_000
"""Of all large sends under way in a process: at 200 bytes each, 400 MB."""

AGAIN_SECONDS = 5
"""After how long whoever finds no room is to try again."""


class Room:
    """One process's."""

    def __init__(self, most_recipients: int = MOST_RECIPIENTS) -> None:
        self._most = most_recipients
        self._taken = 0

    @contextmanager
    def taken(self, recipients: int) -> Iterator[None]:
        """There is room for so many. Raises RateLimited where others have taken it.

        A small send needs none, and who finds nobody else there has room for any number.
        """
        needed = recipients if recipients >= LARGE else 0
        if needed and self._taken and self._taken + needed > self._most:
            raise RateLimited(AGAIN_SECONDS)
        self._taken += needed
        try:
            yield
        finally:
            self._taken -= needed
