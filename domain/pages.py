"""Lists that can grow are read in pages, by the key that they are ordered by, never by offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Window(Generic[Key]):
    """Which part of an ordered list is asked for: at most `size` items between two keys.

    `from_end`: the last of them rather than the first; the order stays the list's.
    """

    size: int
    after: Key | None = None
    before: Key | None = None
    from_end: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items in the list's order. `total` is None where counting would be slow."""

    items: Sequence[Item]
    has_next: bool
    has_previous: bool
    total: int | None = None
