"""How amounts of units are written in sentences."""

from __future__ import annotations


def units_in_words(units: int, unit: str) -> str:
    """`5,000 credits`, `1 credit`, `5,000 UGX`: codes of currencies have no plural."""
    plural = "s" if units != 1 and unit.islower() else ""
    return f"{units:,} {unit}{plural}"
