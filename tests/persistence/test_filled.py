"""Reads on a database with a year of 200 clients touch few pages, however large its tables are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from benchmarks.fill import Size, fill_database
from domain.hooks.deliveries import DeliveryStatus
from domain.identity.access import Everything, OfClient, Scope
from domain.ids import new_id
from domain.inbox.messages import ContactOrder
from domain.inbox.webhooks import EventKey, WebhookOutcome
from domain.ledger.balances import BalanceView
from domain.ledger.book import TransferKind
from domain.ledger.statement import StatementFilter, StatementOrder
from domain.pages import Window
from domain.sending.lists import ALL_SENDS, MessageFilter, SendFilter, SendOrder
from domain.sending.messages import MessageStatus, SendKind
from ibiki.local import embedded
from persistence import store
from persistence.hooks.endpoints import read_deliveries
from persistence.inbox import contacts, conversations
from persistence.inbox import messages as inbox
from persistence.inbox.routes import read_webhook_events, read_webhook_status
from persistence.ledger.balances import read_balances, read_provider_accounts
from persistence.ledger.pools import find_provider_account, pool_figures
from persistence.ledger.statement import read_statement
from persistence.sending import archive, listed, messages
from tests import databases, db
from tests.persistence.test_reads_stay_small import (
    FLUSH,
    PLANNING,
    assert_small,
    blocks_of,
    work_of,
)

MOST = 300
SIZE = Size(messages=20_000, queued=4_000)
EVENTS = """
INSERT INTO webhook_event (id, provider, body, outcome, reason, client_id)
SELECT uuidv7('-3 hours'), 'extreme', '{}', $2, 'A reason.', $3::uuid
FROM generate_series(1, $1::int)
"""
DELIVERIES = """
INSERT INTO hook_delivery (id, endpoint_id, client_id, event_id, type, subject, status)
SELECT uuidv7(), $2, $3, uuidv7(), 'message.updated', uuidv7(), $4 FROM generate_series(1, $1::int)
"""
CALL = """
INSERT INTO attempt (id, provider_account_id, epoch, messages, started_at, ended_at, outcome)
SELECT uuidv7(), id, 0, 1, now() - interval '4 minutes', now(), 'ACCEPTED' FROM provider_account
"""
MORE_CONTACTS = """
INSERT INTO contact (id, client_id, number)
SELECT uuidv7(), $1, '+999' || 10000000 + n FROM generate_series(1, 20000) AS n
"""


@pytest.fixture(scope="module")
async def filled_url(database_template: embedded.EmbeddedDatabase) -> AsyncIterator[str]:
    """The address of a filled database."""
    async with databases.fresh_copy(database_template) as url:
        await fill_database(url, database_template.superuser_url, SIZE)
        async with db.connected(url, pool_size=1):
            # Now, so that autovacuum does not change plans in the middle of a test.
            await db.execute("VACUUM ANALYZE")
        yield url


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[None]:
    """This process is connected to the filled database, by one connection."""
    async with db.connected(filled_url, pool_size=1):
        yield
        # Otherwise PostgreSQL counts the work of this test later, as work of the next one.
        await db.execute(FLUSH)


async def test_a_filled_database_passes_the_audit(filled: None) -> None:
    [counted] = await db.fetch("SELECT count(*) AS queued FROM message WHERE status = 'QUEUED'")
    assert counted["queued"] == SIZE.queued
    await db.assert_audit_holds()


@pytest.mark.parametrize("kind", [TransferKind.ALLOCATION, TransferKind.SYNC])
async def test_a_statement_by_kind_reads_few_other_lines(filled: None, kind: TransferKind) -> None:
    [busy] = await db.fetch("SELECT id FROM client ORDER BY id LIMIT 1")
    for view in (BalanceView(client_id=busy["id"]), BalanceView()):
        for _ in range(7):  # from the sixth time on, PostgreSQL may plan for any values
            read = read_statement(view, Window(50), filter=StatementFilter(kind=kind))
            work = await work_of(read, ["transfer"])
            assert not work.scans["transfer"], work
            assert work.rows["transfer"] <= 260 + PLANNING, work


async def test_a_statement_of_a_day_reads_few_other_lines(filled: None) -> None:
    [busy] = await db.fetch("SELECT id FROM client ORDER BY id LIMIT 1")
    [middle] = await db.fetch(
        "SELECT created_at AS at FROM transfer ORDER BY id OFFSET 2000 LIMIT 1"
    )
    wanted = StatementFilter(
        created_after=middle["at"], created_before=middle["at"] + timedelta(days=1)
    )
    for order in StatementOrder:
        read = read_statement(
            BalanceView(client_id=busy["id"]), Window(50), filter=wanted, order=order
        )
        work = await work_of(read, ["transfer"])
        assert not work.scans["transfer"], work
        assert work.rows["transfer"] <= 150 + PLANNING, work


@pytest.mark.parametrize("everybodys", [True, False])
async def test_messages_of_a_week_and_a_status_are_found_without_reading_the_others(
    filled: None, everybodys: bool
) -> None:
    [busy] = await db.fetch("SELECT id FROM client ORDER BY id LIMIT 1")
    scope: Scope = Everything() if everybodys else OfClient(busy["id"])
    start = datetime.now(UTC) - timedelta(days=100)
    for status in (None, MessageStatus.REJECTED):
        week = MessageFilter(status, created_after=start, created_before=start + timedelta(days=7))
        work = await work_of(messages.read_messages(scope, Window(50), filter=week), ["message"])
        assert not work.scans["message"], work
        # A page is found by its IDs and then read.
        assert work.rows["message"] <= 2 * 51 + PLANNING, work


@pytest.mark.parametrize("role", ["large client", "small client", "admin"])
async def test_a_search_without_a_match_reads_a_limited_number_of_rows(
    filled: None, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (listed, "MOST_SEARCHED"),
        (inbox, "MOST_SEARCHED"),
        (conversations, "MOST_SEARCHED"),
    ):
        monkeypatch.setattr(module, name, MOST)
    rows = await db.fetch("SELECT id FROM client ORDER BY id")
    client = {"large client": rows[0], "small client": rows[-1]}.get(role)
    scope: Scope = Everything() if client is None else OfClient(client["id"])
    tables = ["message", "inbound", "conversation", "contact", "send"]
    for read in (
        partial(messages.read_messages, scope, Window(50), search="zebra"),
        partial(inbox.read_any_messages, scope, Window(50), search="zebra"),
        partial(conversations.read_conversations, scope, Window(50), search="zebra"),
    ):
        for _ in range(7):  # from the sixth time on, PostgreSQL may plan for any values
            work = await work_of(read(), tables)
            assert not work.scans["contact"], work
            assert not work.scans["send"], work
            assert all(rows <= MOST + PLANNING for rows in work.rows.values()), work


async def test_a_page_of_both_directions_reads_that_page(filled: None) -> None:
    [busy] = await db.fetch(
        "SELECT client_id, count(*) FROM inbound GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    )
    assert busy["count"] > 100
    newest: Window[UUID] = Window(20)
    oldest: Window[UUID] = Window(20, from_end=True)
    for window in (newest, oldest):
        work = await work_of(
            inbox.read_any_messages(OfClient(busy["client_id"]), window), ["inbound"]
        )
        assert work.rows["inbound"] <= 2 * 21 + PLANNING, work


@pytest.mark.parametrize(("few", "some"), [(2_000, 20_000), (0, 20_000), (0, 0)])
async def test_contacts_of_a_client_are_read_without_those_of_others(
    filled: None, monkeypatch: pytest.MonkeyPatch, few: int, some: int
) -> None:
    monkeypatch.setattr(contacts, "FEW_OPT_OUTS", few)
    monkeypatch.setattr(contacts, "SOME_OPT_OUTS", some)
    rows = await db.fetch(
        "SELECT client_id, count(*) AS contacts, count(opt_out) AS opted_out FROM contact"
        " LEFT JOIN opt_out USING (client_id, number) GROUP BY 1 ORDER BY 2 DESC"
    )
    for row in (rows[0], rows[-1]):
        scope = OfClient(row["client_id"])
        read = contacts.read_contacts(scope, Window(50), search="zebra")
        work = await work_of(read, ["contact", "opt_out"])
        assert not work.scans["contact"], work
        assert work.rows["contact"] <= row["contacts"] + PLANNING, work
        read = contacts.read_contacts(scope, Window(50), opted_out=True)
        work = await work_of(read, ["contact", "opt_out"])
        assert not any(work.scans.values()), work
        assert work.rows["contact"] <= row["contacts"] + PLANNING, work
        looked_up = await index_scans("opt_out_pkey")
        await contacts.read_contacts(scope, Window(50), opted_out=True)
        looked_up = await index_scans("opt_out_pkey") - looked_up
        # For each that is shown, to find them, and to count them.
        walked = row["contacts"] if some == 0 else 0
        assert looked_up <= walked + 2 * row["opted_out"] + 4
    by_name = partial(contacts.read_contacts, Everything(), Window(50), order=ContactOrder.NAME)
    work = await work_of(by_name(opted_out=True), ["contact"])
    assert not work.scans["contact"], work
    assert work.rows["contact"] <= 2 * sum(row["opted_out"] for row in rows) + PLANNING, work
    # Not the opt-outs of all clients: one look-up for each of 50 contacts, and more for none.
    work = await work_of(contacts.read_contacts(Everything(), Window(50)), ["opt_out"])
    assert not work.scans["opt_out"], work


async def test_few_contacts_that_opted_out_are_looked_up(filled: None) -> None:
    [busiest] = await db.fetch(
        "SELECT client_id FROM opt_out GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    # Of a client with few contacts, all are read: that costs less than to look some up.
    await db.execute(MORE_CONTACTS, busiest["client_id"])
    try:
        await db.execute("VACUUM (ANALYZE) contact")
        [counted] = await db.fetch(
            "SELECT count(*) AS number FROM opt_out WHERE client_id = $1", busiest["client_id"]
        )
        for order in ContactOrder:
            read = contacts.read_contacts(
                OfClient(busiest["client_id"]), Window(50), opted_out=True, order=order
            )
            work = await work_of(read, ["contact"])
            assert not work.scans["contact"], work
            assert work.rows["contact"] <= counted["number"] + PLANNING, work
        # A page of each client at most: those that were added here have no name, and come last.
        by_name = contacts.read_contacts(
            Everything(), Window(50), opted_out=False, order=ContactOrder.NAME
        )
        work = await work_of(by_name, ["contact"])
        assert not work.scans["contact"], work
        assert work.rows["contact"] < 10_000, work
    finally:
        await db.execute("DELETE FROM contact WHERE number LIKE '+999%'")
        await db.execute("VACUUM (ANALYZE) contact")


async def test_a_search_continues_at_its_cursor(
    filled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "MOST_SEARCHED", 40)
    first = await messages.read_messages(Everything(), Window(10), search="order")
    after: Window[UUID] = Window(10, after=first.items[-1].id)
    second = await messages.read_messages(Everything(), after, search="order")
    before: Window[UUID] = Window(10, before=second.items[0].id, from_end=True)
    again = await messages.read_messages(Everything(), before, search="order")
    assert [each.id for each in again.items] == [each.id for each in first.items]
    assert first.items[-1].id > second.items[0].id
    assert [len(page.items) for page in (first, second, again)] == [10, 10, 10]


async def test_an_admin_reads_a_page_of_the_inbox_from_an_index(filled: None) -> None:
    # The table is so small that it would be read and sorted whole.
    await db.execute("SET enable_seqscan = off; SET enable_sort = off")
    for unread_only in (False, True):
        read = conversations.read_conversations(Everything(), Window(50), unread_only=unread_only)
        assert_small(await work_of(read, ["conversation"]), most_rows=51)


async def test_the_figures_of_a_pool_do_not_read_what_is_queued(filled: None) -> None:
    async def figures_of_sync() -> None:
        account = await find_provider_account(None)
        async with store.transaction() as tx:
            assert (await pool_figures(tx, account.id)).in_flight == SIZE.queued

    async def metrics() -> None:
        assert (await store.read_backlog()).queued == SIZE.queued

    for stopped in (True, False):  # an account that is paused shows how many messages wait
        await db.execute(
            "UPDATE provider_account SET stopped_at = CASE WHEN $1 THEN now() END", stopped
        )
        for read in (
            partial(read_balances, BalanceView()),
            partial(read_provider_accounts, Everything()),
            figures_of_sync,
            metrics,
        ):
            before = await entries_of("message_queued_apart", "message_queued_single")
            work = await work_of(read(), ["message"])
            assert not work.scans["message"], work
            after = await entries_of("message_queued_apart", "message_queued_single")
            assert after <= before + 50
        [account] = await read_provider_accounts(Everything())
        signs = account.platform.signs
        assert account.platform.in_flight == SIZE.queued
        assert (signs.queued, signs.overdue) == (SIZE.queued if stopped else 0, SIZE.queued)


async def index_scans(index: str) -> int:
    """How many times something was looked for in an index."""
    await db.execute(FLUSH)
    [row] = await db.fetch(
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = $1", index
    )
    scans: int = row["idx_scan"]
    return scans


async def entries_of(*indexes: str) -> int:
    """How many entries of some indexes have been read."""
    await db.execute(FLUSH)
    [row] = await db.fetch(
        "SELECT sum(idx_tup_read)::int8 AS entries FROM pg_stat_user_indexes"
        " WHERE indexrelname = ANY($1)",
        list(indexes),
    )
    entries: int = row["entries"]
    return entries


async def test_unrouted_events_are_counted_from_an_index(filled: None) -> None:
    [counted] = await db.fetch(
        "SELECT count(*) AS events, count(*) FILTER (WHERE outcome = 'UNROUTED') AS unrouted"
        " FROM webhook_event"
    )
    assert counted["events"] > 20 * counted["unrouted"] > 0
    work = await work_of(read_webhook_status(Everything()), ["webhook_event"])
    assert not work.scans["webhook_event"], work
    # Rows that VACUUM could not mark as visible to all are also read from the table.
    assert work.rows["webhook_event"] <= counted["unrouted"] + 20 + PLANNING, work


async def test_a_page_of_events_with_an_outcome_reads_few_others(filled: None) -> None:
    for outcome in (*WebhookOutcome, None):
        for from_end in (False, True):
            window: Window[EventKey] = Window(20, from_end=from_end)
            read = read_webhook_events(Everything(), window, outcome=outcome)
            work = await work_of(read, ["webhook_event"])
            assert not work.scans["webhook_event"], (outcome, work)
            # Nearly all are ROUTED: these are read by their IDs.
            assert work.rows["webhook_event"] <= 50 + PLANNING, (outcome, work)


async def test_a_rare_routed_event_is_found_without_reading_newer_ones(database_url: str) -> None:
    async with db.connected(database_url, pool_size=1):
        client = await db.add_client()
        await db.execute(EVENTS, 1, "ROUTED", client.client_id)
        await db.execute(EVENTS, 6_000, "DUPLICATE", None)
        await db.execute("VACUUM (ANALYZE) webhook_event")
        for from_end in (False, True):
            window: Window[EventKey] = Window(20, from_end=from_end)
            read = read_webhook_events(Everything(), window, outcome=WebhookOutcome.ROUTED)
            assert_small(await work_of(read, ["webhook_event"]), most_rows=1)
        work = await work_of(read_webhook_status(Everything()), ["webhook_event"])
        assert work.rows["webhook_event"] <= 2 + PLANNING, work
        status = await read_webhook_status(Everything())
        assert status.last_routed_client_id == client.client_id


async def test_a_failed_delivery_is_found_without_reading_newer_ones(database_url: str) -> None:
    async with db.connected(database_url, pool_size=1):
        client_id, endpoint_id = new_id(), new_id()
        for count, status in ((1, DeliveryStatus.FAILED), (6_000, DeliveryStatus.DELIVERED)):
            await db.execute(DELIVERIES, count, endpoint_id, client_id, status.value)
        await db.execute("VACUUM (ANALYZE) hook_delivery")
        for scope in (Everything(), OfClient(client_id)):
            for status in DeliveryStatus:
                read = read_deliveries(scope, endpoint_id, Window(50), status=status)
                work = await work_of(read, ["hook_delivery"])
                assert not any(work.scans.values()), (status, work)
                assert work.rows["hook_delivery"] <= 51 + PLANNING, (status, work)


async def test_balances_look_at_each_tenant_only_if_no_call_was_started(database_url: str) -> None:
    async with db.connected(database_url, pool_size=1):
        pool = await db.add_pool()
        for _ in range(30):
            await db.accept(await db.add_client(pool, held=10))
        looked = []
        for call in ("SELECT", CALL):
            await db.execute(call)
            before = await blocks_of("message_queued_apart")
            await read_balances(BalanceView())
            looked.append(await blocks_of("message_queued_apart") - before)
        assert looked[0] >= 30
        assert looked[1] == 0


@pytest.mark.parametrize("order", SendOrder)
async def test_sends_of_a_kind_of_all_clients_are_read_without_the_others(
    filled: None, order: SendOrder
) -> None:
    for kind in set(SendKind) - {SendKind.SINGLE}:
        read = archive.read_sends(
            Everything(), Window(50), filter=SendFilter(kind=kind), order=order
        )
        # Each send three times: for the page, and twice for its counts.
        assert_small(await work_of(read, ["send"]), most_rows=153)


async def test_a_page_of_sends_does_not_count_the_messages_of_large_ones(filled: None) -> None:
    bulks = SendFilter(kind=SendKind.BULK)
    for scope_filter in (ALL_SENDS, bulks):
        read = archive.read_sends(Everything(), Window(50), filter=scope_filter)
        work = await work_of(read, ["message", "send_tally"])
        assert work.rows["message"] <= 51 + PLANNING, work
        assert work.rows["send_tally"] <= 51 + PLANNING, work
