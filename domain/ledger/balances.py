"""The figures that a person watches: an account, its group, its pool; and whose they may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import Actor, Everything, OfGroup, balance_scope
from domain.ledger.valuation import value_usd

READING_IS_OLD_AFTER = timedelta(hours=24)


class SyncState(StrEnum):
    """How far a pool and its provider's balance can be said to agree."""

    IN_SYNC = "IN_SYNC"
    NEEDS_SYNC = "NEEDS_SYNC"
    OVER_ALLOCATED = "OVER_ALLOCATED"
    NEVER_SYNCED = "NEVER_SYNCED"
    PROVIDER_UNREACHABLE = "PROVIDER_UNREACHABLE"


class PlatformShown(StrEnum):
    """Which pools a view shows: none, the viewed client's if it is its own, or any."""

    NONE = "NONE"
    OWNED = "OWNED"
    ANY = "ANY"


@dataclass(frozen=True, slots=True)
class BalanceView:
    """Whose figures are asked for: settled from the actor, before any row is read.

    `client_id`: whose account; its group and pool come along. `within_group_id`: the client must
    be in it. `group_id`: the group shown whatever the client's. `provider_account_id`: the pool
    shown where no client is named; None is the default one.
    """

    client_id: UUID | None = None
    within_group_id: UUID | None = None
    group_id: UUID | None = None
    platform: PlatformShown = PlatformShown.ANY
    provider_account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What one client holds, at its terms of this moment."""

    account_id: UUID
    unit: str
    balance: int
    rate_per_unit_usd: Decimal | None
    price_per_message: int

    @property
    def value_usd(self) -> Decimal | None:
        """The balance at the client's rate, else the group's."""
        return value_usd(self.balance, self.rate_per_unit_usd)


@dataclass(frozen=True, slots=True)
class GroupBalance:
    """What a group holds itself (`unallocated`), and together with its members."""

    group_id: UUID
    account_id: UUID
    name: str
    unit: str
    balance: int
    unallocated: int


@dataclass(frozen=True, slots=True)
class PlatformBalance:
    """A pool, beside what its provider said of it.

    `doubted_at`: the last attempt that leaves the reading in doubt. `seen_at`: the moment of all
    these figures.
    """

    provider_account_id: UUID
    unit: str
    pool: int
    allocated: int
    in_flight: int
    provider_balance: str | None
    last_synced_at: datetime | None
    failed_at: datetime | None
    doubted_at: datetime | None
    seen_at: datetime

    @property
    def remaining(self) -> int:
        """What is not given out to clients; below zero where more was given out than there is."""
        return self.pool - self.allocated

    @property
    def state(self) -> SyncState:
        """See `sync_state`."""
        return sync_state(
            read_at=self.last_synced_at,
            failed_at=self.failed_at,
            doubted_at=self.doubted_at,
            remaining=self.remaining,
            now=self.seen_at,
        )


@dataclass(frozen=True, slots=True)
class Balances:
    """The figures of one view, all of the same moment. `version` never falls."""

    account: AccountBalance | None
    group: GroupBalance | None
    platform: PlatformBalance | None
    version: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one client holds, in a list of them."""

    client_id: UUID
    group_id: UUID | None
    unit: str
    balance: int
    rate_per_unit_usd: Decimal | None
    last_sent_at: datetime | None

    @property
    def value_usd(self) -> Decimal | None:
        """The balance at the client's rate, else the group's."""
        return value_usd(self.balance, self.rate_per_unit_usd)


@dataclass(frozen=True, slots=True)
class ProviderAccountFigures:
    """An account at a provider, as the operator sees it."""

    id: UUID
    provider: str
    owner_client_id: UUID | None
    unit: str
    price_per_message: int
    platform: PlatformBalance

    @property
    def provider_balance(self) -> str | None:
        """The balance as the provider said it."""
        return self.platform.provider_balance

    @property
    def last_checked_at(self) -> datetime | None:
        """When it said so."""
        return self.platform.last_synced_at


def view_of(actor: Actor, client_id: UUID | None = None) -> BalanceView:
    """What the actor sees: its own figures, or those of the client named.

    Raises NotFound for a client that its role keeps from it; whether a client of this id is in a
    supervisor's group shows when the view is read.
    """
    scope = balance_scope(actor)
    own = client_id in (None, actor.client_id)
    if isinstance(scope, Everything):
        return BalanceView(client_id=client_id)
    if isinstance(scope, OfGroup):
        return BalanceView(
            client_id=actor.client_id if own else client_id,
            within_group_id=None if own else scope.group_id,
            group_id=scope.group_id,
            platform=PlatformShown.OWNED if own else PlatformShown.NONE,
        )
    if not own:
        raise NotFound("client")
    return BalanceView(client_id=scope.client_id, platform=PlatformShown.OWNED)


def sync_state(
    *,
    read_at: datetime | None,
    failed_at: datetime | None,
    doubted_at: datetime | None,
    remaining: int,
    now: datetime,
) -> SyncState:
    """The first that applies, in the order of the guards."""
    if read_at is None:
        return SyncState.NEVER_SYNCED
    if failed_at is not None and failed_at > read_at:
        return SyncState.PROVIDER_UNREACHABLE
    if remaining < 0:
        return SyncState.OVER_ALLOCATED
    if doubted_at is not None and doubted_at >= read_at:
        return SyncState.NEEDS_SYNC
    if now - read_at > READING_IS_OLD_AFTER:
        return SyncState.NEEDS_SYNC
    return SyncState.IN_SYNC
