"""IDs: UUIDv7, so that rows sort by time and tables can be partitioned by month later."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from uuid import UUID

from uuid_utils.compat import uuid7

new_id: Callable[[], UUID] = uuid7
"""A unique ID that sorts after the IDs made before it in this process."""

_BITS_OF_MESSAGES = 24
"""A send has at most a million messages."""


def new_send_id() -> UUID:
    """A unique ID for a send, like `new_id`. The IDs that follow it are those of its messages.

    So the last bits are zero. The random bits before them differ in each ID of this process,
    because `uuid7` counts there.
    """
    return UUID(int=uuid7().int >> _BITS_OF_MESSAGES << _BITS_OF_MESSAGES)


def last_message_id(send_id: UUID) -> UUID:
    """The last of the IDs that belong to the messages of a send: see `new_send_id`."""
    return UUID(int=send_id.int | (1 << _BITS_OF_MESSAGES) - 1)


def first_id_at(moment: datetime, later_seconds: float = 0) -> UUID:
    """The smallest UUIDv7 of a moment (RFC 9562 §5.7): 48 bits of milliseconds come first.

    A moment before 1970 has the smallest of all UUIDs.
    """
    milliseconds = int((moment.timestamp() + later_seconds) * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


_DIGITS = re.compile(r"[0-9a-f]{32}", re.ASCII)


class SidKind(Enum):
    """The kinds of objects that have a SID: an ID in the form that Twilio's SDKs expect.

    Two letters and the 32 digits of the UUID. Each SID is that of one UUID and has one valid
    spelling, so none is stored.
    """

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
