"""Reconcile finds charges that are missing or too much, and corrects each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import pytest

from domain.errors import AlreadyRunning
from domain.identity.access import Everything
from domain.ids import new_id
from domain.ledger.book import Purpose, TransferKind
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.ledger.reconciliation import Difference, Reconciliation
from domain.pages import Window
from domain.times import moment_of
from persistence import store
from persistence.ledger import reconcile as reconcile_sql
from tests import db
from tests.clocks import PATIENCE_SECONDS
from tests.dispatch.parts import marked
from tests.ledger.cutting_proxy import Moment, proxy_to
from tests.ledger.upstream import Upstream, pool_of, synced


@dataclass(frozen=True)
class Setup:
    """A pool of 1,000 units, a client that holds 100, and a school that holds 5,000."""

    pool: db.Pool
    client: db.Tenant
    school: db.Tenant


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with db.connected(database_url):
        yield await make_setup()


async def make_setup() -> Setup:
    client = await db.add_client(await db.add_pool(held=1000), held=100)
    return Setup(client.pool, client, await db.add_school(held=5_000))


async def run(*, dry_run: bool = False) -> Reconciliation:
    return await reconcile(store, await new_reconciliation(store, dry_run=dry_run))


async def differences(done: Reconciliation) -> list[Difference]:
    return (await store.read_differences(Everything(), [done.id], most=100))[done.id]


async def post(
    tenant: db.Tenant, kind: TransferKind, units: int, send_id: UUID, *, charge: bool
) -> None:
    """A transfer that the program would not have made."""
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, [tenant.account_id])
        node = book.holdings[tenant.account_id]
        book.post(
            kind,
            units,
            source=node if charge else None,
            destination=None if charge else node,
            purpose=Purpose(send_id=send_id),
        )
        await store.write_book(tx, book)


async def send_charged(tenant: db.Tenant, messages: int, units: int) -> UUID:
    """A send of this many messages that was charged another amount."""
    send_id = new_id()
    await db.execute(
        "INSERT INTO send (id, client_id, account_id, provider_account_id, kind, text, price,"
        " accepted, rejected_count, tallied)"
        " VALUES ($1, $2, $3, $4, 'BULK', 'Hello', $5, $6, 0, false)",
        send_id, tenant.client_id, tenant.account_id, tenant.pool.id, tenant.pool.price, messages,
    )  # fmt: skip
    await db.execute(
        "INSERT INTO message (id, send_id, client_id, provider_account_id, number, status,"
        " priority, price, due_at, attempt_id)"
        " SELECT gen_random_uuid(), $1, $2, $3, '+1202555' || lpad(n::text, 4, '0'), 'SENT', 1, $4,"
        " now(), $1 FROM generate_series(1, $5::int) AS n",
        send_id, tenant.client_id, tenant.pool.id, tenant.pool.price, messages,
    )  # fmt: skip
    if units:
        await post(tenant, TransferKind.SEND, units, send_id, charge=True)
    return send_id


async def test_a_correct_ledger_has_no_differences(setup: Setup) -> None:
    await db.accept(setup.client, 10)
    await db.accept(setup.school, 3)
    done = await run()
    assert done.finished_at is not None
    assert (done.sends_checked, done.messages_checked) == (2, 13)
    assert (done.charged_missing, done.refunded_excess) == (0, 0)
    assert await differences(done) == []


@pytest.mark.parametrize(
    ("charged", "corrected_by"), [(0, -10), (1, -9), (9, -1), (11, 1), (60, 50)]
)
async def test_a_wrong_charge_is_corrected_by_the_number_of_messages(
    setup: Setup, charged: int, corrected_by: int
) -> None:
    send_id = await send_charged(setup.client, 10, charged)
    done = await run()
    assert await db.held(setup.client.account_id) == 90
    assert done.refunded_excess - done.charged_missing == corrected_by
    (found,) = await differences(done)
    assert (found.send_id, found.expected, found.found) == (send_id, 10, charged)
    assert found.corrected
    again = await run()
    assert await differences(again) == [], "a second run finds nothing"
    assert await pool_of(setup.pool) == 1_090
    await db.assert_audit_holds()


async def test_a_checked_send_reads_its_own_transfers(setup: Setup) -> None:
    send = await db.accept(setup.client, 5)
    for _ in range(30):  # in a table of one row, each index costs the same
        await db.accept(setup.client, 1)
    await db.execute("ANALYZE transfer")
    async with store.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        rows = await tx.fetch(f"EXPLAIN {reconcile_sql.CHECKED_SEND}", send.id, 1)
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    assert "Index Scan using transfer_pkey" in plan
    assert "Seq Scan on transfer" not in plan, plan


async def test_a_missing_refund_is_made_and_a_double_refund_is_taken_back(setup: Setup) -> None:
    missing = await db.accept(setup.client, 5)
    await db.execute(
        "UPDATE message SET status = 'CANCELLED', updated_at = now() WHERE send_id = $1", missing.id
    )
    double = await db.accept(setup.client, 3)
    await post(setup.client, TransferKind.REFUND, 3, double.id, charge=False)
    done = await run()
    assert (done.refunded_excess, done.charged_missing) == (5, 3)
    assert await db.held(setup.client.account_id) == 97
    assert len(await differences(done)) == 2
    assert await differences(await run()) == []
    await db.assert_audit_holds()


async def test_a_dry_run_changes_nothing_and_says_what_it_would_do(setup: Setup) -> None:
    await send_charged(setup.client, 10, 1)
    done = await run(dry_run=True)
    assert (done.dry_run, done.charged_missing) == (True, 9)
    (found,) = await differences(done)
    assert not found.corrected
    assert found.explanation == (
        "Expected 10 credits: 10 of 10 messages count at 1 each."
        " Found 1 credit: charged 1, refunded 0. 9 credits would be charged."
    )
    assert await db.held(setup.client.account_id) == 99
    done = await run()
    assert (done.charged_missing, await db.held(setup.client.account_id)) == (9, 90)


async def test_a_client_that_cannot_pay_goes_below_zero_by_exactly_the_missing_charge(
    setup: Setup,
) -> None:
    await send_charged(setup.client, 130, 0)
    await run()
    assert await db.held(setup.client.account_id) == -30
    assert await arrears(setup.client) == 30
    await db.assert_audit_holds()
    await db.open_with(setup.client.account_id, 20)
    assert (await db.held(setup.client.account_id), await arrears(setup.client)) == (-10, 10)
    await db.open_with(setup.client.account_id, 20)
    assert (await db.held(setup.client.account_id), await arrears(setup.client)) == (10, 0)


@pytest.mark.parametrize(("charged", "after"), [(4, 90), (14, 90)])
async def test_an_error_from_before_the_last_reading_is_corrected_within_the_pool(
    setup: Setup, charged: int, after: int
) -> None:
    await send_charged(setup.client, 10, charged)
    await synced(setup.pool, Upstream(800))
    await run()
    assert await db.held(setup.client.account_id) == after
    assert await pool_of(setup.pool) == 800, "the reading includes what the provider did"
    await db.assert_audit_holds()


async def test_an_error_from_after_the_last_reading_is_corrected_with_outside(setup: Setup) -> None:
    await synced(setup.pool, Upstream(800))
    await send_charged(setup.client, 10, 4)
    assert await pool_of(setup.pool) == 796
    await run()
    assert await pool_of(setup.pool) == 790


async def test_a_double_refund_goes_back_to_where_it_came_from(setup: Setup) -> None:
    await synced(setup.pool, Upstream(800))
    double = await db.accept(setup.client, 3)
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, [setup.client.account_id, setup.pool.account_id])
        # As for an attempt from before the reading: its units are in the pool.
        book.post(
            TransferKind.REFUND,
            3,
            source=book.holdings[setup.pool.account_id],
            destination=book.holdings[setup.client.account_id],
            purpose=Purpose(send_id=double.id),
        )
        await store.write_book(tx, book)
    assert await pool_of(setup.pool) == 797
    await run()
    assert await db.held(setup.client.account_id) == 97
    assert await pool_of(setup.pool) == 797, "the units are in the pool's account again"
    await db.assert_audit_holds()


async def test_an_owned_account_keeps_its_reading_and_its_difference_is_explained_once(
    setup: Setup,
) -> None:
    await send_charged(setup.school, 10, 50)
    await synced(setup.school.pool, Upstream(2_000))
    done = await run()
    (found,) = await differences(done)
    assert (found.expected, found.found, found.in_reading) == (500, 50, True)
    assert "nothing was moved" in found.explanation
    assert done.charged_missing == 0
    assert await db.held(setup.school.account_id) == 2_000
    assert await differences(await run()) == []
    await db.assert_audit_holds()


async def test_an_owned_account_is_charged_for_an_error_after_its_reading(setup: Setup) -> None:
    await send_charged(setup.school, 10, 50)
    await run()
    assert await db.held(setup.school.account_id) == 4_500
    await db.assert_audit_holds()


async def test_two_runs_at_once_correct_each_difference_once(setup: Setup) -> None:
    for _ in range(20):
        await send_charged(setup.client, 4, 1)
    runs = [await new_reconciliation(store)]
    # The second run starts because the first one seems to be dead, but it is not.
    await db.execute("UPDATE reconciliation SET heartbeat_at = now() - interval '1 hour'")
    runs.append(await new_reconciliation(store))
    await asyncio.gather(*(reconcile(store, each) for each in runs))
    assert await db.held(setup.client.account_id) == 20
    done = (await store.read_reconciliations(Everything(), Window(10))).items
    assert sum(each.charged_missing for each in done) == 60
    await db.assert_audit_holds()


async def test_a_second_run_is_refused_while_the_first_is_alive(setup: Setup) -> None:
    first = await new_reconciliation(store)
    with pytest.raises(AlreadyRunning):
        await new_reconciliation(store)
    await reconcile(store, first)
    assert (await run()).finished_at is not None


async def test_a_run_that_is_killed_leaves_each_difference_corrected_or_untouched(
    setup: Setup,
) -> None:
    for _ in range(30):
        await send_charged(setup.client, 2, 1)
    killed = asyncio.create_task(run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await db.held(setup.client.account_id) == 70:  # noqa: ASYNC110 - another's work
            await asyncio.sleep(0.001)
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    await db.execute("UPDATE reconciliation SET heartbeat_at = now() - interval '1 hour'")
    await run()
    assert await db.held(setup.client.account_id) == 40
    done = (await store.read_reconciliations(Everything(), Window(10))).items
    assert sum(each.charged_missing for each in done) == 30
    assert all(each.finished_at for each in done)
    await db.assert_audit_holds()


@pytest.mark.parametrize("moment", Moment)
async def test_a_correction_whose_commit_was_lost_is_made_once(
    database_url: str, moment: Moment
) -> None:
    async with proxy_to(database_url) as proxy, db.connected(proxy.url):
        setup = await make_setup()
        await send_charged(setup.client, 10, 1)
        started = await new_reconciliation(store)
        proxy.cut_at("COMMIT", moment)
        done = await reconcile(store, started)
        assert proxy.cuts == 1
        assert done.charged_missing == 9
        assert await db.held(setup.client.account_id) == 90
        assert len(await differences(done)) == 1


async def test_only_sends_since_a_time_are_checked(setup: Setup) -> None:
    await send_charged(setup.client, 10, 1)
    await asyncio.sleep(0.005)
    (now,) = await db.fetch("SELECT clock_timestamp() AS at")
    await db.accept(setup.client, 2)
    started = await new_reconciliation(store, since=now["at"])
    done = await reconcile(store, started)
    assert (done.sends_checked, done.charged_missing) == (1, 0)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_the_first_and_the_last_possible_day_are_read_back(setup: Setup, day: str) -> None:
    await send_charged(setup.client, 10, 1)
    since = moment_of(day, field="since")
    done = await reconcile(store, await new_reconciliation(store, since=since))
    assert done.since == since
    assert done.sends_checked == (1 if day == "0001-01-01" else 0)


async def test_unknown_messages_are_counted_and_stay_charged(setup: Setup) -> None:
    send = await db.accept(setup.client, 3)
    await db.execute(
        "UPDATE message SET status = 'UNKNOWN', attempt_id = id, updated_at = now()"
        " WHERE send_id = $1", send.id,
    )  # fmt: skip
    started = await new_reconciliation(store)
    await db.execute(
        "UPDATE message SET status = 'SENT', updated_at = clock_timestamp() WHERE id ="
        " (SELECT id FROM message WHERE send_id = $1 LIMIT 1)", send.id,
    )  # fmt: skip
    done = await reconcile(store, started)
    assert (done.unknown_resolved, done.unknown_left) == (1, 2)
    assert await differences(done) == []


async def test_unknown_messages_of_a_wrong_send_count_as_charged(setup: Setup) -> None:
    send_id = await send_charged(setup.client, 10, 1)
    await db.execute("UPDATE message SET status = 'UNKNOWN' WHERE send_id = $1", send_id)
    await run()
    assert await db.held(setup.client.account_id) == 90


async def test_expected_is_counted_by_message_and_not_by_a_rate(setup: Setup) -> None:
    cheap = await db.add_client(setup.pool, held=100, rate_usd=Decimal("0.03"))
    await db.accept(cheap, 10)
    wrong = await send_charged(cheap, 10, 3)
    await db.execute("UPDATE send SET rate_usd = 0.03 WHERE id = $1", wrong)
    done = await run()
    assert [(each.expected, each.found) for each in await differences(done)] == [(10, 3)]
    assert await db.held(cheap.account_id) == 80


@pytest.mark.parametrize("decided", ["before the reading", "after the reading"])
async def test_a_missing_refund_that_a_reading_includes_comes_from_the_pool(
    setup: Setup, decided: str
) -> None:
    send = await db.accept(setup.client, 5)
    (call,) = await marked(setup.pool)
    await db.execute("UPDATE attempt SET lease_until = now() WHERE id = $1", call.attempt_id)
    reject = "UPDATE message SET status = 'REJECTED', updated_at = now() WHERE send_id = $1"
    if decided == "before the reading":
        await db.execute(reject, send.id)
    await synced(setup.pool, Upstream(800))
    if decided == "after the reading":
        await db.execute(reject, send.id)
    assert await pool_of(setup.pool) == 800
    await run()
    assert await db.held(setup.client.account_id) == 100
    assert await pool_of(setup.pool) == 800, "the provider has never taken the messages"
    await db.assert_audit_holds()


async def arrears(tenant: db.Tenant) -> int:
    (row,) = await db.fetch("SELECT arrears FROM account WHERE id = $1", tenant.account_id)
    return int(row["arrears"])


async def test_every_send_is_checked_whatever_the_size_of_a_page(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_sql, "MOST_SENDS", 3)
    monkeypatch.setattr(reconcile_sql, "MOST_MESSAGES", 5)
    sizes = [1, 7, 2, 2, 2, 1, 1, 1, 1, 9]
    for size in sizes:
        await send_charged(setup.client, size, 1)
    pages: list[int] = []
    started = await new_reconciliation(store)
    done = await reconcile(store, started, report=lambda run: pages.append(run.sends_checked))
    assert (done.sends_checked, done.messages_checked) == (len(sizes), sum(sizes))
    assert done.charged_missing == sum(sizes) - len(sizes)
    assert len(pages) > 4
    assert pages == sorted(pages)
