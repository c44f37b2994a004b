"""What all endpoints share: the headers of a request, how it is refused, and how it is answered.

The credential of `Authorization: Bearer …` is an access token or an API key.

The body of a refusal is a GraphQL error, or under /api/ an error of the REST API
(docs/api/rest.md), or of the API of EgoSMS (docs/api/egosms.md). Under /2010-04-01 it is one of the
Twilio-compatible API (docs/api/twilio.md). The webhooks of providers are under /api/ too. They are
not part of the REST API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import orjson
from starlette.types import Scope, Send

from domain.errors import InvalidInput, NotFound, RateLimited, Refusal, TryAgain
from domain.identity.access import Actor
from domain.identity.ports import Authenticator

KEY_HEADER = b"idempotency-key"
LONGEST_NAME = 64


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The headers, the last of each name, and all of Accept. Raises RequestRefused for two
    credentials."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name == b"authorization" and name in headers:
            raise RequestRefused(400, "Send one Authorization header, not several.")
        is_more = name == b"accept" and name in headers
        headers[name] = b"%b, %b" % (headers[name], value) if is_more else value
    return headers


def credential_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The access token or API key of a request; None without one."""
    scheme, _, credential = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return (credential.strip() or None) if scheme.lower() == "bearer" else None


async def bearer_of(authenticator: Authenticator, headers: Mapping[bytes, bytes]) -> Actor | None:
    """The actor; None without a valid credential. Raises RequestRefused."""
    credential = credential_of(headers)
    return None if credential is None else await actor_of(authenticator, credential)


async def actor_of(authenticator: Authenticator, credential: str) -> Actor | None:
    """The actor of a credential; None if it is not valid. Raises RequestRefused."""
    try:
        return await authenticator.actor_for(credential)
    except TryAgain as refusal:
        raise try_again(refusal) from None


def try_again(refusal: TryAgain) -> RequestRefused:
    """The refusal as an HTTP response."""
    return RequestRefused(
        503, str(refusal), code=refusal.code, retry_after_seconds=refusal.retry_after_seconds
    )


@contextmanager
def http_refusals(*others: type[Refusal]) -> Iterator[None]:
    """Raises a refusal of the domain as a refused request, except for `others`."""
    try:
        yield
    except others:
        raise
    except TryAgain as refusal:
        raise try_again(refusal) from None
    except RateLimited as refusal:
        raise RequestRefused(
            429, str(refusal), code=refusal.code, retry_after_seconds=refusal.retry_after_seconds
        ) from None
    except Refusal as refusal:
        statuses = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403}
        status = 404 if isinstance(refusal, NotFound) else statuses.get(refusal.code, 400)
        raise RequestRefused(status, str(refusal), code=refusal.code) from None


