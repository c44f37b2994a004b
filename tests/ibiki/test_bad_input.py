"""Bad input over real HTTP, to a whole house over a real database: refused plainly and soon.

Nothing that a caller can send is answered with 500, with a masked defect or after a long wait.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    Undefined,
    get_named_type,
    is_composite_type,
)

from domain.access import Actor
from domain.ids import new_id
from ibiki.app import AppParts, build_app
from ibiki.embedded import EmbeddedDatabase
from ibiki.metrics import Metrics
from ibiki.server import serving
from persistence import models
from resolvers import ids
from resolvers.ids import Kind
from schema.schema import build_schema
from tests import databases
from tests.resolvers.house import Neighbourhood, neighbourhood

SOON_SECONDS = 5.0
"""Far above what any of these takes, so that a busy machine does not matter."""

SCHEMA = build_schema()
QUERY = '{"query": "{ viewer { id } }"'
REFUSED = {"BAD_USER_INPUT", "TOO_COMPLEX"}

NASTY = [
    "",
    " ",
    "\0",
    "a\0b",
    "\x7f\x1b[31m",
    "\u202e\u2066",
    "\ufeff",
    "\U0001f469\u200d\U0001f469",
    "%_\\",
    "'; DROP TABLE message; --",
    "{{name}}",
    "-1",
    "x" * 20_000,
    "\N{ARABIC LETTER ALEF}" * 5_000,
    "cccccccccccccccccccccccccc",
    "c00000000000000000000000000",
    "n9223372036854775807",
    "msg_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "msg_00000000000000000000000000",
]


@dataclass(frozen=True, slots=True)
class Web:
    """The house over HTTP; a credential is the word for who is asking."""

    http: httpx.AsyncClient
    url: str

    async def post(self, body: bytes | str, who: str = "owner", **headers: str) -> httpx.Response:
        """Posts a body as it is; the answer has come soon, and is no defect."""
        given = {"authorization": f"Bearer {who}", "content-type": "application/json", **headers}
        started = time.perf_counter()
        response = await self.http.post("/graphql", content=body, headers=given)
        assert time.perf_counter() - started < SOON_SECONDS
        assert response.status_code < 500
        assert '"INTERNAL"' not in response.text
        return response

    async def ask(self, query: str, who: str = "owner", **variables: Any) -> dict[str, Any]:
        """The answer's body."""
        response = await self.post(orjson.dumps({"query": query, "variables": variables}), who)
        answer: dict[str, Any] = response.json()
        return answer

    async def refusal(self, query: str, **variables: Any) -> dict[str, Any]:
        """The first error of a request that is refused before any field is asked."""
        answer = await self.ask(query, **variables)
        assert answer.get("data") is None
        error: dict[str, Any] = answer["errors"][0]
        assert error["extensions"]["code"] in REFUSED
        return error


@dataclass
class Street:
    """Takes a word for a credential."""

    actors: dict[str, Actor | None]

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor of that word."""
        return self.actors[credential]


async def move_in(street: Neighbourhood) -> Street:
    """The people of the street, each with a row of a user's."""
    people = {who: street.actor(who) for who in ("owner", "loner", "admin", "supervisor")}
    for who, actor in people.items():
        assert actor is not None
        await models.User.create(
            id=actor.user_id,
            email=f"{who}@ibiki.test",
            password_hash="none",
            role=actor.role.value,
            client_id=actor.client_id,
            group_id=actor.group_id,
        )
    return Street({**people, "nobody": None})


@pytest.fixture(scope="module")
async def web(database_template: EmbeddedDatabase) -> AsyncIterator[Web]:
    async def is_ready() -> str | None:
        return None

    async with (
        databases.fresh_copy(database_template) as database_url,
        neighbourhood(database_url) as street,
        httpx.AsyncClient(timeout=60) as http,
    ):
        parts = AppParts(
            house=street.house,
            authenticator=await move_in(street),
            metrics=Metrics(),
            is_ready=is_ready,
        )
        async with serving(build_app(parts)) as url:
            http.base_url = httpx.URL(url)
            yield Web(http, url)


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
        {"input": {"to": "1"}},
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
    ("arguments", "sentence"),
    [
        ("first: 1000000000", "first is from 0 to 100."),
        ("last: 101", "last is from 0 to 100."),
        ("first: -1", "first is from 0 to 100."),
        ("first: 1, last: 1", "Give first or last, not both."),
        ('after: "nonsense"', "after is not a cursor of this list."),
    ],
)
async def test_a_page_that_cannot_be_is_refused_and_says_what_can(
    web: Web, arguments: str, sentence: str
) -> None:
    error = await web.refusal(f"{{ sends({arguments}) {{ nodes {{ id }} }} }}")
    assert error["message"] == sentence


async def test_too_many_rows_are_refused(web: Web) -> None:
    query = "{ sends(first: 100) { nodes { messages(first: 100) { nodes { id } } } } }"
    error = await web.refusal(query)
    assert error["extensions"]["code"] == "TOO_COMPLEX"


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
        b'[{"query": "{ viewer { id } }"}]',
        b"[" + b'{"query": "{ viewer { id } }"},' * 1_000 + b"{}]",
        b"query=%7B%20viewer%20%7B%20id%20%7D%20%7D",
    ],
)
async def test_a_wrong_body_is_refused(web: Web, body: bytes) -> None:
    for who in ("owner", "nobody"):
        response = await web.post(body, who)
        [error] = response.json()["errors"]
        assert error["extensions"]["code"] in REFUSED


