"""What becomes of a request over real sockets: an answer, never connected, or lost."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
import zlib

import pytest

from domain.provider import Accepted, NotSent, Outcome, OutgoingMessage, Unknown
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from providers.transport import (
    LARGEST_ANSWER_BYTES,
    Answer,
    Exchange,
    HttpTransport,
)
from tests.clocks import PATIENCE_SECONDS, stopwatch
from tests.providers.far_end import FarEnd, closed, listening, unresponsive

DEADLINE_SECONDS = 0.8
HEAD = b"HTTP/1.1 200 OK\r\n"
JSON = b'{"success":true,"messageId":"652f1c0d9e8b7a6655443322"}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(JSON) + JSON
CUT = HEAD + b"Content-Length: %d\r\n\r\n" % len(JSON)
ZIPPED = gzip.compress(JSON)


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    megabyte = bytes(1024 * 1024)
    return b"".join(packer.compress(megabyte) for _ in range(megabytes)) + packer.flush()


BOMB = bomb(64)


def transport(
    base_url: str,
    *,
    deadline_seconds: float = 20.0,
    connect_seconds: float = 20.0,
    connections: int = 4,
    reuse_seconds: float = 0,
) -> HttpTransport:
    return HttpTransport(
        base_url,
        deadline_seconds=deadline_seconds,
        connect_seconds=connect_seconds,
        connections=connections,
        reuse_seconds=reuse_seconds,
        loopback_only=True,
    )


async def exchanged(line: HttpTransport, method: str = "POST") -> Exchange:
    try:
        return await line.request(
            method, "/call", headers={"X-Key": "k"}, body=b"{}" if method == "POST" else None
        )
    finally:
        await line.close()


LOST = {
    "reset before any byte": FarEnd(end="reset"),
    "closed before any byte": FarEnd(),
    "never answered": FarEnd(end="hang"),
    "closed in the status line": FarEnd((b"HTTP/1.1 20",)),
    "closed after the headers": FarEnd((CUT,)),
    "reset after the headers": FarEnd((CUT, 0.05), end="reset"),
    "closed in the middle of the body": FarEnd((CUT + JSON[:20],)),
    "reset in the middle of the body": FarEnd((CUT + JSON[:20], 0.05), end="reset"),
    "silent in the middle of the body": FarEnd((CUT + JSON[:20],), end="hang"),
    "dripping past the deadline": FarEnd((HEAD + b"Content-Length: 99999\r\n\r\n",), repeat=b" "),
    "dripping headers past the deadline": FarEnd((HEAD,), repeat=b"X: y\r\n"),
    "endless": FarEnd(repeat=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "too large": FarEnd((HEAD + b"\r\n" + b" " * (LARGEST_ANSWER_BYTES + 1) + JSON,)),
    "a bomb": FarEnd(
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB,)
    ),
    "no gzip though it says so": FarEnd(
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip",)
    ),
    "garbage in chunks": FarEnd((HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",)),
    "garbage after a chunk": FarEnd(
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n!!\r\n0\r\n\r\n",)
    ),
    "garbage in a later chunk": FarEnd(
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 0.05, b"!!\r\n0\r\n\r\n"), "hang"
    ),
    "a bad end of gzip": FarEnd(
        (
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: 60\r\n\r\n" + ZIPPED[:-8],
            0.05,
            b"x" * 60,
        )
    ),
    "chunks without an end": FarEnd((HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",)),
    "a length below nothing": FarEnd((HEAD + b"Content-Length: -5\r\n\r\n" + JSON,)),
    "two lengths": FarEnd((HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",)),
    "a header without end": FarEnd((HEAD + b"X: " + b"y" * 20_000 + b"\r\n\r\n" + JSON,)),
    "not HTTP at all": FarEnd((b"\x00\x01\x02 hello\r\n\r\n",)),
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("name", LOST)
async def test_an_incomplete_answer_is_lost_and_not_requested_again(name: str, method: str) -> None:
    case = LOST[name]
    async with (
        listening(FarEnd(case.parts, case.end, case.repeat)) as far_end,
        stopwatch() as watch,
    ):
        exchange = await exchanged(
            transport(far_end.base_url, deadline_seconds=DEADLINE_SECONDS), method
        )
        assert isinstance(exchange, Unknown), exchange
        assert watch.seconds < DEADLINE_SECONDS + 2
        assert len(far_end.requests) == far_end.connections == 1


@pytest.mark.parametrize(
    ("parts", "status", "body"),
    [
        ((WHOLE,), 200, JSON),
        ((HEAD, 0.05, b"Content-Length: %d\r\n" % len(JSON), 0.05, b"\r\n" + JSON), 200, JSON),
        ((CUT + JSON[:9], 0.05, JSON[9:]), 200, JSON),
        ((HEAD + b"\r\n" + JSON,), 200, JSON),
        ((HEAD + b"Policy: %s\r\n\r\n" % (b"a" * 16_000) + JSON,), 200, JSON),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",), 200, b"{}"),
        (
            (HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED), ZIPPED),
            200,
            JSON,
        ),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,), 200, JSON),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), 204, b""),
        ((HEAD + b"\r\n" + b" " * LARGEST_ANSWER_BYTES,), 200, b" " * LARGEST_ANSWER_BYTES),
    ],
)
async def test_a_whole_answer_is_read_however_it_comes(
    parts: tuple[bytes | float, ...], status: int, body: bytes
) -> None:
    async with listening(FarEnd(parts)) as far_end:
        exchange = await exchanged(transport(far_end.base_url, deadline_seconds=20))
        assert isinstance(exchange, Answer), exchange
        assert (exchange.status, exchange.body) == (status, body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    async with listening(FarEnd((WHOLE,))) as elsewhere:
        where = f"Location: {elsewhere.base_url}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with listening(FarEnd((b"HTTP/1.1 %d Moved\r\n" % status + where,))) as far_end:
            exchange = await exchanged(transport(far_end.base_url))
            assert isinstance(exchange, Answer)
            assert exchange.status == status
            assert elsewhere.requests == []


async def test_the_request_arrives_once_and_asks_for_no_compression() -> None:
    async with listening(FarEnd((WHOLE,))) as far_end:
        line = transport(f"{far_end.base_url}/base/")
        await exchanged(line)
        (request,) = far_end.requests
        assert request.startswith(b"POST /base/call HTTP/1.1\r\n")
        assert b"X-Key: k\r\n" in request
        assert b"Accept-Encoding: identity\r\n" in request
        assert request.endswith(b"\r\n\r\n{}")


async def test_cookies_are_not_kept() -> None:
    cookie = HEAD + b"Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with listening(FarEnd((cookie,))) as far_end:
        line = transport(far_end.base_url)
        await line.request("GET", "/", headers={})
        await exchanged(line)
        assert all(b"ookie" not in request for request in far_end.requests)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(FarEnd((WHOLE,))) as proxy, listening(FarEnd((WHOLE,))) as far_end:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base_url)
        await exchanged(transport(far_end.base_url))
        assert len(far_end.requests) == 1
        assert proxy.requests == []


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_refused_connection_was_never_made(method: str) -> None:
    async with closed() as port:
        exchange = await exchanged(transport(f"http://127.0.0.1:{port}"), method)
        assert exchange == NotSent("The connection was refused.")


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue of callers is silent on Linux")
@pytest.mark.parametrize(
    ("connect_seconds", "deadline_seconds"), [(0.2, 20.0), (20.0, 0.2)], ids=["connect", "deadline"]
)
async def test_a_connection_that_takes_too_long_was_never_made(
    connect_seconds: float, deadline_seconds: float
) -> None:
    async with unresponsive() as port, stopwatch() as watch:
        line = transport(
            f"http://127.0.0.1:{port}",
            connect_seconds=connect_seconds,
            deadline_seconds=deadline_seconds,
        )
        assert isinstance(await exchanged(line), NotSent)
        assert watch.seconds < 3


@pytest.mark.parametrize(
    ("said", "connect_seconds", "reason"),
    [
        (b"", 0.2, "No connection was made in time."),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 20, "No secure connection could be made."),
    ],
)
async def test_a_secure_connection_that_is_not_agreed_on_was_never_made(
    said: bytes, connect_seconds: float, reason: str
) -> None:
    async def speak_no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 if said else -1)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(speak_no_tls, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        line = transport(f"https://127.0.0.1:{port}", connect_seconds=connect_seconds)
        assert await exchanged(line) == NotSent(reason)


async def test_a_name_that_is_not_known_was_never_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*requested: object, **also: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # The DNS query does not leave this machine.
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    line = HttpTransport(
        "http://nowhere.invalid", deadline_seconds=1, connect_seconds=1, connections=1
    )
    assert await exchanged(line) == NotSent("The host's name could not be resolved.")


async def test_a_call_that_finds_no_free_connection_in_time_was_never_made() -> None:
    async with listening(FarEnd(end="hang")) as far_end:
        line = transport(far_end.base_url, connections=1, connect_seconds=1.0, deadline_seconds=2.0)
        first, second = await asyncio.gather(
            line.request("POST", "/1", headers={}), line.request("POST", "/2", headers={})
        )
        await line.close()
        assert isinstance(first, Unknown)
        assert isinstance(second, NotSent)
        assert len(far_end.requests) == 1


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_kept_connection_that_was_closed_under_the_request_is_lost(method: str) -> None:
    async def once_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE)
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    seen: list[bytes] = []
    server = await asyncio.start_server(once_only, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        line = transport(f"http://127.0.0.1:{port}", reuse_seconds=5)
        assert isinstance(await line.request("GET", "/", headers={}), Answer)
        assert isinstance(await exchanged(line, method), Unknown)
        assert len(seen) == 1


async def test_an_answer_that_comes_twice_is_not_taken_for_the_next_one() -> None:
    async with listening(FarEnd((WHOLE, 0.02, WHOLE), end="keep")) as far_end:
        line = transport(far_end.base_url, deadline_seconds=20)
        for _ in range(3):
            assert isinstance(await line.request("GET", "/", headers={}), Answer)
        await line.close()
        assert far_end.connections == 3


async def test_kept_connections_are_used_again() -> None:
    async with listening(FarEnd((WHOLE,), end="keep")) as far_end:
        line = transport(far_end.base_url, reuse_seconds=5)
        for _ in range(3):
            assert isinstance(await line.request("GET", "/", headers={}), Answer)
        await line.close()
        assert (far_end.connections, len(far_end.requests)) == (1, 3)


async def test_a_closed_transport_can_be_used_again() -> None:
    async with listening(FarEnd((WHOLE,))) as far_end:
        line = transport(far_end.base_url)
        assert isinstance(await exchanged(line), Answer)
        assert isinstance(await exchanged(line), Answer)


async def test_a_cancelled_request_stays_cancelled() -> None:
    async with listening(FarEnd(end="hang")) as far_end:
        task = asyncio.ensure_future(exchanged(transport(far_end.base_url, deadline_seconds=60)))
        await asyncio.wait_for(far_end.requested.wait(), PATIENCE_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("case", [FarEnd(), FarEnd(end="reset"), FarEnd((CUT,))])
async def test_an_error_names_no_address(case: FarEnd) -> None:
    async with listening(FarEnd(case.parts, case.end)) as far_end:
        shown = repr(await exchanged(transport(far_end.base_url)))
        assert "127.0.0.1" not in shown
        assert str(far_end.port) not in shown


WAIT = b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (FarEnd((WHOLE,)), Accepted),
        (FarEnd((CUT,)), Unknown),
        (FarEnd(end="reset"), Unknown),
        (FarEnd((WAIT,)), NotSent),
    ],
)
async def test_the_adapter_names_an_outcome_for_what_the_sockets_do(
    case: FarEnd, expected: type[Outcome]
) -> None:
    async with listening(FarEnd(case.parts, case.end)) as far_end:
        config = ProviderConfig(base_url=far_end.base_url, api_key="k", loopback_only=True)
        provider = ExtremeSMS(config)
        assert isinstance(await provider.send(OutgoingMessage("+12025550100", "Hello")), expected)
        await provider.close()


async def test_the_adapter_returns_not_sent_if_the_connection_is_refused() -> None:
    async with closed() as port:
        config = ProviderConfig(
            base_url=f"http://127.0.0.1:{port}", api_key="k", loopback_only=True
        )
        provider = ExtremeSMS(config)
        outcome = await provider.send(OutgoingMessage("+12025550100", "Hello"))
        await provider.close()
        assert outcome == NotSent("The connection was refused.")
