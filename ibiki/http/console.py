"""Serves the built files of the web console, with a strict content security policy."""

from __future__ import annotations

import html
import re
import secrets
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from domain.brand import Brand
from ibiki.http.brand import MANIFEST, YEAR, BrandFiles
from ibiki.http.middleware import ROUTE
from ibiki.http.requests import RequestRefused
from ibiki.settings.logo import Logo

FILES = Path(__file__).parents[1] / "console_files"
"""The output of `ibiki.local.console_build`."""

PAGE = "index.html"
REASON = "not-built.txt"
"""The reason why a build failed."""

EDITOR_PATH = "/developers/explorer"
"""The page with the code editor, which uses style attributes and fonts in data URLs."""

NONCE = "CSP_NONCE"
"""The placeholder in the built page for the nonce that allows its own styles."""
_PLACEHOLDER = re.compile(rf"{NONCE}|BRAND_[A-Z]+")

MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
    ".png": "image/png",
}
# In order of preference.
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))

_FILE_NAME = re.compile(r"[\w-][\w.-]*")
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>No console</title>
<h1>The web console is not built</h1>
<p>Everything else works. The API is at <code>/graphql</code>.</p>
<pre>{reason}</pre>
<p>To build it, run <code>make console</code> in the directory of the program. It needs Node.js
20.19 or newer, or access to PyPI, and an npm registry.</p></html>
"""


class Console:
    """The routes for browsers. They must be the last ones of the application."""

    def __init__(self, brand: Brand, logo: Logo | None = None, files: Path = FILES) -> None:
        self._brand_files = BrandFiles(brand, logo)
        self._values = {
            "BRAND_NAME": html.escape(brand.name),
            "BRAND_COLOR": brand.color,
            "BRAND_ICON": self._brand_files.icon_path,
            "BRAND_LOGO": self._brand_files.logo_path,
            "BRAND_MANIFEST": MANIFEST,
        }
        self._files = files

    def routes(self) -> list[BaseRoute]:
        """The routes: files under /assets, and the page for every other address."""
        return [
            *self._brand_files.routes(),
            Route("/assets/{name}", self.asset, methods=["GET"]),
            Route("/", self.page, methods=["GET"]),
            _PageRoute("/{path:path}", self.page, methods=["GET"]),
        ]

    async def page(self, request: Request) -> Response:
        """The page. It is the same for every address, because its router runs in the browser."""
        # The address must not become a label of the metrics: there are too many.
        request.scope["state"][ROUTE] = "/"
        try:
            text = (self._files / PAGE).read_text()
        except FileNotFoundError:
            return self._not_built()
        nonce = secrets.token_urlsafe(16)
        values = {**self._values, NONCE: nonce}
        return Response(
            _PLACEHOLDER.sub(lambda found: values.get(found[0], found[0]), text),
            media_type="text/html; charset=utf-8",
            headers={
                "content-security-policy": policy(
                    nonce, for_editor=request.url.path == EDITOR_PATH
                ),
                "cache-control": "no-cache",
                "cross-origin-opener-policy": "same-origin",
            },
        )

    async def asset(self, request: Request) -> Response:
        """A file whose name contains a hash of its content. Raises RequestRefused."""
        name = request.path_params["name"]
        path = self._files / "assets" / name
        media_type = MEDIA_TYPES.get(path.suffix)
        if media_type is None or not _FILE_NAME.fullmatch(name) or not path.is_file():
            raise RequestRefused(404, "Not found.")
        headers = {"cache-control": YEAR, "vary": "accept-encoding"}
        accepted = accepted_encodings(request.headers.get("accept-encoding", ""))
        for encoding, suffix in ENCODINGS:
            compressed = path.with_name(name + suffix)
            if encoding in accepted and compressed.is_file():
                headers["content-encoding"] = encoding
                return FileResponse(compressed, headers=headers, media_type=media_type)
        return FileResponse(path, headers=headers, media_type=media_type)

    def _not_built(self) -> Response:
        try:
            reason = (self._files / REASON).read_text().strip()
        except FileNotFoundError:
            reason = "It has not been built yet."
        text = _NOT_BUILT.format(reason=html.escape(reason))
        return Response(text, status_code=503, media_type="text/html; charset=utf-8")


class _PageRoute(Route):
    """Matches only if the caller accepts HTML, so that a wrong API path gets a 404 in JSON."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return Match.NONE, {}
        accept = dict(scope["headers"]).get(b"accept", b"")
        return super().matches(scope) if b"text/html" in accept else (Match.NONE, {})


def policy(nonce: str, *, for_editor: bool = False) -> str:
    """The content security policy: nothing from other hosts, no inline script.

    Mantine writes its theme into a style element, which therefore carries the nonce.
    """
    fonts = "'self' data:" if for_editor else "'self'"
    attributes = "style-src-attr 'unsafe-inline'; " if for_editor else ""
    return (
        "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
        f"manifest-src 'self'; font-src {fonts}; "
        f"{attributes}base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def accepted_encodings(header: str) -> frozenset[str]:
    """The content encodings that a caller accepts, without those with q=0."""
    accepted = set()
    for part in header.lower().split(","):
        name, _, parameters = part.partition(";")
        if not re.fullmatch(r"\s*q=0(\.0*)?\s*", parameters):
            accepted.add(name.strip())
    return frozenset(accepted)
