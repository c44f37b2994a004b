"""Holdings and transfers, and the only way to move units.

Accounts form a tree, and the balance of a pool is a sum. A node's holding is the sum of its
transfers. Each transfer stores the balance and the version of both nodes after it; the versions
have no gaps. Any code that moves units locks the nodes, posts to a `Book`, and writes the book.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.errors import InvalidInput
from domain.ids import new_id

LARGEST_UNITS = 2**53 - 1


class NodeKind(StrEnum):
    """The level of a node in the tree. The node of a client's own provider account is a POOL."""

    POOL = "POOL"
    GROUP = "GROUP"
    CLIENT = "CLIENT"


class TransferKind(StrEnum):
    """Why units moved."""

    OPENING = "OPENING"
    ALLOCATION = "ALLOCATION"
    SEND = "SEND"
    REFUND = "REFUND"
    SYNC = "SYNC"
    RECONCILE = "RECONCILE"
    ROUTE_CREDIT = "ROUTE_CREDIT"
    ROUTE_COST = "ROUTE_COST"


@dataclass(slots=True)
class Holding:
    """What a node holds itself. The row is locked until the transaction ends."""

    account_id: UUID
    provider_account_id: UUID
    kind: NodeKind
    parent_id: UUID | None
    held: int
    version: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a transfer is for, and who requested it."""

    send_id: UUID | None = None
    message_id: UUID | None = None
    sync_id: UUID | None = None
    actor_id: UUID | None = None
    note: str | None = None
    rate_usd: Decimal | None = None
    value_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of units, with the balance and version of both nodes after it.

    `source_id` or `destination_id` None: outside of the ledger, that is, the provider.
    """

    id: UUID
    provider_account_id: UUID
    kind: TransferKind
    amount: int
    source_id: UUID | None
    source_balance: int | None
    source_version: int | None
    destination_id: UUID | None
    destination_balance: int | None
    destination_version: int | None
    purpose: Purpose
    created_at: datetime | None = None


@dataclass(slots=True)
class Book:
    """Locked holdings, and the transfers posted to them so far, in order."""

    holdings: dict[UUID, Holding]
    transfers: list[Transfer] = field(default_factory=list)

    def post(
        self,
        kind: TransferKind,
        amount: int,
        *,
        source: Holding | None = None,
        destination: Holding | None = None,
        purpose: Purpose,
        transfer_id: UUID | None = None,
    ) -> Transfer:
        """Moves units between two nodes, or between a node and outside (None).

        Does not check whether the source holds enough: see `can_pay`. Raises InvalidInput, and
        changes nothing, if a balance would exceed what a JSON number can represent exactly.
        """
        node = source or destination
        if node is None:
            raise ValueError("a transfer needs a source or a destination")
        _move(source, destination, amount)
        transfer = Transfer(
            id=transfer_id or new_id(),
            provider_account_id=node.provider_account_id,
            kind=kind,
            amount=amount,
            source_id=source.account_id if source else None,
            source_balance=source.held if source else None,
            source_version=source.version if source else None,
            destination_id=destination.account_id if destination else None,
            destination_balance=destination.held if destination else None,
            destination_version=destination.version if destination else None,
            purpose=purpose,
        )
        self.transfers.append(transfer)
        return transfer

    def changed(self) -> list[Holding]:
        """The holdings that the posted transfers changed, in ID order."""
        ids = {transfer.source_id for transfer in self.transfers}
        ids |= {transfer.destination_id for transfer in self.transfers}
        return [self.holdings[each] for each in sorted(ids - {None}, key=str) if each]


def can_pay(holding: Holding, amount: int) -> bool:
    """Whether the node itself holds this amount."""
    return holding.held >= amount


def _move(source: Holding | None, destination: Holding | None, amount: int) -> None:
    """Changes both holdings and increments their versions, or changes neither."""
    ends = [(source, -amount), (destination, amount)]
    steps = [(holding, change) for holding, change in ends if holding is not None]
    if any(abs(holding.held + change) > LARGEST_UNITS for holding, change in steps):
        raise InvalidInput(f"A balance cannot exceed {LARGEST_UNITS}.", field="units")
    for holding, change in steps:
        holding.held += change
        holding.version += 1
