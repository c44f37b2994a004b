"""The figures of an account, a group and a pool, read from a real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count
from uuid import UUID

import pytest

from domain.errors import NotFound
from domain.identity.access import Everything
from domain.ids import new_id
from domain.ledger.balances import BalanceView, PlatformShown, SyncState
from domain.ledger.book import Purpose, TransferKind
from persistence import store
from persistence.ledger.balances import read_balances, read_provider_accounts
from tests import db
from tests.ledger.balance_setup import Setup, balance_setup
from tests.locks import locked

UNKNOWN_ID = UUID(int=404)
NONE = PlatformShown.NONE


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with balance_setup(database_url) as setup:
        yield setup


def of_client(tenant: db.Tenant) -> BalanceView:
    return BalanceView(client_id=tenant.client_id, platform=PlatformShown.OWNED)


async def test_a_clients_own_rate_comes_before_its_groups(setup: Setup) -> None:
    account = (await read_balances(of_client(setup.sibling))).account
    assert account is not None
    assert account.value_usd == Decimal("10.00")


async def test_an_admin_is_shown_the_default_pool(setup: Setup) -> None:
    await db.add_pool(held=9_000, default=False)
    balances = await read_balances(BalanceView())
    assert (balances.account, balances.group) == (None, None)
    platform = balances.platform
    assert platform is not None
    assert platform.provider_account_id == setup.pool.id
    assert (platform.pool, platform.allocated, platform.remaining) == (1_757, 1_207, 550)
    assert (platform.in_flight, platform.state) == (0, SyncState.NEVER_SYNCED)


async def test_an_admin_who_names_a_client_is_shown_its_account_group_and_pool(
    setup: Setup,
) -> None:
    elsewhere = await db.add_client(await db.add_pool(held=10, default=False), held=5)
    balances = await read_balances(BalanceView(client_id=elsewhere.client_id))
    assert balances.account is not None
    assert balances.group is None
    assert balances.platform is not None
    assert (balances.platform.provider_account_id, balances.platform.pool) == (
        elsewhere.pool.id,
        15,
    )


async def test_a_client_with_its_own_provider_account_is_shown_that_one(setup: Setup) -> None:
    school = await db.add_school(held=28_570)
    balances = await read_balances(of_client(school))
    assert balances.account is not None
    assert (balances.account.balance, balances.account.price_per_message) == (28_570, 50)
    assert balances.platform is not None
    assert (balances.platform.pool, balances.platform.remaining) == (28_570, 28_570)
    shown_to_others = await read_balances(
        BalanceView(client_id=school.client_id, platform=PlatformShown.NONE)
    )
    assert shown_to_others.platform is None


async def test_the_balances_of_a_client_do_not_read_the_queue_or_calls(
    setup: Setup, database_url: str
) -> None:
    lock = "LOCK TABLE message, attempt, hook_endpoint IN ACCESS EXCLUSIVE MODE"
    async with locked(database_url, lock):
        for view in (of_client(setup.member), BalanceView(group_id=setup.group.id, platform=NONE)):
            async with asyncio.timeout(60):
                assert (await read_balances(view)).group is not None


async def test_a_client_outside_of_the_view_is_not_found(setup: Setup) -> None:
    within = setup.group.id
    inside = BalanceView(client_id=setup.member.client_id, within_group_id=within)
    assert (await read_balances(inside)).account is not None
    for outside in (setup.loner.client_id, UNKNOWN_ID):
        with pytest.raises(NotFound):
            await read_balances(BalanceView(client_id=outside, within_group_id=within))
    with pytest.raises(NotFound):
        await read_balances(BalanceView(client_id=UNKNOWN_ID))


async def test_a_group_is_shown_if_the_account_is_not_a_client(setup: Setup) -> None:
    for shown in (PlatformShown.NONE, PlatformShown.OWNED):
        balances = await read_balances(BalanceView(group_id=setup.group.id, platform=shown))
        assert (balances.account, balances.platform) == (None, None)
        assert balances.group is not None
        assert balances.group.balance == 1_250


async def test_a_send_lowers_account_group_and_pool_by_the_same_and_leaves_remaining(
    setup: Setup,
) -> None:
    view = BalanceView(client_id=setup.member.client_id)
    before = await read_balances(view)
    await db.accept(setup.member, 20)
    after = await read_balances(view)
    assert before.account
    assert before.group
    assert before.platform
    assert after.account
    assert after.group
    assert after.platform
    assert before.account.balance - after.account.balance == 20
    assert before.group.balance - after.group.balance == 20
    assert before.platform.pool - after.platform.pool == 20
    assert before.platform.remaining == after.platform.remaining
    assert after.platform.in_flight == 20
    assert after.version == before.version + 1


@pytest.mark.parametrize(
    ("status", "lease", "in_flight"),
    [
        ("QUEUED", "'1 hour'", 3),
        ("SUBMITTING", "'1 hour'", 3),
        ("SUBMITTING", "'-1 second'", 2),
        ("UNKNOWN", "'1 hour'", 2),
        ("SENT", "'1 hour'", 2),
    ],
)
async def test_in_flight_is_what_is_queued_or_submitted_under_a_valid_lease(
    setup: Setup, status: str, lease: str, in_flight: int
) -> None:
    await db.accept(setup.member, 2)
    send = await db.accept(setup.member)
    attempt_id = await add_attempt(setup.pool, lease=lease)
    await db.execute(
        "UPDATE message SET status = $1, attempt_id = $2 WHERE send_id = $3",
        status,
        attempt_id,
        send.id,
    )
    platform = (await read_balances(BalanceView())).platform
    assert platform is not None
    assert platform.in_flight == in_flight


@pytest.mark.parametrize(
    ("outcome", "ended", "state"),
    [
        ("UNKNOWN", "'1 minute'", SyncState.NEEDS_SYNC),
        ("MIXED", "'1 minute'", SyncState.NEEDS_SYNC),
        ("ACCOUNT_REFUSED", "'1 minute'", SyncState.NEEDS_SYNC),
        ("UNKNOWN", "'-1 minute'", SyncState.IN_SYNC),
        ("ACCEPTED", "'1 minute'", SyncState.IN_SYNC),
    ],
)
async def test_an_unknown_attempt_since_the_reading_needs_a_sync(
    setup: Setup, outcome: str, ended: str, state: SyncState
) -> None:
    await db.execute(
        "UPDATE provider_account SET read_at = now(), reading_raw = '1757' WHERE id = $1",
        setup.pool.id,
    )
    await add_attempt(setup.pool, ended=ended, outcome=outcome)
    platform = (await read_balances(BalanceView())).platform
    assert platform is not None
    assert platform.provider_balance == "1757"
    assert platform.state is state


async def test_a_reading_that_failed_since_the_last_good_one_says_unreachable(setup: Setup) -> None:
    await db.execute(
        "UPDATE provider_account SET read_at = now() - interval '1 hour', read_failed_at = now()"
    )
    platform = (await read_balances(BalanceView())).platform
    assert platform is not None
    assert platform.state is SyncState.PROVIDER_UNREACHABLE


async def test_all_figures_of_one_answer_are_of_one_moment(setup: Setup) -> None:
    """While units move between group and members, the group's total never seems to change."""
    done = asyncio.Event()
    seen = 0

    async def allocate_back_and_forth() -> None:
        ends = [setup.group.account_id, setup.member.account_id]
        for turn in count():
            if turn >= 60 and seen > 5:
                break
            async with store.transaction() as tx:
                book = await store.lock_accounts(tx, ends)
                source, destination = (book.holdings[each] for each in ends)
                book.post(
                    TransferKind.ALLOCATION,
                    50,
                    source=source,
                    destination=destination,
                    purpose=Purpose(note=str(turn)),
                )
                await store.write_book(tx, book)
            ends.reverse()
        done.set()

    async def watch() -> None:
        nonlocal seen
        version = 0
        while not done.is_set():
            balances = await read_balances(BalanceView(client_id=setup.member.client_id))
            assert balances.group
            assert balances.platform
            assert balances.account
            assert balances.group.balance == 1_250
            assert balances.platform.pool == 1_757
            assert balances.version >= version
            version = balances.version
            seen += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(allocate_back_and_forth())
        tasks.create_task(watch())


