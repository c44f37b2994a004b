"""The operator's logo: a file that is read and checked at the start."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from ibiki.settings.checks import wrong

LARGEST_BYTES = 256 * 1024
PNG, SVG = "image/png", "image/svg+xml"
_EXTENSIONS = {PNG: "png", SVG: "svg"}
_FIX = "Name a PNG or SVG file of at most 256 KiB that this program can read."
# PNG 3rd edition, §5.2 and §11.2.5
_PNG_SIGNATURE, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_SVG_ROOT = "{http://www.w3.org/2000/svg}svg"


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture. Its path contains a hash of its content, so that browsers can keep it."""

    content: bytes = field(repr=False)
    media_type: str

    @property
    def path(self) -> str:
        digest = sha256(self.content).hexdigest()[:12]
        return f"/brand/logo-{digest}.{_EXTENSIONS[self.media_type]}"


def read_logo(path: str) -> Logo:
    """The logo in a file."""
    file = Path(path.strip())
    try:
        if file.is_fifo():  # it could be opened only when somebody writes to it
            raise OSError(errno.EINVAL, "It is a pipe")
        with file.open("rb") as opened:
            content = opened.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid"
        raise wrong(f"cannot be read: {reason}", _FIX) from None
    if len(content) > LARGEST_BYTES:
        raise wrong("is larger than 256 KiB", "Make the picture smaller: 512 × 512 is enough.")
    if content.startswith(_PNG_SIGNATURE) and content.rstrip(b"\0\r\n").endswith(_PNG_END):
        return Logo(content, PNG)
    if _is_svg(content):
        return Logo(content, SVG)
    raise wrong("is not a complete PNG or SVG picture", _FIX)


def _is_svg(content: bytes) -> bool:
    from xml.etree import ElementTree  # late: most installations have no logo

    try:
        return ElementTree.fromstring(content).tag == _SVG_ROOT  # noqa: S314 - the operator's file
    except (ElementTree.ParseError, ValueError, LookupError):
        return False
