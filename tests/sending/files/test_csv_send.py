"""Sending to the rows of a file: the texts, the rejected rows and the columns that are used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from domain import ids
from domain.ids import Kind
from tests import db
from tests.installations import App
from tests.sending.files.files import csv_file, uploaded

SEND = """mutation ($input: CsvSendInput!) { csvSend(input: $input) { __typename
    ... on Send { id accepted charged rejectedCount rejected { input position reason message }
                  columns { number text placeholders sheet } }
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
QUOTE = """query ($input: QuoteCsvInput!) { quoteCsv(input: $input) {
    accepted rejectedCount rejected { input position reason message } cost balance affordable
    columns { number text placeholders sheet }
    samples { line number text encoding segments } } }"""
INVALID = "This is not a valid phone number. Numbers of other countries begin with a plus and the"
UNKNOWN = "upl_00000000000000000000000001"


async def add_upload(app: App, content: bytes, who: str = "owner") -> str:
    upload = await uploaded(app.installation, app.actor(who), content)
    return ids.encode(Kind.UPLOAD, upload.id)


async def ask(app: App, content: bytes, who: str = "owner", **given: Any) -> Any:
    """The answer of csvSend for this file."""
    upload_id = await add_upload(app, content, who)
    return await app.answer(who, SEND, input={"uploadId": upload_id, **given})


async def sent() -> list[tuple[str, str]]:
    """Numbers and texts of all messages."""
    rows = await db.fetch(
        "SELECT number, coalesce(message.text, send.text) AS text FROM message"
        " JOIN send ON send.id = message.send_id ORDER BY message.id"
    )
    return [(row["number"], row["text"]) for row in rows]


def without_messages(rejected: Any) -> Any:
    return [{key: each[key] for key in ("input", "position", "reason")} for each in rejected]


async def test_one_text_goes_to_each_number_once(app: App) -> None:
    answer = await ask(app, PUPILS, text="Good morning")
    assert (answer["__typename"], answer["accepted"], answer["charged"]) == ("Send", 2, 2)
    assert without_messages(answer["rejected"]) == [
        {"input": "12", "position": 3, "reason": "INVALID"},
        {"input": "(202) 555-0120", "position": 6, "reason": "DUPLICATE"},
    ]
    assert answer["rejected"][0]["message"].startswith(INVALID)
    assert answer["columns"] == {
        "number": "phone",
        "text": None,
        "placeholders": [],
        "sheet": None,
    }
    assert await sent() == [("+12025550120", "Good morning"), ("+12025550121", "Good morning")]
    [row] = await db.fetch("SELECT kind, text FROM send")
    assert row == {"kind": "CSV", "text": "Good morning"}
    await db.assert_audit_holds()


async def test_placeholders_make_a_text_for_each_row(app: App) -> None:
    answer = await ask(app, PUPILS, text="{{Name}}: {{note}}.")
    assert (answer["accepted"], answer["rejectedCount"]) == (3, 1)
    assert answer["columns"]["placeholders"] == ["name", "note"]
    assert await sent() == [
        ("+12025550120", "Ada: =1+1."),
        ("+12025550121", "Cem: two\nlines."),
        ("+12025550120", "Ada: again."),
    ]


async def test_texts_can_be_in_a_column_and_numbers_in_a_named_one(app: App) -> None:
    rows = [["a", "b", "t"], ["2025550120", "2025550121", "One"], ["2025550122", "x", "Two"]]
    answer = await ask(app, csv_file(rows), textColumn="T", column=" B ")
    assert (answer["accepted"], answer["rejected"][0]["input"]) == (1, "x")
    assert answer["columns"] == {"number": "b", "text": "t", "placeholders": [], "sheet": None}
    assert await sent() == [("+12025550121", "One")]


async def test_a_row_with_too_many_cells_is_not_sent_to(app: App) -> None:
    content = b"phone,text\n2025550120,Hello, dear\n2025550121,Hi,, \n2025550122\n\n"
    answer = await ask(app, content, text="Dear {{text}}")
    assert without_messages(answer["rejected"]) == [
        {"input": "2025550120, Hello,  dear", "position": 2, "reason": "INVALID"},
        {"input": "2025550122", "position": 4, "reason": "MISSING_VALUE"},
    ]
    assert answer["rejected"][1]["message"] == "The row has no value for {{text}}."
    assert await sent() == [("+12025550121", "Dear Hi")]


async def test_a_row_without_a_value_is_sent_to_only_if_the_caller_allows_it(app: App) -> None:
    content = b"phone,name,code\n2025550120,Ann,4711\n2025550121,,4712\n2025550122,Cem, \n12,,\n"
    text = "Hi {{name}}, your code is {{code}}."
    answer = await ask(app, content, text=text)
    assert (answer["accepted"], answer["charged"], answer["rejectedCount"]) == (1, 1, 3)
    assert [(each["position"], each["reason"]) for each in answer["rejected"]] == [
        (3, "MISSING_VALUE"),
        (4, "MISSING_VALUE"),
        (5, "INVALID"),
    ]
    answer = await ask(app, content, text=text, allowMissingValues=True)
    assert (answer["accepted"], answer["rejectedCount"]) == (3, 1)
    assert ("+12025550121", "Hi , your code is 4712.") in await sent()


@pytest.mark.parametrize(
    "content",
    [
        b"Account number,Name,Phone\n2025550143,Ann,2025550101\n",
        b"Fax number,Name,Mobile\n2025550143,Ann,2025550101\n",
        b"backup phone number,phone number,name\n2025550143,2025550101,Ann\n",
        b"Home phone,Cell,name\n2025550143,2025550101,Ann\n",
        b'Phone\n="2025550101"\n',
        b"Phone\n2025550101.0\n",
    ],
)
async def test_only_the_phone_of_the_person_is_sent_to(app: App, content: bytes) -> None:
    answer = await ask(app, content, text="Hi")
    assert answer["accepted"] == 1
    assert await sent() == [("+12025550101", "Hi")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Phone 1,Phone 2\n2025550101,2025550102\n", "“Phone 1” and “Phone 2”"),
        (b"Fax,Name\n2025550101,Ann\n", "as far as its name says"),
        (b"kontakt,x\n2025550101,2025550102\n", "as far as its name says"),
    ],
)
async def test_a_file_without_one_clear_phone_column_needs_its_name(
    app: App, content: bytes, words: str
) -> None:
    answer = await ask(app, content, text="Hi")
    assert answer["__typename"] == "InvalidFile"
    assert words in answer["message"]
    column = content.decode().split(",")[0]
    assert (await ask(app, content, text="Hi", column=column))["columns"]["number"] == column


async def test_an_empty_phone_is_not_replaced_by_another_number(app: App) -> None:
    answer = await ask(app, b"Phone,Name,Student number\n,Ann,2025550101\n", text="Hi")
    assert answer["__typename"] == "NoValidRecipients"
    assert answer["rejected"][0]["position"] == 2


async def quoted(app: App, content: bytes, who: str = "owner", **given: Any) -> Any:
    upload_id = await add_upload(app, content, who)
    return await app.answer(who, QUOTE, input={"uploadId": upload_id, **given})


async def test_a_quote_says_what_a_send_would_do_and_does_nothing(app: App) -> None:
    answer = await quoted(app, PUPILS, text="{{name}}: {{note}} €")
    assert (answer["accepted"], answer["rejectedCount"]) == (3, 1)
    assert (answer["cost"], answer["balance"], answer["affordable"]) == (3, 100, True)
    assert without_messages(answer["rejected"]) == [
        {"input": "12", "position": 3, "reason": "INVALID"}
    ]
    assert answer["columns"]["number"] == "phone"
    assert answer["samples"][1] == {
        "line": 4,
        "number": "+12025550121",
        "text": "Cem: two\nlines €",
        "encoding": "GSM7",
        "segments": 1,
    }
    assert await sent() == []
    assert await db.held(app.owner.account_id) == 100


async def test_a_quote_and_a_send_of_the_same_file_agree(app: App) -> None:
    numbers = db.generated_numbers(20)
    content = csv_file(
        [["phone", "name"], *([each, f"N{at % 3 or ''}"] for at, each in enumerate(numbers))]
    )
    quote = await quoted(app, content, text="Hi {{name}}")
    answer = await ask(app, content, text="Hi {{name}}")
    for field in ("accepted", "rejectedCount", "rejected", "columns"):
        assert quote[field] == answer[field]
    assert quote["cost"] == answer["charged"]
    assert len(quote["samples"]) == 5


PROBLEM = "__typename ... on UserError { message code path }"
QUOTE_PROBLEM = f"""query ($input: QuoteCsvInput!) {{ quoteCsv(input: $input) {{
    accepted problem {{ {PROBLEM} }} }} }}"""
SEND_PROBLEM = f"""mutation ($input: CsvSendInput!) {{ csvSend(input: $input) {{
    {PROBLEM} }} }}"""


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (PUPILS, "active", None),
        (b"phone\n12\n", "active", "NoValidRecipients"),
        (
            csv_file([["phone"], *([each] for each in db.generated_numbers(101))]),
            "active",
            "InsufficientBalance",
        ),
        (PUPILS, "suspended", "AccountInactive"),
    ],
)
async def test_a_quote_and_its_send_report_the_same_problem(
    app: App, content: bytes, status: str, kind: str | None
) -> None:
    upload_id = await add_upload(app, content)
    actor = replace(app.owner.actor, client_status=status)
    given = {"uploadId": upload_id, "text": "Hi"}
    quote = await app.answer(actor, QUOTE_PROBLEM, input=given)
    sent = await app.answer(actor, SEND_PROBLEM, input=given)
    if kind is None:
        assert (quote["problem"], sent["__typename"]) == (None, "Send")
    else:
        assert quote["problem"] == sent
        assert sent["__typename"] == kind


