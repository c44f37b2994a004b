"""Opening balances of another system: whole units, posted once, from outside."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import InvalidFile, InvalidInput
from domain.identity.access import Role
from domain.imports import importing
from domain.imports.balances import COLUMNS, BalanceImport
from domain.imports.table import Table
from domain.ledger import book
from domain.ledger.balances import BalanceView
from domain.ledger.imported import opening_balance_of
from domain.pages import Window
from persistence import store
from tests import db, people
from tests.imports.files import Result, add_users, import_text
from tests.installations import App, running_app
from tests.ledger.cutting_proxy import Moment, proxy_to
from tests.ledger.upstream import pool_of

FILE = """client_email,balance,reference
owner@example.com,1000,b-1
Sibling@Example.com,500.00,b-2
loner@example.com,0,b-3
"""


def importer(table: Table) -> BalanceImport:
    return BalanceImport(store, table)


async def imported(app: App, text: str) -> Result:
    return await import_text(app, text, importer, COLUMNS)


async def test_balances_are_posted_once_as_opening_transfers(app: App) -> None:
    before = await pool_of(app.pool)
    assert (await imported(app, FILE)).changed == 3
    assert (await imported(app, FILE)).changed == 0
    held = [await db.held(each.account_id) for each in (app.owner, app.sibling, app.loner)]
    assert held == [1_100, 520, 7]
    assert await pool_of(app.pool) == before + 1_500
    page = await store.read_statement(BalanceView(client_id=app.owner.client_id), Window(1))
    assert [(line.kind, line.amount, line.note) for line in page.items] == [
        ("OPENING", 1_000, "b-1")
    ]
    await db.assert_audit_holds()


async def test_balances_that_are_too_much_together_name_their_lines(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PAGE", 1)
    monkeypatch.setattr(book, "LARGEST_UNITS", 2_000)
    with pytest.raises(InvalidFile, match=r"Lines 3 to 3 cannot be imported: A balance cannot ex"):
        await imported(app, FILE.splitlines()[0] + "\nowner@example.com,1000,a" * 2 + "b\n")
    await db.assert_audit_holds()


async def test_imports_at_once_post_each_balance_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PAGE", 2)
    results = await asyncio.gather(*(imported(app, FILE) for _ in range(4)))
    assert sum(each.changed for each in results) == 3
    assert await db.held(app.owner.account_id) == 1_100
    await db.assert_audit_holds()


@pytest.mark.parametrize("moment", Moment)
async def test_a_balance_whose_commit_was_lost_is_posted_once(
    database_url: str, moment: Moment
) -> None:
    async with proxy_to(database_url) as proxy, running_app(proxy.url) as app:
        await add_users(app)
        proxy.cut_at("COMMIT", moment)
        await imported(app, FILE)
        assert proxy.cuts == 1
        assert await db.held(app.owner.account_id) == 1_100
        assert await db.held(app.sibling.account_id) == 520


async def test_a_client_can_have_several_balances_with_different_references(app: App) -> None:
    text = "client_email,balance\nowner@example.com,5\n"
    assert (await imported(app, text)).changed == 1
    assert (await imported(app, text)).changed == 0, "without a reference there is one per client"
    other = await imported(app, text.replace("5", "6"))
    assert other.messages[0].startswith(
        "This client has an imported balance of 5 with the reference opening balance."
    )
    twice = await imported(app, text + "OWNER@example.com,5\n")
    assert twice.messages == ["This repeats line 2. Remove one of the two."]
    assert (await imported(app, FILE)).changed == 3
    assert await db.held(app.owner.account_id) == 1_105


async def test_wrong_balances_are_listed_and_none_is_posted(app: App) -> None:
    school = await db.add_school()
    await people.add_user("school@example.com", Role.CLIENT, client_id=school.client_id)
    result = await imported(
        app,
        FILE + "school@example.com,10,b-4\nnobody@example.com,10,b-5\nowner@example.com,-1,b-6\n",
    )
    assert result.lines == [5, 6, 7]
    assert result.messages[0].startswith("This client has its own provider account. Its balance")
    assert await db.held(app.owner.account_id) == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("999.97", "balance must be whole units. Round 999.97 up to 1000."),
        ("-30", "balance cannot be below zero. Write 0, and settle the debt outside of Ibiki."),
        ("1.500", "balance must have no separators: 1.500 is another number in other countries."),
        ("1,500", "balance must be a number such as 1500 or 0.03"),
        ("lots", "balance must be a number such as 1500 or 0.03"),
        ("", "balance must be a number such as 1500 or 0.03"),
        ("9007199254740993", "balance must be a number such as"),
    ],
)
def test_a_balance_that_is_not_whole_units_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        opening_balance_of(balance=text, reference="b")
    assert str(refused.value).startswith(message)
