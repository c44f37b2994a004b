"""The changes in an input: null clears a field, an absent field stays as it is."""

from __future__ import annotations

from typing import Any

from strawberry import UNSET

from domain.identity.directory import KEEP


def updated_fields(given: object, *names: str) -> dict[str, Any]:
    """The named fields of an input as keyword arguments; KEEP for an absent one."""
    values = {name: getattr(given, name) for name in names}
    return {name: KEEP if value is UNSET else value for name, value in values.items()}
