"""What the ledger area needs from persistence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from domain.identity.access import Everything, Scope
from domain.ledger.audits import Audit
from domain.ledger.balances import (
    Allocation,
    Balances,
    BalanceView,
    ProviderAccountFigures,
    Valuation,
)
from domain.ledger.book import Book, Transfer
from domain.ledger.idempotency import IdempotencyKeys
from domain.ledger.reconciliation import (
    CheckedPage,
    CheckedSend,
    Difference,
    ImportedPage,
    ProviderReading,
    Reconciliation,
    WrongLine,
)
from domain.ledger.runs import DailyWork
from domain.ledger.statement import StatementFilter, StatementLine, StatementOrder
from domain.pages import Page, Window
from domain.transactions import Transaction, Transactional


class Ledger(Transactional, Protocol):
    """Moves units. Lock in this order: keys, provider account, messages, accounts in ID order."""

    async def lock_accounts(
        self,
        tx: Transaction,
        ids: Sequence[UUID],
        *,
        wait_seconds: float | None = None,
        skip_locked: bool = False,
    ) -> Book:
        """The accounts, FOR UPDATE in ID order, until the transaction ends.

        `wait_seconds`: the longest wait for any lock of this transaction from now on; after it the
        transaction raises LockTimeout. 0: no limit. `skip_locked` leaves out the accounts that are
        locked elsewhere.
        """

    async def write_book(self, tx: Transaction, book: Book) -> None:
        """Writes the changed holdings and all posted transfers in one statement."""


@dataclass(frozen=True, slots=True)
class AllocationTarget:
    """The account of a client or a group, the accounts above it, and its rate.

    `group_account_id`: of the client's group; None without a group, and for a group itself.
    `owned`: the client owns its provider account, so that nothing can be allocated to it.
    """

    account_id: UUID
    pool_account_id: UUID
    group_account_id: UUID | None
    owned: bool
    unit: str
    rate_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """A provider account: its terms and its last reading."""

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
    credentials_set_at: datetime | None

    @property
    def is_unread(self) -> bool:
        """Whether the balance was never read with the present credentials."""
        if self.read_at is None:
            return True
        return self.credentials_set_at is not None and self.credentials_set_at > self.read_at


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What all nodes of a pool hold, and what is in flight, from one snapshot."""

    pool: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class NewSync:
    """A reading and its effect, as it is stored."""

    id: UUID
    provider_account_id: UUID
    reading_raw: str
    reading: int
    in_flight: int
    pool_before: int
    pool_after: int
    epoch: int
    actor_id: UUID | None


class OnceStore(Ledger, IdempotencyKeys, Protocol):
    """What a command needs that moves units once."""


class BalanceReader(Protocol):
    """Reads balances, also those that the open transaction has changed."""

    async def read_balances(self, view: BalanceView, *, tx: Transaction | None = None) -> Balances:
        """The figures of a view, all of one snapshot. Raises NotFound."""


class AllocateStore(OnceStore, BalanceReader, Protocol):
    """What allocating needs."""

    async def find_allocation_target(
        self,
        scope: Scope,
        *,
        client_id: UUID | None,
        group_id: UUID | None,
        tx: Transaction | None = None,
    ) -> AllocationTarget:
        """The accounts of a client or group. Raises NotFound if it is not within the scope."""

    async def find_transfer(self, transfer_id: UUID) -> Transfer:
        """One transfer, as it was written."""

    async def find_allocation(
        self, scope: Scope, client_id: UUID, *, tx: Transaction | None = None
    ) -> Allocation:
        """What one client holds. Raises NotFound."""

    async def find_line(
        self, account_id: UUID, transfer_id: UUID, *, tx: Transaction | None = None
    ) -> StatementLine:
        """One transfer as seen from one of its accounts. Raises NotFound."""


class SyncStore(OnceStore, BalanceReader, Protocol):
    """What sync needs. Each step is short: no transaction is open during the provider call."""

    async def find_provider_account(self, provider_account_id: UUID | None) -> ProviderAccount:
        """The given account, or the default one. Raises NotFound."""

    async def begin_reading(
        self, provider_account_id: UUID, *, reader_id: UUID, seconds: float
    ) -> bool:
        """Pauses marking for at most this long. False if another sync has paused it."""

    async def open_calls(self, provider_account_id: UUID) -> int:
        """The number of attempts that have not ended and whose lease has not expired."""

    async def lock_reading(
        self, tx: Transaction, provider_account_id: UUID, *, reader_id: UUID
    ) -> ProviderAccount | None:
        """The account's row, FOR UPDATE; None if the pause has expired or is another sync's."""

    async def pool_figures(self, tx: Transaction, provider_account_id: UUID) -> PoolFigures:
        """The holdings and what is in flight, read in one statement."""

    async def end_reading(self, tx: Transaction, sync: NewSync) -> None:
        """Stores the reading, sets the epoch to `sync.epoch`, ends the pause."""

    async def note_access_changes(self, tx: Transaction, subject_ids: Sequence[UUID]) -> None:
        """Makes every process forget the actors of these clients."""

    async def fail_reading(self, provider_account_id: UUID, *, reader_id: UUID) -> None:
        """Stores that the balance could not be read now."""

    async def lift_pause(self, provider_account_id: UUID, *, reader_id: UUID) -> None:
        """Ends the pause of this sync, if it has not ended yet."""


