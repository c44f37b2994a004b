"""Log lines of another system: checked whole, imported once, and reconciled by message count."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from domain.errors import InvalidFile, InvalidInput
from domain.identity.access import Everything, Role
from domain.ids import new_id
from domain.imports import importing
from domain.imports.legacy_logs import COLUMNS, LegacyLogImport
from domain.imports.table import Table
from domain.ledger.imported import NewImportedLine, amount_of, log_line_of
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.ledger.reconciliation import Difference, Reconciliation
from domain.pages import Window
from persistence import store
from persistence.ledger import reconcile_imported
from tests import db, people
from tests.clocks import PATIENCE_SECONDS
from tests.imports.files import Result, import_text
from tests.installations import App
from tests.ledger.upstream import Upstream, pool_of, synced
from tests.locks import blocked, holding
from tests.sending.files.files import saved, xlsx

HEADER = "client_email,created_at,message_count,charged,reference\n"


def logs(table: Table) -> LegacyLogImport:
    """The importer of a file."""
    return LegacyLogImport(store, table)


def lines_of(count: int, *, email: str = "owner@example.com", charged: str = "0.03") -> str:
    """A file of this many lines of one message each."""
    return HEADER + "".join(
        f"{email},2026-01-05 08:{each // 60 % 60:02}:{each % 60:02},1,{charged},r{each}\n"
        for each in range(count)
    )


async def imported(app: App, text: str) -> Result:
    return await import_text(app, text, logs, COLUMNS)


async def run(*, dry_run: bool = False, since: datetime | None = None) -> Reconciliation:
    return await reconcile(store, await new_reconciliation(store, dry_run=dry_run, since=since))


async def differences(done: Reconciliation) -> list[Difference]:
    return (await store.read_differences(Everything(), [done.id], most=1_000))[done.id]


# Importing


async def test_lines_are_imported_once(app: App) -> None:
    text = lines_of(10)
    assert (await imported(app, text)).changed == 10
    assert (await imported(app, text)).changed == 0
    more = await imported(app, lines_of(12))
    assert more.changed == 2, "lines that are there are left as they are"
    assert await db.held(app.owner.account_id) == 100, "an import charges nothing"


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_parts_of_a_unit_are_carried_to_the_next_line(
    app: App, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(importing, "PAGE", size)
    await imported(app, lines_of(100))
    rows = await db.fetch("SELECT reference, found FROM imported_line ORDER BY id")
    assert [row["reference"] for row in rows if row["found"]] == ["r33", "r66", "r99"]
    assert sum(row["found"] for row in rows) == 3


@given(charges=st.lists(st.decimals("0", "5", places=3), min_size=1, max_size=30))
def test_the_found_units_of_all_lines_are_the_whole_units_of_their_sum(
    charges: Sequence[Decimal],
) -> None:
    total, found = Decimal(0), 0
    for charged in charges:
        found += int(total + charged) - int(total)
        total += charged
    assert found == int(sum(charges))


async def test_one_wrong_line_and_nothing_is_imported(app: App) -> None:
    text = lines_of(5) + (
        "nobody@example.com,2026-01-05,1,0.03,a\n"
        "owner,2026-01-05,1,0.03,b\n"
        "owner@example.com,05/01/2026,1,0.03,c\n"
        "owner@example.com,2026-01-05,one,0.03,d\n"
        'owner@example.com,2026-01-05,1,"0,03",e\n'
        "owner@example.com,2026-01-05,1,0.03,\n"
        "owner@example.com,2026-01-05,1,0.03,f,more\n"
        "owner@example.com,2126-01-05,1,0.03,g\n"
        "owner@example.com,2026-01-05,1,$0.03,h\n"
    )
    result = await imported(app, text)
    assert result.lines == list(range(7, 16))
    begins = [
        "No client has a user with the email nobody@example.com. Correct it, or import the clients",
        "Enter an email address",
        "created_at must be a date such as 2026-11-30",
        "message_count must be a whole number from 0 to 1,000,000",
        "charged must be a number such as 1500 or 0.03",
        "reference must be 1 to 200 visible characters",
        "This line has more cells than the first line has names.",
        "created_at is in the future. Check its time zone.",
        "charged must be a number such as 1500 or 0.03",
    ]
    for message, begin in zip(result.messages, begins, strict=True):
        assert message.startswith(begin)
    assert await db.fetch("SELECT FROM imported_line") == []


async def test_a_reference_twice_is_refused_also_of_two_users_of_a_client(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PAGE", 3)
    await people.add_user("second@example.com", Role.CLIENT, client_id=app.owner.client_id)
    text = lines_of(8) + (
        "second@example.com,2026-01-05,1,0.03,r2\n"
        "sibling@example.com,2026-01-05,1,0.03,r2\n"
        "owner@example.com,2026-01-05,1,0.03,r2\n"
    )
    result = await imported(app, text)
    assert [(each.line, each.message) for each in result.problems] == [
        (10, "This repeats line 4. Remove one of the two."),
        (12, "This repeats line 4. Remove one of the two."),
    ]


async def test_a_reference_of_another_line_is_refused(app: App) -> None:
    await imported(app, lines_of(2))
    result = await imported(app, lines_of(2).replace("0.03,r1", "0.06,r1"))
    assert result.lines == [3]
    assert result.messages[0].startswith(
        "The reference r1 was imported before, for 1 message charged 0.03 at 2026-01-05T08:00:01"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("client_email,charged\nowner@example.com,1\n", "The file has no column created_at, mess"),
        ("owner@example.com,2026-01-05,1,0.03,a\n", "The file has no column client_email, crea"),
        (HEADER, "The file has no rows below its header. Add some."),
        (
            HEADER.replace("charged", "charged,Charged") + "a,b,c,d,e,f\n",
            "Two columns have the same name: charged a",
        ),
        (
            HEADER.replace("charged", "charged,charged") + "a,b,c,d,e,f\n",
            "Two columns have the same name: charged a",
        ),
        ("", "The file is empty. Check that it was saved."),
        (HEADER + 'owner@example.com,2026-01-05,1,0.03,"a\n', "Line 2: a quote is opened and nev"),
    ],
)
async def test_a_file_that_is_not_a_log_is_refused(app: App, text: str, message: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        await imported(app, text)
    assert str(refused.value).startswith(message)


async def test_names_of_columns_are_read_as_people_write_them(app: App) -> None:
    text = lines_of(3).replace(HEADER, "Client E-Mail;Created at;MESSAGE COUNT;charged;Reference\n")
    text = text.replace("Client E-Mail", "Client Email").replace(",", ";")
    assert (await import_text(app, text.encode("utf-16"), logs, COLUMNS)).changed == 3


async def test_a_spreadsheet_is_imported_with_its_dates_and_numbers(app: App) -> None:
    rows = [
        COLUMNS,
        ("owner@example.com", datetime(2026, 1, 5, 8, 30), 1, 0.03, 4711),
        ("owner@example.com", "2026-01-05 08:31", 2, 1, "A-2"),
    ]
    assert (await import_text(app, xlsx(rows), logs, COLUMNS)).changed == 2
    first, second = await db.fetch(
        "SELECT reference, created_at, messages, charged FROM imported_line ORDER BY id"
    )
    assert (first["reference"], second["reference"]) == ("4711", "A-2")
    assert first["created_at"] == datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
    assert (first["charged"], second["charged"], second["messages"]) == (Decimal("0.03"), 1, 2)


async def test_two_imports_at_once_write_each_line_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PAGE", 7)
    text = lines_of(100)
    results = await asyncio.gather(*(imported(app, text) for _ in range(3)))
    assert sum(each.changed for each in results) == 100
    (row,) = await db.fetch("SELECT sum(found)::int AS found, count(*) FROM imported_line")
    assert (row["found"], row["count"]) == (3, 100)


async def test_only_one_transaction_at_a_time_adds_up_the_charges(app: App) -> None:
    def lines(name: str) -> list[NewImportedLine]:
        line = log_line_of(reference=name, created_at="2026-01-05", messages="1", charged="0.6")
        return [NewImportedLine(new_id(), app.owner.payer, line)]

    async def add(name: str) -> None:
        async with store.transaction() as tx:
            await store.add_imported_lines(tx, lines(name))

    async with holding(lambda tx: store.add_imported_lines(tx, lines("first"))):
        second = asyncio.create_task(add("second"))
        await blocked(second)
    await second
    rows = await db.fetch("SELECT found FROM imported_line ORDER BY charged_total")
    assert [row["found"] for row in rows] == [0, 1]


def test_numbers_are_read_exactly() -> None:
    assert amount_of("0.03", field="charged") == Decimal("0.03")
    assert amount_of(".5", field="charged") == Decimal("0.5")
    for wrong in ("", "-1", "1,5", "1e3", "NaN", "٣", "1.0000001", "9" * 15):
        with pytest.raises(InvalidInput):
            amount_of(wrong, field="charged")


@pytest.mark.parametrize("count", ["-1", "1.5", "1000001", "9" * 5_000, "²", ""])
def test_counts_are_whole_numbers(count: str) -> None:
    with pytest.raises(InvalidInput, match="message_count must be"):
        log_line_of(reference="r", created_at="2026-01-05", messages=count, charged="1")


# Reconciling


async def test_a_hundred_messages_charged_at_0_03_cost_97_credits_more(app: App) -> None:
    await imported(app, lines_of(100))
    looked = await run(dry_run=True)
    assert (looked.charged_missing, await db.held(app.owner.account_id)) == (97, 100)
    before = await pool_of(app.pool)
    done = await run()
    assert (done.sends_checked, done.messages_checked) == (100, 100)
    assert (done.charged_missing, done.refunded_excess) == (97, 0)
    assert await db.held(app.owner.account_id) == 3
    assert await pool_of(app.pool) == before - 97
    found = await differences(done)
    assert len(found) == 97
    assert found[0].explanation == (
        "Imported line r0 of 2026-01-05: expected 1 credit: 1 message at 1 each. Found 0 credits:"
        " the other system charged 0.03, and parts of a unit count with the client's next line."
        " 1 credit was charged."
    )
    (line,) = await db.fetch("SELECT note, amount FROM transfer WHERE kind = 'RECONCILE'")
    assert line["amount"] == 97, "one transfer for all lines of a page"
    assert line["note"] == "97 messages of another system, 2026-01-05 to 2026-01-05"
    again = await run()
    assert (again.charged_missing, await differences(again)) == (0, [])
    await assert_corrections_add_up()
    await db.assert_audit_holds()


async def assert_corrections_add_up() -> None:
    """Checks that each transfer corrects exactly what the lines of its differences lack."""
    rows = await db.fetch(
        "SELECT amount, (SELECT sum(expected - found) FROM reconciliation_difference AS each"
        " WHERE each.transfer_id = transfer.id)::int AS units FROM transfer"
        " WHERE kind = 'RECONCILE' AND send_id IS NULL"
    )
    assert rows
    assert all(row["amount"] == abs(row["units"]) for row in rows)


async def test_too_much_is_refunded_and_arrears_are_exact(app: App) -> None:
    text = HEADER + (
        "owner@example.com,2026-01-05,3,10,excess\n"
        "owner@example.com,2026-01-05,200,0,missing\n"
        "loner@example.com,2026-01-05,10,1,poor\n"
        "sibling@example.com,2026-01-05,10,10,right\n"
    )
    await imported(app, text)
    done = await run()
    assert (done.charged_missing, done.refunded_excess) == (209, 7)
    assert await db.held(app.owner.account_id) == -93
    assert await db.held(app.loner.account_id) == -2
    assert await db.held(app.sibling.account_id) == 20
    await assert_corrections_add_up()
    await db.assert_audit_holds()


async def test_lines_from_before_the_last_reading_are_corrected_within_the_pool(app: App) -> None:
    await imported(app, lines_of(10, charged="0"))
    await synced(app.pool, Upstream(800))
    assert await pool_of(app.pool) == 800
    await run()
    assert await db.held(app.owner.account_id) == 90
    assert await pool_of(app.pool) == 800, "the reading includes what the provider did"
    await db.assert_audit_holds()


async def test_lines_of_a_clients_account_move_nothing_if_its_reading_includes_them(
    app: App,
) -> None:
    school = await db.add_school(held=5_000)
    await people.add_user("school@example.com", Role.CLIENT, client_id=school.client_id)
    await imported(app, lines_of(4, email="school@example.com", charged="50"))
    more = HEADER + "school@example.com,2026-01-06,2,50,two\n"
    await imported(app, more)
    await synced(school.pool, Upstream(2_000))
    done = await run()
    (found,) = await differences(done)
    assert (found.expected, found.found, found.in_reading) == (100, 50, True)
    assert "nothing is moved" in found.explanation
    assert (done.charged_missing, await db.held(school.account_id)) == (0, 2_000)
    assert await differences(await run()) == []


async def test_two_runs_at_once_and_a_killed_one_correct_each_line_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_imported, "MOST_CORRECTED", 3)
    await imported(app, lines_of(60, charged="0"))
    killed = asyncio.create_task(run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await db.held(app.owner.account_id) == 100:  # noqa: ASYNC110 - another's work
            await asyncio.sleep(0.001)
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    runs: list[Any] = []
    for _ in range(2):
        await db.execute("UPDATE reconciliation SET heartbeat_at = now() - interval '1 hour'")
        runs.append(await new_reconciliation(store))
    await asyncio.gather(*(reconcile(store, each) for each in runs))
    assert await db.held(app.owner.account_id) == 40
    done = (await store.read_reconciliations(Everything(), Window(10))).items
    assert sum(each.charged_missing for each in done) == 60
    await assert_corrections_add_up()
    await db.assert_audit_holds()


async def test_lines_of_several_pages_and_accounts_are_all_checked(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile_imported, "MOST_LINES", 7)
    monkeypatch.setattr(reconcile_imported, "MOST_CORRECTED", 2)
    await imported(app, lines_of(20, charged="0"))
    await imported(app, lines_of(11, email="sibling@example.com", charged="1"))
    done = await run()
    assert (done.sends_checked, done.charged_missing) == (31, 20)


async def test_only_lines_since_a_time_are_checked(app: App) -> None:
    text = lines_of(3, charged="0") + "owner@example.com,2026-03-01T00:00:00Z,5,0,late\n"
    await imported(app, text)
    since = datetime.fromisoformat("2026-03-01T00:00:00Z")
    done = await run(since=since)
    assert (done.sends_checked, done.charged_missing) == (1, 5)
    assert (await run(since=since + timedelta(days=1))).sends_checked == 0
    assert (await run()).charged_missing == 3


async def test_a_sheet_with_hidden_rows_is_refused_so_that_nothing_is_left_out(app: App) -> None:
    book = Workbook()
    for row in (["a"], ["b"], ["c"]):
        book.active.append(row)
    book.active.row_dimensions[2].hidden = True
    with pytest.raises(
        InvalidFile, match=r"“Sheet” has hidden rows \(1\)\. Show them or delete them"
    ):
        await import_text(app, saved(book), logs, COLUMNS)
