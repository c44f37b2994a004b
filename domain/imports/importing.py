"""Imports of an operator: the whole file is checked first, then imported page by page.

The file is read twice, and only one page of it is in memory at a time. Each page is imported in its
own transactions, which are safe to repeat: an interrupted import is run again, and skips the lines
that were imported.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Protocol, TypeVar

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
    *,
    refuse: Callable[[Problem], None],
    report: Report,
) -> int:
    """Reads all lines and passes each that cannot be imported to `refuse`. Returns how many.

    Repeated lines come last.
    """
    count = refused = 0
    rows = table.rows()
    with closing(sqlite3.connect("")) as database:
        keys = RepeatedKeys(database)
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


class RepeatedKeys:
    """The keys of a file with their lines, in a temporary database of SQLite on disk."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._database.execute("CREATE TABLE key (hash BLOB, line INTEGER)")

    def add(self, key: str, line: int) -> None:
        """Adds a key that is on this line."""
        digest = blake2b(key.encode(), digest_size=16).digest()
        self._database.execute("INSERT INTO key VALUES (?, ?)", (digest, line))

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Each line whose key is also on an earlier line, with the first of these lines."""
        with_first = "SELECT line, min(line) OVER (PARTITION BY hash) AS first FROM key"
        return self._database.execute(
            f"SELECT line, first FROM ({with_first}) WHERE line > first ORDER BY line"  # noqa: S608 - no values
        )