class ReconcileImportedStore(Ledger, Protocol):
    """What the reconcile of imported lines needs. Every function is short, and safe to repeat."""

    async def check_imported(self, after: UUID, *, since: datetime | None) -> ImportedPage | None:
        """The next page of lines; None if there are no more."""

    async def share_reading(self, tx: Transaction, provider_account_id: UUID) -> ProviderReading:
        """A provider account, FOR SHARE until the transaction ends."""

    async def lock_wrong_lines(
        self,
        tx: Transaction,
        provider_account_id: UUID,
        *,
        after: UUID,
        until: UUID,
        since: datetime | None,
    ) -> Sequence[WrongLine]:
        """The next lines between two IDs that are wrong and not corrected, FOR UPDATE in ID order.

        Lock the provider account before them, and accounts after them.
        """

    async def allow_arrears(self, tx: Transaction, account_id: UUID, units: int) -> None:
        """Allows the holding of the account to fall to minus these units."""

    async def write_imported_differences(
        self, tx: Transaction, run_id: UUID, differences: Sequence[Difference]
    ) -> None:
        """Stores the differences, marks the corrected lines, and adds the units to the run."""


class ReconcileStore(ReconcileImportedStore, DailyWork, Protocol):
    """What reconcile needs. Every function is short, and safe to repeat."""

    async def begin_reconciliation(
        self, id: UUID, actor_id: UUID | None, *, dry_run: bool, since: datetime | None
    ) -> Reconciliation:
        """A new run. Raises AlreadyRunning if there is one that is alive."""

    async def check_sends(self, after: UUID, *, since: datetime | None) -> CheckedPage | None:
        """The next page of sends, checked in one snapshot; None if there are no more."""

    async def count_checked(self, run_id: UUID, *, sends: int, messages: int) -> Reconciliation:
        """Stores how far a run is. Shows that it is alive."""

    async def finish_reconciliation(self, run_id: UUID) -> Reconciliation:
        """Ends a run, with the counts of UNKNOWN messages."""

    async def share_provider_account(self, tx: Transaction, send_id: UUID) -> ProviderReading:
        """The provider account of a send, FOR SHARE until the transaction ends."""

    async def lock_checked_send(self, tx: Transaction, send_id: UUID, *, epoch: int) -> CheckedSend:
        """A send with its messages and transfers. Its account and the pool node are FOR UPDATE."""

    async def write_difference(self, tx: Transaction, difference: Difference) -> None:
        """Stores a difference, and adds its units to the run if units are moved (or would be)."""


class LowBalances(Protocol):
    """Events of clients that hold less than their threshold."""

    async def notice_low_balances(self) -> bool:
        """Begins and ends events. Returns whether there may be more. Safe in many processes."""


class LedgerArchive(Protocol):
    """Balances, statements, reconciliations and audits, as the API reads them."""

    async def read_allocations(
        self, scope: Scope, window: Window[UUID], *, group_id: UUID | None, search: str | None
    ) -> Page[Allocation]:
        """What clients hold, counted. Raises NotFound for a group that is not within the scope."""

    async def read_provider_accounts(self, scope: Everything) -> Sequence[ProviderAccountFigures]:
        """All provider accounts with the figures of their pools, the default one first."""

    async def read_statement(
        self,
        view: BalanceView,
        window: Window[int],
        *,
        filter: StatementFilter | None = None,
        order: StatementOrder = StatementOrder.NEWEST,
        may_lag: bool = False,
    ) -> Page[StatementLine]:
        """The statement of a view's account; a line's key is its version. Raises NotFound."""

    async def find_reconciliation(self, scope: Everything, run_id: UUID) -> Reconciliation:
        """One run. Raises NotFound."""

    async def read_reconciliations(
        self, scope: Everything, window: Window[UUID]
    ) -> Page[Reconciliation]:
        """Runs, newest first, counted."""

    async def read_differences(
        self, scope: Everything, run_ids: Sequence[UUID], *, most: int
    ) -> Mapping[UUID, Sequence[Difference]]:
        """The first differences of each run, in the order in which they were found."""

    async def find_audit(self, scope: Everything, audit_id: UUID) -> Audit:
        """One audit. Raises NotFound."""

    async def read_audits(self, scope: Everything, window: Window[UUID]) -> Page[Audit]:
        """Audits, newest first."""
