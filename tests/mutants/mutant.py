"""One mistake in the program, and the tests that must find it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """A change of one text in one file. `old` occurs in it exactly once.

    `tests`: files in `tests/`, at least one of which must fail. The fewer, the faster.
    """

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    def changed(self, source: str) -> str:
        """The source with the mistake. Raises ValueError if the text is not there once."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(f"{self.name}: the text occurs {found} times in {self.path}")
        return source.replace(self.old, self.new)
