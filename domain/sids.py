"""IDs in the form that Twilio's SDKs expect: two letters and the 32 digits of the UUID.

Each SID stands for one UUID and has one valid spelling, so none is stored.
"""

from __future__ import annotations

import re
from enum import Enum
from uuid import UUID

_DIGITS = re.compile(r"[0-9a-f]{32}", re.ASCII)


class SidKind(Enum):
    """The kinds of objects that have a SID, with their letters."""

    ACCOUNT = "AC"
    """A client."""

    KEY = "SK"
    """An API key."""

    MESSAGE = "SM"


def sid_of(kind: SidKind, key: UUID) -> str:
    """The SID of an ID, such as SM0192f1c0a1b27c3d8e4f5a6b7c8d9e0f."""
    return kind.value + key.hex


def find_sid(kind: SidKind, text: str) -> UUID | None:
    """The ID of a SID of this kind; None for anything else."""
    digits = text.removeprefix(kind.value)
    if len(digits) == len(text) or not _DIGITS.fullmatch(digits):
        return None
    return UUID(hex=digits)
