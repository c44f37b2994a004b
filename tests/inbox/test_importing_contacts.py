"""Contacts from a file: created, changed, unchanged or rejected."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain import ids
from domain.errors import InvalidFile
from domain.ids import Kind
from domain.inbox.contact_columns import contact_columns_of, used_columns
from domain.sending.files.headers import kind_of
from persistence.inbox import contacts
from tests import db
from tests.installations import App
from tests.locks import blocked, locked
from tests.sending.files.files import csv_file, layout, uploaded, xlsx

IMPORT = """mutation ($input: ImportContactsInput!) { importContacts(input: $input) { __typename
    ... on ContactsImported { created updated rejected { input position reason }
                              columns { numbers names business leftOut sheet } }
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


async def ask(app: App, content: bytes, who: str = "owner", **given: Any) -> Any:
    """The answer of importContacts for this file."""
    upload = await uploaded(app.installation, app.actor(who), content)
    upload_id = ids.encode(Kind.UPLOAD, upload.id)
    return await app.answer(who, IMPORT, input={"uploadId": upload_id, **given})


async def found(app: App, search: str | None = None, who: str = "owner") -> Any:
    """The number, name and business of contacts, in order of number."""
    nodes = (await app.answer(who, SEARCH, search=search))["nodes"]
    return sorted((each["number"], each["name"], each["business"]) for each in nodes)


async def test_rows_become_contacts_and_the_others_are_listed_by_line(app: App) -> None:
    answer = await ask(app, PEOPLE.encode("utf-16"))
    assert answer == {
        "__typename": "ContactsImported",
        "created": 3,
        "updated": 0,
        "rejected": [
            {"input": "+1 202 555 0120", "position": 4, "reason": "DUPLICATE"},
            {"input": "12", "position": 5, "reason": "INVALID"},
        ],
        "columns": {
            "numbers": ["Phone"],
            "names": ["Name"],
            "business": "Company",
            "leftOut": [],
            "sheet": None,
        },
    }
    formula = "=cmd|' /C calc'!A0"  # stored unchanged: exports make it safe
    assert await found(app) == [
        ("+12025550120", "Ada", "Acme"),
        ("+12025550121", formula, None),
        ("+12025550122", None, None),
    ]
    assert await found(app, "ada") == [("+12025550120", "Ada", "Acme")]
    assert await found(app, "acm") == [("+12025550120", "Ada", "Acme")]
    assert await found(app, who="sibling") == []


async def test_importing_a_file_again_changes_nothing(app: App) -> None:
    await ask(app, PEOPLE.encode())
    answer = await ask(app, PEOPLE.encode())
    assert (answer["created"], answer["updated"]) == (0, 0)


async def test_an_empty_cell_changes_nothing(app: App) -> None:
    await ask(app, b"phone,name,business\n2025550120,Ada,Acme\n2025550121,Bob,Bits\n")
    answer = await ask(app, b"phone,name,business\n2025550120,,Coop\n2025550121,Bob,\n")
    assert (answer["created"], answer["updated"]) == (0, 1)
    assert await found(app) == [("+12025550120", "Ada", "Coop"), ("+12025550121", "Bob", "Bits")]


async def test_an_opt_out_survives_an_import(app: App) -> None:
    await db.opt_out(app.owner.client_id, "+12025550120", source="KEYWORD")
    await ask(app, b"phone,name\n2025550120,Ada\n")
    [node] = (await app.answer("owner", SEARCH))["nodes"]
    assert node["optedOut"] is True


async def test_a_name_that_cannot_be_stored_is_listed(app: App) -> None:
    rows = [["phone", "name"], ["2025550120", "x" * 201], ["2025550121", "A\x07"]]
    rows += [["2025550122", "two\nlines"]]
    answer = await ask(app, csv_file(rows))
    assert [each["position"] for each in answer["rejected"]] == [2, 3]
    assert await found(app) == [("+12025550122", "two lines", None)]


@pytest.mark.parametrize(
    ("header", "numbers", "names", "business"),
    [
        ("phone,name", ["phone"], ["name"], None),
        ("phone,Last name,First name,School", ["phone"], ["First name", "Last name"], "School"),
        ("phone,company name,contact", ["phone"], ["contact"], "company name"),
        ("phone,Surname,Forename", ["phone"], ["Forename", "Surname"], None),
        ("phone,note", ["phone"], [], None),
        # Exact words before parts of words, and never an ID.
        ("Student ID,Student name,Parent phone", ["Parent phone"], ["Student name"], None),
        ("Parent name,Student name,Student phone", ["Student phone"], ["Student name"], None),
        ("Customer,Full name,Phone", ["Phone"], ["Full name"], None),
        (
            "Student first name,Student last name,Teacher last name,Phone",
            ["Phone"],
            ["Student first name", "Student last name"],
            None,
        ),
        ("Vorname,Name,Telefon", ["Telefon"], ["Vorname", "Name"], None),
        ("Nom,Prénom,Portable", ["Portable"], ["Prénom", "Nom"], None),
        ("Nom,Portable", ["Portable"], ["Nom"], None),
        ("First Name,Name,Phone", ["Phone"], ["Name"], None),
        ("User name,Middle name,Phone", ["Phone"], [], None),
        # The business is the company, and never a phone.
        (
            "Name,Business Phone,Mobile Phone,Company",
            ["Mobile Phone", "Business Phone"],
            ["Name"],
            "Company",
        ),
        (
            "Vorname,Nachname,Fax geschäftlich,Telefon geschäftlich,Mobiltelefon,Firma",
            ["Mobiltelefon", "Telefon geschäftlich"],
            ["Vorname", "Nachname"],
            "Firma",
        ),
        (
            "First Name,Last Name,Phone 1 - Label,Phone 1 - Value,Phone 2 - Value,Organization",
            ["Phone 1 - Value", "Phone 2 - Value"],
            ["First Name", "Last Name"],
            "Organization",
        ),
        ("Name,Mobile,Emergency phone,Number", ["Mobile"], ["Name"], None),
        ("2025550121,x,y", ["column 1"], ["column 2"], "column 3"),
        ("2025550121", ["column 1"], [], None),
    ],
)
def test_the_columns_are_chosen_by_their_names(
    header: str, numbers: list[str], names: list[str], business: str | None
) -> None:
    cells = ["2025550120" if kind_of(name).value <= 6 else "x" for name in header.split(",")]
    cells = cells if "2025550121" not in header else ["2025550120", *cells[1:]]
    found = layout(f"{header}\n{','.join(cells)}\n".encode())
    used = used_columns(found, contact_columns_of(found))
    assert (used.numbers, used.names, used.business) == (numbers, names, business)


GOOGLE = """First Name,Last Name,Phone 1 - Label,Phone 1 - Value,Phone 2 - Label,Phone 2 - Value
Ada,Byron,Mobile,+1 202-555-0120 ::: 2025550121,Home,(202) 555-0122
Bob,Lee,Mobile,2025550123,Work,12
Cem,,,2025550120,,2025550124
Dan,,,,,
Eve,,Mobile,2025550125,Home,+1 202 555 0125
"""


async def test_every_number_of_a_person_is_a_contact(app: App) -> None:
    answer = await ask(app, GOOGLE.encode())
    assert await found(app) == [
        ("+12025550120", "Ada Byron", None),
        ("+12025550121", "Ada Byron", None),
        ("+12025550122", "Ada Byron", None),
        ("+12025550123", "Bob Lee", None),
        ("+12025550124", "Cem", None),
        ("+12025550125", "Eve", None),
    ]
    assert (answer["created"], answer["updated"]) == (6, 0)
    assert [(each["input"], each["position"], each["reason"]) for each in answer["rejected"]] == [
        ("12", 3, "INVALID"),
        ("2025550120", 4, "DUPLICATE"),
        ("", 5, "INVALID"),
    ]
    assert answer["columns"] == {
        "numbers": ["Phone 1 - Value", "Phone 2 - Value"],
        "names": ["First Name", "Last Name"],
        "business": None,
        "leftOut": [],
        "sheet": None,
    }


async def test_the_answer_names_the_numbers_that_were_left_out(app: App) -> None:
    content = b"Name,Mobile,Home Phone,Business Fax\nAda,2025550120,2025550121,2025550122\n"
    answer = await ask(app, content)
    assert answer["created"] == 2
    assert answer["columns"]["leftOut"] == ["Business Fax"]
    answer = await ask(app, content, column="home phone")
    assert answer["columns"]["numbers"] == ["Home Phone"]
    assert answer["columns"]["leftOut"] == ["Mobile", "Business Fax"]
    answer = await ask(app, content, column="x")
    assert answer["__typename"] == "InvalidFile"
    assert "no column “x”" in answer["message"]


async def test_a_named_column_is_the_only_one_that_is_read(app: App) -> None:
    content = b"who,whereto,Mobile\nAda,2025550120,2025550121\n"
    assert (await ask(app, content, column="Whereto"))["created"] == 1
    assert await found(app) == [("+12025550120", None, None)]


async def test_contacts_come_from_a_spreadsheet(app: App) -> None:
    answer = await ask(app, xlsx([["Name", "Mobile"], ["Zoë", 2025550120], [], ["Bob", 12]]))
    assert (answer["created"], answer["columns"]["sheet"]) == (1, "Sheet")
    assert answer["rejected"][0]["position"] == 4
    assert await found(app) == [("+12025550120", "Zoë", None)]


def test_a_file_without_numbers_is_refused() -> None:
    with pytest.raises(InvalidFile, match="The file has: name, note"):
        contact_columns_of(layout(b"name,note\nAda,x\n"))


async def test_too_many_rows_are_refused(app: App) -> None:
    answer = await ask(app, b"phone\n" + b"2025550120\n" * 301)
    assert answer["__typename"] == "InvalidFile"
    assert "At most 300" in answer["message"]


async def test_a_failure_leaves_nothing(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contacts, "MOST_AT_ONCE", 2)
    await db.execute("ALTER TABLE contact ADD CHECK (number <> '+12025550122') NOT VALID")
    upload = await uploaded(app.installation, app.actor("owner"), PEOPLE.encode())
    given = {"uploadId": ids.encode(Kind.UPLOAD, upload.id)}
    assert await app.code("owner", IMPORT, input=given) == "INTERNAL"
    assert await db.fetch("SELECT FROM contact") == []
    await db.execute("ALTER TABLE contact DROP CONSTRAINT contact_number_check")
    assert (await app.answer("owner", IMPORT, input=given))["created"] == 3


async def test_two_imports_of_the_same_numbers_do_not_deadlock(app: App, database_url: str) -> None:
    """The second waits for the first, and creates nothing twice."""
    numbers = db.generated_numbers(200)
    first = csv_file([["phone", "name"], *([each, "A"] for each in numbers)])
    second = csv_file([["phone", "name"], *([each, "A"] for each in reversed(numbers))])
    upload = await uploaded(app.installation, app.actor("owner"), first)
    add = "INSERT INTO contact (id, client_id, number) VALUES (gen_random_uuid(), $1, $2)"
    given = {"uploadId": ids.encode(Kind.UPLOAD, upload.id)}
    async with locked(database_url, add, app.owner.client_id, numbers[100]):
        importing = asyncio.create_task(app.answer("owner", IMPORT, input=given))
        await blocked(importing)
    done = await importing
    assert (done["created"], done["updated"]) == (199, 1)
    again = await ask(app, second)
    assert (again["created"], again["updated"]) == (0, 0)
