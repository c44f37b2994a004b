"""Alarms: when each is raised, what it says, and that it is read with the balance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.identity.access import Everything
from domain.ledger.alarms import Alarm, AlarmKind, PoolSigns, alarms_of
from domain.ledger.balances import BalanceView, PlatformBalance, SyncState
from domain.ledger.reconcile import new_reconciliation, reconcile
from persistence import store
from tests import db
from tests.ledger.test_reconcile import send_charged
from tests.ledger.upstream import Upstream, synced

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CALM = PoolSigns(added_at=NOW - 1000 * HOUR, read_at=NOW - HOUR)


@pytest.mark.parametrize(
    ("signs", "remaining", "expected"),
    [
        ({}, 0, []),
        ({}, -5, [(AlarmKind.OVER_ALLOCATED, NOW - HOUR, 5)]),
        ({"read_at": None}, -5, [(AlarmKind.NEEDS_SYNC, NOW - 1000 * HOUR, 1)]),
        ({"read_at": NOW - 25 * HOUR}, 0, [(AlarmKind.NEEDS_SYNC, NOW - HOUR, 1)]),
        ({"failed_at": NOW}, 0, [(AlarmKind.NEEDS_SYNC, NOW, 1)]),
        ({"failed_at": NOW - 2 * HOUR}, 0, []),
        ({"doubted_at": NOW}, 0, [(AlarmKind.NEEDS_SYNC, NOW, 1)]),
        ({"doubted_at": NOW - 2 * HOUR}, 0, []),
        ({"differences": 3, "differing_at": NOW}, 0, [(AlarmKind.NEEDS_SYNC, NOW, 3)]),
        (
            {"unknown": 2, "unknown_at": NOW - 3 * HOUR},
            0,
            [(AlarmKind.UNKNOWN_OLD, NOW - 2 * HOUR, 2)],
        ),
        ({"overdue": 4, "overdue_at": NOW - HOUR}, 0, []),
        (
            {"overdue": 4, "overdue_at": NOW - HOUR, "is_dispatching": False},
            0,
            [(AlarmKind.DISPATCH_STALLED, NOW - HOUR, 4)],
        ),
        (
            {"paused_at": NOW, "queued": 7, "overdue": 4, "is_dispatching": False},
            0,
            [(AlarmKind.PROVIDER_REFUSING, NOW, 7)],
        ),
        ({"low_clients": 1, "low_at": NOW}, 0, [(AlarmKind.LOW_BALANCE, NOW, 1)]),
        (
            {"failing_hooks": 2, "failing_hooks_at": NOW - 30 * HOUR},
            0,
            [(AlarmKind.WEBHOOK_FAILING, NOW - 6 * HOUR, 2)],
        ),
        (
            {"low_clients": 1, "doubted_at": NOW},
            -1,
            [
                (AlarmKind.OVER_ALLOCATED, NOW - HOUR, 1),
                (AlarmKind.NEEDS_SYNC, NOW, 1),
                (AlarmKind.LOW_BALANCE, NOW, 1),
            ],
        ),
    ],
)
def test_the_figures_of_an_account_raise_alarms(
    signs: dict[str, Any], remaining: int, expected: list[tuple[AlarmKind, datetime, int]]
) -> None:
    found = alarms_of(replace(CALM, **signs), remaining=remaining, unit="credit", now=NOW)
    assert [(alarm.kind, alarm.since, alarm.count) for alarm in found] == expected


def test_alarms_are_sentences() -> None:
    signs = replace(CALM, unknown=1, unknown_at=NOW, paused_at=NOW, queued=1, low_clients=2)
    found = alarms_of(signs, remaining=-1, unit="credit", now=NOW)
    assert [alarm.message for alarm in found] == [
        "Clients hold 1 credit more than the provider's balance. Top up at the provider and sync,"
        " or take units back.",
        "1 message has been UNKNOWN for more than an hour. Compare with the provider's log and"
        " settle.",
        "The provider rejects the account (a wrong key, or no money left). 1 message waits.",
        "2 clients hold less than their low-balance threshold.",
    ]


@dataclass(frozen=True)
class Setup:
    """A synced pool, a client that holds 100, and a school."""

    pool: db.Pool
    client: db.Tenant
    school: db.Tenant


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with db.connected(database_url):
        pool = await db.add_pool(held=1_000)
        made = Setup(pool, await db.add_client(pool, held=100), await db.add_school())
        await synced(pool, Upstream(1_100))
        yield made


async def platform(pool: db.Pool) -> PlatformBalance:
    found = (await store.read_balances(BalanceView(provider_account_id=pool.id))).platform
    assert found is not None
    return found


async def alarms(pool: db.Pool) -> dict[AlarmKind, Alarm]:
    found = (await platform(pool)).alarms
    accounts = await store.read_provider_accounts(Everything())
    [same] = [each.platform for each in accounts if each.id == pool.id]
    assert [each.kind for each in same.alarms] == [each.kind for each in found]
    return {alarm.kind: alarm for alarm in found}


async def test_a_pool_without_trouble_has_no_alarm(setup: Setup) -> None:
    await db.accept(setup.client, 5)
    assert await alarms(setup.pool) == {}


async def test_an_over_allocated_pool_has_an_alarm(setup: Setup) -> None:
    await synced(setup.pool, Upstream(40))
    assert (await alarms(setup.pool))[AlarmKind.OVER_ALLOCATED].count == 60
    assert (await platform(setup.pool)).state is SyncState.OVER_ALLOCATED


async def test_messages_that_stay_unknown_for_an_hour_raise_an_alarm(setup: Setup) -> None:
    send = await db.accept(setup.client, 3)
    await db.execute(
        "UPDATE message SET status = 'UNKNOWN', attempt_id = id, updated_at = now() - CASE"
        " WHEN id = (SELECT min(id::text)::uuid FROM message) THEN interval '59 minutes'"
        " ELSE interval '61 minutes' END WHERE send_id = $1", send.id,
    )  # fmt: skip
    assert (await alarms(setup.pool))[AlarmKind.UNKNOWN_OLD].count == 2
    assert AlarmKind.UNKNOWN_OLD not in await alarms(setup.school.pool), "another account's"


async def test_messages_that_are_due_and_not_submitted_raise_an_alarm(setup: Setup) -> None:
    await db.accept(setup.client, 3)
    for table in ("message", "queued_part"):
        await db.execute(f"UPDATE {table} SET due_at = now() - interval '6 minutes'")
    assert (await alarms(setup.pool))[AlarmKind.DISPATCH_STALLED].count == 3
    await db.execute("UPDATE client SET status = 'SUSPENDED'")
    assert AlarmKind.DISPATCH_STALLED not in await alarms(setup.pool), "nobody may send"
    await db.execute("UPDATE client SET status = 'ACTIVE'")
    await db.execute(
        "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages, started_at,"
        " lease_until, ended_at, outcome) VALUES (gen_random_uuid(), $1, $1, 0, 1,"
        " now() - interval '4 minutes', now(), now(), 'ACCEPTED')", setup.pool.id,
    )  # fmt: skip
    assert await alarms(setup.pool) == {}, "a large backlog is not an alarm while messages are sent"


async def test_a_provider_that_rejects_the_account_raises_an_alarm(setup: Setup) -> None:
    await db.accept(setup.client, 3)
    for table in ("message", "queued_part"):
        await db.execute(f"UPDATE {table} SET due_at = now() - interval '6 minutes'")
    await db.execute("UPDATE provider_account SET paused_at = now()")
    assert list(await alarms(setup.pool)) == [AlarmKind.PROVIDER_REFUSING]


async def test_the_state_needs_a_sync_until_reconcile_has_corrected_a_difference(
    setup: Setup,
) -> None:
    await send_charged(setup.client, 10, 4)
    assert (await platform(setup.pool)).state is SyncState.IN_SYNC, "it is not known yet"
    await reconcile(store, await new_reconciliation(store, dry_run=True))
    found = (await alarms(setup.pool))[AlarmKind.NEEDS_SYNC]
    assert (found.count, (await platform(setup.pool)).state) == (1, SyncState.NEEDS_SYNC)
    assert "Run reconcile" in found.message
    await synced(setup.pool, Upstream(1_100))
    assert (await platform(setup.pool)).state is SyncState.NEEDS_SYNC, "sync alone is not enough"
    await reconcile(store, await new_reconciliation(store))
    assert (await platform(setup.pool)).state is SyncState.IN_SYNC
    assert await alarms(setup.pool) == {}


async def test_a_reconciliation_that_was_killed_leaves_a_difference_open(setup: Setup) -> None:
    await send_charged(setup.client, 10, 4)
    await reconcile(store, await new_reconciliation(store, dry_run=True))
    await new_reconciliation(store)
    await db.execute("UPDATE reconciliation SET heartbeat_at = now() - interval '1 hour'")
    run = await new_reconciliation(store, dry_run=True)
    assert (await platform(setup.pool)).state is SyncState.NEEDS_SYNC
    await reconcile(store, run)
    assert (await platform(setup.pool)).state is SyncState.NEEDS_SYNC


@pytest.mark.parametrize(
    ("since", "state"), [("- interval '1 day'", "IN_SYNC"), ("+ interval '1 day'", "NEEDS_SYNC")]
)
async def test_a_reconciliation_since_a_time_closes_the_differences_it_covers(
    setup: Setup, since: str, state: str
) -> None:
    await send_charged(setup.client, 10, 4)
    await reconcile(store, await new_reconciliation(store, dry_run=True))
    (row,) = await db.fetch(f"SELECT now() {since} AS at")
    await reconcile(store, await new_reconciliation(store, since=row["at"]))
    assert (await platform(setup.pool)).state == state


async def events() -> list[dict[str, Any]]:
    return await db.fetch(
        "SELECT client_id, threshold, balance, ended_at IS NOT NULL AS ended FROM low_balance"
        " ORDER BY id"
    )


async def set_threshold(client: db.Tenant, units: int | None) -> None:
    await db.execute(
        "UPDATE client SET low_balance_threshold = $2 WHERE id = $1", client.client_id, units
    )


async def test_a_low_balance_is_one_event_until_it_is_topped_up(setup: Setup) -> None:
    await set_threshold(setup.client, 96)
    assert not await store.notice_low_balances()
    assert await events() == []
    await db.accept(setup.client, 5)
    assert (await alarms(setup.pool))[AlarmKind.LOW_BALANCE].count == 1, "at once"
    for _ in range(2):
        assert not await store.notice_low_balances()
    low = {"client_id": setup.client.client_id, "threshold": 96, "balance": 95}
    assert await events() == [low | {"ended": False}]
    since = (await alarms(setup.pool))[AlarmKind.LOW_BALANCE].since
    await db.accept(setup.client, 1)
    assert (await alarms(setup.pool))[AlarmKind.LOW_BALANCE].since == since
    await db.open_with(setup.client.account_id, 2)
    await store.notice_low_balances()
    assert await alarms(setup.pool) == {}
    assert await events() == [low | {"ended": True}]
    await db.accept(setup.client, 1)
    await store.notice_low_balances()
    assert [event["ended"] for event in await events()] == [True, False]


async def test_an_endpoint_that_fails_for_a_day_is_an_alarm(setup: Setup) -> None:
    await db.execute(
        "INSERT INTO hook_endpoint (id, client_id, url, events, secret, failures, failing_since)"
        " VALUES ($1, $1, 'https://example.com/', '{}', '', 3, now() - interval '23 hours')",
        setup.client.client_id,
    )
    assert AlarmKind.WEBHOOK_FAILING not in await alarms(setup.pool)
    await db.execute("UPDATE hook_endpoint SET failing_since = now() - interval '25 hours'")
    assert (await alarms(setup.pool))[AlarmKind.WEBHOOK_FAILING].count == 1


async def test_a_threshold_that_is_cleared_ends_the_event(setup: Setup) -> None:
    await set_threshold(setup.client, 101)
    await store.notice_low_balances()
    await set_threshold(setup.client, None)
    await store.notice_low_balances()
    assert [event["ended"] for event in await events()] == [True]
    assert await alarms(setup.pool) == {}


async def test_a_school_has_a_low_balance_too(setup: Setup) -> None:
    await set_threshold(setup.school, 10_001)
    found = await alarms(setup.school.pool)
    assert found[AlarmKind.LOW_BALANCE].count == 1
