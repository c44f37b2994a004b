"""Whose figures an actor sees, and how far a pool and its provider agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from domain.errors import NotFound
from domain.identity.access import Actor, Role
from domain.ledger.alarms import PoolSigns
from domain.ledger.balances import (
    AccountBalance,
    BalanceView,
    PlatformShown,
    SyncState,
    sync_state,
    view_of,
)

OWN, OTHER, GROUP, USER = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


def actor(role: Role, *, client_id: UUID | None = None, group_id: UUID | None = None) -> Actor:
    return Actor(USER, role, USER, client_id=client_id, group_id=group_id)


@pytest.mark.parametrize(
    ("read_at", "failed_at", "doubted_at", "remaining", "expected"),
    [
        (None, None, None, 0, SyncState.NEVER_SYNCED),
        (None, NOW, NOW, -1, SyncState.NEVER_SYNCED),
        (NOW, NOW + MOMENT, NOW, -1, SyncState.PROVIDER_UNREACHABLE),
        (NOW, NOW - MOMENT, None, 0, SyncState.IN_SYNC),
        (NOW, None, NOW, -1, SyncState.OVER_ALLOCATED),
        (NOW - 25 * HOUR, None, None, -1, SyncState.OVER_ALLOCATED),
        (NOW, None, NOW, 0, SyncState.NEEDS_SYNC),
        (NOW - HOUR, None, NOW, 0, SyncState.NEEDS_SYNC),
        (NOW - HOUR, None, NOW - 2 * HOUR, 0, SyncState.IN_SYNC),
        (NOW - 24 * HOUR, None, None, 0, SyncState.IN_SYNC),
        (NOW - 24 * HOUR - MOMENT, None, None, 0, SyncState.NEEDS_SYNC),
    ],
)
def test_the_state_is_the_first_that_applies(
    read_at: datetime | None,
    failed_at: datetime | None,
    doubted_at: datetime | None,
    remaining: int,
    expected: SyncState,
) -> None:
    signs = PoolSigns(NOW, read_at, failed_at, doubted_at)
    assert sync_state(signs, remaining=remaining, now=NOW) is expected


def test_a_client_sees_itself_and_no_other() -> None:
    client = actor(Role.CLIENT, client_id=OWN)
    own = BalanceView(client_id=OWN, platform=PlatformShown.OWNED)
    assert view_of(client) == own
    assert view_of(client, OWN) == own
    with pytest.raises(NotFound):
        view_of(client, OTHER)


def test_a_supervisor_sees_its_group_and_a_client_only_within_it() -> None:
    supervisor = actor(Role.SUPERVISOR, group_id=GROUP)
    assert view_of(supervisor) == BalanceView(group_id=GROUP, platform=PlatformShown.OWNED)
    assert view_of(supervisor, OTHER) == BalanceView(
        client_id=OTHER, within_group_id=GROUP, group_id=GROUP, platform=PlatformShown.NONE
    )


def test_a_supervisor_in_direct_mode_sees_the_account_that_it_sends_from() -> None:
    supervisor = actor(Role.SUPERVISOR, group_id=GROUP, client_id=OWN)
    own = BalanceView(client_id=OWN, group_id=GROUP, platform=PlatformShown.OWNED)
    assert view_of(supervisor) == own
    assert view_of(supervisor, OWN) == own


def test_an_admin_sees_the_platform_and_any_client() -> None:
    admin = actor(Role.ADMIN)
    assert view_of(admin) == BalanceView(platform=PlatformShown.ANY)
    assert view_of(admin, OTHER) == BalanceView(client_id=OTHER, platform=PlatformShown.ANY)


def test_a_balance_is_worth_its_rate_and_without_one_nothing_is_said() -> None:
    def held(rate: Decimal | None) -> AccountBalance:
        return AccountBalance(OWN, "credit", 5_000, rate, 1)

    assert held(Decimal("0.03")).value_usd == Decimal("150.00")
    assert held(None).value_usd is None
