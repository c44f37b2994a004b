"""The middleware: request IDs, origins, no credentials in URLs, limits of bodies."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ibiki.http.middleware import AllowedOrigins, BodyLimit
from tests.clocks import PATIENCE_SECONDS
from tests.ibiki.http_server import SIGNED_IN, VIEWER, VIEWER_ANSWER, RunningServer, running_server


async def _break(_request: Request) -> Response:
    raise ZeroDivisionError("the secret of the installation")


async def _swallow(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return Response(str(size))


@pytest.fixture(scope="module")
async def web() -> AsyncIterator[RunningServer]:
    async with running_server(
        origins=AllowedOrigins(frozenset({"https://app.example.com"})),
        body=BodyLimit(size=200_000),
        body_by_path={
            "/uploads": BodyLimit(size=1_000_000),
            "/slow": BodyLimit(size=1_000_000, seconds=1.0),
        },
        routes=[
            Route("/break", _break),
            Route("/uploads", _swallow, methods=["POST"]),
            Route("/slow", _swallow, methods=["POST"]),
            Route("/webhooks/{provider}/{token}", _swallow, methods=["POST"]),
        ],
    ) as running:
        yield running


async def test_each_response_has_a_request_id_and_security_headers(web: RunningServer) -> None:
    for path in ("/graphql", "/healthz", "/nowhere", "/break"):
        headers = (await web.http.get(path)).headers
        assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


async def test_only_a_valid_request_id_of_the_caller_is_used(web: RunningServer) -> None:
    async def given(request_id: str) -> str:
        response = await web.http.get("/healthz", headers={"x-request-id": request_id})
        return str(response.headers["x-request-id"])

    assert await given("check-7.a_b") == "check-7.a_b"
    for other in ("a b", "x" * 65, "a;b", "", "12025550123"):
        assert await given(other) != other


async def test_an_internal_error_only_shows_the_request_id(
    web: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="ibiki.http"):
        response = await web.http.get("/break")
    [error] = response.json()["errors"]
    assert response.status_code == 500
    request_id = response.headers["x-request-id"]
    assert error["extensions"] == {"code": "INTERNAL", "correlationId": request_id}
    assert "secret" not in response.text
    assert [vars(record)["request_id"] for record in caplog.records] == [request_id]


async def test_a_failed_request_is_logged_without_its_query(
    web: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="ibiki.access"):
        await web.http.get("/nowhere?number=2025550123")
        await web.http.get("/healthz")
    [record] = [each for each in caplog.records if each.name == "ibiki.access"]
    logged = vars(record)
    assert (logged["method"], logged["path"], logged["status"]) == ("GET", "/nowhere", 404)
    assert "2025550123" not in str(logged)


async def test_requests_are_counted_by_route_and_not_by_full_path(web: RunningServer) -> None:
    await web.http.post("/webhooks/extreme/s3cret", content=b"x")
    await web.http.get("/s3cret")
    exposed = (await web.http.get("/metrics")).text
    assert 'method="POST",route="/webhooks",status="200"' in exposed
    assert 'route="none",status="404"' in exposed
    assert "s3cret" not in exposed


async def test_readiness_says_why_the_server_is_not_ready(web: RunningServer) -> None:
    assert (await web.http.get("/readyz")).json() == {"status": "ready"}
    web.unready = "the database is unavailable"
    try:
        response = await web.http.get("/readyz")
    finally:
        web.unready = None
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reason": "the database is unavailable"}
    assert (await web.http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("origin", ["https://app.example.com", "HTTPS://APP.EXAMPLE.COM"])
async def test_an_allowed_page_may_call(web: RunningServer, origin: str) -> None:
    response = await web.post({"query": VIEWER}, origin=origin)
    assert response.json() == VIEWER_ANSWER
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/graphql", b"{", 400),
        ("PUT", "/graphql", b"", 405),
        ("GET", "/graphql?token=x", b"", 400),
        ("POST", "/graphql", b" " * 200_001, 413),
        ("GET", "/nowhere", b"", 404),
        ("GET", "/break", b"", 500),
    ],
)
async def test_an_allowed_page_can_read_a_refusal(
    web: RunningServer, method: str, path: str, body: bytes, status: int
) -> None:
    given = {"origin": "https://app.example.com", "content-type": "application/json"}
    response = await web.http.request(method, path, content=body, headers=given)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == given["origin"]
    assert "retry-after" in response.headers["access-control-expose-headers"]


async def test_a_page_of_the_same_origin_may_call(web: RunningServer) -> None:
    response = await web.post({"query": VIEWER}, origin=web.url)
    assert response.json() == VIEWER_ANSWER


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "https://app.example.com.evil",
        "http://app.example.com",
        "http://localhost:5173",
        "http://127.0.0.1:1",
        "https://[",
        "file://",
        "null",
    ],
)
async def test_a_page_of_another_origin_is_refused(web: RunningServer, origin: str) -> None:
    response = await web.post({"query": VIEWER}, origin=origin)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


async def test_a_cors_preflight_is_answered(web: RunningServer) -> None:
    headers = {"access-control-request-method": "POST", "origin": "https://app.example.com"}
    response = await web.http.options("/graphql", headers=headers)
    assert response.status_code == 204
    allowed = response.headers["access-control-allow-headers"]
    assert allowed == "authorization, content-type, idempotency-key, x-request-id, *"
    assert response.headers["access-control-allow-origin"] == headers["origin"]
    assert "DELETE" in response.headers["access-control-allow-methods"]
    foreign = {**headers, "origin": "https://evil.example.com"}
    assert (await web.http.options("/graphql", headers=foreign)).status_code == 403


def test_loopback_pages_are_only_allowed_in_development() -> None:
    at_work = AllowedOrigins(loopback=True)
    for origin in ("http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:3000"):
        assert at_work.allow(origin, "127.0.0.1:8000")
        assert not AllowedOrigins().allow(origin, "127.0.0.1:8000")
    assert not at_work.allow("http://localhost.evil.example.com", "127.0.0.1:8000")


@pytest.mark.parametrize(
    "query",
    [
        "token=x",
        "access_token=x",
        "accessToken=x",
        "API-KEY=x",
        "api_key=x",
        "Authorization=Bearer%20x",
        "%61uth=x",
        "a=1&jwt=",
        "x=Bearer%20abc",
        "x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "x=ibk_0a1b2c3d_rest",
    ],
)
async def test_a_url_with_a_credential_is_refused_everywhere(
    web: RunningServer, query: str
) -> None:
    for path in ("/graphql", "/healthz", "/nowhere"):
        response = await web.http.get(f"{path}?{query}", headers=SIGNED_IN)
        assert response.status_code == 400
        assert "Do not put a credential into a URL" in response.json()["errors"][0]["message"]


async def test_a_url_without_a_credential_is_accepted(web: RunningServer) -> None:
    response = await web.http.get(
        "/graphql", params={"query": "{ viewer { email } }"}, headers=SIGNED_IN
    )
    assert response.json() == VIEWER_ANSWER


async def test_a_body_with_a_declared_size_over_the_limit_is_refused(web: RunningServer) -> None:
    head = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 200001\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
    writer.write(head)
    assert (await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_body_with_an_actual_size_over_the_limit_is_refused(web: RunningServer) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    headers = {**SIGNED_IN, "content-type": "application/json"}
    response = await web.http.post("/graphql", content=chunks(), headers=headers)
    assert response.status_code == 413
    assert (
        response.json()["errors"][0]["message"]
        == "The body is larger than the limit of 200000 bytes."
    )


async def test_a_path_may_have_its_own_limit(web: RunningServer) -> None:
    assert (await web.http.post("/uploads", content=b"x" * 900_000)).text == "900000"
    assert (await web.http.post("/uploads", content=b"x" * 1_000_001)).status_code == 413
    assert (await web.http.post("/webhooks/a/b", content=b"x" * 900_000)).status_code == 413


async def test_a_body_that_does_not_arrive_times_out(web: RunningServer) -> None:
    head = b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    answered = await web.raw(head, b"{", pause_seconds=0.01)
    assert answered.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answered


async def test_a_body_that_arrives_slowly_times_out(web: RunningServer) -> None:
    head = b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"
    answered = await web.raw(head, *[b"x"] * 20, pause_seconds=0.1)
    assert answered.startswith(b"HTTP/1.1 408")
