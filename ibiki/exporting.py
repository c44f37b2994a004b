"""Files of old months, complete before anything is dropped.

A month is a directory with one file for each kind of rows and `manifest.json`: rows and SHA-256 of
each file. It is written under another name, and renamed when everything is on disk. So a directory
without `.partial` at its end is complete.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from domain.retention.retention import RowKind, RowPage

PARTIAL = ".partial"
MANIFEST = "manifest.json"


class CsvWriter:
    """CSV, compressed with gzip. The first line names the columns; NULL is empty."""

    suffix = ".csv.gz"

    def __init__(self, path: Path) -> None:
        self._zip = gzip.GzipFile(path, "wb", compresslevel=6)
        self._text = TextIOWrapper(self._zip, encoding="utf-8", newline="")
        self._csv = csv.writer(self._text)
        self._is_empty = True

    def write(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if self._is_empty:
            self._csv.writerow(columns)
            self._is_empty = False
        self._csv.writerows([_text(each) for each in row] for row in rows)

    def close(self) -> None:
        self._text.close()
        self._zip.close()


class ParquetWriter:
    """Parquet, if pyarrow is installed. Every column is text: a NULL stays NULL."""

    suffix = ".parquet"

    def __init__(self, path: Path) -> None:
        pyarrow = import_module("pyarrow")
        parquet = import_module("pyarrow.parquet")

        self._arrow, self._parquet = pyarrow, parquet
        self._path = path
        self._writer: Any = None

    def write(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        schema = self._arrow.schema([(name, self._arrow.string()) for name in columns])
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._path, schema, compression="zstd")
        texts = [
            [None if row[at] is None else _text(row[at]) for row in rows]
            for at in range(len(columns))
        ]
        self._writer.write_table(self._arrow.table(texts, schema=schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


WRITERS: dict[str, type[CsvWriter | ParquetWriter]] = {
    "csv": CsvWriter,
    "parquet": ParquetWriter,
}


class MonthFiles:
    """The files of one month, in their own directory: `2026-03_20261129T101500000000Z`."""

    def __init__(self, directory: Path, month: str, now: datetime, writer: str = "csv") -> None:
        self._final = directory / f"{month}_{now:%Y%m%dT%H%M%S%fZ}"
        self._partial = self._final.with_name(self._final.name + PARTIAL)
        self._writer = WRITERS[writer]
        self._files: dict[str, dict[str, Any]] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._partial.mkdir(mode=0o700)

    async def add(self, kind: RowKind, pages: AsyncIterator[RowPage]) -> int:
        """Writes the rows of one kind. Returns their number."""
        path = self._partial / f"{kind.name.lower()}{self._writer.suffix}"
        writer = self._writer(path)
        count = 0
        try:
            async for page in pages:
                if page.rows:
                    writer.write(page.columns, page.rows)
                    count += len(page.rows)
        finally:
            writer.close()
        if count == 0:
            path.unlink(missing_ok=True)
            return 0
        # In a thread: a large file takes seconds, and the same program sends messages.
        sealed = await asyncio.to_thread(_sealed, path)
        self._files[path.name] = {"rows": count, "sha256": sealed}
        return count

    def finish(self, *, checkpoint: str) -> Path | None:
        """Makes the export of the month complete. None: there was nothing to export."""
        if not self._files:
            shutil.rmtree(self._partial)
            return None
        manifest = self._partial / MANIFEST
        manifest.write_text(json.dumps({"files": self._files, "checkpoint": checkpoint}, indent=2))
        _sealed(manifest)
        _sync(self._partial)
        self._partial.rename(self._final)
        _sync(self._final.parent)
        return self._final


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _sealed(path: Path) -> str:
    """The SHA-256 of a file that is on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
