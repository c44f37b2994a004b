"""Files for tests, written as other programs write them."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from openpyxl import Workbook

from domain.identity.access import Actor
from domain.installation import Installation
from domain.numbers import Normaliser
from domain.sending.files.layout import Layout, layout_of
from domain.sending.files.table import Upload
from domain.sending.files.uploads import keep_upload

NORMALISER = Normaliser()


def csv_file(
    rows: Sequence[Sequence[str]],
    *,
    encoding: str = "utf-8",
    delimiter: str = ",",
    line_end: str = "\r\n",
    quote_all: bool = False,
) -> bytes:
    """The rows as the bytes of a file."""
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def xlsx(rows: Sequence[Sequence[Any]], *, formats: dict[str, str] | None = None) -> bytes:
    """The bytes of a workbook with one sheet. `formats`: number formats by cell."""
    book = Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    return saved(book)


def saved(book: Workbook) -> bytes:
    """The bytes of the workbook."""
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def layout(content: bytes, charset: str | None = None) -> Layout:
    """The layout of these bytes."""
    return layout_of(io.BytesIO(content), NORMALISER, charset=charset)


async def uploaded(installation: Installation, actor: Actor | None, content: bytes) -> Upload:
    """An upload of these bytes by the actor."""
    assert actor is not None
    return await keep_upload(installation, actor, io.BytesIO(content))


@contextmanager
def less_memory_than(most_bytes: int) -> Iterator[None]:
    """Fails if the block has allocated more than that at any time."""
    tracemalloc.start()
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < most_bytes
