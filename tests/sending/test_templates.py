"""Templates: saved by name, and used with values in every way to send."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import InvalidText
from domain.sending.text import MOST_TEMPLATES
from ibiki.http.rest.models import TemplateUse, text_or_template
from tests import db
from tests.installations import App
from tests.sending.files.test_csv_send import QUOTE as QUOTE_CSV
from tests.sending.files.test_csv_send import SEND as CSV_SEND
from tests.sending.files.test_csv_send import add_upload
from tests.sending.test_sending import BULK, MULTI, NUMBERS, SEND, TO

SAVE = """mutation ($input: SaveTemplateInput!) { saveTemplate(input: $input) { __typename
    ... on UserError { message path } ... on Template { id name text placeholders } } }"""
DELETE = """mutation ($input: DeleteTemplateInput!) { deleteTemplate(input: $input) { __typename
    ... on Template { name } } }"""
LIST = """query ($after: String, $search: String) {
    templates(first: 2, after: $after, search: $search) {
        nodes { name } pageInfo { hasNextPage endCursor } } }"""
QUOTE = """query ($input: QuoteInput!) { quote(input: $input) {
    accepted segments problem { __typename message } } }"""
HELLO = "Hello {{ Name }}, your order {{no}} is ready."


async def save(app: App, name: str, text: str = HELLO, who: str = "owner") -> Any:
    return await app.answer(who, SAVE, input={"name": name, "text": text})


def used(template: str, /, **values: str) -> dict[str, Any]:
    """A template with values, as an input names them."""
    return {"name": template, "values": [{"name": each, "value": values[each]} for each in values]}


async def texts() -> list[str]:
    rows = await db.fetch(
        "SELECT coalesce(message.text, send.text) AS text FROM message"
        " JOIN send ON send.id = send_id ORDER BY message.id"
    )
    return [row["text"] for row in rows]


async def test_a_template_is_saved_changed_listed_and_deleted(app: App) -> None:
    first = await save(app, " Order ready ")
    assert (first["name"], first["placeholders"]) == ("Order ready", ["Name", "no"])
    second = await save(app, "ORDER READY", "Ready: {{no}}")
    assert (second["id"], second["name"], second["text"]) == (
        first["id"],
        "ORDER READY",
        "Ready: {{no}}",
    )
    for name in ("beta", "Alpha", "ärger"):
        await save(app, name, "Hi")
    page = await app.answer("owner", LIST)
    assert [node["name"] for node in page["nodes"]] == ["Alpha", "beta"]
    rest = await app.answer("owner", LIST, after=page["pageInfo"]["endCursor"])
    assert [node["name"] for node in rest["nodes"]] == ["ORDER READY", "ärger"]
    found = await app.answer("owner", LIST, search="READ")
    assert [node["name"] for node in found["nodes"]] == ["ORDER READY"]
    assert (await app.answer("sibling", LIST))["nodes"] == []
    foreign = await app.answer("sibling", DELETE, input={"id": first["id"]})
    assert foreign["__typename"] == "NotFound"
    assert (await app.answer("owner", DELETE, input={"id": first["id"]}))["name"] == "ORDER READY"
    again = await app.answer("owner", DELETE, input={"id": first["id"]})
    assert again["__typename"] == "NotFound"


async def test_two_clients_may_use_the_same_name(app: App) -> None:
    await save(app, "Hello", "Mine")
    await save(app, "hello", "Theirs", who="sibling")
    for who in ("owner", "sibling"):
        await app.answer(who, SEND, input={"to": TO, "template": used("HELLO")})
    assert await texts() == ["Mine", "Theirs"]


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("", HELLO, "InvalidInput"),
        ("x" * 101, HELLO, "InvalidInput"),
        ("a\nb", HELLO, "InvalidInput"),
        ("Good", "", "InvalidText"),
        ("Good", "   ", "InvalidText"),
        ("Good", "Hello {{}}", "InvalidText"),
        ("Good", "Hello {{name}", "InvalidText"),
        ("Good", "Hello {{ \u200b\0 }}", "InvalidText"),
        ("Good", "a\0b", "InvalidText"),
        ("Good", "x" * 3_061, "InvalidText"),
        ("Good", "x" * 1_540, "InvalidText"),
    ],
)
async def test_a_template_that_cannot_be_used_is_refused(
    app: App, name: str, text: str, error: str
) -> None:
    assert (await save(app, name, text))["__typename"] == error
    assert not await db.fetch("SELECT FROM template")


async def test_a_client_has_at_most_500_templates(app: App) -> None:
    await db.execute(
        "INSERT INTO template (id, client_id, name, text)"
        " SELECT gen_random_uuid(), $1, 'T' || n, 'Hi' FROM generate_series(1, $2::int) AS n",
        app.owner.client_id,
        MOST_TEMPLATES,
    )
    assert (await save(app, "One more"))["__typename"] == "InvalidInput"
    assert (await save(app, "t7"))["__typename"] == "Template"
    assert (await save(app, "One more", who="sibling"))["__typename"] == "Template"


async def test_each_way_to_send_fills_in_the_values(app: App) -> None:
    await save(app, "Order ready")
    ada = used("order READY", name="Ada", NO="{{no}}")
    ben = used("Order ready", name="Ben", no=" 8 ", more="unused")
    await app.answer("owner", SEND, input={"to": TO, "template": ada})
    await app.answer("owner", BULK, input={"to": NUMBERS[:2], "template": ben})
    messages = [
        {"to": TO, "template": ada},
        {"to": TO, "template": ben},
        {"to": TO, "text": "Plain {{no}}"},
    ]
    await app.answer("owner", MULTI, input={"messages": messages})
    by_ada = "Hello Ada, your order {{no}} is ready."
    by_ben = "Hello Ben, your order 8 is ready."
    assert await texts() == [by_ada, by_ben, by_ben, by_ada, by_ben, "Plain {{no}}"]
    quoted = await app.answer("owner", QUOTE, input={"to": [TO], "template": ben})
    assert quoted == {"accepted": 1, "segments": 1, "problem": None}


async def test_placeholders_in_a_text_that_is_no_template_are_sent_as_written(app: App) -> None:
    await app.answer("owner", SEND, input={"to": TO, "text": HELLO})
    await app.answer("owner", BULK, input={"to": [TO], "text": HELLO})
    await app.answer("owner", MULTI, input={"messages": [{"to": TO, "text": HELLO}]})
    assert await texts() == [HELLO] * 3


async def test_a_quote_shows_the_segments_of_a_filled_template_that_is_too_long(app: App) -> None:
    await save(app, "Long", "{{name}} {{name}}")
    long = used("Long", name="x" * 1_000)
    quoted = await app.answer("owner", QUOTE, input={"to": [TO], "template": long})
    written = await app.answer(
        "owner", QUOTE, input={"to": [TO], "text": "x" * 1_000 + " " + "x" * 1_000}
    )
    assert quoted == written
    assert (quoted["segments"], quoted["problem"]["__typename"]) == (11, "InvalidText")


async def test_a_file_fills_in_its_columns(app: App) -> None:
    await save(app, "Order ready")
    file = b"phone,name,no\n2025550101,Ada,7\n2025550102,Ben,\n"
    upload_id = await add_upload(app, file)
    given = {"uploadId": upload_id, "template": "order ready"}
    quoted = await app.answer("owner", QUOTE_CSV, input=given)
    send = await app.answer("owner", CSV_SEND, input=given)
    assert (quoted["accepted"], send["accepted"]) == (1, 1)
    assert [each["reason"] for each in send["rejected"]] == ["MISSING_VALUE"]
    assert await texts() == ["Hello Ada, your order 7 is ready."]
    both = await app.answer("owner", CSV_SEND, input={**given, "text": "Hi"})
    assert both["__typename"] == "InvalidText"
    unknown = await app.answer("owner", CSV_SEND, input={**given, "template": "unknown"})
    assert unknown["__typename"] == "NotFound"


async def test_a_missing_value_is_named_and_nothing_is_charged(app: App) -> None:
    await save(app, "Order ready")
    lacking = used("Order ready", name="Ada", no="  ")
    for query, given in ((SEND, {"to": TO}), (BULK, {"to": NUMBERS})):
        refused = await app.ask("owner", query, input={**given, "template": lacking})
        assert "needs a value for {{no}}" in str(refused)
        assert "InvalidText" in str(refused)
    quoted = await app.answer("owner", QUOTE, input={"to": [TO], "template": lacking})
    assert quoted["problem"]["__typename"] == "InvalidText"
    assert await db.held(app.owner.account_id) == 100


async def test_two_values_for_one_placeholder_are_refused(app: App) -> None:
    await save(app, "Order ready")
    twice = used("Order ready", name="Ada", no="7", NO="8")
    for query, given in ((SEND, {"to": TO}), (BULK, {"to": NUMBERS})):
        refused = str(await app.ask("owner", query, input={**given, "template": twice}))
        assert "InvalidText" in refused
        assert "The template has two values for {{NO}}." in refused
    with pytest.raises(InvalidText, match="two values"):
        text_or_template(None, TemplateUse(name="Order ready", values={"no": "7", " NO": "8"}), "x")
    assert await db.held(app.owner.account_id) == 100


async def test_one_message_of_many_without_a_value_is_rejected_alone(app: App) -> None:
    await save(app, "Order ready")
    messages = [
        {"to": NUMBERS[0], "template": used("Order ready", name="Ada", no="7")},
        {"to": NUMBERS[1], "template": used("Order ready", name="Ben")},
    ]
    send = await app.answer("owner", MULTI, input={"messages": messages})
    assert (send["accepted"], send["rejectedCount"]) == (1, 1)
    assert [each["reason"] for each in send["rejected"]] == ["MISSING_VALUE"]


async def test_exactly_one_of_text_and_template_is_given(app: App) -> None:
    await save(app, "Order ready")
    ada = used("Order ready", name="Ada", no="7")
    for given in ({}, {"text": None}, {"text": "Hi", "template": ada}):
        assert "not both" in str(await app.ask("owner", SEND, input={"to": TO, **given}))
    assert await db.held(app.owner.account_id) == 100


@pytest.mark.parametrize("name", ["Unknown", "", "a\nb", "x" * 5_000, "Theirs"])
async def test_an_unknown_template_is_not_found(app: App, name: str) -> None:
    await save(app, "Theirs", who="sibling")
    answer = await app.answer("owner", SEND, input={"to": TO, "template": used(name)})
    assert answer["__typename"] == "NotFound"


async def test_a_key_covers_the_template_and_its_values(app: App) -> None:
    await save(app, "Order ready")
    keyed = {"to": TO, "idempotencyKey": "k"}
    ada = used("Order ready", name="Ada", no="7")
    first = await app.answer("owner", SEND, input={**keyed, "template": ada})
    await save(app, "Order ready", "Changed: {{no}}")
    assert await app.answer("owner", SEND, input={**keyed, "template": ada}) == first
    for other in (used("Order ready", name="Ada", no="8"), used("Order", name="Ada", no="7")):
        answer = await app.answer("owner", SEND, input={**keyed, "template": other})
        assert answer["__typename"] == "IdempotencyConflict"
    assert await db.held(app.owner.account_id) == 99
