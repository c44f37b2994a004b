"""Contacts and opt-outs of many clients from one file, by the rules of the API."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from domain.errors import InvalidFile
from domain.imports import importing
from domain.imports.contacts import ContactImport, OptOutImport
from domain.imports.table import Table
from domain.imports.tenants import EMAIL
from persistence import store
from tests import db, people
from tests.imports.files import Result, import_text
from tests.installations import App
from tests.locks import blocked, holding

PEOPLE = """client_email,Name,Mobile,Company
owner@example.com,Ada,202 555 0120,Acme
sibling@example.com,Bo,2025550120,
owner@example.com,,(202) 555-0121,
owner@example.com,Ada Lovelace,+1 202 555 0120,
"""
STOPPED = """client_email;phone
owner@example.com;2025550120
owner@example.com;+12025550120
sibling@example.com;2025550121
"""


async def contacts(
    app: App, text: str, *, client_id: UUID | None = None, column: str | None = None
) -> Result:
    def importer(table: Table) -> ContactImport:
        return ContactImport(store, people.NORMALISER, table, client_id=client_id, column=column)

    return await import_text(app, text, importer, () if client_id else (EMAIL,))


async def opt_outs(
    app: App, text: str, *, client_id: UUID | None = None, column: str | None = None
) -> Result:
    def importer(table: Table) -> OptOutImport:
        return OptOutImport(store, people.NORMALISER, table, client_id=client_id, column=column)

    return await import_text(app, text, importer, () if client_id else (EMAIL,))


async def stored(tenant: db.Tenant) -> list[tuple[str, str | None, str | None]]:
    """The contacts of a client, in order of number."""
    rows = await db.fetch(
        "SELECT number, name, business FROM contact WHERE client_id = $1 ORDER BY number",
        tenant.client_id,
    )
    return [(row["number"], row["name"], row["business"]) for row in rows]


@pytest.mark.parametrize("size", [1, 100])
async def test_contacts_are_of_the_client_of_their_line(
    app: App, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(importing, "PAGE", size)
    for _ in range(2):
        await contacts(app, PEOPLE)
        assert await stored(app.owner) == [
            ("+12025550120", "Ada Lovelace", "Acme"),
            ("+12025550121", None, None),
        ]
        assert await stored(app.sibling) == [("+12025550120", "Bo", None)]


async def test_contacts_of_one_client_need_no_emails(app: App) -> None:
    text = "Ann,2025550123\nBob,2025550124\n"
    assert (await contacts(app, text, client_id=app.loner.client_id)).changed == 2
    assert await stored(app.loner) == [("+12025550123", "Ann", None), ("+12025550124", "Bob", None)]
    with pytest.raises(InvalidFile, match=r"The file has no column client_email. Add it, or name"):
        await contacts(app, text)


async def test_one_wrong_contact_and_none_is_imported(app: App) -> None:
    result = await contacts(
        app, PEOPLE + "owner@example.com,Eve,12,\nnobody@example.com,Eve,2025550125,\n"
    )
    assert result.lines == [6, 7]
    assert result.messages[0].startswith("This is not a valid phone number.")
    assert result.messages[1].startswith("No client has a user with the email nobody@example.com.")
    assert await stored(app.owner) == []


async def test_an_opt_out_is_of_its_client_and_cancels_what_is_queued(app: App) -> None:
    queued = await db.accept(app.owner, numbers=["+12025550120"])
    await db.execute(
        "INSERT INTO sent_to (number, client_id, message_id)"
        " SELECT number, client_id, id FROM message WHERE send_id = $1",
        queued.id,
    )
    assert (await opt_outs(app, STOPPED)).changed == 2
    assert (await opt_outs(app, STOPPED)).changed == 0
    assert await db.statuses(queued.id) == {"CANCELLED": 1}
    assert await db.held(app.owner.account_id) == 100
    rows = await db.fetch("SELECT client_id, number, source FROM opt_out ORDER BY number")
    assert [(row["client_id"], row["number"], row["source"]) for row in rows] == [
        (app.owner.client_id, "+12025550120", "PERSON"),
        (app.sibling.client_id, "+12025550121", "PERSON"),
    ]
    await db.assert_audit_holds()


async def test_an_opt_out_waits_for_the_feed_of_its_client(app: App) -> None:
    client_id = app.owner.client_id
    async with holding(lambda tx: store.share_feeds(tx, [client_id])):  # as capturing does
        importing_ = asyncio.create_task(opt_outs(app, STOPPED))
        await blocked(importing_)
    assert (await importing_).changed == 2


async def test_the_column_of_the_numbers_can_be_named(app: App) -> None:
    text = "Phone,Other phone number,Phone 2\n2025550120,1,2025550122\n"
    with pytest.raises(InvalidFile, match="Several columns may hold the phone numbers"):
        await opt_outs(app, text, client_id=app.owner.client_id)
    assert (await opt_outs(app, text, client_id=app.owner.client_id, column="phone 2")).changed == 1
    found = await store.find_opted_out(app.owner.client_id, ["+12025550120", "+12025550122"])
    assert found == {"+12025550122"}
    wrong = await opt_outs(app, text, client_id=app.owner.client_id, column="Other phone number")
    assert wrong.lines == [2]
