"""Errors: each has its code and the path of its value, and none repeats a value of the request."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

import pytest

from schema.engine import NotExecuted
from schema.errors import MEMBERS, UserErrorCode, code_of
from tests import db
from tests.installations import ENGINE, App

ERROR = "__typename ... on UserError { code path }"
MULTI = f"mutation ($input: BulkSendMultiInput!) {{ bulkSendMulti(input: $input) {{ {ERROR} }} }}"
BULK = f"mutation ($input: BulkSendInput!) {{ bulkSend(input: $input) {{ {ERROR} }} }}"
CREATE_CLIENT = (
    f"mutation ($input: CreateClientInput!) {{ createClient(input: $input) {{ {ERROR}"
    " ... on InvalidInput { field } } }"
)
SAVE_CONTACT = (
    f"mutation ($input: SaveContactInput!) {{ saveContact(input: $input) {{ {ERROR} }} }}"
)
CANCEL = f"mutation ($input: CancelSendInput!) {{ cancelSend(input: $input) {{ {ERROR} }} }}"
TO = "+12025550141"


def test_each_type_of_error_has_one_code_and_each_code_one_type() -> None:
    codes = [code_of(member) for member in MEMBERS.values()]
    assert len(codes) == len(set(codes))
    assert set(codes) == set(UserErrorCode)


@pytest.mark.parametrize(
    ("who", "document", "given", "code", "path"),
    [
        ("owner", BULK, {"to": [TO], "text": ""}, "INVALID_TEXT", ["input", "text"]),
        (
            "owner",
            MULTI,
            {"messages": [{"to": TO, "text": "Hello"}, {"to": TO, "text": " "}]},
            "INVALID_TEXT",
            ["input", "messages", "1", "text"],
        ),
        ("owner", BULK, {"to": ["12"], "text": "Hello"}, "NO_VALID_RECIPIENTS", None),
        ("owner", SAVE_CONTACT, {"number": "12"}, "INVALID_PHONE_NUMBER", ["input", "number"]),
        ("owner", CANCEL, {"sendId": "nonsense"}, "NOT_FOUND", None),
        ("admin", CREATE_CLIENT, {"name": " "}, "INVALID_INPUT", ["input", "name"]),
        (
            "admin",
            CREATE_CLIENT,
            {"name": "New", "assignedNumbers": [TO, "12"]},
            "INVALID_INPUT",
            ["input", "assignedNumbers", "1"],
        ),
    ],
)
async def test_an_error_has_its_code_and_the_path_of_the_value(
    app: App, who: str, document: str, given: dict[str, Any], code: str, path: list[str] | None
) -> None:
    answer = await app.answer(who, document, input=given)
    assert (answer["code"], answer["path"]) == (code, path)
    if "field" in answer and path is not None:
        assert answer["field"] == path[1]


async def test_a_key_with_another_input_is_named_by_its_path(app: App) -> None:
    await app.answer("owner", BULK, input={"to": [TO], "text": "Hello", "idempotencyKey": "k"})
    given = {"to": [TO], "text": "Bye", "idempotencyKey": "k"}
    answer = await app.answer("owner", BULK, input=given)
    assert answer == {
        "__typename": "IdempotencyConflict",
        "code": "IDEMPOTENCY_CONFLICT",
        "path": ["input", "idempotencyKey"],
    }


async def test_the_code_of_a_top_level_error_is_another_one(app: App) -> None:
    answer = await app.ask("owner", "{ sends(first: 101) { nodes { id } } }")
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    given = {"to": db.generated_numbers(101), "text": "Hello"}
    short = await app.answer("owner", BULK, input=given)
    assert short["code"] == "INSUFFICIENT_BALANCE"


class Recipients(list[Any]):
    """A list that can be referred to weakly."""


@pytest.mark.parametrize(
    ("who", "to"),
    [("owner", ["12"]), ("owner", [TO, 1]), ("admin", [TO])],
    ids=["a member of the union", "a wrong variable", "a top-level error"],
)
async def test_an_answered_error_does_not_hold_the_request(
    app: App, who: str, to: list[Any]
) -> None:
    given = Recipients(to)
    seen = ref(given)
    gc.collect()
    gc.disable()
    try:
        body = await app.ask(who, BULK, input={"to": given, "text": "Hello"})
        assert "errors" in body or body["data"]["bulkSend"]["code"]
        del given
        assert seen() is None
    finally:
        gc.enable()


SECRET = "hush-hush-77"
SET = """
mutation ($input: SetProviderCredentialsInput!) {
  setProviderCredentials(input: $input) { __typename } }"""
WHOLE = {"clientId": "x", "provider": "egosms", "username": "a", "password": SECRET}


@pytest.mark.parametrize(
    "given",
    [
        {name: WHOLE[name] for name in ("clientId", "username", "password")},
        WHOLE | {"pricePerMessage": SECRET},
        WHOLE | {"password": [SECRET]},
        WHOLE | {"password": {"is": SECRET}},
        WHOLE | {"more": 1},
        {name: WHOLE[name] for name in ("clientId", "provider", "username")} | {"passwort": SECRET},
        SECRET,
        [WHOLE],
    ],
)
async def test_an_error_about_variables_does_not_contain_their_values(app: App, given: Any) -> None:
    body = await app.ask("admin", SET, input=given)
    assert body["errors"]
    assert SECRET not in repr(body)


@pytest.mark.parametrize(
    "given",
    [
        '{clientId: "x", username: "a", password: "%s"}',
        '{clientId: "x", username: "a", password: ["%s"], provider: "egosms"}',
        '{clientId: "x", username: "a", password: "a", provider: "e", pricePerMessage: "%s"}',
        '{clientId: "x", username: "a", passwort: "%s", provider: "egosms"}',
        '{clientId: "x", password "%s"}',
        '{clientId: "x", password """%s"""}',
        '"%s"',
        '{clientId: "x", username: "a", password: "%s',
    ],
)
async def test_a_document_that_is_not_valid(app: App, given: str) -> None:
    document = f"mutation {{ setProviderCredentials(input: {given % SECRET}) {{ __typename }} }}"
    try:
        body = await app.ask("admin", document)
    except NotExecuted as rejected:
        body = ENGINE.rejection(rejected.errors, "req-1").body
    assert body["errors"][0]["message"]
    assert SECRET not in repr(body)


async def test_errors_still_say_what_is_wrong(app: App) -> None:
    body = await app.ask("admin", SET, input={"clientId": "x", "username": "a", "password": SECRET})
    assert body["errors"][0]["message"] == (
        "Variable '$input' has invalid value: Expected value of type"
        " 'SetProviderCredentialsInput' to include required field 'provider'."
    )
    body = await app.ask("admin", SET, input=None)
    assert body["errors"][0]["message"].endswith(
        "type 'SetProviderCredentialsInput!' not to be null."
    )
