"""The brand under which an installation sells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Brand:
    """The name, the colour and the logo that clients see."""

    name: str
    color: str = "#3b5bdb"
    """As #rrggbb."""
    logo: str | None = None
    """The path of the picture on this installation."""
