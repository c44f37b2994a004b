"""Bad input over real HTTP is refused quickly, with a clear message.

No request causes a status 500, an internal error or a long wait.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from ibiki.http.graphql_http import check_density
from ibiki.local.embedded import EmbeddedDatabase
from tests.ibiki.hostile import REFUSED, Web, hostile_web

QUERY = '{"query": "{ viewer { id } }"'


@pytest.fixture(scope="module")
async def web(database_template: EmbeddedDatabase) -> AsyncIterator[Web]:
    async with hostile_web(database_template) as web:
        yield web


@pytest.mark.parametrize(
    "query",
    [
        "{ viewr { id } }",
        "{ viewer { id(x: 1) } }",
        "{ viewer }",
        "{ viewer { id { x } } }",
        "mutation { sned(input: {}) { __typename } }",
        "mutation { send(input: {}) { __typename } }",
        'mutation { send(input: {to: "1", text: "x", colour: "red"}) { __typename } }',
        "mutation { send(input: {to: 1, text: true}) { __typename } }",
        'mutation { send(input: {to: ["1"], text: {a: 1}}) { __typename } }',
        'mutation { send(input: {to: "1", to: "2", text: "x"}) { __typename } }',
        "{ sends(first: 1.5) { nodes { id } } }",
        '{ sends(first: "1") { nodes { id } } }',
        "{ sends(first: 99999999999) { nodes { id } } }",
        "{ messages(status: LOST) { nodes { id } } }",
        "{ messages(status: \"SENT\") { nodes { id } } }",
        "{" + "viewer { " * 30 + "id" + " }" * 30 + "}",
        "{" + " ".join(f"a{i}: viewer {{ id }}" for i in range(200)) + "}",
        "{ viewer { " + " ".join(f"a{i}: id" for i in range(200)) + " } }",
        "{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }",
        "{ viewer { id " + "@include(if: true) " * 10_000 + "} }",
        "{ viewer { id } }" + "# \n" * 300_000,
        "{ viewer { id } }" + " " * 1_000_000,
        "{ viewer { id } }" + "," * 1_000_000,
        "mutation {" + " ".join(
            f'a{i}: send(input: {{to: "1", text: "x"}}) {{ __typename }}' for i in range(15)
        ) + "}",
        "subscription { viewer { id } }",
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
    ],
)  # fmt: skip
async def test_a_wrong_document_is_refused(web: Web, query: str) -> None:
    error = await web.refusal(query)
    assert "Did you mean" not in error["message"]
    assert len(error["message"]) <= 500


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"input": None},
        {"input": []},
        {"input": [[]]},
        {"input": "x"},
        {"input": 7},
        {"input": {"to": None, "text": "x"}},
        {"input": {"to": 1, "text": "x"}},
        {"input": {"to": ["1"], "text": "x"}},
        {"input": {"to": {"a": 1}, "text": "x"}},
        {"input": {"to": "1", "text": "x", "colour": "red"}},
        {"input": {"to": "1", "text": "x", "idempotencyKey": "a\0b"}},
        {"input": {"to": "1", "text": "x", "idempotencyKey": 2**70}},
        {"input": {"to": "1", "text": [["x"] * 1_000] * 1_000}},
    ],
)
async def test_variables_of_the_wrong_shape_are_refused(web: Web, given: dict[str, Any]) -> None:
    query = "mutation ($input: SendInput!) { send(input: $input) { __typename } }"
    body = {"query": query, "variables": given}
    response = await web.post(_dumps(body))
    assert response.json()["errors"][0]["extensions"]["code"] in REFUSED


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        QUERY.encode() + b', "variables": {"a": ' + b"[" * 1_000 + b"]" * 1_000 + b"}}",
        QUERY.encode() + b', "variables": {"a": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}",
        b"[" + b"[]," * 300_000 + b"[]]",
        b"[" + b"1," * 2_000_000 + b"1]",
        b"[" * 1_000_000,
        b'{"query": "{ viewer { id } } \\ud800"}',
        b'{"query": "\\udc00\\ud800"}',
        b'{"query": "{ viewer { id } } \xed\xa0\x80"}',
        b'{"query": "{ viewer { id } }\0"}',
        b'{"query": "{ viewer { id } } \\u0000"}',
        b'{"query": "{ sends(after: \\"\\\\ud800\\") { nodes { id } } }"}',
        QUERY.encode() + b', "variables": {"\\ud800": 1}}',
        QUERY.encode() + b', "operationName": "\\ud800"}',
        QUERY.encode() + b', "operationName": "\\u0000"}',
        QUERY.encode() + b', "variables": {"a": 1e400}}',
        QUERY.encode() + b', "variables": {"a": NaN}}',
        b"[" + b'{"query": "{ viewer { id } }"},' * 1_000 + b"{}]",
    ],
)
async def test_a_wrong_body_is_refused(web: Web, body: bytes) -> None:
    for who in ("owner", "nobody"):
        response = await web.post(body, who)
        [error] = response.json()["errors"]
        assert error["extensions"]["code"] in REFUSED


@pytest.mark.parametrize("value", [b"[],", b"{},", b"1,"])
async def test_a_body_that_would_need_much_memory_is_not_parsed(web: Web, value: bytes) -> None:
    response = await web.post(b"[" + value * 1_100_000 + b"1]")
    assert response.status_code == 413
    assert (
        response.json()["errors"][0]["message"]
        == "The body contains too many values. Split the request."
    )


def test_the_most_recipients_that_can_be_allowed_are_parsed() -> None:
    check_density(b'{"text": "Dear parents, no school.", "to": [%s"1"]}' % (b'"1",' * 999_999))


async def test_a_batch_is_refused_by_its_name(web: Web) -> None:
    response = await web.post(f"[{QUERY}}}, {QUERY}}}]")
    assert response.status_code == 400
    assert "Batches are not supported" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 5_000, "1" + "0" * 300, "0.5", "1e3"])
async def test_huge_numbers_are_refused_or_read_exactly(web: Web, number: str) -> None:
    query = "query ($n: Int) { sends(first: $n) { nodes { id } } }"
    response = await web.post(f'{{"query": "{query}", "variables": {{"n": {number}}}}}')
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_body_over_the_limit_is_refused(web: Web) -> None:
    body = b'{"query": "' + b" " * (16 * 1024 * 1024) + b'"}'
    response = await web.post(body)
    assert response.status_code == 413
    assert "larger than the limit" in response.json()["errors"][0]["message"]


async def test_a_large_invalid_body_is_refused_quickly(web: Web) -> None:
    query = "mutation ($input: BulkSendInput!) { bulkSend(input: $input) { __typename } }"
    for to in (["x"] * 900_000, [1] * 900_000, [None] * 900_000, [""] * 900_000):
        response = await web.post(
            orjson.dumps({"query": query, "variables": {"input": {"to": to, "text": "x"}}})
        )
        assert response.json()


async def test_a_mutation_is_refused_with_get(web: Web) -> None:
    query = 'mutation { send(input: {to: "2025550123", text: "x"}) { __typename } }'
    response = await web.http.get(
        "/graphql", params={"query": query}, headers={"authorization": "Bearer owner"}
    )
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    sends = await web.ask("{ sends { nodes { id } } }", who="loner")
    assert sends["data"]["sends"]["nodes"] == []


def _dumps(body: dict[str, Any]) -> bytes:
    """JSON, with whole numbers of any length."""
    return json.dumps(body).encode()
