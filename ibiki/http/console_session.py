"""The console's session: the refresh token in a cookie that scripts cannot read.

docs/decisions/0101-the-session-cookie.md explains the cookie and its protection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.errors import InvalidCredentials, TryAgain
from domain.identity.sessions import SignedIn
from domain.installation import Installation
from ibiki.http.graphql_http import read_bytes
from ibiki.http.requests import (
    JSON,
    RequestRefused,
    error_body,
    headers_of,
    http_refusals,
    json_of,
)

PATH = "/session"
COOKIE = "ibiki_session"
LONGEST_BODY = 8 * 1024
DAY_SECONDS = 86_400

Answer = Callable[[Request], Awaitable[Response]]


class ConsoleSession:
    """Signs in, refreshes and signs out. Only pages of the same origin may use it."""

    def __init__(self, installation: Installation, *, refresh_days: int) -> None:
        self._installation = installation
        self._refresh_days = refresh_days

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        operations: dict[str, Answer] = {
            "sign-in": self.sign_in,
            "refresh": self.refresh,
            "sign-out": self.sign_out,
        }
        return [
            Route(f"{PATH}/{name}", _same_origin_only(answer), methods=["POST"])
            for name, answer in operations.items()
        ]

    async def sign_in(self, request: Request) -> Response:
        """A new session for an email and a password. Raises RequestRefused."""
        given = await _read_object(request)
        email, password = given.get("email"), given.get("password")
        if not isinstance(email, str) or not isinstance(password, str):
            raise RequestRefused(400, "email and password are required. Both are strings.")
        address = request.client.host if request.client else ""
        sessions = self._installation.sessions
        try:
            with http_refusals(InvalidCredentials):
                signed_in = await sessions.sign_in(email, password, address=address)
        except InvalidCredentials as error:
            raise RequestRefused(401, str(error), code="INVALID_CREDENTIALS") from None
        return self._signed_in(request, signed_in)

    async def refresh(self, request: Request) -> Response:
        """The next access token; the cookie gets the next refresh token. Raises RequestRefused.

        Answers 204 without a cookie, because a first visit is not an error.
        """
        refresh_token = request.cookies.get(cookie_name(request))
        if not refresh_token:
            return Response(status_code=204)
        try:
            with http_refusals(InvalidCredentials):
                signed_in = await self._installation.sessions.refresh(refresh_token)
        except InvalidCredentials as error:
            return _signed_out(request, str(error))
        finally:
            await self._catch_up()
        return self._signed_in(request, signed_in)

    async def sign_out(self, request: Request) -> Response:
        """Ends the session, its access token and its sockets. Raises RequestRefused."""
        refresh_token = request.cookies.get(cookie_name(request))
        if refresh_token:
            with http_refusals():
                await self._installation.sessions.sign_out(refresh_token)
                await self._catch_up()
        response = Response(status_code=204)
        _forget(request, response)
        return response

    async def _catch_up(self) -> None:
        """Ends the session at once in this process. Others notice within a second."""
        with suppress(TryAgain):
            await self._installation.actors.catch_up()

    def _signed_in(self, request: Request, signed_in: SignedIn) -> Response:
        # The clock of the browser may be wrong, so the page gets no time of day.
        expires_in = (signed_in.expires_at - datetime.now(UTC)).total_seconds()
        body = orjson.dumps({"accessToken": signed_in.access_token, "expiresIn": expires_in})
        response = Response(body, media_type=JSON.decode())
        response.set_cookie(
            cookie_name(request),
            signed_in.refresh_token,
            max_age=self._refresh_days * DAY_SECONDS,
            path=PATH,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response


def cookie_name(request: Request) -> str:
    """The cookie's name: with the port, because browsers share cookies between ports of a host."""
    port = request.url.port
    return f"{COOKIE}_{port}" if port else COOKIE


def _same_origin_only(answer: Answer) -> Answer:
    """Refuses requests of pages from any other origin, those in ALLOWED_ORIGINS included.

    SameSite=Strict alone lets through other ports and subdomains of the same site.
    """

    async def checked(request: Request) -> Response:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site")
        host = request.headers.get("host", "")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if foreign or site not in (None, "same-origin"):
            raise RequestRefused(
                403, "Only the console's own pages may call this.", code="FORBIDDEN"
            )
        # A form on another page cannot send this type.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise RequestRefused(415, "The Content-Type must be application/json.")
        return await answer(request)

    return checked


async def _read_object(request: Request) -> dict[str, object]:
    why = f"The body is larger than the limit of {LONGEST_BODY} bytes."
    body = await read_bytes(headers_of(request.scope), request.receive, most=LONGEST_BODY, why=why)
    given = json_of(body)
    if not isinstance(given, dict):
        raise RequestRefused(400, "The body must be a JSON object.")
    return given


def _signed_out(request: Request, reason: str) -> Response:
    body = error_body(reason, code="UNAUTHENTICATED")
    response = Response(body, status_code=401, media_type=JSON.decode())
    _forget(request, response)
    return response


def _forget(request: Request, response: Response) -> None:
    response.delete_cookie(cookie_name(request), path=PATH, httponly=True, samesite="strict")
