"""Runs of the audit, and the rules by which an account agrees with its transfers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

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

    `checked_at`: when it finished or, until then, when it was last seen alive. `rows_expected`: an
    estimate of the transfers and messages there are; 0 if there is none.
    """

    id: UUID
    actor_id: UUID | None
    state: AuditState
    started_at: datetime
    checked_at: datetime
    finished_at: datetime | None
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

    `exists`: whether there is a row of the account. `entries`: transfers that the account is an end
    of; `transfers`: those that are not also counted at their source. `total`: the sum of their
    changes. `balance`: after the last of them, None without one. `broken_at`: the version of the
    first one that does not follow the one before it. `foreign_at`: of the first one in another
    pool. `highest_version`: of all transfers of the account, also after this page.
    """

    account_id: UUID
    exists: bool
    is_pool: bool
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
        yield f"account {page.account_id} does not exist, but has {chain.entries:,} transfers"
        return
    proven = (chain.total, chain.entries, page.highest_version)
    if (page.held, page.version, page.version) != proven:
        yield (
            f"account {page.account_id} holds {page.held} at version {page.version}; its"
            f" {chain.entries} transfers say {chain.total} at version {page.highest_version}"
        )
    if not page.is_pool and page.held < -page.arrears:
        yield f"account {page.account_id} holds {page.held}, below its arrears of {page.arrears}"


@dataclass(frozen=True, slots=True)
class SendPage:
    """Sends that were compared with their messages and transfers, in one snapshot."""

    last_id: UUID
    messages: int
    violations: Sequence[str]
