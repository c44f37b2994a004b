"""Contacts from a file: made, changed, left as they are, or told why not."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from domain.errors import InvalidFile
from domain.inbox.contact_import import ContactColumns, contact_columns_of
from persistence.inbox import contacts
from resolvers import ids
from resolvers.ids import Kind
from tests import worlds
from tests.installations import App
from tests.sending.files.files import csv_file, layout, uploaded

IMPORT = """mutation ($input: ImportContactsInput!) { importContacts(input: $input) { __typename
    ... on ContactsImported { created updated rejected { input position reason } }
    ... on InvalidFile { line } ... on UserError { message } } }"""
SEARCH = """query ($search: String) { contacts(first: 100, search: $search) {
    nodes { number name business optedOut } } }"""
PEOPLE = """Name;Phone;Company
Ada;2025550120;Acme
=cmd|' /C calc'!A0;2025550121;
Ada again;+1 202 555 0120;
Nobody;12;
;2025550122;
"""


async def ask(app: App, content: bytes, who: str = "owner") -> Any:
    """What importContacts of this file comes to."""
    upload = await uploaded(app.installation, app.actor(who), content)
    upload_id = ids.encode(Kind.UPLOAD, upload.id)
    return await app.answer(who, IMPORT, input={"uploadId": upload_id})


async def found(app: App, search: str | None = None, who: str = "owner") -> Any:
    """Number, name and business of contacts, the first first."""
    nodes = (await app.answer(who, SEARCH, search=search))["nodes"]
    return sorted((each["number"], each["name"], each["business"]) for each in nodes)


async def test_rows_become_contacts_and_the_others_are_listed_by_line(
    app: App,
) -> None:
    told = await ask(app, PEOPLE.encode("utf-16"))
    assert told == {
        "__typename": "ContactsImported",
        "created": 3,
        "updated": 0,
        "rejected": [
            {"input": "+1 202 555 0120", "position": 4, "reason": "DUPLICATE"},
            {"input": "12", "position": 5, "reason": "INVALID"},
        ],
    }
    formula = "=cmd|' /C calc'!A0"  # kept as it came: made safe where tables are written
    assert await found(app) == [
        ("+12025550120", "Ada", "Acme"),
        ("+12025550121", formula, None),
        ("+12025550122", None, None),
    ]
    assert await found(app, "ada") == [("+12025550120", "Ada", "Acme")]
    assert await found(app, "acm") == [("+12025550120", "Ada", "Acme")]
    assert await found(app, who="sibling") == []


async def test_what_is_imported_again_changes_nothing(app: App) -> None:
    await ask(app, PEOPLE.encode())
    told = await ask(app, PEOPLE.encode())
    assert (told["created"], told["updated"]) == (0, 0)


async def test_an_empty_cell_leaves_what_is_there(app: App) -> None:
    await ask(app, b"phone,name,business\n2025550120,Ada,Acme\n2025550121,Bob,Bits\n")
    told = await ask(app, b"phone,name,business\n2025550120,,Coop\n2025550121,Bob,\n")
    assert (told["created"], told["updated"]) == (0, 1)
    assert await found(app) == [
        ("+12025550120", "Ada", "Coop"),
        ("+12025550121", "Bob", "Bits"),
    ]


async def test_an_opt_out_survives_an_import(app: App) -> None:
    await worlds.execute(
        "INSERT INTO opt_out (client_id, number, source) VALUES ($1, $2, 'KEYWORD')",
        app.owner.client_id,
        "+12025550120",
    )
    await ask(app, b"phone,name\n2025550120,Ada\n")
    [node] = (await app.answer("owner", SEARCH))["nodes"]
    assert node["optedOut"] is True


async def test_a_name_that_cannot_be_kept_is_listed(app: App) -> None:
    rows = [["phone", "name"], ["2025550120", "x" * 201], ["2025550121", "A\x07"]]
    rows += [["2025550122", "two\nlines"]]
    told = await ask(app, csv_file(rows))
    assert [each["position"] for each in told["rejected"]] == [2, 3]
    assert await found(app) == [("+12025550122", "two lines", None)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("phone,name", ContactColumns(0, [1], None)),
        ("phone,Last name,First name,School", ContactColumns(0, [2, 1], 3)),
        ("phone,company name,contact", ContactColumns(0, [2], 1)),
        ("phone,Surname,Forename", ContactColumns(0, [2, 1], None)),
        ("phone,note", ContactColumns(0, [], None)),
        ("2025550121,x,y", ContactColumns(0, [1], 2)),
        ("2025550121", ContactColumns(0, [], None)),
    ],
)
def test_the_columns_are_told_by_their_names(header: str, expected: ContactColumns) -> None:
    row = ",".join(["2025550120", *["x"] * header.count(",")])
    assert contact_columns_of(layout(f"{header}\n{row}\n".encode())) == expected


def test_a_file_without_numbers_is_refused() -> None:
    with pytest.raises(InvalidFile, match="It has: name, note"):
        contact_columns_of(layout(b"name,note\nAda,x\n"))


async def test_too_many_are_refused(app: App) -> None:
    told = await ask(app, b"phone\n" + b"2025550120\n" * 301)
    assert told["__typename"] == "InvalidFile"
    assert "At most 300" in told["message"]


async def test_a_failure_half_way_leaves_nothing(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MOST_AT_ONCE", 2)
    await worlds.execute("ALTER TABLE contact ADD CHECK (number <> '+12025550122') NOT VALID")
    upload = await uploaded(app.installation, app.actor("owner"), PEOPLE.encode())
    given = {"uploadId": ids.encode(Kind.UPLOAD, upload.id)}
    assert await app.code("owner", IMPORT, input=given) == "INTERNAL"
    assert await worlds.fetch("SELECT FROM contact") == []
    await worlds.execute("ALTER TABLE contact DROP CONSTRAINT contact_number_check")
    assert (await app.answer("owner", IMPORT, input=given))["created"] == 3


async def test_two_imports_of_the_same_numbers_do_not_cross(app: App, database_url: str) -> None:
    """The second waits for the first, whatever the order of their rows, and makes nothing twice."""
    numbers = worlds.generated_numbers(200)
    first = csv_file([["phone", "name"], *([each, "A"] for each in numbers)])
    second = csv_file([["phone", "name"], *([each, "A"] for each in reversed(numbers))])
    upload = await uploaded(app.installation, app.actor("owner"), first)
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute(
                "INSERT INTO contact (id, client_id, number) VALUES (gen_random_uuid(), $1, $2)",
                app.owner.client_id,
                numbers[100],
            )
        told = await app.answer(
            "owner", IMPORT, input={"uploadId": ids.encode(Kind.UPLOAD, upload.id)}
        )
        assert (told["created"], told["updated"]) == (199, 1)
    finally:
        await other.close()
    again = await ask(app, second)
    assert (again["created"], again["updated"]) == (0, 0)
