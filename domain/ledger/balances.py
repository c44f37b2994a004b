"""Balances: figures of an account, its group and its pool, who sees them, and their USD value.

USD is a label and never part of unit arithmetic. All arithmetic is exact and rounds half up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import Actor, Everything, OfGroup, balance_scope
from domain.ledger.alarms import READING_IS_OLD_AFTER, Alarm, PoolSigns, alarms_of
from domain.ledger.book import LARGEST_UNITS

CENT = Decimal("0.01")


class SyncState(StrEnum):
    """Whether a pool agrees with its provider's balance."""

    IN_SYNC = "IN_SYNC"
    NEEDS_SYNC = "NEEDS_SYNC"
    OVER_ALLOCATED = "OVER_ALLOCATED"
    NEVER_SYNCED = "NEVER_SYNCED"
    PROVIDER_UNREACHABLE = "PROVIDER_UNREACHABLE"


class Valuation(StrEnum):
    """How a provider account's reading is converted to units."""

    AS_IS = "AS_IS"
    EGOSMS_OWN = "EGOSMS_OWN"


class PlatformShown(StrEnum):
    """Which pools a view shows: none, only the client's own provider account, or any."""

    NONE = "NONE"
    OWNED = "OWNED"
    ANY = "ANY"


@dataclass(frozen=True, slots=True)
class BalanceView:
    """Which figures to read. It is derived from the actor, before any row is read.

    `client_id`: the client whose account, group and pool are shown. `within_group_id`: the client
    must be in this group. `group_id`: show this group and not the client's. `provider_account_id`:
    the pool to show if there is no client; None is the default pool.
    """

    client_id: UUID | None = None
    within_group_id: UUID | None = None
    group_id: UUID | None = None
    platform: PlatformShown = PlatformShown.ANY
    provider_account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What one client holds, with its present rate and price."""

    account_id: UUID
    unit: str
    balance: int
    rate_per_unit_usd: Decimal | None
    price_per_message: int
    low_balance_threshold: int | None = None

    @property
    def value_usd(self) -> Decimal | None:
        """The value at the client's rate, or at the group's if the client has none."""
        return value_usd(self.balance, self.rate_per_unit_usd)

    @property
    def is_low(self) -> bool:
        """Whether the client holds less than its threshold."""
        return self.low_balance_threshold is not None and self.balance < self.low_balance_threshold


@dataclass(frozen=True, slots=True)
class GroupBalance:
    """What a group holds itself (`unallocated`), and what it holds with its clients (`balance`)."""

    group_id: UUID
    account_id: UUID
    name: str
    unit: str
    balance: int
    unallocated: int


@dataclass(frozen=True, slots=True)
class PlatformBalance:
    """A pool, and the last balance that its provider reported.

    `signs`: what its state and its alarms are found from. `seen_at`: when all this was read.
    """

    provider_account_id: UUID
    unit: str
    pool: int
    allocated: int
    in_flight: int
    provider_balance: str | None
    signs: PoolSigns
    seen_at: datetime

    @property
    def remaining(self) -> int:
        """Units not held by clients; below zero if more was allocated than the pool holds."""
        return self.pool - self.allocated

    @property
    def last_synced_at(self) -> datetime | None:
        """When the provider reported its balance. None if it never has."""
        return self.signs.read_at

    @property
    def state(self) -> SyncState:
        """See `sync_state`."""
        return sync_state(self.signs, remaining=self.remaining, now=self.seen_at)

    @property
    def alarms(self) -> list[Alarm]:
        """See `alarms_of`."""
        return alarms_of(self.signs, remaining=self.remaining, unit=self.unit, now=self.seen_at)


@dataclass(frozen=True, slots=True)
class Balances:
    """The figures of one view, all from one snapshot. `version` never decreases."""

    account: AccountBalance | None
    group: GroupBalance | None
    platform: PlatformBalance | None
    version: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one client holds, as an entry of the list of allocations."""

    client_id: UUID
    group_id: UUID | None
    unit: str
    balance: int
    rate_per_unit_usd: Decimal | None
    last_sent_at: datetime | None

    @property
    def value_usd(self) -> Decimal | None:
        """The value at the client's rate, or at the group's if the client has none."""
        return value_usd(self.balance, self.rate_per_unit_usd)


@dataclass(frozen=True, slots=True)
class ProviderAccountFigures:
    """A provider account and the figures of its pool, as an admin sees them.

    `configuration`: its values that are not secret; None if the settings have them.
    """

    id: UUID
    provider: str
    owner_client_id: UUID | None
    unit: str
    price_per_message: int
    platform: PlatformBalance
    name: str | None = None
    is_default: bool = False
    configuration: Mapping[str, str] | None = None
    messages_per_second: int | None = None

    @property
    def paused_at(self) -> datetime | None:
        """When a person paused it. None if it is not paused."""
        return self.platform.signs.stopped_at

    @property
    def paused(self) -> bool:
        """Whether a person has paused it."""
        return self.paused_at is not None

    @property
    def provider_balance(self) -> str | None:
        """The balance as the provider reported it. None if it never has."""
        return self.platform.provider_balance

    @property
    def last_checked_at(self) -> datetime | None:
        """When the provider reported it. None if it never has."""
        return self.platform.last_synced_at


def view_of(actor: Actor, client_id: UUID | None = None) -> BalanceView:
    """The figures that the actor may see: its own, or those of the given client.

    Raises NotFound for a client that the role cannot see. Whether a client is in a supervisor's
    group is checked when the view is read.
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


def sync_state(signs: PoolSigns, *, remaining: int, now: datetime) -> SyncState:
    """The state of a pool: the first rule that applies."""
    if signs.read_at is None:
        return SyncState.NEVER_SYNCED
    if signs.failed_at is not None and signs.failed_at > signs.read_at:
        return SyncState.PROVIDER_UNREACHABLE
    if remaining < 0:
        return SyncState.OVER_ALLOCATED
    if signs.differences or (signs.doubted_at is not None and signs.doubted_at >= signs.read_at):
        return SyncState.NEEDS_SYNC
    if now - signs.read_at > READING_IS_OLD_AFTER:
        return SyncState.NEEDS_SYNC
    return SyncState.IN_SYNC


@lru_cache(maxsize=1_000)  # most sends of a client cost the same
def value_usd(units: int, rate_per_unit_usd: Decimal | None) -> Decimal | None:
    """The value of units at a rate, in USD with two decimal places; None without a rate."""
    if rate_per_unit_usd is None:
        return None
    with localcontext() as context:
        context.prec = 60
        return (units * rate_per_unit_usd).quantize(CENT, rounding=ROUND_HALF_UP)


def units_of_reading(reading: Decimal, valuation: Valuation) -> int:
    """A reading in whole units.

    AS_IS: the reading without its fraction, because no message can be paid with it.
    EGOSMS_OWN: x 10/7, rounded half up to the nearest 10 (70000 -> 100000).
    Raises ValueError if the reading is not a finite number or is too large.
    """
    if not reading.is_finite() or abs(reading) > LARGEST_UNITS // 2:
        raise ValueError("the reading is not a possible balance")
    if valuation is Valuation.AS_IS:
        return int(reading.to_integral_value(rounding=ROUND_FLOOR))
    tens = Fraction(reading) * Fraction(10, 7) / 10
    return 10 * ((tens + Fraction(1, 2)).__floor__())
