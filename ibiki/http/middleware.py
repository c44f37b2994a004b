"""ASGI middleware of every request, outermost first.

`RequestMiddleware` gives each request an ID, counts and logs it, and turns exceptions into
responses. `OriginCheck` refuses requests from web pages of other origins. `NoSecretsInUrls` refuses
credentials in a URL. `BoundedBodies` limits the size of a body and the time that it may take.

The last three await nothing, so they are plain functions that return the coroutine of the inner
application. The functions that they pass on for sending a response are plain functions, too.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.identity.actors import MARK
from ibiki.http.requests import RequestRefused, body_at, respond
from ibiki.http.websocket import STREAMS, WHOLE
from ibiki.observability.masks import masked_text
from ibiki.observability.metrics import Metrics

if TYPE_CHECKING:
    from ibiki.observability.spans import Traces

SLOW_SECONDS = 1.0
SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# Headers of a proxy. With one of them, the caller's address is not the client's address.
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")

# Keys of the scope's state, which endpoints set for the duration of the request.
OPERATION = "graphql.operation"
OUTCOME = "webhook.outcome"
CORS = "cors.headers"
# The name of the route in metrics, if the first part of the path has too many values.
ROUTE = "http.route"
UNTRACED = frozenset({"none", "/healthz", "/readyz", "/metrics"})

WEBHOOKS = "/webhooks/"
MEBIBYTE = 1024 * 1024

_chance = random.Random()  # noqa: S311 - request IDs are not secret
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECRET_NAMES = frozenset(
    {"accesstoken", "apikey", "auth", "authorization", "bearer", "credential", "credentials"}
    | {"jwt", "password", "refreshtoken", "secret", "token"}
)
_SECRET_VALUE = re.compile(rf"(?i:bearer\s)|eyJ[\w-]+\.[\w-]+\.[\w-]|{MARK}[0-9a-f]{{8}}_")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

access_log = logging.getLogger("ibiki.access")
log = logging.getLogger("ibiki.http")


class RequestMiddleware:
    """Gives each request an ID, logs and counts it, and turns exceptions into responses.

    Failed and slow requests are logged at INFO, all others at DEBUG.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces | None = None) -> None:
        self.app = app
        self.metrics = metrics
        self.traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        sender = _ResponseSender(send, request_id, scope["state"])
        try:
            await self.app(scope, receive, sender)
        except RequestRefused as refused:
            if not sender.started:
                body = refused.body_at(scope["path"])
                await respond(sender, refused.status, body, headers=refused.headers)
        except Exception:
            log.exception("request failed", extra={"request_id": request_id})
            if sender.started:
                raise
            await respond(sender, 500, _internal_error(scope["path"], request_id))
        finally:
            self._note(scope, request_id, sender.status, time.perf_counter() - started)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = scope["state"].get(ROUTE) or (
            _area(scope["path"]) if "endpoint" in scope else "none"
        )
        self.metrics.answered(scope["method"], route, status)
        streams = scope["state"].get(STREAMS, False)
        if not streams:
            self.metrics.http_seconds.observe(seconds)
        if self.traces is not None and route not in UNTRACED and not streams:
            self._trace(self.traces, scope, route, status, seconds)
        slow = seconds > SLOW_SECONDS and not streams
        level = logging.INFO if status >= 400 or slow else logging.DEBUG
        if access_log.isEnabledFor(level):
            fields = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                "request_id": request_id,
            }
            access_log.log(level, "request", extra=fields)

    def _trace(self, traces: Traces, scope: Scope, route: str, status: int, seconds: float) -> None:
        state = scope["state"]
        noted = {name: state[name] for name in (OPERATION, OUTCOME) if name in state}
        own = {"http.route": route, "ibiki.request_id": state["request_id"]}
        traces.answered(
            f"{scope['method']} {route}",
            status=status,
            seconds=seconds,
            traceparent=_header(scope, b"traceparent"),
            attributes={"http.request.method": scope["method"], **own, **noted},
        )


class _ResponseSender:
    """The send channel of one request. Adds headers, and notes the status."""

    __slots__ = ("_headers", "_send", "_state", "started", "status")

    def __init__(self, send: Send, request_id: str, state: Mapping[str, Any]) -> None:
        self._send = send
        self._state = state
        self._headers = (*SECURITY_HEADERS, (b"x-request-id", request_id.encode()))
        self.status = 0
        self.started = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = dict(message["headers"])
            own = [header for header in self._headers if header[0] not in given]
            message["headers"] = [*message["headers"], *own, *self._state.get(CORS, ())]
        self.started = True
        return self._send(message)


