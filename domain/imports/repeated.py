"""Finds keys that occur more than once in a file, in bounded memory.

The hashes of the keys are sorted in parts, which are stored in a file. The parts are then merged,
so that equal hashes follow each other.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from hashlib import blake2b
from typing import BinaryIO

_HASH, _LINE = 16, 6
_RECORD = _HASH + _LINE
_AT_ONCE = 1_000


class RepeatedKeys:
    """The keys of a file with their lines. `file`: empty, for the parts."""

    def __init__(self, file: BinaryIO, *, most_in_memory: int = 100_000) -> None:
        self._file = file
        self._most = most_in_memory
        self._new: list[bytes] = []
        self._ends: list[int] = []

    def add(self, key: str, line: int) -> None:
        """Adds a key that is on this line."""
        digest = blake2b(key.encode(), digest_size=_HASH).digest()
        self._new.append(digest + line.to_bytes(_LINE))
        if len(self._new) == self._most:
            self._write()

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Each line whose key is also on an earlier line, with the first of these lines."""
        self._write()
        starts = [0, *self._ends]
        parts = [self._part(start, end) for start, end in zip(starts, self._ends, strict=False)]
        first = b""
        for record in heapq.merge(*parts):
            if record[:_HASH] == first[:_HASH]:
                yield _line_of(record), _line_of(first)
            else:
                first = record

    def _write(self) -> None:
        self._file.seek(0, 2)
        self._file.write(b"".join(sorted(self._new)))
        self._ends.append(self._file.tell())
        self._new.clear()

    def _part(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            self._file.seek(start)
            block = self._file.read(min(_RECORD * _AT_ONCE, end - start))
            start += len(block)
            yield from (block[at : at + _RECORD] for at in range(0, len(block), _RECORD))


def _line_of(record: bytes) -> int:
    return int.from_bytes(record[_HASH:])
