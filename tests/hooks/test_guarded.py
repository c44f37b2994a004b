"""The client that posts to clients' URLs, and receivers that lie, hang and redirect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from domain.hooks.addresses import AddressRules
from domain.hooks.deliveries import HookAnswer, HookRequest
from providers.guarded import GuardedClient, GuardRules
from tests.clocks import PATIENCE_SECONDS, stopwatch

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REQUEST = HookRequest({"Content-Type": "application/json"}, b'{"a":1}')
DEADLINE_SECONDS = 0.6
BROKEN = "The connection broke before the answer was complete."
UNREADABLE = "The answer could not be read."
LATE = "No complete answer came within 5 seconds."

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class CountingReceiver:
    """The receiver: how many connections it got, and what it read."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[bytes] = []


@asynccontextmanager
async def far_end(serve: Serve) -> AsyncIterator[CountingReceiver]:
    """A server on this machine that speaks as the test wants."""
    far = CountingReceiver()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                far.heads.append(head)
                await reader.readexactly(len(REQUEST.body))
                await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    far.port = server.sockets[0].getsockname()[1]
    try:
        yield far
    finally:
        server.close()


async def post(
    far: CountingReceiver, *, client: GuardedClient | None = None, path: str = "/"
) -> HookAnswer:
    """One request to the far end, from a sandbox."""
    own = client or sandbox()
    try:
        return await own.post(f"http://127.0.0.1:{far.port}{path}", REQUEST)
    finally:
        if client is None:
            await own.close()


def sandbox(deadline_seconds: float = PATIENCE_SECONDS) -> GuardedClient:
    """A client that may reach this machine."""
    rules = GuardRules(AddressRules(loopback=True), deadline_seconds=deadline_seconds)
    return GuardedClient(rules)


def says(answer: bytes) -> Serve:
    """Answers with these bytes, and keeps the connection."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return serve


def ends_after(answer: bytes) -> Serve:
    """Answers with these bytes, and closes the connection."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    return serve


