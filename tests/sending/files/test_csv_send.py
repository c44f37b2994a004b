"""Sending to the rows of a file: who gets what, and why others get nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from resolvers import ids
from resolvers.ids import Kind
from tests import worlds
from tests.installations import App
from tests.sending.files.files import csv_file, uploaded

SEND = """mutation ($input: CsvSendInput!) { csvSend(input: $input) { __typename
    ... on Send { id accepted charged rejectedCount rejected { input position reason } }
    ... on NoValidRecipients { rejected { input position reason } }
    ... on InvalidFile { line } ... on TooManyRecipients { limit }
    ... on InsufficientBalance { required available } ... on UserError { message } } }"""
PUPILS = b"""name,phone,note
Ada,+1 202 555 0120,=1+1
Bob,12,
Cem,2025550121,"two
lines"
Ada,(202) 555-0120,again
"""
UNKNOWN = "upl_00000000000000000000000001"


async def keep(app: App, content: bytes, who: str = "owner") -> str:
    upload = await uploaded(app.installation, app.actor(who), content)
    return ids.encode(Kind.UPLOAD, upload.id)


async def ask(app: App, content: bytes, who: str = "owner", **given: Any) -> Any:
    """What csvSend of this file comes to."""
    upload_id = await keep(app, content, who)
    return await app.answer(who, SEND, input={"uploadId": upload_id, **given})


async def sent() -> list[tuple[str, str]]:
    """Numbers and texts of all messages."""
    rows = await worlds.fetch(
        "SELECT number, coalesce(message.text, send.text) AS text FROM message"
        " JOIN send ON send.id = message.send_id ORDER BY message.id"
    )
    return [(row["number"], row["text"]) for row in rows]


async def test_one_text_goes_to_each_number_once(app: App) -> None:
    told = await ask(app, PUPILS, text="Good morning")
    assert (told["__typename"], told["accepted"], told["charged"]) == ("Send", 2, 2)
    assert told["rejected"] == [
        {"input": "12", "position": 3, "reason": "INVALID"},
        {"input": "(202) 555-0120", "position": 6, "reason": "DUPLICATE"},
    ]
    assert await sent() == [("+12025550120", "Good morning"), ("+12025550121", "Good morning")]
    [row] = await worlds.fetch("SELECT kind, text FROM send")
    assert row == {"kind": "CSV", "text": "Good morning"}
    await worlds.assert_audit_holds()


async def test_placeholders_make_a_text_for_each(app: App) -> None:
    told = await ask(app, PUPILS, text="{{Name}}: {{note}}.")
    assert (told["accepted"], told["rejectedCount"]) == (3, 1)
    assert await sent() == [
        ("+12025550120", "Ada: =1+1."),
        ("+12025550121", "Cem: two\nlines."),
        ("+12025550120", "Ada: again."),
    ]


async def test_texts_may_stand_in_a_column_and_numbers_in_one_that_is_named(
    app: App,
) -> None:
    rows = [["a", "b", "t"], ["2025550120", "2025550121", "One"], ["2025550122", "x", "Two"]]
    told = await ask(app, csv_file(rows), textColumn="T", column=" B ")
    assert (told["accepted"], told["rejected"][0]["input"]) == (1, "x")
    assert await sent() == [("+12025550121", "One")]


async def test_a_row_that_has_slipped_is_not_sent_to(app: App) -> None:
    content = b"phone,text\n2025550120,Hello, dear\n2025550121,Hi,, \n2025550122\n\n"
    told = await ask(app, content, text="Dear {{text}}")
    assert told["rejected"] == [
        {"input": "2025550120, Hello,  dear", "position": 2, "reason": "INVALID"}
    ]
    assert await sent() == [("+12025550121", "Dear Hi"), ("+12025550122", "Dear ")]


async def test_numbers_that_were_kept_from_a_spreadsheet_are_numbers(
    app: App,
) -> None:
    told = await ask(app, b"phone\n'+12025550120\n '2025550121\n''12\n", text="Hi")
    assert (told["accepted"], told["rejectedCount"]) == (2, 1)


async def test_a_tab_between_cells_does_not_join_them_to_a_number(app: App) -> None:
    told = await ask(app, b"a\tb\n2025550120\tx\n202555\t\t0121\n", text="Hi", column="a")
    assert (told["accepted"], told["rejectedCount"]) == (1, 1)


async def test_who_has_opted_out_is_listed_and_costs_nothing(app: App) -> None:
    await worlds.execute(
        "INSERT INTO opt_out (client_id, number, source) VALUES ($1, $2, 'KEYWORD')",
        app.owner.client_id,
        "+12025550121",
    )
    told = await ask(app, PUPILS, text="Hi")
    assert (told["accepted"], told["charged"]) == (1, 1)
    assert {"input": "2025550121", "position": 4, "reason": "OPTED_OUT"} in told["rejected"]


@pytest.mark.parametrize(
    ("content", "given", "name", "said"),
    [
        (PUPILS, {}, "InvalidText", "Give a text"),
        (PUPILS, {"text": "a", "textColumn": "note"}, "InvalidText", "and not both"),
        (PUPILS, {"text": " "}, "InvalidText", "The text is empty"),
        (PUPILS, {"text": "{{x}}"}, "InvalidText", "It has: name, phone, note"),
        (PUPILS, {"text": "a", "column": "x"}, "InvalidFile", "It has: name, phone, note"),
        (PUPILS, {"textColumn": "x"}, "InvalidFile", "It has: name, phone, note"),
        (PUPILS, {"text": "{{note}}" * 180}, "InvalidText", "Line 4: The text takes"),
        (PUPILS, {"text": "{{note}}" * 400}, "InvalidText", "placeholders included"),
        (b"phone,t\n2025550120,a\tb\n", {"textColumn": "t"}, "InvalidText", "Line 2: Character 2"),
        (b"phone,t\n2025550120,\n", {"textColumn": "t"}, "InvalidText", "Line 2: The text is emp"),
        (b"name\nAda\n", {"text": "a"}, "InvalidFile", "No column of the file holds phone"),
        (b"name,phone\nAda,12\n", {"text": "a"}, "NoValidRecipients", "None of"),
        (b"name\nAda\n", {"text": "a", "column": "name"}, "NoValidRecipients", "None of"),
        (b"phone\n" + b"2025550120\n" * 301, {"text": "a"}, "TooManyRecipients", "At most 300"),
    ],
)
async def test_what_cannot_be_sent_is_refused_whole(
    app: App, content: bytes, given: dict[str, str], name: str, said: str
) -> None:
    told = await ask(app, content, **given)
    assert told["__typename"] == name
    assert said in told["message"]
    assert await sent() == []
    assert await worlds.held(app.owner.account_id) == 100


async def test_a_text_is_not_asked_of_a_row_that_nothing_is_sent_to(app: App) -> None:
    told = await ask(app, b"phone,t\n2025550120,Hi\nnobody,\n", textColumn="t")
    assert (told["accepted"], told["rejectedCount"]) == (1, 1)


async def test_a_balance_that_is_too_small_charges_and_sends_nothing(
    app: App,
) -> None:
    rows = [["phone"]] + [[number] for number in worlds.generated_numbers(101)]
    told = await ask(app, csv_file(rows), text="Hi")
    assert (told["required"], told["available"]) == (101, 100)
    assert await sent() == []


async def test_the_same_key_replays_and_another_input_is_a_conflict(
    app: App,
) -> None:
    upload_id = await keep(app, PUPILS)
    given = {"uploadId": upload_id, "text": "Hi", "idempotencyKey": "k"}
    first = await app.answer("owner", SEND, input=given)
    await worlds.execute("DELETE FROM upload")
    assert await app.answer("owner", SEND, input=given) == first
    again = {**given, "uploadId": await keep(app, PUPILS)}
    conflict = await app.answer("owner", SEND, input=again)
    assert conflict["__typename"] == "IdempotencyConflict"
    assert await worlds.held(app.owner.account_id) == 98


async def test_an_upload_is_its_tenants_alone_and_lives_a_day(app: App) -> None:
    upload_id = await keep(app, PUPILS)
    old = await keep(app, PUPILS)
    await worlds.execute(
        "UPDATE upload SET created_at = now() - interval '24 hours' WHERE id = $1",
        ids.decode(Kind.UPLOAD, old),
    )

    async def refused(who: str, given: str) -> Any:
        told = await app.answer(who, SEND, input={"uploadId": given, "text": "Hi"})
        assert told["__typename"] == "NotFound"
        return told

    answers = [await refused("sibling", upload_id), await refused("owner", old)]
    answers += [await refused("owner", each) for each in (UNKNOWN, "nonsense", str(uuid4()))]
    assert all(answer == answers[0] for answer in answers)


async def test_who_may_not_send_is_told_so_before_anything_is_looked_at(
    app: App,
) -> None:
    suspended = replace(app.owner.actor, client_status="suspended")
    told = await app.answer(suspended, SEND, input={"uploadId": UNKNOWN, "text": ""})
    assert told["__typename"] == "AccountInactive"


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("admin", "FORBIDDEN"),
        ("supervisor", "FORBIDDEN"),
        ("nobody", "UNAUTHENTICATED"),
    ],
)
async def test_who_has_no_account_sends_nothing(app: App, who: str, code: str) -> None:
    upload_id = await keep(app, PUPILS)
    given = {"uploadId": upload_id, "text": "Hi"}
    assert await app.code(who, SEND, input=given) == code
