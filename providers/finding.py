"""What a check of an upstream provider finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong. `fix`: what to write or do. `is_advice`: it does no harm yet."""

    group: str
    problem: str
    consequence: str
    fix: str
    is_advice: bool = False