def repeats(first: bytes, then: bytes, every_seconds: float) -> Serve:
    """Answers without an end."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(then)
            await writer.drain()
            await asyncio.sleep(every_seconds)

    return serve


async def test_a_post_returns_the_status_and_body_of_the_receiver() -> None:
    async with far_end(says(OK)) as far:
        answer = await post(far)
        assert (answer.status, answer.body, answer.error) == (200, "ok", None)
        [head] = far.heads
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST / HTTP/1.1"
    assert "Content-Type: application/json" in lines


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        (ends_after(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), BROKEN),
        (ends_after(b""), BROKEN),
        (ends_after(b"HTTP/1.1 2"), BROKEN),
        (says(b"220 smtp.example ESMTP\r\n"), UNREADABLE),
        (says(b"HTTP/1.1 999 Odd\r\nX Y: 1\r\n\r\n"), UNREADABLE),
        (says(b"HTTP/1.1 2000 Odd\r\nX Y: 1\r\n\r\n"), UNREADABLE),
        (says(b""), LATE),
        (repeats(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"a", 0.05), LATE),
        (repeats(b"HTTP/1.1 200 OK\r\n", b"X: a\r\n", 0.05), LATE),
        (repeats(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05), LATE),
        (ends_after(CHUNKED + b"2\r\nok\r\n"), BROKEN),
        (repeats(CHUNKED, b"1\r\na\r\n", 0.05), LATE),
        (repeats(CHUNKED + b"1;", b"a", 0.05), LATE),
        (repeats(CHUNKED + b"1\r\na\r\n0\r\n", b"X: a\r\n", 0), BROKEN),
    ],
)
async def test_a_receiver_that_lies_or_hangs_is_left_at_the_deadline(
    serve: Serve, error: str
) -> None:
    client = sandbox(DEADLINE_SECONDS if error == LATE else PATIENCE_SECONDS)
    async with far_end(serve) as far, stopwatch() as watch:
        answer = await post(far, client=client)
        assert watch.seconds < DEADLINE_SECONDS + 0.5
        await client.close()
    assert not answer.is_success
    assert (answer.error or "").startswith(error)


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\nok", 204, None),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nnull", 204, None),
        (CHUNKED.replace(b"200 OK", b"204 No Content") + b"0\r\n\r\n", 204, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", 200, None),
        (b"HTTP/1.0 200\r\nContent-Length: 2\r\nX Y: 1\r\n\r\nok", 200, None),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n") + b"0\r\n\r\n", 200, None),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 200, None),
        (CHUNKED + b"zz\r\nok\r\n0\r\n\r\n", 200, None),
        (CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", 200, None),
        (CHUNKED + b"fffffffffffffffff\r\nok\r\n", 200, None),
        (CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", 200, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 200, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", 200, None),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\nokay", 410, "The endpoint answered 410."),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304, "The endpoint answered 304."),
    ],
)
async def test_if_an_answer_is_not_valid_http_its_status_line_counts(
    answer: bytes, status: int, error: str | None
) -> None:
    client = sandbox()
    async with far_end(says(answer)) as far:
        for _ in range(2):
            got = await post(far, client=client)
            assert (got.status, got.error) == (status, error)
        await client.close()


async def test_a_body_that_follows_a_204_later_is_no_part_of_the_next_answer() -> None:
    head = b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    client, first = sandbox(), asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()
        await first.wait()
        writer.write(b"0\r\n\r\n")

    async with far_end(serve) as far:
        assert (await post(far, client=client)).status == 204
        posting = asyncio.create_task(post(far, client=client))
        first.set()
        assert (await posting).status == 204
        assert far.connections == 2
        await client.close()


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/", "http://localhost/", "/elsewhere", "https://example.com/"],
)
async def test_a_redirect_is_not_followed(location: str) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    async with far_end(says(head.encode())) as far:
        answer = await post(far)
        assert len(far.heads) == 1
    assert (answer.status, answer.is_success) == (302, False)
    assert answer.error is not None
    assert answer.error.startswith("The endpoint redirects.")


async def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    block = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    for serve in (repeats(CHUNKED, block, 0), repeats(huge, b"a" * 0x10000, 0)):
        async with far_end(serve) as far:
            answer = await post(far)
        assert answer.status == 200
        assert 1024 <= len(answer.body) <= 4096


async def test_an_answer_may_have_a_long_header() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Policy: %s\r\n\r\n"
    async with far_end(says(head % (b"a" * 16_000))) as far:
        assert (await post(far)).is_success


async def test_a_compressed_answer_is_not_expanded() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    async with far_end(says(body)) as far:
        assert (await post(far)).body == "abc"


async def test_neither_cookies_nor_proxies_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    client = sandbox()
    async with far_end(says(answer)) as far:
        for _ in range(2):
            assert (await post(far, client=client)).is_success
        assert far.connections == 1
        assert not any(b"cookie" in head.lower() for head in far.heads)
        await client.close()


@pytest.mark.parametrize(
    ("given", "seconds"), [("120", 120), ("Fri, 01 Jan 2100 00:00:00 GMT", 3_600), ("soon", None)]
)
async def test_retry_after_is_read(given: str, seconds: int | None) -> None:
    head = f"HTTP/1.1 503 Busy\r\nRetry-After: {given}\r\nContent-Length: 0\r\n\r\n"
    async with far_end(says(head.encode())) as far:
        answer = await post(far)
    assert (answer.status, answer.retry_after_seconds) == (503, seconds)
    assert answer.error == "The endpoint answered 503."


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433"])
async def test_a_url_that_leads_to_this_machine_is_not_connected_to(host: str) -> None:
    client = GuardedClient(GuardRules(deadline_seconds=DEADLINE_SECONDS))
    async with far_end(says(OK)) as far:
        answer = await client.post(f"https://{host}:{far.port}/", REQUEST)
        assert far.connections == 0
    await client.close()
    assert answer.status is None
    assert answer.error in (
        "The URL leads to an address that is not public.",
        "The URL is not valid.",
    )


async def test_plain_http_is_refused_except_to_this_machine() -> None:
    client = sandbox()
    answer = await client.post("http://192.0.2.1/", REQUEST)
    assert answer.error == "Only https URLs are posted to."
    answer = await client.post("nonsense", REQUEST)
    assert answer.error == "Only https URLs are posted to."
    await client.close()


async def test_a_refused_connection_and_an_unknown_name_have_their_reasons() -> None:
    client = sandbox()
    async with far_end(says(OK)) as far:
        port = far.port
    refused = await client.post(f"http://127.0.0.1:{port}/", REQUEST)
    assert refused.error == "The connection was refused."
    unknown = await client.post("https://nobody.invalid/", REQUEST)
    assert unknown.error == "The host's name could not be resolved."
    await client.close()


def answers_once(then: bytes = b"") -> Serve:
    """Answers the first request of each connection. At the next one, it says `then` and closes."""
    answered: set[asyncio.StreamWriter] = set()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(then if writer in answered else OK)
        if writer in answered:
            writer.close()
        answered.add(writer)

    return serve


async def test_a_post_on_an_idle_connection_that_ends_is_repeated_once_on_a_new_one() -> None:
    client = sandbox()
    async with far_end(answers_once()) as far:
        first = await asyncio.gather(*(post(far, client=client) for _ in range(3)))
        assert [each.status for each in first] == [200] * 3
        assert far.connections == 3
        again = await post(far, client=client)
        assert (again.status, far.connections, len(far.heads)) == (200, 4, 5)
    await client.close()


async def test_a_post_is_not_repeated_if_an_answer_began() -> None:
    client = sandbox()
    async with far_end(answers_once(b"HTTP/1.1 5")) as far:
        assert (await post(far, client=client)).status == 200
        assert (await post(far, client=client)).error == BROKEN
        assert (far.connections, len(far.heads)) == (1, 2)
    await client.close()
