"""What an input changes: null clears, an absent field leaves as it is."""

from __future__ import annotations

from typing import Any

from strawberry import UNSET

from domain.identity.records import KEEP


def changes(given: object, *names: str) -> dict[str, Any]:
    """The named fields of an input as keyword arguments; KEEP where one was absent."""
    values = {name: getattr(given, name) for name in names}
    return {name: KEEP if value is UNSET else value for name, value in values.items()}
