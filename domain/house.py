"""All that a request may ask for, put together once at the start by `ibiki.wiring`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of the installation that bound one request. Counted per client."""

    requests_per_second: int = 1000
    recipients: int = 100_000
    recipients_multi: int = 10_000
    segments: int = 10


@dataclass(frozen=True, slots=True)
class House:
    """Ports and rules of this installation. Each member is typed by the port that it fills."""

    brand: str
    limits: Limits
