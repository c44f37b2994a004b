"""ClientImport of another system: each with a user, in its group, added once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from domain.errors import InvalidCredentials
from domain.identity.access import Everything
from domain.identity.directory import Client
from domain.imports import clients
from domain.imports.clients import COLUMNS, ClientImport
from domain.imports.legacy_logs import LegacyLogImport
from domain.imports.table import Table
from persistence import store
from tests import db, people
from tests.imports.files import Result, import_text
from tests.installations import App

FILE = """name,email,business,group,rate_usd,status,password
Bakery,bakery@example.com,The Bakery,North,0.03,,correct horse battery
Dentist,Dentist@example.com,,north,,dormant,
Bakery,other@example.com,,MG888,,active,
"""


def importer(table: Table) -> ClientImport:
    return ClientImport(store, people.PASSWORDS, people.NORMALISER, table)


async def imported(app: App, text: str) -> Result:
    return await import_text(app, text, importer, COLUMNS)


async def client_of(email: str) -> Client:
    """The client of a user."""
    user = await store.find_user_by_email(email)
    assert user is not None
    assert user.client_id is not None
    return (await store.find_clients(Everything(), [user.client_id]))[user.client_id]


async def test_clients_are_added_once_with_their_users_and_groups(app: App) -> None:
    assert (await imported(app, FILE)).changed == 3
    assert (await imported(app, FILE)).changed == 0
    bakery, dentist = await client_of("bakery@example.com"), await client_of("dentist@example.com")
    assert (bakery.name, bakery.business, bakery.status) == ("Bakery", "The Bakery", "ACTIVE")
    assert (bakery.rate_per_unit_usd, dentist.status) == (Decimal("0.03"), "DORMANT")
    groups = {group.name: group.id for group in await store.list_groups()}
    assert sorted(groups) == ["MG888", "North", "Others"]
    assert bakery.group_id == dentist.group_id == groups["North"]
    assert (await client_of("other@example.com")).group_id == app.group.id
    assert await db.held(bakery.account_id) == 0
    await db.assert_audit_holds()


async def test_letters_whose_lower_case_differs_between_programs_are_found_again(app: App) -> None:
    # Python lowers this letter to two characters, PostgreSQL to one.
    text = "name,email\nIzmir,İzmir@example.com\n"
    assert (await imported(app, text)).changed == 1
    assert (await imported(app, text)).changed == 0
    log = "client_email,created_at,message_count,charged,reference\n"
    log += "İzmir@example.com,2026-01-05,1,1,a\n"
    assert (await import_text(app, log, partial(LegacyLogImport, store))).changed == 1


async def signed_in(email: str, password: str) -> Any:
    return await people.new_sessions().sign_in(email, password, address=people.ADDRESS)


async def test_a_user_signs_in_only_with_the_password_of_the_file(app: App) -> None:
    await imported(app, FILE)
    assert await signed_in("bakery@example.com", people.PASSWORD)
    for password in ("", "!", people.PASSWORD):
        with pytest.raises(InvalidCredentials):
            await signed_in("dentist@example.com", password)


async def test_imports_at_once_add_each_client_and_group_once(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MOST_AT_ONCE", 1)
    results = await asyncio.gather(*(imported(app, FILE) for _ in range(3)))
    assert sum(each.changed for each in results) == 3
    assert len(await store.list_groups()) == 3


async def test_wrong_lines_are_listed_and_no_client_is_added(app: App) -> None:
    await people.add_user("admin@example.com")
    await db.add_group(app.pool, name="mg888")
    before = await db.fetch("SELECT count(*) FROM client")
    result = await imported(
        app,
        FILE
        + "Acme,owner@example.com,,,,,\n"
        + "Acme two,owner@example.com,,,,,\n"
        + "Boss,admin@example.com,,,,,\n"
        + "Baker,BAKERY@example.com,,,,,\n"
        + ",empty@example.com,,,,,\n"
        + "X,x@example.com,,,three,,\n"
        + "Y,y@example.com,,,,closed,\n"
        + "Z,z@example.com,,,,,short\n",
    )
    assert dict(zip(result.lines, result.messages, strict=True)) == {
        4: "Several groups are called MG888. Rename all but one of them.",
        6: "The email owner@example.com belongs to the client Acme. Use another email, or remove"
        " the line.",
        7: "The email admin@example.com belongs to a user with the role ADMIN. Use another email,"
        " or remove the line.",
        9: "A name cannot be empty.",
        10: "rate_usd must be a number such as 1500 or 0.03: digits, a point before at most six"
        " decimals, no other separators, no currency, not below zero.",
        11: "status must be ACTIVE, DORMANT or SUSPENDED. Empty is ACTIVE.",
        12: "A password has 8 to 1024 characters.",
        8: "This repeats line 2. Remove one of the two.",
    }
    assert await db.fetch("SELECT count(*) FROM client") == before
