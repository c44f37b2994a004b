"""The faults that a fault proxy can apply to its connections."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """The direction of bytes."""

    UP = "UP"
    """From the caller to the far end."""
    DOWN = "DOWN"
    """From the far end to the caller."""


class End(StrEnum):
    """How the proxy ends a connection."""

    CLOSE = "CLOSE"
    """Both sides are closed normally."""
    RESET = "RESET"
    HALF = "HALF"
    """One direction is closed: its receiver reads the end of the stream, and can still send."""
    SWALLOWED = "SWALLOWED"
    """All later bytes are dropped without an error, as a firewall does."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Ends a connection after a number of bytes, drawn from `after_bytes` for each connection.

    Counting starts when the condition first applies to the connection.
    """

    after_bytes: range
    end: End = End.RESET
    direction: Direction = Direction.DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The faults that apply to connections. The default values mean no fault.

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
