"""What a transfer looks like from one account: a line of its statement, said in words.

Clients read these words: no provider is named in them, and nobody but the clients and groups
below the account that is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.ledger.book import NodeKind, TransferKind
from domain.units import units_in_words

_HEIGHT = {NodeKind.CLIENT: 0, NodeKind.GROUP: 1, NodeKind.POOL: 2}


@dataclass(frozen=True, slots=True)
class OtherEnd:
    """The account at the other end of a transfer, and the name of whose it is."""

    kind: NodeKind
    name: str | None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A transfer as seen from one account.

    `amount`: below zero where units left the account. `balance_after` and `version`: what the
    transfer left the account with. `price`: of the send that it is for. `other`: None is outside.
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
        """What happened, for a person to read."""
        return _DESCRIPTIONS[self.kind](self)


def usd_in_words(amount: Decimal) -> str:
    """`$150.00`, `$0.03`, `$0.0275`: two places, and more only where they say something."""
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


def _send(line: StatementLine) -> str:
    return f"Sent {_messages(line)}"


def _refund(line: StatementLine) -> str:
    name = _below(line)
    to = f" to {name}" if name else ""
    return f"Refund{to} for {_messages(line)} that {_were(line)} not sent"


def _sync(line: StatementLine) -> str:
    return "Balance check" if line.amount else "Balance check: no change"


def _opening(_line: StatementLine) -> str:
    return "Opening balance"


def _reconcile(line: StatementLine) -> str:
    charged = (line.amount > 0) if _is_below(line) else (line.amount < 0)
    name = _below(line)
    whose = f" of {name}" if name else ""
    if charged:
        return f"Correction{whose}: a charge that had been missing"
    return f"Correction{whose}: a charge that had been too much"


_DESCRIPTIONS = {
    TransferKind.OPENING: _opening,
    TransferKind.ALLOCATION: _allocation,
    TransferKind.SEND: _send,
    TransferKind.REFUND: _refund,
    TransferKind.SYNC: _sync,
    TransferKind.RECONCILE: _reconcile,
}


def _is_below(line: StatementLine) -> bool:
    """Whether the other end stands below the viewed account in the tree."""
    return line.other is not None and _HEIGHT[line.other.kind] < _HEIGHT[line.viewed]


def _below(line: StatementLine) -> str | None:
    """The name of the other end, where it stands below: what is above has none here."""
    return line.other.name if line.other is not None and _is_below(line) else None


def _count(line: StatementLine) -> int:
    return abs(line.amount) // (line.price or 1)


def _messages(line: StatementLine) -> str:
    count = _count(line)
    return f"{count:,} message{'' if count == 1 else 's'}"


def _were(line: StatementLine) -> str:
    return "was" if _count(line) == 1 else "were"
