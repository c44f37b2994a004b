"""What the ledger area needs from the outside: persistence, and the program around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from domain.identity.access import Everything, Scope
from domain.ledger.balances import Allocation, Balances, BalanceView, ProviderAccountFigures
from domain.ledger.book import Book, Transfer
from domain.ledger.idempotency import Answer, IdempotencyKey
from domain.ledger.reconciliation import (
    CheckedPage,
    CheckedSend,
    Difference,
    ProviderReading,
    Reconciliation,
)
from domain.ledger.statement import StatementFilter, StatementLine, StatementOrder
from domain.ledger.valuation import Valuation
from domain.pages import Page, Window
from domain.transactions import Transaction


class Ledger(Protocol):
    """Locks are taken in this order: keys, provider account, messages, accounts in id order."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """READ COMMITTED. Raises Disconnected where the database is away."""
        ...

    async def lock_accounts(self, tx: Transaction, ids: Sequence[UUID]) -> Book:
        """The nodes, FOR UPDATE in id order, until the transaction ends."""
        ...

    async def write_book(self, tx: Transaction, book: Book) -> None:
        """Writes the changed holdings and all posted transfers in one statement."""
        ...


class Keys(Protocol):
    """Idempotency keys: taken first in a transaction, before any row is locked."""

    async def try_keys(self, tx: Transaction, keys: Sequence[IdempotencyKey]) -> set[UUID]:
        """Ids of the keys that are this transaction's own now; the others are in progress."""
        ...

    async def take_key(self, tx: Transaction, key: IdempotencyKey) -> None:
        """Waits until no other transaction is at work under this key."""
        ...

    async def find_answers(
        self, tx: Transaction | None, keys: Sequence[IdempotencyKey]
    ) -> dict[UUID, tuple[bytes, Answer]]:
        """Kept answers by key id, each with the hash of the input it was given to."""
        ...

    async def keep_answers(
        self, tx: Transaction, answers: Sequence[tuple[IdempotencyKey, Answer]]
    ) -> None:
        """Keeps the answers until the keys are purged."""
        ...


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


class OnceStore(Ledger, Keys, Protocol):
    """What doing a command once needs."""


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

    async def find_allocation(
        self, scope: Scope, client_id: UUID, *, tx: Transaction | None = None
    ) -> Allocation:
        """What one client holds. Raises NotFound."""
        ...

    async def find_line(
        self, account_id: UUID, transfer_id: UUID, *, tx: Transaction | None = None
    ) -> StatementLine:
        """One transfer as seen from one of its ends. Raises NotFound."""
        ...

    async def read_balances(self, view: BalanceView, *, tx: Transaction | None = None) -> Balances:
        """The figures of a view, all of one snapshot. Raises NotFound."""
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


class ReconcileStore(Ledger, Protocol):
    """What reconcile needs. Every function is short, and safe to repeat."""

    async def begin_reconciliation(
        self, id: UUID, actor_id: UUID | None, *, dry_run: bool, since: datetime | None
    ) -> Reconciliation:
        """A new run. Raises AlreadyRunning if there is one that is alive."""
        ...

    async def check_sends(self, after: UUID, *, since: datetime | None) -> CheckedPage | None:
        """The next page of sends, checked in one snapshot; None if there are no more."""
        ...

    async def count_checked(self, run_id: UUID, *, sends: int, messages: int) -> Reconciliation:
        """Stores how far a run is. Shows that it is alive."""
        ...

    async def finish_reconciliation(self, run_id: UUID) -> Reconciliation:
        """Ends a run, with the counts of UNKNOWN messages."""
        ...

    async def share_provider_account(self, tx: Transaction, send_id: UUID) -> ProviderReading:
        """The provider account of a send, FOR SHARE until the transaction ends."""
        ...

    async def lock_checked_send(self, tx: Transaction, send_id: UUID, *, epoch: int) -> CheckedSend:
        """A send with its messages and transfers. Its account and the pool node are FOR UPDATE."""
        ...

    async def allow_arrears(self, tx: Transaction, account_id: UUID, units: int) -> None:
        """Lets the account hold as little as minus these units."""
        ...

    async def write_difference(self, tx: Transaction, difference: Difference) -> None:
        """Stores a difference, and adds its units to the run if units are moved (or would be)."""
        ...

    async def start_daily(self, name: str, *, not_since: datetime) -> bool:
        """Whether this process may do the daily work: True once, for one process, after then."""
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


class LedgerArchive(Protocol):
    """Balances and what led to them."""

    async def read_allocations(
        self, scope: Scope, window: Window[UUID], *, group_id: UUID | None, search: str | None
    ) -> Page[Allocation]:
        """What clients hold, counted. Raises NotFound for a group outside the scope."""
        ...

    async def read_provider_accounts(self, scope: Everything) -> Sequence[ProviderAccountFigures]:
        """All accounts at providers with the figures of their pools, the default one first."""
        ...

    async def read_statement(
        self,
        view: BalanceView,
        window: Window[int],
        *,
        filter: StatementFilter | None = None,
        order: StatementOrder = StatementOrder.NEWEST,
    ) -> Page[StatementLine]:
        """The statement of a view's account; a line's key is its version. Raises NotFound."""
        ...

    async def find_reconciliation(self, scope: Everything, run_id: UUID) -> Reconciliation:
        """One run. Raises NotFound."""
        ...

    async def read_reconciliations(
        self, scope: Everything, window: Window[UUID]
    ) -> Page[Reconciliation]:
        """Runs, newest first, counted."""
        ...

    async def read_differences(
        self, scope: Everything, run_ids: Sequence[UUID], *, most: int
    ) -> Mapping[UUID, Sequence[Difference]]:
        """The first differences of each run, in the order in which they were found."""
        ...