async def test_the_version_grows_with_every_holding_in_the_figures_and_with_no_other(
    setup: Setup,
) -> None:
    views = {
        "member": of_client(setup.member),
        "sibling": of_client(setup.sibling),
        "loner": of_client(setup.loner),
        "platform": BalanceView(),
    }

    async def versions() -> dict[str, int]:
        return {name: (await read_balances(view)).version for name, view in views.items()}

    before = await versions()
    await db.accept(setup.member)
    after = await versions()
    grown = {name: after[name] - before[name] for name in views}
    assert grown == {"member": 1, "sibling": 1, "loner": 0, "platform": 1}


async def test_versions_that_members_left_behind_count_on(setup: Setup) -> None:
    before = (await read_balances(of_client(setup.member))).version
    await db.execute(
        "UPDATE account SET departed_version = 40 WHERE id = $1", setup.group.account_id
    )
    assert (await read_balances(of_client(setup.member))).version == before + 40


async def test_provider_accounts_come_with_their_pools_the_default_one_first(setup: Setup) -> None:
    school = await db.add_school(held=100)
    other = await db.add_pool(held=40, default=False, provider="egosms", price=50, unit="UGX")
    found = await read_provider_accounts(Everything())
    assert [each.id for each in found] == [setup.pool.id, school.pool.id, other.id]
    assert [each.owner_client_id for each in found] == [None, school.client_id, None]
    assert [each.platform.pool for each in found] == [1_757, 100, 40]
    last = found[-1]
    assert (last.provider, last.unit, last.price_per_message) == ("egosms", "UGX", 50)
    assert (last.provider_balance, last.last_checked_at) == (None, None)


async def add_attempt(
    pool: db.Pool,
    *,
    lease: str = "'1 hour'",
    ended: str | None = None,
    outcome: str | None = None,
) -> UUID:
    attempt_id = new_id()
    ended_at = f"now() + interval {ended}" if ended else "NULL"
    await db.execute(
        "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages,"
        " started_at, lease_until, ended_at, outcome)"
        f" VALUES ($1, $2, $1, 0, 1, now(), now() + interval {lease}, {ended_at}, $3)",
        attempt_id,
        pool.id,
        outcome,
    )
    return attempt_id
