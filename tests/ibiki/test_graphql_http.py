"""GraphQL over HTTP as specified: media types, statuses, methods and parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tests.ibiki.http_server import SIGNED_IN, VIEWER, VIEWER_ANSWER, RunningServer, running_server

NEW = "application/graphql-response+json"
OLD = "application/json"


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[RunningServer]:
    async with running_server() as running:
        yield running


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (NEW, NEW),
        (OLD, OLD),
        ("*/*", OLD),
        ("application/*", OLD),
        ("", OLD),
        (f"{NEW}, {OLD};q=0.9", NEW),
        (f"{OLD};q=0.5, {NEW};q=0.6", NEW),
        (f"{NEW};q=0, {OLD}", OLD),
        (f"{NEW}; charset=utf-8", NEW),
        ("text/html, application/xhtml+xml, */*;q=0.8", OLD),
        ("APPLICATION/JSON", OLD),
    ],
)
async def test_the_response_has_a_type_that_the_caller_accepts(
    web: RunningServer, accept: str, answered: str
) -> None:
    response = await web.post({"query": VIEWER}, accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"
    assert response.json() == VIEWER_ANSWER


async def test_two_accept_headers_are_one_list(web: RunningServer) -> None:
    headers = [*SIGNED_IN.items(), ("accept", NEW), ("accept", "text/html")]
    response = await web.http.post("/graphql", json={"query": VIEWER}, headers=headers)
    assert response.headers["content-type"] == f"{NEW}; charset=utf-8"


@pytest.mark.parametrize("accept", ["text/html", "image/*", f"{OLD};q=0", f"{NEW};charset=latin1"])
async def test_a_caller_that_accepts_no_json_gets_406(web: RunningServer, accept: str) -> None:
    assert (await web.post({"query": VIEWER}, accept=accept)).status_code == 406


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'],
)
async def test_the_body_is_json_in_utf_8(web: RunningServer, content_type: str) -> None:
    response = await web.http.post(
        "/graphql",
        content=orjson.dumps({"query": VIEWER}),
        headers={**SIGNED_IN, "content-type": content_type},
    )
    assert response.json() == VIEWER_ANSWER


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/graphql",
        "application/json; charset=utf-16",
        "application/json5",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
async def test_no_other_body_is_read(web: RunningServer, content_type: str) -> None:
    response = await web.http.post(
        "/graphql",
        content=orjson.dumps({"query": VIEWER}),
        headers={**SIGNED_IN, "content-type": content_type},
    )
    assert response.status_code == 415
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_a_name_that_is_given_twice_is_refused(web: RunningServer) -> None:
    for body in (
        b'{"query":"{ viewer { email } }","query":"{ viewer { email } }"}',
        b'{"query":"{ viewer { email } }","variables":{"i":{"to":"1","to":"1"}}}',
    ):
        answer = await web.http.post(
            "/graphql", content=body, headers={"content-type": "application/json", **SIGNED_IN}
        )
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["extensions"]["code"]) == (400, "BAD_USER_INPUT")
        assert "is given twice" in error["message"]


async def test_a_client_with_persisted_queries_is_told_to_send_the_document(
    web: RunningServer,
) -> None:
    hashed = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
    posted = await web.post({"extensions": hashed, "variables": {}})
    got = await web.http.get("/graphql", params={"extensions": orjson.dumps(hashed).decode()})
    for answer in (posted, got):
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["message"]) == (400, "PersistedQueryNotSupported")
        assert error["extensions"] == {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}
    both = await web.post({"query": VIEWER, "extensions": hashed})
    assert both.json() == VIEWER_ANSWER


async def test_variables_of_a_url_have_no_name_twice(web: RunningServer) -> None:
    values = {"query": VIEWER, "variables": '{"to": "1", "to": "2"}'}
    answer = await web.http.get("/graphql", params=values, headers=SIGNED_IN)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "to is given twice in an object. Give it once."


async def test_a_compressed_body_is_refused(web: RunningServer) -> None:
    response = await web.post({"query": VIEWER}, **{"content-encoding": "gzip"})
    assert response.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b'"text"',
        b"1",
        b"{}",
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": ["{ viewer { email } }"]}',
        b'{"query": "{ viewer { email } }", "variables": []}',
        b'{"query": "{ viewer { email } }", "variables": "{}"}',
        b'{"query": "{ viewer { email } }", "operationName": 1}',
        b'{"query": "{ viewer { email } }", "extensions": 7}',
        b'[{"query": "{ viewer { email } }"}]',
        b"[]",
        b'{"query": "\xff"}',
        b'{"query": "{ viewer { email } }"} trailing',
        '{"query": "{ viewer { email } }"}'.encode("utf-16"),
    ],
)
async def test_a_malformed_request_is_refused_in_both_types(
    web: RunningServer, body: bytes
) -> None:
    for accept in (OLD, NEW):
        response = await web.http.post(
            "/graphql",
            content=body,
            headers={**SIGNED_IN, "accept": accept, "content-type": "application/json"},
        )
        assert response.status_code == 400
        [error] = response.json()["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize("query", ["{", "{ nothing }", "query ($a: Int!) { viewer { email } }"])
async def test_a_document_that_is_not_executed_is_400_only_in_the_new_type(
    web: RunningServer, query: str
) -> None:
    new = await web.post({"query": query}, accept=NEW)
    old = await web.post({"query": query}, accept=OLD)
    assert (new.status_code, old.status_code) == (400, 200)
    assert new.json() == old.json()
    assert "data" not in new.json()


async def test_an_executed_document_is_200_with_its_errors(web: RunningServer) -> None:
    response = await web.http.post("/graphql", json={"query": VIEWER}, headers={"accept": NEW})
    assert response.status_code == 200
    answer = response.json()
    assert answer["data"] is None
    assert answer["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_a_query_may_use_get(web: RunningServer) -> None:
    query = "query V($yes: Boolean!) { viewer { email @include(if: $yes) } }"
    parameters = {"query": query, "variables": '{"yes": true}', "operationName": "V"}
    response = await web.http.get("/graphql", params=parameters, headers=SIGNED_IN)
    assert response.json() == VIEWER_ANSWER


@pytest.mark.parametrize(
    "url",
    [
        "/graphql",
        "/graphql?query=%7B",
        "/graphql?query={viewer{email}}&variables=x",
        "/graphql?query={viewer{email}}&variables=[]",
        "/graphql?query={viewer{email}}&query={viewer{id}}",
        "/graphql?query=%ff",
        "/graphql?query={viewer{email}}&" + "&".join(f"a{i}=1" for i in range(100)),
    ],
)
async def test_a_malformed_url_is_refused(web: RunningServer, url: str) -> None:
    response = await web.http.get(url, headers={**SIGNED_IN, "accept": NEW})
    assert response.status_code == 400
    assert response.json()["errors"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "TRACE", "OPTIONS"])
async def test_other_methods_are_refused(web: RunningServer, method: str) -> None:
    response = await web.http.request(method, "/graphql", headers=SIGNED_IN)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_only_the_bearer_credential_identifies_the_actor(web: RunningServer) -> None:
    async def code(*headers: tuple[str, str]) -> Any:
        response = await web.http.post("/graphql", json={"query": VIEWER}, headers=list(headers))
        answer = response.json()
        return answer["errors"][0]["extensions"]["code"] if "errors" in answer else None

    assert await code(("authorization", "Bearer good")) is None
    assert await code(("authorization", "bearer  good")) is None
    nobody = [
        [],
        [("authorization", "Bearer bad")],
        [("authorization", "Bearer")],
        [("authorization", "good")],
        [("authorization", "Basic good")],
        [("authorization", "Token good")],
        [("cookie", "token=good")],
        [("x-api-key", "good")],
    ]
    for headers in nobody:
        assert await code(*headers) == "UNAUTHENTICATED"
    twice = ("authorization", "Bearer good")
    assert await code(twice, twice) == "BAD_USER_INPUT"


async def test_an_unavailable_store_is_503_and_not_401(web: RunningServer) -> None:
    web.authenticator.unavailable = True
    try:
        response = await web.post({"query": VIEWER})
    finally:
        web.authenticator.unavailable = False
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    extensions = response.json()["errors"][0]["extensions"]
    assert extensions == {"code": "RATE_LIMITED", "retryAfterSeconds": 1}


async def test_the_body_limit_is_smaller_without_a_credential(web: RunningServer) -> None:
    body = {"query": VIEWER, "extensions": {"x": "x" * 100_000}}
    assert (await web.http.post("/graphql", json=body)).status_code == 413
    assert (await web.post(body)).json() == VIEWER_ANSWER


async def test_introspection_can_be_limited_to_signed_in_callers() -> None:
    query = {"query": "{ __schema { queryType { name } } }"}
    async with running_server(open_introspection=False) as web:
        anonymous = (await web.http.post("/graphql", json=query)).json()
        assert anonymous["errors"][0]["message"] == "Sign in to read the schema."
        assert (await web.post(query)).json()["data"]
        named = {"query": "{ viewer { __typename } }"}
        assert (await web.post(named)).json() == {"data": {"viewer": {"__typename": "Viewer"}}}
