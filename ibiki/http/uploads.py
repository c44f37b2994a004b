"""`POST /uploads`: a CSV or XLSX file is streamed to disk, read once and kept for a day."""

from __future__ import annotations

import asyncio
import logging
from email.message import Message
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain import ids
from domain.errors import InvalidFile, TryAgain
from domain.identity.access import own_scope, require
from domain.identity.ports import Authenticator
from domain.ids import Kind
from domain.installation import Installation
from domain.sending.files.layout import Layout
from domain.sending.files.table import Upload
from domain.sending.files.uploads import keep_upload
from ibiki.http.requests import (
    RequestRefused,
    bearer_of,
    headers_of,
    http_refusals,
    is_compressed,
)

PATH = "/uploads"
SECONDS = 300.0
"""How long a file may take to arrive."""

WRITE_BYTES = 1024 * 1024
log = logging.getLogger("ibiki.http.uploads")
MEDIA_TYPES = frozenset(
    {
        "text/csv",
        "text/plain",
        "text/tab-separated-values",
        "text/comma-separated-values",
        "application/csv",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/octet-stream",
    }
)


class Uploads:
    """The endpoint."""

    def __init__(self, installation: Installation, authenticator: Authenticator) -> None:
        self._installation = installation
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [Route(PATH, self.answer, methods=["POST"])]

    async def answer(self, request: Request) -> Response:
        """Stores the file and describes its columns. Raises RequestRefused."""
        headers = headers_of(request.scope)
        actor = await bearer_of(self._authenticator, headers)
        with http_refusals():
            actor = require(actor)
            scope = own_scope(actor)
            charset = charset_of(headers)
            try:
                with self._installation.file_limits.arriving_file(scope.client_id) as file:
                    await _write(request, file)
                    upload = await keep_upload(self._installation, actor, file, charset=charset)
            except OSError as error:  # for example if the disk is full
                log.error("a file could not be written", extra={"reason": error.strerror})
                raise TryAgain from error
        return JSONResponse(_answer(upload), status_code=201)


def charset_of(headers: dict[bytes, bytes]) -> str | None:
    """The charset in the Content-Type; None without one. Raises RequestRefused for other types.

    The format is detected from the content, because programs use many media types.
    """
    declared = Message()
    declared["content-type"] = content_type = headers.get(b"content-type", b"").decode("latin-1")
    media_type = content_type.partition(";")[0].strip().casefold()
    if media_type not in MEDIA_TYPES:
        raise RequestRefused(
            415,
            "Send the file itself as the body, without a form around it. The Content-Type is"
            " text/csv, or that of an XLSX file.",
        )
    if is_compressed(headers):
        raise RequestRefused(415, "Send the body without a Content-Encoding.")
    charset = declared.get_param("charset")
    return charset if isinstance(charset, str) and charset else None


def _answer(upload: Upload) -> dict[str, object]:
    layout = upload.layout
    number, problem = _number_column(layout)
    return {
        "uploadId": ids.encode(Kind.UPLOAD, upload.id),
        "rows": layout.rows,
        "columns": layout.columns,
        "numberColumn": number,
        "numberColumns": [layout.columns[at] for at in layout.number_columns],
        "phoneColumns": _phone_columns(layout),
        "problem": problem,
        "sheet": layout.sheet,
        "otherSheets": upload.other_sheets,
        "hiddenRows": upload.hidden_rows,
    }


def _phone_columns(layout: Layout) -> list[str]:
    """All that hold phone numbers, so that a person sees which of them are not sent to."""
    return [layout.columns[at] for at in sorted({*layout.phone_columns, *layout.left_out})]


def _number_column(layout: Layout) -> tuple[str | None, str | None]:
    """The column that csvSend uses by itself, or why it has to be named."""
    try:
        return layout.columns[layout.number_column], None
    except InvalidFile as refused:
        return None, str(refused)


async def _write(request: Request, file: BinaryIO) -> None:
    """Writes the body to the file, a part at a time."""
    waiting: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            waiting.append(part)
            size += len(part)
            if size >= WRITE_BYTES:
                await asyncio.to_thread(file.write, b"".join(waiting))
                waiting, size = [], 0
    except ClientDisconnect:
        raise RequestRefused(400, "The body is incomplete. Send it again.") from None
    await asyncio.to_thread(file.write, b"".join(waiting))
