"""IDs: UUIDv7, so that rows sort by time and tables can be partitioned by month.

The API shows an ID as a readable prefix for the kind and the UUID in base32 (Crockford's alphabet,
lower case). Such texts sort like the UUIDs, and each ID has exactly one valid spelling. A text that
cannot be an ID of the expected kind is answered like an ID that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from uuid import UUID

from uuid_utils.compat import uuid7

from domain.errors import NotFound

new_id: Callable[[], UUID] = uuid7
"""A unique ID that sorts after the IDs made before it in this process."""

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
"""No row has an ID outside of these: where a read of all begins and ends."""

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


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_THREES = [high + pair for high in _ALPHABET for pair in _PAIRS]
_BITS = (1 << 60) - 1
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_LENGTH = 26


class Kind(Enum):
    """The kinds of objects that have an ID in the API, with their prefixes."""

    ACCOUNT = "acc"
    API_KEY = "key"
    AUDIT = "aud"
    CLIENT = "cli"
    CONTACT = "con"
    CONVERSATION = "cnv"
    GROUP = "grp"
    HOOK_DELIVERY = "whd"
    HOOK_ENDPOINT = "whe"
    HOOK_EVENT = "hev"
    MESSAGE = "msg"
    MODEM_ROUTE = "rte"
    PROVIDER_ACCOUNT = "pac"
    PROVIDER_ROUTE = "prt"
    RECONCILIATION = "rec"
    SEND = "snd"
    SESSION = "ses"
    TEMPLATE = "tpl"
    TRANSFER = "trf"
    UPLOAD = "upl"
    USER = "usr"
    WEBHOOK_EVENT = "evt"

    @property
    def word(self) -> str:
        """The kind in words."""
        return self.name.replace("_", " ").lower()


def encode(kind: Kind, key: UUID) -> str:
    """The ID that the API shows, such as msg_01h2xcejqtf2nbrexx3vqjhp41."""
    return f"{kind.value}_{to_base32(key)}"


def decode(kind: Kind, text: str) -> UUID:
    """The UUID of an ID of this kind. Raises NotFound for anything else."""
    key = find(kind, text)
    if key is None:
        raise NotFound(kind.word)
    return key


def decode_given(kind: Kind, text: str | None) -> UUID | None:
    """The same for an ID that may be absent: None for None."""
    return None if text is None else decode(kind, text)


def find(kind: Kind, text: str) -> UUID | None:
    """The UUID of an ID of this kind; None for anything else."""
    prefix, _, body = text.partition("_")
    return from_base32(body) if prefix == kind.value else None


def to_base32(key: UUID) -> str:
    """26 characters that sort like the UUIDs."""
    number = key.int
    # A page has a hundred of them. Few operations on long integers, and one string, are fastest.
    a, b = number >> 60, number & _BITS
    return (
        f"{_PAIRS[a >> 60]}{_THREES[a >> 45 & 32767]}{_THREES[a >> 30 & 32767]}"
        f"{_THREES[a >> 15 & 32767]}{_THREES[a & 32767]}{_THREES[b >> 45]}"
        f"{_THREES[b >> 30 & 32767]}{_THREES[b >> 15 & 32767]}{_THREES[b & 32767]}"
    )


def from_base32(text: str) -> UUID | None:
    """The UUID of 26 characters; None if they are not its valid spelling."""
    if len(text) != _LENGTH:
        return None
    number = 0
    for start in range(0, _LENGTH, 2):
        value = _VALUES.get(text[start : start + 2])
        if value is None:
            return None
        number = number << 10 | value
    return UUID(int=number) if number < 1 << 128 else None


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
