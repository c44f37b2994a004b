"""Requests that are refused before a field is resolved, with a GraphQL error as the body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from starlette.types import Send

Headers = Sequence[tuple[bytes, bytes]]
JSON = b"application/json; charset=utf-8"


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

    @property
    def body(self) -> bytes:
        """The response's body."""
        return error_body(self.message, code=self.code)


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
