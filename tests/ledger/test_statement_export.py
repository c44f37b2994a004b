"""A statement as a file: every transfer once, with sums that agree with the ledger."""

from __future__ import annotations

import asyncio
import csv
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import ids
from domain.errors import InvalidInput
from domain.ids import Kind, new_id
from domain.ledger import statement_export
from domain.ledger.book import Purpose, TransferKind
from domain.ledger.statement import StatementFilter, StatementLine
from domain.ledger.statement_export import export_statement, period_of
from domain.times import end_of, moment_of
from ibiki.http.exports import STATEMENT_COLUMNS, Exports
from persistence import store
from tests import db
from tests.end_to_end.program import clean_environment, run
from tests.ibiki.http_server import running_server
from tests.installations import App, KnownUsers
from tests.ledger.test_statement_read import Move, moves, play
from tests.ledger.upstream import Upstream, synced

ALL = StatementFilter()


@pytest.fixture
async def connected(database_url: str) -> AsyncIterator[str]:
    async with db.connected(database_url):
        yield database_url


async def exported(client: db.Tenant, period: StatementFilter = ALL) -> list[StatementLine]:
    """All lines of the client's statement."""
    pages = export_statement(store, db.ADMIN, client.client_id, period)
    return [line async for page in pages for line in page]


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(moves, max_size=40), size=st.integers(1, 7))
async def test_the_sums_of_a_statement_are_those_of_the_ledger(
    connected: str, history: list[Move], size: int
) -> None:
    pool = await db.add_pool(default=False)
    group = await db.add_group(pool)
    clients = [await db.add_client(pool, group=group, held=0) for _ in range(2)]
    accounts = [each.account_id for each in clients]
    await play([pool.account_id, group.account_id, *accounts], history)
    for client in clients:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(statement_export, "PAGE", size)
            lines = await exported(client)
        assert [line.version for line in lines] == list(range(1, len(lines) + 1))
        balance = 0
        for line in lines:
            balance += line.amount
            assert line.balance_after == balance
        assert balance == await db.held(client.account_id)


async def test_the_lines_of_a_period_lie_between_its_balances(connected: str) -> None:
    client = await db.add_client(held=100)
    for count in (1, 2, 3, 4):
        await db.accept(client, count)
    lines = await exported(client)
    period = StatementFilter(created_after=lines[1].created_at, created_before=lines[3].created_at)
    part = await exported(client, period)
    assert part == lines[1:3]
    assert lines[0].balance_after + sum(line.amount for line in part) == part[-1].balance_after
    assert await exported(client, StatementFilter(created_after=soon(lines))) == []


def soon(lines: Sequence[StatementLine]) -> Any:
    """A time after all lines."""
    return lines[-1].created_at + timedelta(hours=1)


async def test_lines_that_are_added_meanwhile_are_left_out(
    connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_export, "PAGE", 1)
    client = await db.add_client(held=100)
    await db.accept(client)
    amounts = []
    async for page in export_statement(store, db.ADMIN, client.client_id, ALL):
        amounts += [line.amount for line in page]
        await db.accept(client)
    assert amounts == [100, -1]


# Periods


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026-11-30", "2026-11-30T00:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        ("2026-11-30T08:30:00Z", "2026-11-30T08:30:00+00:00", "2026-11-30T08:30:00+00:00"),
        ("2026-11-30T08:30:00+03:00", "2026-11-30T05:30:00+00:00", "2026-11-30T05:30:00+00:00"),
        ("2026-11-30T08:30:00 03:00", "2026-11-30T05:30:00+00:00", "2026-11-30T05:30:00+00:00"),
        ("9999-12-31", "9999-12-31T00:00:00+00:00", "9999-12-31T23:59:59.999998+00:00"),
        (" 2026-11-30 08:30 ", "2026-11-30T08:30:00+00:00", "2026-11-30T08:30:00+00:00"),
    ],
)
def test_a_period_has_dates_or_times(text: str, begins: str, ends: str) -> None:
    assert moment_of(text, field="from").isoformat() == begins
    assert end_of(text, field="to").isoformat() == ends


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-02-30",
        "30.11.2026",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "\0",
        "1712121200000",
        "20261130",
        "2026-W48",
        "1" * 100,
    ],
)
def test_a_text_that_is_not_a_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^to must be a date such as 2026-11-30, or a time"):
        end_of(text, field="to")


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidInput, match="from must be earlier than to"):
        period_of("2026-11-30", "2026-11-29")
    assert period_of("2026-11-30", "2026-11-30").created_before is not None


# The endpoint


@asynccontextmanager
async def asking(app: App) -> AsyncIterator[Any]:
    """Asks for the statement of a client as the user with this name."""
    async with running_server(routes=Exports(store, KnownUsers(app)).routes()) as made:

        async def ask(who: str | None, client_id: str, query: str = "") -> Any:
            headers = {"authorization": f"Bearer {who}"} if who else {}
            return await made.http.get(f"/statements/{client_id}.csv{query}", headers=headers)

        yield ask


def id_of(client: db.Tenant) -> str:
    """The ID of the client as the API shows it."""
    return ids.encode(Kind.CLIENT, client.client_id)


