"""Runs of the audit, and the rules by which an account agrees with its transfers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.errors import units_in_words
from domain.identity.access import Everything
from domain.ledger.checkpoints import (
    AccountAtClose,
    AccountStart,
    Checkpoint,
    MonthPage,
    SendsOfMonth,
)

MOST_LISTED = 100
"""Violations that a run keeps, in words. The first ones show what is wrong."""


class AuditState(StrEnum):
    """How far an audit is. STOPPED: its process ended, so it proves nothing."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit. Counts grow while it runs.

    `checked_at`: when it finished or, until then, when it was last seen alive. `proven_until`: the
    end of the closed month whose checkpoint it started from; None if it proved everything that is
    stored. `rows_expected`: an estimate of the transfers and messages there are; 0 if there is
    none.
    """

    id: UUID
    actor_id: UUID | None
    state: AuditState
    started_at: datetime
    checked_at: datetime
    finished_at: datetime | None
    proven_until: datetime | None
    rows_expected: int
    accounts_checked: int
    transfers_checked: int
    messages_checked: int
    violations: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether no violation was found so far."""
        return not self.violations

    @property
    def percent(self) -> int:
        """About how much is done: 100 only if it is finished."""
        if self.state is AuditState.FINISHED:
            return 100
        done = self.transfers_checked + self.messages_checked
        return min(99, 100 * done // self.rows_expected) if self.rows_expected else 0

    @property
    def version(self) -> int:
        """Grows with every page and at the end."""
        done = self.accounts_checked + self.transfers_checked + self.messages_checked
        return 2 * done + (self.state is not AuditState.RUNNING)


@dataclass(frozen=True, slots=True)
class ProvenChain:
    """The transfers of an account up to a version: number, sum, balance after the last.

    Transfers never change, so this proof stays valid.
    """

    account_id: UUID
    version: int = 0
    balance: int = 0
    entries: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class AccountPage:
    """An account and some of its transfers, in the order of versions, from one snapshot.

    `exists`: whether there is a row of the account. `entries`: transfers from or to the
    account; `transfers`: without those that are counted at their source. `total`: the sum of their
    changes. `balance`: after the last of them, None without one. `broken_at`: the version of the
    first one that does not follow the one before it. `foreign_at`: of the first one in another
    pool. `is_miscounted`: whether the sum of the messages that wait for a pool is wrong.
    `highest_version`: of all transfers of the account, also after this page. `closed_sends`:
    the sends of closed months that these transfers are for.
    """

    account_id: UUID
    exists: bool
    is_pool: bool
    is_miscounted: bool
    held: int
    version: int
    arrears: int
    entries: int
    transfers: int
    total: int
    balance: int | None
    broken_at: int | None
    foreign_at: int | None
    highest_version: int
    closed_sends: Sequence[UUID] = ()

    def added_to(self, chain: ProvenChain, *, to_version: int) -> ProvenChain:
        """The chain with the transfers of this page."""
        return replace(
            chain,
            version=to_version,
            balance=chain.balance if self.balance is None else self.balance,
            entries=chain.entries + self.entries,
            total=chain.total + self.total,
        )

    def is_last(self, *, to_version: int) -> bool:
        """Whether the account has no transfers after this version."""
        return self.version <= to_version


def violations_of_page(page: AccountPage) -> Iterator[str]:
    """What is wrong with the transfers of a page."""
    if page.broken_at is not None:
        yield (
            f"account {page.account_id}: the transfer at version {page.broken_at} does not follow"
            " the one before it"
        )
    if page.foreign_at is not None:
        yield (
            f"account {page.account_id}: the transfer at version {page.foreign_at} is of another"
            " pool"
        )


def violations_of_account(page: AccountPage, chain: ProvenChain) -> Iterator[str]:
    """Whether the account agrees with all its transfers. `page` is its last page."""
    if not page.exists:
        transfers = units_in_words(chain.entries, "transfer")
        yield f"account {page.account_id} does not exist, but has {transfers}"
        return
    proven = (chain.total, chain.entries, page.highest_version)
    if (page.held, page.version, page.version) != proven:
        yield (
            f"account {page.account_id} holds {page.held} at version {page.version}; the sum of"
            f" {units_in_words(chain.entries, 'transfer')} is {chain.total} at version"
            f" {page.highest_version}"
        )
    if page.is_miscounted:
        yield f"the sum of the single messages that wait differs from them: pool {page.account_id}"
    if not page.is_pool and page.held < -page.arrears:
        yield f"account {page.account_id} holds {page.held}, below its arrears of {page.arrears}"


@dataclass(frozen=True, slots=True)
class SendPage:
    """Sends that were compared with their messages and transfers, in one snapshot."""

    last_id: UUID
    messages: int
    violations: Sequence[str]


class AuditStore(Protocol):
    """What the audit needs. Every function is one short statement, and safe to repeat."""

    async def begin_audit(self, id: UUID, actor_id: UUID | None, *, full: bool) -> Audit:
        """A new audit, from the newest checkpoint unless it is `full`.

        Raises AlreadyRunning if there is one that is alive.
        """

    def steady_reads(self) -> AbstractAsyncContextManager[None]:
        """Pages read in the block, perhaps on a replica, see all that was committed before it."""

    async def next_accounts(
        self, after: UUID, *, most: int, checkpoint_id: UUID | None
    ) -> Sequence[AccountStart]:
        """The next accounts by ID, starting at the checkpoint; None: at version 0.

        Includes IDs that are in transfers only.
        """

    async def audit_accounts(
        self, chains: Sequence[ProvenChain], *, most: int, closed_before: UUID
    ) -> Sequence[AccountPage]:
        """The next `most` transfers of each account, in order of `chains`.

        `closed_before`: sends with lower IDs are those of closed months.
        """

    async def last_send_id(self) -> UUID:
        """The highest ID of a send, also of one that only messages or transfers name."""

    async def audit_sends(self, after: UUID, until: UUID) -> SendPage | None:
        """The next page of sends with IDs up to `until`; None if there are no more."""

    async def audit_send(self, send_id: UUID) -> SendPage:
        """One send."""

    async def read_checkpoints(self) -> Sequence[Checkpoint]:
        """All checkpoints, oldest first."""

    async def read_closed_accounts(
        self, checkpoint_id: UUID, after: UUID, *, most: int
    ) -> Sequence[AccountAtClose]:
        """The next accounts of a checkpoint, by ID."""

    async def read_month(
        self, accounts: Sequence[AccountAtClose], *, ends_at: datetime, most: int
    ) -> Sequence[MonthPage]:
        """The next transfers of each account that were created before that time, at most `most`."""

    async def sum_sends(self, after: UUID, until: UUID) -> tuple[UUID, SendsOfMonth] | None:
        """The last ID and the sums of the next sends up to `until`; None if there are no more."""

    async def count_audited(self, run: Audit) -> Audit:
        """Stores the counts and violations, if the run is still running. Shows that it is alive."""

    async def finish_audit(self, audit_id: UUID) -> Audit:
        """Ends a run with a result, unless it was stopped."""

    async def stop_audit(self, audit_id: UUID) -> None:
        """Ends a run that has no result."""

    async def last_audit(self, scope: Everything) -> Audit | None:
        """The last finished audit; None if there was none."""
