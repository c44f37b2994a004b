"""Groups, clients and users as they are stored, and the rules for their fields."""

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
from domain.identity.quiet_hours import QuietHours
from domain.ids import SidKind, sid_of
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
_NEVER_STORED = re.compile(r"[\x00\ud800-\udfff]")
_INVISIBLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class ClientStatus(StrEnum):
    """Only an ACTIVE client may send."""

    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    SUSPENDED = "SUSPENDED"


class ClientOrder(StrEnum):
    """The order of a list of clients."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    NAME = "NAME"


class UserOrder(StrEnum):
    """The order of a list of users."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    EMAIL = "EMAIL"


class Keep(Enum):
    """Marks a field that a change does not touch. None clears a field."""

    KEEP = "KEEP"


KEEP: Final = Keep.KEEP

Value = TypeVar("Value")

TextKey = tuple[str | None, UUID]
"""A position in a list that is sorted by a text or by ID."""


@dataclass(frozen=True, slots=True)
class Group:
    """Clients that a supervisor manages. `account_id`: the node that holds the group's units."""

    id: UUID
    name: str
    rate_per_unit_usd: Decimal | None
    account_id: UUID


@dataclass(frozen=True, slots=True)
class Client:
    """A tenant. `account_id`: the node that its sends are charged to."""

    id: UUID
    name: str
    business: str | None
    status: ClientStatus
    group_id: UUID | None
    account_id: UUID
    rate_per_unit_usd: Decimal | None
    assigned_numbers: Sequence[str]
    created_at: datetime
    low_balance_threshold: int | None = None
    quiet_hours: QuietHours | None = None
    auth_token_number: int = 0
    auth_token_from: datetime | None = None
    """From this time its newest auth token signs; until then, the previous one."""

    @property
    def key(self) -> TextKey:
        """Its position in a list of clients, in every order."""
        return self.name, self.id

    @property
    def twilio_account_sid(self) -> str:
        """Its account SID in the Twilio-compatible API."""
        return sid_of(SidKind.ACCOUNT, self.id)


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in, or whose programs use API keys."""

    id: UUID
    email: str
    role: Role
    client_id: UUID | None
    group_id: UUID | None
    disabled: bool
    created_at: datetime

    @property
    def key(self) -> TextKey:
        """Its position in a list of users, in every order."""
        return self.email, self.id


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """Which clients to list. None does not restrict. `search`: in the name, ignoring case."""

    search: str | None = None
    group_id: UUID | None = None
    status: ClientStatus | None = None


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users to list. None does not restrict. `search`: a part of the email, ignoring case."""

    search: str | None = None
    client_id: UUID | None = None
    group_id: UUID | None = None
    role: Role | None = None
    disabled: bool | None = None


ALL_CLIENTS = ClientFilter()
ALL_USERS = UserFilter()


def kept(change: Value | Keep, present: Value) -> Value:
    """The changed value, or the present one if the change does not touch it."""
    return present if isinstance(change, Keep) else change


def name_of(given: str | None, *, field: str = "name") -> str:
    """One line of visible text, trimmed. Raises InvalidInput."""
    name = unicodedata.normalize("NFC", given or "").strip()
    if not name:
        raise InvalidInput("A name cannot be empty.", field=field)
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"A name has at most {LONGEST_NAME} characters.", field=field)
    if any(unicodedata.category(character) in _INVISIBLE for character in name):
        raise InvalidInput("A name cannot contain line breaks or control characters.", field=field)
    return name


def threshold_of(given: int | None) -> int | None:
    """A threshold in units; None if there is none. Raises InvalidInput."""
    if given is not None and given < 1:
        raise InvalidInput("A threshold is at least 1.", field="lowBalanceThreshold")
    return given


def business_of(given: str | None) -> str | None:
    """The business name for captured contacts; None if empty. Raises InvalidInput."""
    if given is None or not given.strip():
        return None
    return name_of(given, field="business")


def email_of(given: str) -> str:
    """A valid email address, trimmed. Its case is kept. Raises InvalidInput."""
    email = unicodedata.normalize("NFC", given).strip()
    local, _, _ = email.partition("@")
    fits = len(email) <= LONGEST_EMAIL and len(local) <= 64 and email.isprintable()
    if not fits or not _EMAIL.fullmatch(email):
        raise InvalidInput("Enter an email address, such as ada@example.com.", field="email")
    return email


def password_of(given: str | None, *, field: str = "password") -> str:
    """The password in the form that is hashed. Raises InvalidInput.

    Keyboards compose accents in different ways; NFC makes them equal.
    """
    password = given or ""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or _NEVER_STORED.search(password):
        raise InvalidInput(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            field=field,
        )
    return unicodedata.normalize("NFC", password)


def rate_of(given: Decimal | None) -> Decimal | None:
    """The value of a unit in USD; None if not given. Raises InvalidInput."""
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
    """E.164, without duplicates, sorted. Raises InvalidInput with the position of a bad number."""
    if given is None:
        return []
    if len(given) > MOST_ASSIGNED_NUMBERS:
        text = f"A client has at most {MOST_ASSIGNED_NUMBERS} numbers."
        raise InvalidInput(text, field="assignedNumbers")
    numbers = set()
    for position, raw in enumerate(given, start=1):
        try:
            numbers.add(normaliser.normalise(raw))
        except InvalidPhoneNumber as refused:
            raise InvalidInput(
                f"Number {position}: {refused}", field="assignedNumbers", item=position - 1
            ) from None
    return sorted(numbers)
