"""Statements: a transfer as seen from one account, with a description in words.

Clients read the descriptions. They never contain the name of a provider, or of a client or group
that is not below the viewed account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.errors import units_in_words
from domain.ledger.book import NodeKind, TransferKind


class StatementOrder(StrEnum):
    """How the lines of a statement are sorted."""

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"


@dataclass(frozen=True, slots=True)
class StatementFilter:
    """Which lines to list: of one kind, created at or after and before a time."""

    kind: TransferKind | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    @property
    def is_selective(self) -> bool:
        """Whether a page may have to look through lines that it does not list."""
        return self != StatementFilter()


_HEIGHT = {NodeKind.CLIENT: 0, NodeKind.GROUP: 1, NodeKind.POOL: 2}


@dataclass(frozen=True, slots=True)
class OtherEnd:
    """The account at the other end of a transfer, and the name of its client or group."""

    kind: NodeKind
    name: str | None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A transfer as seen from one account.

    `amount`: negative if units left the account. `balance_after`, `version`: of the account after
    the transfer. `price`: the price per message of the send. `other`: None is outside.
    """

    id: UUID
    kind: TransferKind
    viewed: NodeKind
    amount: int
    unit: str
    balance_after: int
    version: int
    rate_per_unit_usd: Decimal | None
    value_usd: Decimal | None
    send_id: UUID | None
    price: int | None
    note: str | None
    other: OtherEnd | None
    created_at: datetime

    @property
    def description(self) -> str:
        """The transfer in words."""
        return _DESCRIPTIONS[self.kind](self)


def usd_in_words(amount: Decimal) -> str:
    """`$150.00`, `$0.03`, `$0.0275`: two decimal places, or more if they are not zero."""
    whole, _, places = f"{amount:,f}".partition(".")
    return f"${whole}.{places.rstrip('0').ljust(2, '0')}"


def _allocation(line: StatementLine) -> str:
    units = units_in_words(abs(line.amount), line.unit)
    given = (line.amount < 0) == _is_below(line)
    name = _below(line)
    words = f"Allocated {units}" if given else f"Took back {units}"
    if name:
        words += f" to {name}" if given else f" from {name}"
    if line.rate_per_unit_usd is not None and line.value_usd is not None:
        words += f" at {usd_in_words(line.rate_per_unit_usd)}: {usd_in_words(line.value_usd)}"
    return f"{words}. {line.note}" if line.note else words


def _refund(line: StatementLine) -> str:
    name = _below(line)
    to = f" to {name}" if name else ""
    were = "was" if _count(line) == 1 else "were"
    return f"Refund{to} for {_messages(line)} that {were} not sent"


def _reconcile(line: StatementLine) -> str:
    charged = (line.amount > 0) if _is_below(line) else (line.amount < 0)
    name = _below(line)
    whose = f" of {name}" if name else ""
    words = "missing charge added" if charged else "excess charge refunded"
    return f"Correction{whose}: {words}" + (f". {line.note}" if line.note else "")


def _route_credit(line: StatementLine) -> str:
    if line.amount > 0:
        return "Another account sent: the price stays in this pool"
    return "Another account did not send: the price leaves this pool again"


def _route_cost(line: StatementLine) -> str:
    if line.amount < 0:
        return "Cost of messages that were sent by a route"
    return "Cost of messages that were not sent by a route after all"


_DESCRIPTIONS = {
    TransferKind.OPENING: lambda _: "Opening balance",
    TransferKind.ALLOCATION: _allocation,
    TransferKind.SEND: lambda line: f"Sent {_messages(line)}",
    TransferKind.REFUND: _refund,
    TransferKind.SYNC: lambda line: "Balance check" + ("" if line.amount else ": no change"),
    TransferKind.RECONCILE: _reconcile,
    TransferKind.ROUTE_CREDIT: _route_credit,
    TransferKind.ROUTE_COST: _route_cost,
}


def _is_below(line: StatementLine) -> bool:
    """Whether the other account is below the viewed account in the tree."""
    return line.other is not None and _HEIGHT[line.other.kind] < _HEIGHT[line.viewed]


def _below(line: StatementLine) -> str | None:
    """The name of the other account if it is below the viewed account."""
    return line.other.name if line.other is not None and _is_below(line) else None


def _count(line: StatementLine) -> int:
    return abs(line.amount) // (line.price or 1)


def _messages(line: StatementLine) -> str:
    return units_in_words(_count(line), "message")
