"""What allocate, sync and audit need of the store. `persistence.pools` and `.audit` fill it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from domain.access import Scope
from domain.ledger.book import Transfer
from domain.ledger.idempotency import OnceStore
from domain.ledger.valuation import Valuation
from domain.ports.ledger import Transaction


@dataclass(frozen=True, slots=True)
class AllocationTarget:
    """A client's or a group's node, with the nodes above it and what a unit is worth there.

    `group_account_id`: the node of the client's group, None without one and for a group itself.
    `owned`: the client's node is a provider account of its own, outside any allocation.
    """

    account_id: UUID
    pool_account_id: UUID
    group_account_id: UUID | None
    owned: bool
    unit: str
    rate_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """An account at a provider: its terms, and where its last reading stands."""

    id: UUID
    provider: str
    owner_client_id: UUID | None
    account_id: UUID
    unit: str
    price: int
    valuation: Valuation
    epoch: int
    reading_raw: str | None
    read_at: datetime | None
    read_failed_at: datetime | None
    paused_at: datetime | None
    pause_reason: str | None


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """Of one snapshot: what all nodes of a pool hold, and what is charged but not yet taken."""

    pool: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class NewSync:
    """One reading and what it did, as it is kept."""

    id: UUID
    provider_account_id: UUID
    raw: str
    reading: int
    in_flight: int
    pool_before: int
    pool_after: int
    epoch: int
    actor_id: UUID | None


class AllocateStore(OnceStore, Protocol):
    """What allocating needs."""

    async def find_allocation_target(
        self, scope: Scope, *, client_id: UUID | None, group_id: UUID | None
    ) -> AllocationTarget:
        """The target's nodes. Raises NotFound for what lies outside the scope."""
        ...

    async def find_transfer(self, transfer_id: UUID) -> Transfer:
        """One transfer, as it was written."""
        ...


class SyncStore(OnceStore, Protocol):
    """What sync needs. Each step is short: no transaction is held while the provider is asked."""

    async def find_provider_account(self, provider_account_id: UUID | None) -> ProviderAccount:
        """The account named, else the default one. Raises NotFound."""
        ...

    async def begin_reading(
        self, provider_account_id: UUID, *, reader_id: UUID, seconds: float
    ) -> bool:
        """Stops marks on the account for at most that long; False while another reads it."""
        ...

    async def open_calls(self, provider_account_id: UUID) -> int:
        """Attempts that have not ended and whose lease stands."""
        ...

    async def lock_reading(
        self, tx: Transaction, provider_account_id: UUID, *, reader_id: UUID
    ) -> ProviderAccount | None:
        """The account's row, FOR UPDATE; None where the pause has run out or is another's."""
        ...

    async def pool_figures(self, tx: Transaction, provider_account_id: UUID) -> PoolFigures:
        """Holdings and what is in flight, in one statement: one snapshot."""
        ...

    async def end_reading(self, tx: Transaction, sync: NewSync) -> None:
        """Keeps the reading, raises the epoch to `sync.epoch`, lifts the pause."""
        ...

    async def fail_reading(self, provider_account_id: UUID, *, reader_id: UUID) -> None:
        """Notes that the provider could not be read at this time."""
        ...

    async def lift_pause(self, provider_account_id: UUID, *, reader_id: UUID) -> None:
        """Lets marks go on, where this reader still holds them back."""
        ...


@dataclass(frozen=True, slots=True)
class AuditFindings:
    """What an audit looked at, and what it found wrong, in words: the first hundred."""

    accounts_checked: int
    transfers_checked: int
    messages_checked: int
    violations: Sequence[str]
    checked_at: datetime

    @property
    def holds(self) -> bool:
        """Whether the ledger proves itself."""
        return not self.violations


class AuditStore(Protocol):
    """What the audit needs."""

    async def audit(self) -> AuditFindings:
        """Recomputes every balance and matches every message to its charge, in one snapshot."""
        ...