async def test_the_file_has_a_line_for_each_transfer(app: App) -> None:
    await db.accept(app.owner, 3)
    async with asking(app) as ask:
        answer = await ask("owner", id_of(app.owner))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"statement-{id_of(app.owner)}.csv" in answer.headers["content-disposition"]
    opening, sent = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert tuple(sent) == STATEMENT_COLUMNS
    assert (opening["kind"], opening["amount"], opening["balance"]) == ("OPENING", "100", "100")
    assert (sent["kind"], sent["amount"], sent["balance"]) == ("SEND", "-3", "97")
    assert (sent["description"], sent["unit"]) == ("Sent 3 messages", "credit")
    assert sent["created_at"].endswith("+00:00")


async def test_no_cell_of_a_statement_is_a_formula(app: App) -> None:
    async with store.transaction() as tx:
        book = await store.lock_accounts(tx, [app.owner.account_id, app.pool.account_id])
        book.post(
            TransferKind.ALLOCATION,
            5,
            source=book.holdings[app.owner.account_id],
            destination=book.holdings[app.pool.account_id],
            purpose=Purpose(note="=HYPERLINK()"),
        )
        await store.write_book(tx, book)
    async with asking(app) as ask:
        answer = await ask("owner", id_of(app.owner))
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    cells = [cell for row in rows for cell in row]
    assert "-5" in cells, "a negative number is a number"
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@")) and cell != "-5"] == []


async def test_the_account_of_a_client_has_its_balance_checks(app: App) -> None:
    school = await db.add_school(held=1_000)
    for reading in (2_000, 1_500):
        await synced(school.pool, Upstream(reading))
    async with asking(app) as ask:
        answer = await ask("admin", id_of(school))
    *_, check = csv.DictReader(io.StringIO(answer.text))
    assert (check["kind"], check["amount"], check["balance"]) == ("SYNC", "-500", "1500")
    assert (check["description"], check["unit"]) == ("Balance check", "UGX")


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("owner", 200),
        ("direct", 200),
        ("admin", 200),
        ("supervisor", 200),
        ("other_supervisor", 404),
        ("sibling", 404),
        ("loner", 404),
        (None, 401),
        ("stranger", 401),
        ("unavailable", 503),
    ],
)
async def test_a_statement_is_for_those_who_see_the_balance(
    app: App, who: str | None, status: int
) -> None:
    async with asking(app) as ask:
        answer = await ask(who, id_of(app.owner))
        unknown = await ask(who, ids.encode(Kind.CLIENT, new_id()))
    assert answer.status_code == status
    assert unknown.status_code == (404 if status == 200 else status)
    if status == 404:
        assert answer.json() == unknown.json(), "another client's is like one that does not exist"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?from=soon", "from must be a date such as"),
        ("?to=soon", "to must be a date such as"),
        ("?from=2026-11-30&to=2026-11-01", "from must be earlier than to."),
        ("?since=2026-11-30", "since is unknown: use from or to."),
    ],
)
async def test_a_wrong_period_is_refused(app: App, query: str, message: str) -> None:
    async with asking(app) as ask:
        answer = await ask("owner", id_of(app.owner), query)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
        assert error["message"].startswith(message)
        assert (await ask("owner", "nonsense")).status_code == 404
        empty = await ask("owner", id_of(app.owner), "?to=2001-01-01")
        assert empty.text.splitlines() == [",".join(STATEMENT_COLUMNS)]


# The command


async def test_the_command_prints_text_and_the_same_csv(
    app: App, database_url: str, tmp_path: Path
) -> None:
    await db.accept(app.owner, 3)

    async def ibiki(*arguments: str) -> Any:
        given = {"DATABASE_URL": database_url, "IBIKI_DATA": str(tmp_path)}
        return await asyncio.to_thread(run, "statement", *arguments, **given)

    text = await ibiki("acme")
    assert (text.returncode, text.stderr) == (0, "")
    _, opening, sent = text.stdout.splitlines()
    assert sent.split()[2:] == ["-3", "97", "Sent", "3", "messages"]
    assert opening.split()[2:] == ["+100", "100", "Opening", "balance"]
    async with asking(app) as ask:
        expected = await ask("admin", id_of(app.owner))
    in_csv = await ibiki(id_of(app.owner), "--csv", "--from", "2020-01-01")
    assert in_csv.stdout.splitlines() == expected.text.splitlines()
    missing = await ibiki("nobody")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("No client “nobody”. Give the name of the client, its ID")
    wrong = await ibiki("acme", "--to", "soon")
    assert (wrong.returncode, wrong.stderr[:24]) == (2, "--to must be a date such")
    await db.add_client(app.pool, name="ACME")
    several = await ibiki("Acme")
    assert several.stderr.startswith("2 clients are called “Acme”. Give one of their IDs: cli_")


async def test_a_reader_that_ends_early_is_not_a_defect(
    connected: str, database_url: str, tmp_path: Path
) -> None:
    client = await db.add_client(name="Acme")
    await play([client.account_id], [Move(TransferKind.OPENING, None, 0, 1)] * 3_000)
    command = f"{sys.executable} -m ibiki statement acme --csv | head -n 1"
    ended = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", command],
        env=clean_environment() | {"DATABASE_URL": database_url, "IBIKI_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.splitlines() == [",".join(STATEMENT_COLUMNS)]
    assert ended.stderr == ""
