"""An error of the document or its variables does not repeat the values: one may be a password."""

from __future__ import annotations

from typing import Any

import pytest

from schema.engine import Rejected
from tests.installations import ENGINE, App

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
    except Rejected as rejected:
        body = ENGINE.rejection(rejected.errors, "req-1").body
    assert body["errors"][0]["message"]
    assert SECRET not in repr(body)


async def test_errors_still_say_what_is_wrong(app: App) -> None:
    body = await app.ask("admin", SET, input={"clientId": "x", "username": "a", "password": SECRET})
    assert body["errors"][0]["message"] == (
        "Variable '$input' has invalid value: Expected value of type"
        " 'SetProviderCredentialsInput' to include required field 'provider'."
    )