@pytest.mark.parametrize("key", ['"query"', '"variables"', '"zzz"'])
async def test_a_key_that_stands_twice_changes_nothing_for_anybody(web: Web, key: str) -> None:
    twice = f', {key}: null, {key}: null, "query": "{{ viewer {{ __typename }} }}"}}'
    assert (await web.post(QUERY + twice)).status_code == 200


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 5_000, "1" + "0" * 300, "0.5", "1e3"])
async def test_huge_numbers_are_refused_or_read_right(web: Web, number: str) -> None:
    query = "query ($n: Int) { sends(first: $n) { nodes { id } } }"
    response = await web.post(f'{{"query": "{query}", "variables": {{"n": {number}}}}}')
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_body_over_the_limit_is_refused(web: Web) -> None:
    body = b'{"query": "' + b" " * (16 * 1024 * 1024) + b'"}'
    response = await web.post(body)
    assert response.status_code == 413
    assert "over the limit" in response.json()["errors"][0]["message"]


async def test_a_large_body_of_little_sense_is_refused_soon(web: Web) -> None:
    query = "mutation ($input: BulkSendInput!) { bulkSend(input: $input) { __typename } }"
    for to in (["x"] * 900_000, [1] * 900_000, [None] * 900_000, [""] * 900_000):
        response = await web.post(
            orjson.dumps({"query": query, "variables": {"input": {"to": to, "text": "x"}}})
        )
        assert response.json()


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
async def test_forms_are_not_read(web: Web, content_type: str) -> None:
    response = await web.post(QUERY + "}", **{"content-type": content_type})
    assert response.status_code == 415


async def test_multipart_is_not_read(web: Web) -> None:
    files = {"operations": (QUERY + "}").encode(), "map": b"{}", "0": b"a"}
    headers = {"authorization": "Bearer owner"}
    response = await web.http.post("/graphql", files=files, headers=headers)
    assert response.status_code == 415


async def test_a_mutation_is_not_asked_by_get(web: Web) -> None:
    query = 'mutation { send(input: {to: "2025550123", text: "x"}) { __typename } }'
    response = await web.http.get(
        "/graphql", params={"query": query}, headers={"authorization": "Bearer owner"}
    )
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    sends = await web.ask("{ sends { nodes { id } } }", who="loner")
    assert sends["data"]["sends"]["nodes"] == []


# Every text and id of the schema, whatever area adds it


def root_fields() -> Iterator[tuple[str, str, GraphQLField]]:
    """Each field that can be asked for: the operation, its name, itself."""
    roots = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type}
    for operation, root in roots.items():
        for name, field in root.fields.items() if isinstance(root, GraphQLObjectType) else ():
            yield operation, name, field


def sample(type_: GraphQLInputType, text: str) -> Any:
    """A value of the type; each text in it is `text`, each id an unknown one or `text`."""
    if isinstance(type_, GraphQLNonNull):
        return sample(type_.of_type, text)
    if isinstance(type_, GraphQLList):
        return [sample(type_.of_type, text)]
    if isinstance(type_, GraphQLInputObjectType):
        return {name: sample(field.type, text) for name, field in type_.fields.items()}
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    values: dict[str, Any] = {
        "Int": 3,
        "Units": 3,
        "Boolean": False,
        "Money": "1.50",
        "DateTime": "2026-11-20T08:30:00Z",
    }
    return values.get(get_named_type(type_).name, text)


def document(operation: str, name: str, field: GraphQLField) -> str:
    """A document that asks for the field with all its arguments in variables."""
    selection = "{ __typename }" if is_composite_type(get_named_type(field.type)) else ""
    if not field.args:
        return f"{operation} {{ {name} {selection} }}"
    declared = ", ".join(f"${arg}: {value.type}" for arg, value in field.args.items())
    passed = ", ".join(f"{arg}: ${arg}" for arg in field.args)
    return f"{operation} ({declared}) {{ {name}({passed}) {selection} }}"


def is_asked_alone(arg: str, value: GraphQLArgument) -> bool:
    """Whether the argument can be given together with any other."""
    return arg != "last" and value.default_value is Undefined


@pytest.mark.parametrize(
    ("operation", "name", "field"), [pytest.param(*each, id=each[1]) for each in root_fields()]
)
async def test_no_text_breaks_any_field(
    web: Web, operation: str, name: str, field: GraphQLField
) -> None:
    query = document(operation, name, field)
    asked = {"owner": NASTY, "admin": NASTY[2:9], "supervisor": NASTY[2:4], "nobody": NASTY[:1]}
    for who, texts in asked.items():
        for text in texts if field.args else [""]:
            given = {
                arg: sample(value.type, text)
                for arg, value in field.args.items()
                if is_asked_alone(arg, value)
            }
            await web.ask(query, who, **given)


@pytest.mark.parametrize(
    ("operation", "name", "field"),
    [pytest.param(*each, id=each[1]) for each in root_fields() if each[2].args],
)
async def test_no_id_that_is_unknown_breaks_any_field(
    web: Web, operation: str, name: str, field: GraphQLField
) -> None:
    query = document(operation, name, field)
    for kind in Kind:
        text = ids.encode(kind, new_id())
        given = {
            arg: sample(value.type, text)
            for arg, value in field.args.items()
            if arg not in {"last", "after", "before"}
        }
        await web.ask(query, "admin", **given)


def _dumps(body: dict[str, Any]) -> bytes:
    """JSON, with whole numbers of any length."""
    return json.dumps(body).encode()
