"""Files for tests: written as other programs write them, and uploaded."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from domain.identity.access import Actor
from domain.installation import Installation
from domain.numbers import Normaliser
from domain.sending.files.keeping import keep_upload
from domain.sending.files.layout import Layout, layout_of
from domain.sending.files.upload import Upload

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


def layout(content: bytes, charset: str | None = None) -> Layout:
    """How these bytes are laid out."""
    return layout_of(io.BytesIO(content), NORMALISER, charset=charset)


async def uploaded(installation: Installation, actor: Actor | None, content: bytes) -> Upload:
    """These bytes, as an upload of the actor's."""
    assert actor is not None
    return await keep_upload(installation, actor, io.BytesIO(content))