@dataclass(frozen=True, slots=True)
class AllowedOrigins:
    """Web origins whose pages may call this installation, in addition to its own.

    `loopback` also allows pages from the caller's own machine, for development.
    """

    origins: frozenset[str] = frozenset()
    loopback: bool = False

    def allow(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may call this host."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            return False
        if parts.netloc.lower() == host.lower() or origin.lower() in self.origins:
            return True
        return self.loopback and parts.hostname in _LOOPBACK


class OriginCheck:
    """Refuses requests from pages of other origins, and sends the CORS headers."""

    def __init__(self, app: ASGIApp, allowed: AllowedOrigins) -> None:
        self.app = app
        self.allowed = allowed

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        origin = _header(scope, b"origin")
        if scope["type"] != "http" or not origin:
            return self.app(scope, receive, send)
        if not self.allowed.allow(origin, _header(scope, b"host")):
            raise RequestRefused(
                403,
                "Pages of this origin may not call this installation. "
                "The operator can add the origin to ALLOWED_ORIGINS.",
                code="FORBIDDEN",
            )
        # A page cannot read a refusal without these headers either.
        own = (b"access-control-allow-origin", origin.encode("latin-1"))
        scope["state"][CORS] = (own, *_READABLE)
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            return respond(send, 204, b"", headers=_PREFLIGHT)
        return self.app(scope, receive, send)


_READABLE = (
    (b"vary", b"Origin"),
    (b"access-control-expose-headers", b"retry-after, x-request-id"),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    # Libraries add headers such as `traceparent`. The asterisk means all but `authorization`, and
    # browsers before 2022 do not know it.
    (
        b"access-control-allow-headers",
        b"authorization, content-type, idempotency-key, x-request-id, *",
    ),
    (b"access-control-max-age", b"600"),
)


class NoSecretsInUrls:
    """Refuses a URL that contains a credential, because logs and histories store URLs.

    Webhooks are exempt: their query may hold the text of a message, which would be lost.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        query = scope["query_string"] if scope["type"] == "http" else b""
        if query and not scope["path"].startswith(WEBHOOKS) and has_secret(query):
            raise RequestRefused(
                400,
                "Do not put a credential into a URL. Send it as `Authorization: Bearer …`, "
                "and replace this one, because logs may contain it now.",
            )
        return self.app(scope, receive, send)


def has_secret(query_string: bytes) -> bool:
    """Whether a parameter has the name of a credential, or a value that looks like one."""
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return any(
        re.sub(r"[^a-z]", "", name.lower()) in _SECRET_NAMES or _SECRET_VALUE.match(value.strip())
        for name, value in pairs
    )


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The largest size of a body, and the longest time that it may take to arrive."""

    size: int = 16 * MEBIBYTE
    seconds: float = 30.0


class BoundedBodies:
    """Limits every body. A path may have its own limit."""

    def __init__(
        self, app: ASGIApp, usual: BodyLimit, by_path: Mapping[str, BodyLimit] | None = None
    ) -> None:
        self.app = app
        self.usual = usual
        self.by_path = by_path or {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            return self.app(scope, receive, send)
        limit = self.by_path.get(scope["path"], self.usual)
        declared = _header(scope, b"content-length")
        if declared.isdecimal():
            if int(declared[:19]) > limit.size:
                raise _too_large(limit)
            if WHOLE in scope.get("extensions", ()):
                return self.app(scope, receive, send)
        return self.app(scope, _Bounded(receive, limit), send)


class _Bounded:
    """The receive channel of one request. Refuses more than the limit."""

    def __init__(self, receive: Receive, limit: BodyLimit) -> None:
        self.receive = receive
        self.limit = limit
        self.size = 0
        self.ends_at = asyncio.get_running_loop().time() + limit.seconds
        self.complete = False

    async def __call__(self) -> Message:
        if self.complete:
            return await self.receive()
        try:
            async with asyncio.timeout_at(self.ends_at):
                message = await self.receive()
        except TimeoutError:
            close = [(b"connection", b"close")]
            raise RequestRefused(
                408, "The body took too long to arrive. Send it again.", headers=close
            ) from None
        self.size += len(message.get("body", b""))
        if self.size > self.limit.size:
            raise _too_large(self.limit)
        self.complete = not message.get("more_body")
        return message


def _too_large(limit: BodyLimit) -> RequestRefused:
    return RequestRefused(413, f"The body is larger than the limit of {limit.size} bytes.")


def _request_id(scope: Scope) -> str:
    """The ID that the caller gave the request, if it is valid, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            # Masked, because it is logged and could be a phone number.
            return masked_text(value.decode())
    return f"{_chance.getrandbits(128):032x}"


def _area(path: str) -> str:
    """The first part of a path. In webhooks, names and tokens follow."""
    return f"/{path.split('/', 2)[1]}"


def _header(scope: Mapping[str, Any], wanted: bytes) -> str:
    """The value of the header, or an empty string."""
    # The scope of a lifespan has no headers.
    for name, value in scope.get("headers", ()):
        if name == wanted:
            text: str = value.decode("latin-1")
            return text
    return ""


def _internal_error(path: str, request_id: str) -> bytes:
    return body_at(
        path,
        500,
        "Internal error. Send the correlationId to the operator.",
        code="INTERNAL",
        correlationId=request_id,
    )