async def test_a_quote_without_a_recipient_costs_nothing(app: App) -> None:
    answer = await quoted(app, b"phone\n12\n", text="Hi")
    assert (answer["accepted"], answer["cost"], answer["samples"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("who", "given", "code"),
    [
        ("owner", {"text": "{{x}}"}, "BAD_USER_INPUT"),
        ("owner", {"text": "a", "column": "x"}, "BAD_USER_INPUT"),
        ("sibling", {"text": "a"}, "BAD_USER_INPUT"),
        ("supervisor", {"text": "a"}, "FORBIDDEN"),
        ("admin", {"text": "a"}, "FORBIDDEN"),
        ("nobody", {"text": "a"}, "UNAUTHENTICATED"),
    ],
)
async def test_a_quote_is_refused_like_a_send(
    app: App, who: str, given: dict[str, str], code: str
) -> None:
    upload_id = await add_upload(app, PUPILS)
    assert await app.code(who, QUOTE, input={"uploadId": upload_id, **given}) == code


async def test_an_apostrophe_before_a_number_is_ignored(app: App) -> None:
    answer = await ask(app, b"phone\n'+12025550120\n '2025550121\n''12\n", text="Hi")
    assert (answer["accepted"], answer["rejectedCount"]) == (2, 1)


async def test_a_tab_between_cells_does_not_join_them_to_a_number(app: App) -> None:
    answer = await ask(app, b"a\tb\n2025550120\tx\n202555\t\t0121\n", text="Hi", column="a")
    assert (answer["accepted"], answer["rejectedCount"]) == (1, 1)


async def test_an_opted_out_number_is_listed_and_not_charged(app: App) -> None:
    await db.opt_out(app.owner.client_id, "+12025550121", source="KEYWORD")
    answer = await ask(app, PUPILS, text="Hi")
    assert (answer["accepted"], answer["charged"]) == (1, 1)
    expected = {"input": "2025550121", "position": 4, "reason": "OPTED_OUT"}
    assert expected in without_messages(answer["rejected"])


@pytest.mark.parametrize(
    ("content", "given", "name", "words"),
    [
        (PUPILS, {}, "InvalidText", "Give a text"),
        (PUPILS, {"text": "a", "textColumn": "note"}, "InvalidText", "and not both"),
        (PUPILS, {"text": " "}, "InvalidText", "The text is empty"),
        (PUPILS, {"text": "{{x}}"}, "InvalidText", "It has: name, phone, note"),
        (PUPILS, {"text": "Hi {{name}, {{note}}"}, "InvalidText", "is not a whole placeholder"),
        (PUPILS, {"text": "Hi {Name}"}, "InvalidText", "Write it as {{Name}}, with two braces"),
        (PUPILS, {"text": "a", "column": "x"}, "InvalidFile", "It has: name, phone, note"),
        (PUPILS, {"textColumn": "x"}, "InvalidFile", "It has: name, phone, note"),
        (PUPILS, {"text": "{{note}}" * 180}, "InvalidText", "Line 4: The text takes"),
        (PUPILS, {"text": "{{note}}" * 400}, "InvalidText", "placeholders included"),
        (b"phone,t\n2025550120,a\tb\n", {"textColumn": "t"}, "InvalidText", "Line 2: Character 2"),
        (b"phone,t\n2025550120,\n", {"textColumn": "t"}, "InvalidText", "Line 2: The text is emp"),
        (b"name\nAda\n", {"text": "a"}, "InvalidFile", "No column of the file holds phone"),
        (b"name,phone\nAda,12\n", {"text": "a"}, "NoValidRecipients", "None of"),
        (b"name\nAda\n", {"text": "a", "column": "name"}, "NoValidRecipients", "None of"),
        (b"phone,name\n2025550120,\n", {"text": "Hi {{name}}"}, "NoValidRecipients", "None of"),
        (
            csv_file([["phone"], *([each] for each in db.generated_numbers(101))]),
            {"text": "a"},
            "InsufficientBalance",
            "101",
        ),
        (b"phone\n" + b"2025550120\n" * 301, {"text": "a"}, "TooManyRecipients", "At most 300"),
    ],
)
async def test_a_request_that_cannot_be_sent_is_refused_as_a_whole(
    app: App, content: bytes, given: dict[str, str], name: str, words: str
) -> None:
    answer = await ask(app, content, **given)
    assert answer["__typename"] == name
    assert words in answer["message"]
    assert await sent() == []
    assert await db.held(app.owner.account_id) == 100


async def test_a_rejected_row_needs_no_text(app: App) -> None:
    answer = await ask(app, b"phone,t\n2025550120,Hi\nnobody,\n", textColumn="t")
    assert (answer["accepted"], answer["rejectedCount"]) == (1, 1)


async def test_the_same_key_replays_and_another_input_is_a_conflict(app: App) -> None:
    upload_id = await add_upload(app, PUPILS)
    given = {"uploadId": upload_id, "text": "Hi", "idempotencyKey": "k"}
    first = await app.answer("owner", SEND, input=given)
    assert await app.answer("owner", SEND, input=given) == first
    await db.execute("DELETE FROM upload")
    replayed = await app.answer("owner", SEND, input=given)
    assert replayed == {**first, "columns": None}
    again = {**given, "uploadId": await add_upload(app, PUPILS)}
    conflict = await app.answer("owner", SEND, input=again)
    assert conflict["__typename"] == "IdempotencyConflict"
    assert await db.held(app.owner.account_id) == 98


async def test_an_upload_belongs_to_its_tenant_and_lives_for_a_day(app: App) -> None:
    upload_id = await add_upload(app, PUPILS)
    old = await add_upload(app, PUPILS)
    await db.execute(
        "UPDATE upload SET created_at = now() - interval '24 hours' WHERE id = $1",
        ids.decode(Kind.UPLOAD, old),
    )

    async def refused(who: str, given: str) -> Any:
        answer = await app.answer(who, SEND, input={"uploadId": given, "text": "Hi"})
        assert answer["__typename"] == "NotFound"
        return answer

    answers = [await refused("sibling", upload_id), await refused("owner", old)]
    answers += [await refused("owner", each) for each in (UNKNOWN, "nonsense", str(uuid4()))]
    assert all(answer == answers[0] for answer in answers)


async def test_a_suspended_account_is_refused_before_the_file_is_read(app: App) -> None:
    suspended = replace(app.owner.actor, client_status="suspended")
    answer = await app.answer(suspended, SEND, input={"uploadId": UNKNOWN, "text": ""})
    assert answer["__typename"] == "AccountInactive"
