"""Who there is: groups, clients and users, and what may stand in their fields."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, TypeVar
from uuid import UUID

from domain.errors import InvalidInput, InvalidPhoneNumber
from domain.identity.access import Role
from domain.numbers import Normaliser

LONGEST_NAME = 200
LONGEST_EMAIL = 254
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024
MOST_ASSIGNED_NUMBERS = 1_000
LARGEST_RATE_USD = Decimal(1_000_000)
RATE_PLACES = 6

# RFC 5321 §4.5.3.1 for the lengths; quoted local parts and address literals are refused.
_EMAIL = re.compile(
    r"""[^\s@"(),:;<>\[\]\\.]+(?:\.[^\s@"(),:;<>\[\]\\.]+)*
        @(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_](?:[\w-]{0,61}[^\W_])?""",
    re.VERBOSE,
)
_NEVER_KEPT = re.compile(r"[\x00\ud800-\udfff]")
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


class ClientStatus(StrEnum):
    """Whether a client may send."""

    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    SUSPENDED = "SUSPENDED"


class Keep(Enum):
    """Stands for a field that a change leaves as it is; None clears."""

    KEEP = "KEEP"


KEEP: Final = Keep.KEEP

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Group:
    """Clients that are led and seen together. `account_id`: the node that holds its units."""

    id: UUID
    name: str
    rate_per_unit_usd: Decimal | None
    account_id: UUID


@dataclass(frozen=True, slots=True)
class Client:
    """One tenant. `account_id`: the node that its sends are charged to."""

    id: UUID
    name: str
    business: str | None
    status: ClientStatus
    group_id: UUID | None
    account_id: UUID
    rate_per_unit_usd: Decimal | None
    assigned_numbers: Sequence[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in, or whose programs do."""

    id: UUID
    email: str
    role: Role
    client_id: UUID | None
    group_id: UUID | None
    disabled: bool
    created_at: datetime


def kept(change: Value | Keep, present: Value) -> Value:
    """The changed value, or the present one where the change leaves it."""
    return present if isinstance(change, Keep) else change


def name_of(given: str | None, *, field: str = "name") -> str:
    """One line of visible text, trimmed. Raises InvalidInput."""
    name = unicodedata.normalize("NFC", given or "").strip()
    if not name:
        raise InvalidInput("A name cannot be empty.", field=field)
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"At most {LONGEST_NAME} characters.", field=field)
    if any(unicodedata.category(character) in _UNSEEN for character in name):
        raise InvalidInput("Line breaks and control characters are not allowed.", field=field)
    return name


def business_of(given: str | None) -> str | None:
    """The name put on captured contacts; None for none. Raises InvalidInput."""
    if given is None or not given.strip():
        return None
    return name_of(given, field="business")


def email_of(given: str) -> str:
    """An address that could be written to, trimmed, its case kept. Raises InvalidInput."""
    email = unicodedata.normalize("NFC", given).strip()
    local, _, _ = email.partition("@")
    fits = len(email) <= LONGEST_EMAIL and len(local) <= 64 and email.isprintable()
    if not fits or not _EMAIL.fullmatch(email):
        raise InvalidInput("Give an email address, such as ada@example.com.", field="email")
    return email


def password_of(given: str | None) -> str:
    """A password as it is hashed: the same however a keyboard composes its accents.

    Raises InvalidInput.
    """
    password = given or ""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or _NEVER_KEPT.search(password):
        raise InvalidInput(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            field="password",
        )
    return unicodedata.normalize("NFC", password)


def rate_of(given: Decimal | None) -> Decimal | None:
    """What a unit is worth in USD; None for none. Raises InvalidInput."""
    if given is None:
        return None
    if not given.is_finite() or not 0 <= given <= LARGEST_RATE_USD:
        raise InvalidInput(
            f"A rate is between 0 and {LARGEST_RATE_USD} USD.", field="ratePerUnitUsd"
        )
    if given != round(given, RATE_PLACES):
        raise InvalidInput(
            f"A rate has at most {RATE_PLACES} decimal places.", field="ratePerUnitUsd"
        )
    return abs(given)


def assigned_numbers_of(given: Sequence[str] | None, normaliser: Normaliser) -> list[str]:
    """E.164, each once, sorted. Raises InvalidInput naming the place of one that is not valid."""
    if given is None:
        return []
    if len(given) > MOST_ASSIGNED_NUMBERS:
        raise InvalidInput(f"At most {MOST_ASSIGNED_NUMBERS} numbers.", field="assignedNumbers")
    numbers = set()
    for position, raw in enumerate(given, start=1):
        try:
            numbers.add(normaliser.normalise(raw))
        except InvalidPhoneNumber as refused:
            raise InvalidInput(f"Number {position}: {refused}", field="assignedNumbers") from None
    return sorted(numbers)
