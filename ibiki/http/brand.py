"""Serves what a browser shows of the brand: the logo, the icon and the web manifest.

No picture can run a script: the policy of each forbids it, also if its address is opened directly.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.brand import Brand
from ibiki.settings.logo import SVG, Logo

MANIFEST = "/brand/manifest.webmanifest"
YEAR = "public, max-age=31536000, immutable"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"

_SPEECH_BUBBLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="8" fill="{color}"/>'
    '<path d="M8 10h16v10H15l-5 4v-4H8z" fill="#fff" stroke="#0004"/></svg>'
)
# A square, as icons must be, that contains the whole logo.
_SQUARE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><image width="32" height="32"'
    ' href="data:{type};base64,{content}"/></svg>'
)


class BrandFiles:
    """The routes under /brand. Everybody may read them."""

    def __init__(self, brand: Brand, logo: Logo | None) -> None:
        self._brand = brand
        self._logo = logo
        self._icon = icon(brand, logo)
        self.icon_path = f"/brand/icon-{sha256(self._icon).hexdigest()[:12]}.svg"
        self.logo_path = logo.path if logo else self.icon_path

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        logo = [Route(self._logo.path, self.logo, methods=["GET"])] if self._logo else []
        return [
            *logo,
            Route(self.icon_path, self.icon, methods=["GET"]),
            Route(MANIFEST, self.manifest, methods=["GET"]),
        ]

    async def logo(self, request: Request) -> Response:
        """The operator's file, unchanged."""
        assert self._logo is not None
        return _picture(self._logo.content, self._logo.media_type)

    async def icon(self, request: Request) -> Response:
        """The icon of tabs and of the installed console."""
        return _picture(self._icon, SVG)

    async def manifest(self, request: Request) -> Response:
        """What a phone needs to install the console: https://www.w3.org/TR/appmanifest/."""
        document = {
            "id": "/",
            "start_url": "/",
            "name": self._brand.name,
            "short_name": self._brand.name,
            "display": "standalone",
            "background_color": "#ffffff",
            "theme_color": self._brand.color,
            "icons": [{"src": self.icon_path, "type": SVG, "sizes": "any"}],
        }
        return Response(
            orjson.dumps(document),
            media_type="application/manifest+json",
            headers={"cache-control": "no-cache", "content-security-policy": POLICY},
        )


def icon(brand: Brand, logo: Logo | None) -> bytes:
    """A square SVG picture: the logo, or a speech bubble in the brand's colour."""
    if logo is None:
        return _SPEECH_BUBBLE.format(color=brand.color).encode()
    content = b64encode(logo.content).decode()
    return _SQUARE.format(type=logo.media_type, content=content).encode()


def _picture(content: bytes, media_type: str) -> Response:
    return Response(
        content,
        media_type=media_type,
        headers={"cache-control": YEAR, "content-security-policy": POLICY},
    )
