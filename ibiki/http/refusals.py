"""Requests that are refused before a field is resolved.

The body is a GraphQL error, or under /api/ an error of the REST API (docs/api/rest.md), or of the
API of EgoSMS (docs/api/egosms.md). Under /2010-04-01 it is one of the Twilio-compatible API
(docs/api/twilio.md). The webhooks of providers are under /api/ too. They are no part of the REST
API.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from starlette.types import Send

Headers = Sequence[tuple[bytes, bytes]]
JSON = b"application/json; charset=utf-8"
REST = "/api/"
WEBHOOKS = "/api/webhook/"
EGOSMS = "/api/v1/json"
TWILIO = "/2010-04-01"
TWILIO_CODES = {400: 20001, 401: 20003, 405: 20004}
"""Codes of the Twilio-compatible API. Any other status is part of its code: 404 has 20404."""

REST_CODES = {
    400: "INVALID_PARAMS",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "TIMED_OUT",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_TYPE",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
"""The code of an error of the REST API if only its status is known."""


class RequestRefused(Exception):
    """A request is answered with this status and message."""

    def __init__(
        self, status: int, message: str, *, code: str = "BAD_USER_INPUT", headers: Headers = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers

    def body_at(self, path: str) -> bytes:
        """The body of the response to a request for this path."""
        return body_at(path, self.status, self.message, code=self.code)


def body_at(path: str, status: int, message: str, *, code: str, **extensions: str) -> bytes:
    """The body of an error, in the format of the API that the path belongs to."""
    if path.startswith(TWILIO):
        return twilio_body(status, " ".join([message, *extensions.values()]))
    if not path.startswith(REST) or path.startswith(WEBHOOKS):
        return error_body(message, code=code, **extensions)
    if path.rstrip("/") == EGOSMS:
        return orjson.dumps({"Status": "Failed", "Message": message})
    known = REST_CODES.get(status, REST_CODES[400])
    return orjson.dumps({"success": False, "error": message, "code": known, **extensions})


def twilio_body(status: int, message: str, code: int | None = None) -> bytes:
    """The body of an error of the Twilio-compatible API.

    Its SDKs read these four keys. There is no page about each code, so `more_info` is empty.
    """
    known = code or TWILIO_CODES.get(status, 20_000 + status)
    error = {"code": known, "message": message, "more_info": "", "status": status}
    return orjson.dumps(error)


def error_body(message: str, **extensions: str) -> bytes:
    """The body of a response with one error."""
    return orjson.dumps({"errors": [{"message": message, "extensions": extensions}]})


async def respond(
    send: Send, status: int, body: bytes, *, content_type: bytes = JSON, headers: Headers = ()
) -> None:
    """Sends a complete response."""
    lines = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
