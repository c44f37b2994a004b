"""A page reads as many rows as it shows. PostgreSQL's statistics count them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.identity.access import Everything, OfClient, Scope
from domain.inbox.capture import capture_contacts
from domain.ledger.alarms import AlarmKind
from domain.ledger.balances import BalanceView, PlatformShown
from domain.ledger.book import TransferKind
from domain.ledger.statement import StatementFilter
from domain.pages import Window
from domain.sending.accept import accept_batch
from domain.sending.lists import MessageFilter, Period, SendFilter, SendOrder
from domain.sending.messages import MessageStatus, SendKind
from persistence import store
from persistence.inbox.messages import read_any_messages
from persistence.ledger.balances import read_balances
from persistence.ledger.balances import read_provider_accounts as accounts
from persistence.ledger.statement import read_statement
from persistence.long_reads import long_read
from persistence.sending.archive import find_send, read_sends
from persistence.sending.messages import find_message, read_messages, read_messages_of_sends
from persistence.sending.stats import read_message_stats
from tests import db
from tests.dispatch.parts import eventually

TABLES = ("message", "send", "transfer")
SINGLES = 4_000
PLANNING = 8
"""Rows that the planner may read: it looks at the ends of indexes."""

PLANS = """
SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE $1
"""
FLUSH = "SELECT pg_stat_force_next_flush()"


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one read on the large tables."""

    scans: dict[str, int]
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Setup:
    busy: db.Tenant
    quiet: db.Tenant
    bulk_id: UUID


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    # One connection: the counters are flushed by the connection that did the work.
    async with db.connected(database_url, pool_size=1):
        busy = await db.add_client(held=100_000)
        quiet = await db.add_client(busy.pool, held=100)
        await db.accept(quiet)
        for _ in range(SINGLES // 200):
            await accept_batch(store, [db.new_send(busy) for _ in range(200)])
        bulk = await db.accept(busy, 10_000)
        await db.execute("ANALYZE")
        await eventually(is_alone)
        yield Setup(busy, quiet, bulk.id)


async def is_alone() -> bool:
    """A connection that was replaced, for example after a pause, counts its work when it ends."""
    others = await db.fetch(
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return not others


async def work_of(read: Awaitable[Any], tables: Sequence[str] = TABLES) -> Work:
    before = await counters()
    await read
    after = await counters()
    scans = {table: after[table][0] - before[table][0] for table in tables}
    rows = {table: after[table][1] - before[table][1] for table in tables}
    return Work(scans, rows)


async def counters() -> dict[str, tuple[int, int]]:
    # Also of the connection for searches. Otherwise it counts the work of several reads at once.
    await db.execute(FLUSH)
    await long_read(lambda held: held.execute(FLUSH))
    rows = await db.fetch(
        # A partition counts for its table. To scan an empty one costs nothing.
        "SELECT coalesce(pg_partition_root(relid), relid)::regclass::text AS relname,"
        " sum(CASE WHEN pg_relation_size(relid) > 0 THEN seq_scan ELSE 0 END)::int8 AS seq_scan,"
        " sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int8 AS rows"
        " FROM pg_stat_user_tables GROUP BY 1"
    )
    return {row["relname"]: (row["seq_scan"], row["rows"]) for row in rows}


def assert_small(work: Work, *, most_rows: int) -> None:
    assert not any(work.scans.values()), work
    assert all(rows <= most_rows + PLANNING for rows in work.rows.values()), work
    assert any(work.rows.values()), work


def windows(around: UUID) -> list[Window[UUID]]:
    """The first page, the last, and those on either side of a row."""
    return [
        Window(50),
        Window(50, from_end=True),
        Window(50, after=around),
        Window(50, before=around, from_end=True),
    ]


@pytest.mark.parametrize("everybodys", [True, False])
async def test_a_page_of_messages_reads_that_page(setup: Setup, everybodys: bool) -> None:
    scope: Scope = Everything() if everybodys else OfClient(setup.busy.client_id)
    # Of a client: a page of what an index has, and one of the queue.
    most = 51 if everybodys else 110
    for window in windows(await middle_of(setup)):
        assert_small(await work_of(read_messages(scope, window)), most_rows=most)


async def test_a_page_of_the_messages_of_a_send_reads_that_page(setup: Setup) -> None:
    scope = OfClient(setup.busy.client_id)
    for window in windows(await middle_of(setup)):
        read = read_messages_of_sends(scope, [setup.bulk_id], window)
        assert_small(await work_of(read), most_rows=51)


@pytest.mark.parametrize("everybodys", [True, False])
async def test_a_page_of_sends_reads_that_page_and_counts_its_messages(
    setup: Setup, everybodys: bool
) -> None:
    scope: Scope = Everything() if everybodys else OfClient(setup.busy.client_id)
    around = (await read_sends(scope, Window(100))).items[-1].id
    for window in windows(around)[1:]:
        # Each send twice: for the page, and for its counts.
        assert_small(await work_of(read_sends(scope, window)), most_rows=102)


async def test_a_page_of_a_statement_reads_at_most_two_pages(setup: Setup) -> None:
    view = BalanceView(client_id=setup.busy.client_id)
    middle: Window[int] = Window(50, after=2_000)
    newest: Window[int] = Window(50)
    for window in (newest, middle, Window(50, before=2_000, from_end=True)):
        assert_small(await work_of(read_statement(view, window)), most_rows=102)
    sends = read_statement(view, middle, filter=StatementFilter(TransferKind.SEND))
    assert_small(await work_of(sends), most_rows=102)


async def test_one_send_or_message_is_one_look_up(setup: Setup) -> None:
    scope = OfClient(setup.quiet.client_id)
    message = (await read_messages(scope, Window(1))).items[0]
    assert_small(await work_of(find_message(scope, message.id)), most_rows=1)
    assert_small(await work_of(find_send(scope, message.send_id)), most_rows=1)


async def test_a_quiet_client_does_not_pay_for_a_busy_one(setup: Setup) -> None:
    scope = OfClient(setup.quiet.client_id)
    for read in (read_messages(scope, Window(50)), read_sends(scope, Window(50))):
        assert_small(await work_of(read), most_rows=1)


async def test_the_messages_of_a_large_send_are_found_in_an_index(database_url: str) -> None:
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client(held=100_000)
        first, last = [(await db.accept(client, 6_000)).id for _ in range(2)]
        await db.execute("ANALYZE")
        scope = OfClient(client.client_id)
        for send_id, from_end in ((first, False), (last, True)):
            read = read_messages_of_sends(scope, [send_id], Window(50, from_end=from_end))
            work = await work_of(read)
            assert not work.scans["message"]
            assert work.rows["message"] <= 51 + PLANNING


async def test_the_balance_of_a_client_reads_no_send_message_or_transfer(setup: Setup) -> None:
    view = BalanceView(client_id=setup.busy.client_id, platform=PlatformShown.OWNED)
    work = await work_of(read_balances(view))
    assert not any([*work.scans.values(), *work.rows.values()]), work


@pytest.mark.parametrize("status", ["SENT", "UNKNOWN"])
async def test_alarms_are_read_from_indexes_alone(setup: Setup, status: str) -> None:
    await db.execute(
        "UPDATE message SET status = CASE WHEN send_id = $2 THEN 'SENT' ELSE $1 END,"
        " attempt_id = send_id, due_at = now() - interval '1 hour',"
        " updated_at = now() - interval '2 hours'",
        status,
        setup.bulk_id,
    )
    await store.shorten_parts()
    await db.execute("UPDATE client SET low_balance_threshold = 1000")
    await db.execute("VACUUM (ANALYZE) message")
    for read in (partial(read_balances, BalanceView()), partial(accounts, Everything())):
        work = await work_of(read())
        assert not any(work.scans.values()), work
        assert all(rows <= PLANNING for rows in work.rows.values()), work
    alarms = (await accounts(Everything()))[0].platform.alarms
    counts = {alarm.kind: alarm.count for alarm in alarms}
    assert counts[AlarmKind.LOW_BALANCE] == 1
    assert counts.get(AlarmKind.UNKNOWN_OLD, 0) == (SINGLES + 1 if status == "UNKNOWN" else 0)


# Each filter has few matches among many rows, so that a read past an index would show.
async def test_messages_of_a_status_are_found_without_reading_the_others(setup: Setup) -> None:
    middle = await middle_of(setup)
    await db.execute(
        "UPDATE message SET status = CASE WHEN id = $1 THEN 'QUEUED' ELSE 'SENT' END,"
        " attempt_id = id, attempts = 1",
        middle,
    )
    await store.shorten_parts()
    await db.execute(
        "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages, started_at,"
        " lease_until) SELECT id, provider_account_id, id, 0, 1, now(), now() + interval '1 hour'"
        " FROM message WHERE id = $1",
        middle,
    )
    for status in MessageStatus:
        await db.execute(
            "UPDATE message SET status = $2, attempt_id = id WHERE id = $1", middle, status.value
        )
        most = 51 if status is MessageStatus.SENT else 1
        for scope in (Everything(), OfClient(setup.busy.client_id)):
            for filter in (MessageFilter(status), MessageFilter(status, send_id=setup.bulk_id)):
                # Twice: for the page, and for the ends of the send. In the queue, the first message
                # of a part is looked for before.
                read = read_messages(scope, Window(50), filter=filter)
                assert_small(await work_of(read), most_rows=2 * most + 4)
            of_sends = read_messages_of_sends(scope, [setup.bulk_id], Window(50), status=status)
            assert_small(await work_of(of_sends), most_rows=2 * most + 4)


async def test_a_page_of_a_status_begins_at_its_cursor(setup: Setup) -> None:
    await db.execute("UPDATE message SET status = 'SENT', attempt_id = id")
    scope = OfClient(setup.busy.client_id)
    for wanted in (MessageFilter(MessageStatus.SENT), MessageFilter()):
        whole = await read_messages(scope, Window(100), filter=wanted)
        after: Window[UUID] = Window(40, after=whole.items[29].id)
        before: Window[UUID] = Window(40, before=whole.items[70].id, from_end=True)
        for window in (after, before):
            for whose in (scope, Everything()):
                page = await read_messages(whose, window, filter=wanted)
                assert [each.id for each in page.items] == [each.id for each in whole.items[30:70]]
                assert (page.has_next, page.has_previous) == (True, True)


async def test_a_page_of_messages_begins_in_the_index_at_its_cursor(setup: Setup) -> None:
    # All of the bulk is QUEUED, too, and newer than these messages.
    [row] = await db.fetch("SELECT id FROM message ORDER BY id OFFSET 2000 LIMIT 1")
    scope, page = OfClient(setup.busy.client_id), Window(1, after=row["id"])
    for wanted in (MessageFilter(), MessageFilter(MessageStatus.QUEUED)):
        before = await blocks_of("message_listed")
        await read_messages(scope, page, filter=wanted)
        # The way from the root to a leaf, for each of eight statuses. The bulk fills 70 blocks.
        assert await blocks_of("message_listed") <= before + 8 * 4


async def test_a_page_of_queued_messages_reads_little_of_the_queue(setup: Setup) -> None:
    [row] = await db.fetch(
        "SELECT id FROM message WHERE send_id = $1 ORDER BY id OFFSET 5000 LIMIT 1", setup.bulk_id
    )
    queued = MessageFilter(MessageStatus.QUEUED)
    of_send = replace(queued, send_id=setup.bulk_id)
    for scope in (OfClient(setup.busy.client_id), Everything()):
        for window in windows(row["id"]):
            for wanted in (queued, of_send):
                before = await blocks_of("message_queued_apart")
                work = await work_of(read_messages(scope, window, filter=wanted))
                # Of a bulk in a part: the first one of each place, the page, and its rows again.
                assert work.rows["message"] <= 3 * window.size + 6 + PLANNING
                # The way from the root to a leaf, for the first message of each priority, for what
                # comes behind the bulk, and for the page. The bulk fills 70 blocks.
                assert await blocks_of("message_queued_apart") <= before + 40


async def blocks_of(index: str) -> int:
    """How many blocks of an index have been looked at."""
    await db.execute("SELECT pg_stat_force_next_flush()")
    [row] = await db.fetch(
        "SELECT idx_blks_read + idx_blks_hit AS blocks FROM pg_statio_user_indexes"
        " WHERE indexrelname = $1",
        index,
    )
    blocks: int = row["blocks"]
    return blocks


@pytest.mark.parametrize("everybodys", [True, False])
async def test_messages_to_a_number_are_found_without_reading_the_others(
    setup: Setup, everybodys: bool
) -> None:
    while await capture_contacts(store):
        pass
    await db.execute("ANALYZE")
    scope: Scope = Everything() if everybodys else OfClient(setup.busy.client_id)
    [row] = await db.fetch("SELECT number FROM message WHERE id = $1", await middle_of(setup))
    newest: Window[UUID] = Window(50)
    oldest: Window[UUID] = Window(50, from_end=True)
    for window in (newest, oldest):
        for status in (None, MessageStatus.QUEUED):
            wanted = MessageFilter(status, number=row["number"])
            work = await work_of(read_messages(scope, window, filter=wanted))
            assert_small(work, most_rows=20)
        both = read_any_messages(scope, window, filter=MessageFilter(number=row["number"]))
        assert_small(await work_of(both), most_rows=20)


async def test_messages_of_a_send_and_a_number_or_a_time_are_found_in_an_index(
    setup: Setup,
) -> None:
    scope = OfClient(setup.busy.client_id)
    [row] = await db.fetch("SELECT max(created_at) AS last FROM message")
    for wanted in (
        MessageFilter(send_id=setup.bulk_id),
        MessageFilter(created_before=row["last"] + timedelta(seconds=1)),
        MessageFilter(created_after=row["last"] - timedelta(days=400)),
    ):
        for window in windows(await middle_of(setup)):
            for read in (read_messages, read_any_messages):
                if wanted.is_outbound and read is read_any_messages:
                    continue
                # In read_any_messages, each message twice: for the page, and for its columns.
                assert_small(await work_of(read(scope, window, filter=wanted)), most_rows=160)
    before_all = MessageFilter(created_before=row["last"] - timedelta(hours=2))
    work = await work_of(read_messages(scope, Window(50), filter=before_all))
    assert work.rows["message"] <= PLANNING, work


@pytest.mark.parametrize("order", SendOrder)
async def test_sends_of_a_kind_are_found_without_reading_the_others(
    setup: Setup, order: SendOrder
) -> None:
    scope = OfClient(setup.busy.client_id)
    for kind, most in ((SendKind.BULK, 1), (SendKind.CSV, 0), (SendKind.SINGLE, 51)):
        for _ in range(10):
            wanted = SendFilter(kind=kind)
            work = await work_of(read_sends(scope, Window(50), filter=wanted, order=order))
            assert not any(work.scans.values()), work
            assert work.rows["send"] <= 2 * most + PLANNING, work


async def test_sends_of_a_time_or_a_client_read_that_page(setup: Setup) -> None:
    [row] = await db.fetch("SELECT max(created_at) AS last FROM send")
    for wanted in (
        SendFilter(created_before=row["last"] + timedelta(seconds=1)),
        SendFilter(created_after=row["last"] - timedelta(days=400)),
        SendFilter(client_id=setup.quiet.client_id),
    ):
        for order in SendOrder:
            work = await work_of(read_sends(Everything(), Window(50), filter=wanted, order=order))
            assert not any(work.scans.values()), work
            assert work.rows["send"] <= 102 + PLANNING, work


async def test_scheduled_sends_are_found_without_reading_the_others(setup: Setup) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    await db.accept(setup.busy, send_at=later)
    await db.execute("ANALYZE send")
    scope = OfClient(setup.busy.client_id)
    for _ in range(7):  # from the sixth time on, PostgreSQL may plan for any values
        read = read_sends(scope, Window(50), filter=SendFilter(scheduled=True))
        assert_small(await work_of(read), most_rows=3)


async def test_plans_of_statistics_and_of_a_pool_are_kept(setup: Setup) -> None:
    """A plan for the values of statistics may read the messages of all clients."""
    now = datetime.now(UTC)
    await read_message_stats(OfClient(setup.busy.client_id), Period.HOUR, now, now)
    await read_message_stats(Everything(), Period.HOUR, now, now)
    await read_balances(BalanceView())
    await accounts(Everything())
    of_statistics = await long_read(lambda held: held.fetch(PLANS, "%date_bin%"))
    of_pool = await db.fetch(PLANS, "%upstream%")
    for plans in (of_statistics, of_pool):
        assert [(each["generic_plans"], each["custom_plans"]) for each in plans] == [(1, 0)] * 2


async def middle_of(setup: Setup) -> UUID:
    [row] = await db.fetch(
        "SELECT id FROM message WHERE send_id = $1 ORDER BY id LIMIT 1 OFFSET 5000", setup.bulk_id
    )
    found: UUID = row["id"]
    return found
