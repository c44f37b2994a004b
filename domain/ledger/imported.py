"""What another system stored about a client: log lines with charges, and opening balances.

Its charges can be parts of a unit, ours cannot. So the charges of a client are added up, and a line
counts as charging the whole units by which it raises the total: a hundred lines of 0.03 count as
3 units, not as 0 or 100. A remainder of less than one unit for each client is not counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from domain.errors import InvalidInput
from domain.identity.access import Payer
from domain.times import moment_of

LONGEST_REFERENCE = 200
MOST_MESSAGES = 1_000_000
"""The most messages of one line."""

LARGEST_AMOUNT = 10**12

OPENING = "opening balance"
"""The reference of a balance without one. A client can have one such balance."""

_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,6})?|\.\d{1,6}", re.ASCII).fullmatch
_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of another system's log. `charged`: as that system says, in units of the account."""

    reference: str
    created_at: datetime
    messages: int
    charged: Decimal


@dataclass(frozen=True, slots=True)
class NewImportedLine:
    """A log line with the account that its messages were sent from."""

    id: UUID
    payer: Payer
    line: LogLine


@dataclass(frozen=True, slots=True)
class OpeningBalance:
    """What a client held in another system, in whole units."""

    reference: str
    units: int


@dataclass(frozen=True, slots=True)
class NewOpeningBalance:
    """An opening balance with the account that gets it. `transfer_id`: None for a balance of 0."""

    payer: Payer
    balance: OpeningBalance
    transfer_id: UUID | None


def log_line_of(*, reference: str, created_at: str, messages: str, charged: str) -> LogLine:
    """A log line as it is written in a file. Raises InvalidInput."""
    moment = moment_of(created_at, field="created_at")
    if moment > datetime.now(UTC):
        raise InvalidInput("created_at is in the future. Check its time zone.", field="created_at")
    if (
        not messages.isascii()
        or not messages.isdecimal()
        or len(messages) > 9
        or (int(messages) > MOST_MESSAGES)
    ):
        raise InvalidInput(
            f"message_count must be a whole number from 0 to {MOST_MESSAGES:,}, in digits only.",
            field="message_count",
        )
    return LogLine(
        reference=reference_of(reference),
        created_at=moment,
        messages=int(messages),
        charged=amount_of(charged, field="charged"),
    )


def opening_balance_of(*, balance: str, reference: str) -> OpeningBalance:
    """An opening balance as it is written in a file. Raises InvalidInput."""
    if balance.startswith("-"):
        raise InvalidInput(
            "balance cannot be below zero. Write 0, and settle the debt outside of Ibiki.",
            field="balance",
        )
    if _THOUSANDS(balance):
        raise InvalidInput(
            f"balance must have no separators: {balance} is another number in other countries."
            f" Write {balance.replace('.', '')} or {balance.partition('.')[0]}.",
            field="balance",
        )
    amount = amount_of(balance, field="balance")
    if amount != int(amount):
        raise InvalidInput(
            f"balance must be whole units. Round {balance} up to {int(amount) + 1}.",
            field="balance",
        )
    return OpeningBalance(reference_of(reference or OPENING), int(amount))


def amount_of(text: str, *, field: str) -> Decimal:
    """A number that is not negative, with a point before its decimals. Raises InvalidInput."""
    amount = Decimal(text) if _NUMBER(text) else None
    if amount is None or amount > LARGEST_AMOUNT:
        raise InvalidInput(
            f"{field} must be a number such as 1500 or 0.03: digits, a point before at most six"
            " decimals, no other separators, no currency, not below zero.",
            field=field,
        )
    return amount


def reference_of(text: str) -> str:
    """One line of visible text, which the other system uses once for a client."""
    if not text or len(text) > LONGEST_REFERENCE or not text.isprintable():
        raise InvalidInput(
            f"reference must be 1 to {LONGEST_REFERENCE} visible characters: the ID that the other"
            " system gave to this line.",
            field="reference",
        )
    return text
