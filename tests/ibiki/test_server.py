"""Limits of connections: slow, silent and unread ones are closed."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ibiki.http import server
from ibiki.local.listening import listening
from tests.clocks import PATIENCE_SECONDS
from tests.ibiki.http_server import VIEWER, VIEWER_ANSWER, RunningServer, running_server

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


class LargeResponse:
    """Responds with 50 MB in pieces. `ended` is set after the last one or a disconnect."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers any request."""
        try:
            await StreamingResponse(self.pieces())(scope, receive, send)
        finally:
            self.ended.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The response."""
        for _ in range(50):
            yield b"x" * 1_000_000


LARGE = LargeResponse()


@pytest.fixture
async def web(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningServer]:
    monkeypatch.setattr(server, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(server, "LINGER_SECONDS", 1.0)
    async with running_server(routes=[Route("/much", LARGE)]) as running:
        yield running


async def test_a_silent_connection_is_closed(web: RunningServer) -> None:
    assert await web.raw() == b""


async def test_a_head_that_never_ends_is_closed(web: RunningServer) -> None:
    assert await web.raw(b"GET /healthz HTTP/1.1\r\nhost: ") == b""
    dripping = [b"GET /healthz HTTP/1.1\r\n", *[b"a: b\r\n"] * 20]
    assert await web.raw(*dripping, pause_seconds=0.1) == b""


@pytest.mark.parametrize("rest", [b"GET /healthz HTTP/1.1\r\n", b"\r\n"])
async def test_an_unfinished_second_head_is_closed(web: RunningServer, rest: bytes) -> None:
    answered = await web.raw(GET, rest, pause_seconds=0.1)
    assert answered.count(b"HTTP/1.1 200") == 1


async def test_a_head_that_is_too_large_is_refused(web: RunningServer) -> None:
    many = [b"a: " + b"b" * 1_000 + b"\r\n"] * 200
    assert (await web.raw(b"GET / HTTP/1.1\r\n", *many)).startswith(b"HTTP/1.1 431")
    long_url = [b"GET /", *[b"a" * 10_000] * 30]
    assert (await web.raw(*long_url)).startswith(b"HTTP/1.1 431")


async def test_a_body_that_is_not_read_does_not_keep_the_connection(web: RunningServer) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    answered = await web.raw(head, b"x", pause_seconds=0.05)
    assert answered.startswith(b"HTTP/1.1 404")


async def test_requests_in_a_row_are_answered_in_order(web: RunningServer) -> None:
    last = GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    answered = await web.raw(GET + GET + last)
    assert answered.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize(
    ("sent", "status", "shape"),
    [
        (b"\x16\x03\x01\x00\xa5\x01\x00\n\n", 400, {"errors"}),
        (b"GET /graphql HTTP/1.1\r\nbad header\r\n\r\n", 400, {"errors"}),
        (b"GET /a\x80 HTTP/1.1\r\nhost: x\r\n\r\n", 400, {"errors"}),
        (b"GET /api/v2/inbox?a=1 HTTP/9.9\r\n\r\n", 400, {"success", "error", "code"}),
        (b"POST /api/v1/json HTTP/1.1\r\nbad\r\n\r\n", 400, {"Status", "Message"}),
        (
            b"GET /2010-04-01/Accounts.json HTTP/1.1\r\na: " + b"b" * 99_000,
            431,
            {"code", "message", "more_info", "status"},
        ),
    ],
)
async def test_what_is_not_http_is_refused_in_the_format_of_its_path(
    web: RunningServer, sent: bytes, status: int, shape: set[str]
) -> None:
    head, _, body = (await web.raw(sent)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\ncontent-type: application/json" in head
    assert json.loads(body).keys() == shape


@pytest.mark.parametrize(
    "rest", [b"}", b"}\r\n\r\n" + b"a" * 99_000, b"GET / HTTP/1.1\r\nbad\r\n\r\n"]
)
@pytest.mark.parametrize("count", [1, 2])
async def test_bytes_after_a_request_do_not_replace_its_answer(
    web: RunningServer, rest: bytes, count: int
) -> None:
    body = b'{"query":"{ viewer { id } }"}'
    ask = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    whole = b"%bcontent-length: %d\r\n\r\n%b" % (ask, len(body), body)
    answered = await web.raw(whole * count + rest)
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == count
    assert answered.count(b"HTTP/1.1") == count


@pytest.mark.parametrize("pause_seconds", [0.0, 0.05])
async def test_an_upgrade_to_another_protocol_is_ignored(
    web: RunningServer, pause_seconds: float
) -> None:
    """As the HTTP client of the JDK requests HTTP/2 for each http URL."""
    body = b'{"query":"{ __typename }"}'
    upgrade = (
        b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAI\r\n"
    )
    ask = b"POST /graphql HTTP/1.1\r\nhost: x\r\n%bcontent-type: application/json\r\n" % upgrade
    whole = b"%bcontent-length: %d\r\n\r\n" % (ask, len(body)), body
    answered = await web.raw(
        *whole,
        GET.replace(b"host: x\r\n", b"host: x\r\n" + upgrade),
        *whole,
        GET.replace(b"host: x\r\n", b"host: x\r\nconnection: close\r\n"),
        pause_seconds=pause_seconds,
    )
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert answered.count(b'{"data":{"__typename":"Query"}}') == 2


async def test_many_upgrades_in_a_row_are_ignored(web: RunningServer) -> None:
    upgrade = GET.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    last = GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    answered = await web.raw(upgrade * 600 + last)
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == 601


@pytest.mark.parametrize("method", [b"CONNECT", b"GET"])
async def test_an_upgrade_of_a_request_that_has_no_answer_is_refused(
    web: RunningServer, method: bytes
) -> None:
    ask = b"%b x:443 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" % method
    assert (await web.raw(ask)).startswith(b"HTTP/1.1 400")


async def test_a_body_that_was_not_asked_for_is_not_expected(web: RunningServer) -> None:
    """The next request of the caller would be taken for it."""
    ask = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    expect = b"expect: 100-continue\r\ncontent-length: 26\r\n\r\n"
    refused = await web.raw(ask % b"/nowhere" + expect, pause_seconds=0.05)
    assert refused.startswith(b"HTTP/1.1 404")
    assert b"\r\nconnection: close\r\n" in refused
    body = b'{"query":"{ __typename }"}'
    last = GET.replace(b"host: x\r\n", b"host: x\r\nconnection: close\r\n")
    read = await web.raw(ask % b"/graphql" + expect, body, last, pause_seconds=0.05)
    assert read.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert read.count(b"HTTP/1.1 200 OK\r\n") == 2


async def test_slow_connections_do_not_delay_others(web: RunningServer) -> None:
    slow = [asyncio.create_task(web.raw(b"POST /graphql HTTP/1.1\r\n")) for _ in range(100)]
    answers = [(await web.post({"query": VIEWER})).json() for _ in range(5)]
    assert answers == [VIEWER_ANSWER] * 5
    assert await asyncio.gather(*slow) == [b""] * 100


async def test_a_response_that_is_not_read_is_dropped(
    web: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.3)
    LARGE.ended.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", web.port, limit=1_000)
    writer.write(GET.replace(b"/healthz", b"/much"))
    await asyncio.wait_for(LARGE.ended.wait(), PATIENCE_SECONDS)
    writer.transport.abort()


async def test_a_response_that_is_read_is_complete(web: RunningServer) -> None:
    assert len((await web.http.get("/much")).content) == 50_000_000


async def test_a_response_to_http_1_0_has_no_chunks(web: RunningServer) -> None:
    for path, size in ((b"/much", 50_000_000), (b"/healthz", 15)):
        answered = await web.raw(b"GET %b HTTP/1.0\r\nconnection: keep-alive\r\n\r\n" % path)
        head, _, body = answered.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"\r\nconnection: close" in head
        assert len(body) == size


async def test_a_complete_response_has_its_length_and_nothing_after_it(web: RunningServer) -> None:
    body = b'{"query":"{ viewer { id } }"}'
    ask = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    closing = b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
    answered = await web.raw(ask + closing)
    head, _, answer = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.lower().count(b"content-length: %d\r\n" % len(answer)) == 1
    assert head.lower().count(b"\r\ndate: ") == 1
    assert b"\r\nconnection: close" in head.lower()


async def test_a_head_request_is_answered_without_a_body(web: RunningServer) -> None:
    ask = b"HEAD /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answered = await web.raw(ask)
    assert answered.startswith(b"HTTP/1.1 404")
    assert answered.endswith(b"\r\n\r\n")


def test_no_part_of_an_answer_waits_until_the_previous_one_is_confirmed() -> None:
    with (
        listening("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_each_answer_closes_its_connection_while_the_server_stops() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("here")(scope, receive, send)

    web = server.server_for(app)
    with listening("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(web.serve(sockets=[listener]))
        port = listener.getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as caller:
            assert "connection" not in (await caller.get("/")).headers
            server.close_after_answers(web)
            assert (await caller.get("/")).headers["connection"] == "close"
            # A second later, uvicorn has made its headers again.
            date = (await caller.get("/")).headers["date"]
            while (again := await caller.get("/")).headers["date"] == date:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert again.headers["connection"] == "close"
        web.should_exit = True
        await serving
