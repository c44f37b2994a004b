"""What can become of a connection that passes through a fault proxy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """Which way bytes go."""

    UP = "UP"
    """From the caller to the far end."""
    DOWN = "DOWN"


class End(StrEnum):
    """How a connection ends that does not end by itself."""

    CLOSE = "CLOSE"
    """In order, at both sides."""
    RESET = "RESET"
    HALF = "HALF"
    """The receiver gets the end of the stream, and can still send."""
    SWALLOWED = "SWALLOWED"
    """Nothing arrives any more, without an error: as if a firewall has dropped the connection."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection ends after so many bytes, drawn from `after_bytes` for each connection.

    Counted from the moment at which the connection first meets this weather.
    """

    after_bytes: range
    end: End = End.RESET
    way: Way = Way.DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What happens to connections. The default values do no harm.

    `late_seconds`: the delay of each chunk. `jitter_seconds`: the largest random addition to it.
    `stalls`: bytes wait until the conditions change. `black_hole`: bytes are dropped, and a
    connection that has lost one carries no more, without an error. `refuses`: new connections
    are reset. `share`: the part of the connections that is affected.
    """

    late_seconds: float = 0.0
    jitter_seconds: float = 0.0
    stalls: bool = False
    black_hole: bool = False
    refuses: bool = False
    cut: Cut | None = None
    share: float = 1.0


FAIR = Conditions()
