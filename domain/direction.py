"""Which way a message went."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """From a client's contact, or to one."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"