def is_compressed(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body is encoded in a way that is not supported."""
    return headers.get(b"content-encoding", b"").strip().lower() not in (b"", b"identity")


def json_of(body: bytes, what: str = "The body") -> Any:
    """The value of some JSON. Raises RequestRefused, also if an object has a name twice.

    One of the two values would be ignored: the recipient, the text or the key of a send.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RequestRefused(400, f"{what} is not valid JSON in UTF-8.") from None
    try:
        # Every name and string has two quotes, so a body with more of them than its value may have
        # a name twice. To look for one in each body would take three times as long.
        if body.count(b'"') + body.count(b"\\u0022") > orjson.dumps(value).count(b'"'):
            json.loads(body, object_pairs_hook=_check_names, parse_int=str)
    except (orjson.JSONEncodeError, RecursionError):
        raise RequestRefused(400, f"{what} is nested too deeply.") from None
    return value


def _check_names(pairs: list[tuple[str, object]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            shown = name[:LONGEST_NAME]
            raise RequestRefused(
                400, f"{shown} is given twice in an object. Give it once.", field=shown
            )
        names.add(name)


def ip_of(client: Sequence[object] | None) -> IPv4Address | IPv6Address | None:
    """The address of a client, as (host, port). None if it has no IP address."""
    try:
        ip = ip_address(str(client[0]) if client else "")
    except ValueError:
        return None
    return (isinstance(ip, IPv6Address) and ip.ipv4_mapped) or ip


def idempotency_key_of(scope: Scope) -> str | None:
    """The Idempotency-Key of a request; None without one. Raises InvalidInput."""
    keys = [value for name, value in scope["headers"] if name == KEY_HEADER]
    if len(keys) > 1:
        raise InvalidInput("Send one Idempotency-Key header, not several.")
    if keys and not keys[0].isascii():
        raise InvalidInput("An Idempotency-Key has only ASCII characters.")
    return keys[0].decode("ascii") if keys else None


RESPONSE_JSON = b"application/graphql-response+json; charset=utf-8"
PLAIN_JSON = b"application/json; charset=utf-8"
EVENT_STREAM = b"text/event-stream; charset=utf-8"

_OFFERED = {
    "application/graphql-response+json": RESPONSE_JSON,
    "application/json": PLAIN_JSON,
    "text/event-stream": EVENT_STREAM,
}
_WILD = {"*/*", "application/*"}
_LONGEST = 2_000


@lru_cache(maxsize=256)
def best_type(accept: str) -> bytes | None:
    """The content type of the response. None if the caller accepts none that we can send.

    Without a preference, it is the older type.
    """
    if not accept.strip():
        return PLAIN_JSON
    best: tuple[float, bytes] | None = None
    for media_range in accept[:_LONGEST].split(","):
        offered, quality = _offer(media_range)
        if offered is not None and quality > (best[0] if best else 0.0):
            best = (quality, offered)
    return best[1] if best else None


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether a body of this type is JSON in UTF-8."""
    return is_in_utf8(content_type, "application/json")


def is_in_utf8(content_type: str, wanted: str) -> bool:
    """Whether a body of this type is of the wanted type, in UTF-8."""
    media_type, *parameters = content_type[:_LONGEST].split(";")
    if media_type.strip().lower() != wanted:
        return False
    charsets = [value for name, value in map(_parameter, parameters) if name == "charset"]
    return all(charset in {"utf-8", "utf8"} for charset in charsets)


def _offer(media_range: str) -> tuple[bytes | None, float]:
    media_type, *parameters = media_range.split(";")
    name = media_type.strip().lower()
    offered = PLAIN_JSON if name in _WILD else _OFFERED.get(name)
    quality = 1.0
    for parameter, value in map(_parameter, parameters):
        if parameter == "charset" and value not in {"utf-8", "utf8"}:
            return None, 0.0
        if parameter == "q":
            quality = _quality(value)
    return offered, quality


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"').lower()


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0


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
        self,
        status: int,
        message: str,
        *,
        code: str = "BAD_USER_INPUT",
        headers: Headers = (),
        retry_after_seconds: int | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.field = field
        self.headers = [*headers]
        if status == 401 and not headers:
            self.headers.append((b"www-authenticate", b"Bearer"))
        if retry_after_seconds is not None:
            self.headers.append((b"retry-after", b"%d" % retry_after_seconds))

    def body_at(self, path: str) -> bytes:
        """The body of the response to a request for this path."""
        known = {"retryAfterSeconds": self.retry_after_seconds, "field": self.field}
        figures = {name: value for name, value in known.items() if value is not None}
        return body_at(path, self.status, self.message, code=self.code, **figures)


def body_at(path: str, status: int, message: str, *, code: str, **extensions: str | int) -> bytes:
    """The body of an error, in the format of the API that the path belongs to."""
    if path.startswith(TWILIO):
        texts = [each for each in extensions.values() if isinstance(each, str)]
        return twilio_body(status, " ".join([message, *texts]))
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


def error_body(message: str, **extensions: str | int) -> bytes:
    """The body of a response with one error."""
    return orjson.dumps({"errors": [{"message": message, "extensions": extensions}]})


async def respond(
    send: Send, status: int, body: bytes, *, content_type: bytes = JSON, headers: Headers = ()
) -> None:
    """Sends a complete response. One with status 204 has neither a type nor a length."""
    of_body = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    lines = [*(of_body if status != 204 else ()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
