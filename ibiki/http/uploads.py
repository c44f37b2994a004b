"""`POST /uploads`: a file of separated values, streamed to disk, read once, and kept for a day."""

from __future__ import annotations

import asyncio
import logging
from email.message import Message
from typing import BinaryIO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain.errors import RateLimited, Refusal, TryAgain
from domain.identity.access import own_scope, require
from domain.identity.ports import Authenticator
from domain.installation import Installation
from domain.sending.files.keeping import keep_upload
from ibiki.http.bearer import bearer_of, headers_of, try_again
from ibiki.http.refusals import RequestRefused
from resolvers import ids
from resolvers.ids import Kind

PATH = "/uploads"
SECONDS = 300.0
"""How long a file may take to come."""

WRITE_BYTES = 1024 * 1024
log = logging.getLogger("ibiki.http.uploads")
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403}


class Uploads:
    """The endpoint, over an installation that is at work."""

    def __init__(self, installation: Installation, authenticator: Authenticator) -> None:
        self._installation = installation
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """The routes, for the application."""
        return [Route(PATH, self.answer, methods=["POST"])]

    async def answer(self, request: Request) -> Response:
        """Keeps the file and says how it was read. Raises RequestRefused."""
        headers = headers_of(request.scope)
        actor = await bearer_of(self._authenticator, headers)
        try:
            actor = require(actor)
            scope = own_scope(actor)
            charset = charset_of(headers)
            with self._installation.workbench.arrival(scope.client_id) as file:
                await _write(request, file)
                upload = await keep_upload(self._installation, actor, file, charset=charset)
        except Refusal as refusal:
            raise _refused(refusal) from None
        except OSError as error:  # no room on the disk, for one
            log.error("a file could not be written", extra={"reason": error.strerror})
            raise try_again(TryAgain()) from error
        told = {
            "uploadId": ids.encode(Kind.UPLOAD, upload.id),
            "rows": upload.layout.rows,
            "columns": upload.layout.columns,
        }
        return JSONResponse(told, status_code=201)


def charset_of(headers: dict[bytes, bytes]) -> str | None:
    """The charset that the Content-Type declares. Raises RequestRefused for what is no text/csv."""
    declared = Message()
    declared["content-type"] = headers.get(b"content-type", b"").decode("latin-1")
    if b"content-type" not in headers or declared.get_content_type() != "text/csv":
        raise RequestRefused(415, "The body is text/csv: the file itself, and no form around it.")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RequestRefused(415, "The body is not compressed.")
    charset = declared.get_param("charset")
    return charset if isinstance(charset, str) and charset else None


async def _write(request: Request, file: BinaryIO) -> None:
    """The body is in the file: never much of it in memory."""
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
        raise RequestRefused(400, "The body is incomplete.") from None
    await asyncio.to_thread(file.write, b"".join(waiting))


def _refused(refusal: Refusal) -> RequestRefused:
    """What a refusal of the domain is over HTTP."""
    if isinstance(refusal, TryAgain):
        return try_again(refusal)
    if isinstance(refusal, RateLimited):
        retry = [(b"retry-after", b"%d" % refusal.retry_after_seconds)]
        return RequestRefused(429, str(refusal), code=refusal.code, headers=retry)
    return RequestRefused(STATUS.get(refusal.code, 400), str(refusal), code=refusal.code)
