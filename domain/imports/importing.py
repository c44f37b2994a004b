"""Imports of an operator: the whole file is checked first, then imported page by page.

The file is read twice, and only one page of it is in memory at a time. Each page is imported in its
own transactions, which are safe to repeat: an interrupted import is run again, and skips the lines
that were imported.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import BinaryIO, Protocol, TypeVar

from domain.errors import InvalidFile, InvalidInput, Refusal
from domain.imports.table import Table
from domain.ledger.runs import persist
from domain.sending.files.csv_rows import Row

PAGE = 2_000
"""Lines."""

Read = TypeVar("Read")
Resolved = TypeVar("Resolved")

Report = Callable[[int], None]
"""Called with the number of lines that were read so far."""


class Importer(Protocol[Read, Resolved]):
    """One kind of file."""

    def read(self, row: Row) -> Read:
        """The parsed line. Raises a Refusal that says how to correct it."""

    async def resolve(self, lines: Sequence[Read]) -> Sequence[Resolved | str]:
        """Each line with what the database knows about it, or how to correct it, in order."""

    def key(self, line: Resolved) -> str | None:
        """The key that only one line of the file may have; None if lines may be repeated."""

    async def write(self, lines: Sequence[Resolved]) -> int:
        """Imports the lines. Safe to repeat. Returns how many were new or changed something."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that cannot be imported, and what to do."""

    line: int
    message: str


async def check(
    importer: Importer[Read, Resolved],
    table: Table,
    scratch: BinaryIO,
    *,
    refuse: Callable[[Problem], None],
    report: Report,
) -> int:
    """Reads all lines and passes each that cannot be imported to `refuse`. Returns how many.

    Repeated lines come last. `scratch`: an empty file.
    """
    keys, count, refused = RepeatedKeys(scratch), 0, 0
    rows = table.rows()
    while page := await asyncio.to_thread(_read, importer, rows):
        for line, found in await persist(partial(_resolve, importer, page)):
            if isinstance(found, Problem):
                refused += 1
                refuse(found)
            elif key := importer.key(found):
                keys.add(key, line)
        report(count := count + len(page))
    for line, first in keys.repeated():
        refused += 1
        refuse(Problem(line, f"This repeats line {first}. Remove one of the two."))
    return refused


async def import_lines(importer: Importer[Read, Resolved], table: Table, *, report: Report) -> int:
    """Imports a file that was checked. Returns how many lines were new or changed something.

    Raises InvalidFile if a line cannot be imported any more: the lines before it were imported.
    """
    count = changed = 0
    rows = table.rows()
    while page := await asyncio.to_thread(_read, importer, rows):
        changed += await persist(partial(_write, importer, page))
        report(count := count + len(page))
    return changed


_Page = Sequence[tuple[int, Read | Problem]]


def _read(importer: Importer[Read, Resolved], rows: Iterator[Row]) -> _Page[Read]:
    """The next lines, with what they say or how to correct them."""
    page: list[tuple[int, Read | Problem]] = []
    for row in islice(rows, PAGE):
        try:
            page.append((row.line, importer.read(row)))
        except Refusal as refusal:
            page.append((row.line, Problem(row.line, str(refusal))))
    return page


async def _resolve(
    importer: Importer[Read, Resolved], page: _Page[Read]
) -> list[tuple[int, Resolved | Problem]]:
    readable = [each for _, each in page if not isinstance(each, Problem)]
    found = iter(await importer.resolve(readable) if readable else ())
    resolved: list[tuple[int, Resolved | Problem]] = []
    for line, read in page:
        each = read if isinstance(read, Problem) else next(found)
        resolved.append((line, Problem(line, each) if isinstance(each, str) else each))
    return resolved


async def _write(importer: Importer[Read, Resolved], page: _Page[Read]) -> int:
    lines: list[Resolved] = []
    for _, each in await _resolve(importer, page):
        if isinstance(each, Problem):
            raise InvalidFile(
                f"Line {each.line} cannot be imported any more: {each.message} The lines before it"
                " may be imported. Correct the line and run this again.",
                line=each.line,
            )
        lines.append(each)
    try:
        return await importer.write(lines)
    except InvalidInput as refusal:
        # Each line is valid alone. Together they can make a balance too large.
        raise InvalidFile(
            f"Lines {page[0][0]:,} to {page[-1][0]:,} cannot be imported: {refusal} The lines"
            " before them were imported. Correct these lines and run this again.",
            line=page[0][0],
        ) from refusal


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
