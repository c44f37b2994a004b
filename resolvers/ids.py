"""IDs as the API shows them: a readable prefix for the kind, and the UUIDv7 in base32.

They sort like the UUIDs. Each has exactly one valid spelling. A text that cannot be an ID of the
expected kind is answered like an ID that does not exist. Alphabet: Crockford's base32, lower case.
"""

from __future__ import annotations

from enum import Enum
from uuid import UUID

from strawberry import ID

from domain.errors import NotFound

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_THREES = [high + pair for high in _ALPHABET for pair in _PAIRS]
_BITS = (1 << 60) - 1
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_LENGTH = 26


class Kind(Enum):
    """The kinds of objects that have an ID, with their prefixes."""

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


def encode(kind: Kind, key: UUID) -> ID:
    """The ID that the API shows, such as msg_01h2xcejqtf2nbrexx3vqjhp41."""
    return ID(f"{kind.value}_{to_base32(key)}")


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
