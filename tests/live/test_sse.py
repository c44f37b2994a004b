"""Subscriptions as server-sent events, for clients without a WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest

from domain.live.subscriptions import Item
from ibiki.live import sse
from ibiki.live.rights import ConnectionLimits
from tests.clocks import PATIENCE_SECONDS
from tests.live.live_setup import BALANCE, Setup, live_setup, somebody
from tests.live.server import Server, eventually

VIEWER = "{ viewer { email } }"
STREAM = {"accept": "text/event-stream"}


class Events:
    """One stream of events, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, Any]:
        """The next event and its data. Comments that keep the connection alive are skipped."""
        kind, body = "", ""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._lines:
                if not line and kind:
                    return kind, json.loads(body) if body else None
                name, _, value = line.partition(":")
                if name == "event":
                    kind = value.strip()
                elif name == "data":
                    body = value.strip()
        return "", None

    async def delivered(self) -> Any:
        """The value of the only field of the next event."""
        kind, body = await self.next()
        assert kind == "next"
        [value] = body["data"].values()
        return value


@pytest.fixture
async def app() -> AsyncIterator[Setup]:
    async with live_setup() as made:
        yield made


@asynccontextmanager
async def requested(
    server: Server, query: str, who: str | None = "good", *, method: str = "POST"
) -> AsyncIterator[Events]:
    """A stream of the answers to a document."""
    headers = STREAM | ({"authorization": f"Bearer {who}"} if who else {})
    given = {"json": {"query": query}} if method == "POST" else {"params": {"query": query}}
    async with httpx.AsyncClient(timeout=30) as http:
        url = f"{server.url}/graphql"
        async with http.stream(method, url, headers=headers, **given) as response:  # type: ignore[arg-type]
            yield Events(response)


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_the_present_comes_first_and_then_every_change(app: Setup, method: str) -> None:
    async with requested(app.server, BALANCE, method=method) as events:
        assert events.response.status_code == 200
        assert events.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert events.response.headers["cache-control"] == "no-store"
        assert (await events.delivered())["account"]["balance"] == 1
        app.change(2)
        assert (await events.delivered())["account"]["balance"] == 2
    await eventually(lambda: app.server.live.hub.count == 0)


async def test_a_query_is_one_event_and_complete(app: Setup) -> None:
    async with requested(app.server, VIEWER) as events:
        assert await events.delivered() == {"email": "ada@ibiki.test"}
        assert await events.next() == ("complete", None)
        assert await events.next() == ("", None)


async def test_no_text_ends_a_line_early() -> None:
    """sseclient and aiosseclient take each line end of Unicode for the end of the event's data."""
    text = "one\u2028two\u2029three\x85four \u20ac"
    stream, sent = sse.EventStream(), bytearray()

    async def send(message: Any) -> None:
        sent.extend(message.get("body", b""))

    stream.offer(Item(orjson.dumps({"text": text})))
    stream.end()
    request: Any = SimpleNamespace(scope={"state": {}})
    await stream.write(request, asyncio.Event().wait, send)  # type: ignore[arg-type]

    event, data, *_ = sent.decode().splitlines()
    assert (event, json.loads(data.removeprefix("data: "))) == ("event: next", {"text": text})


@pytest.mark.parametrize(
    ("query", "who", "code"),
    [
        ("{ nothing }", "good", "BAD_USER_INPUT"),
        ("{", "good", "BAD_USER_INPUT"),
        (BALANCE, None, "UNAUTHENTICATED"),
        (BALANCE, "unknown", "UNAUTHENTICATED"),
    ],
)
async def test_a_refusal_is_sent_as_an_event(
    app: Setup, query: str, who: str | None, code: str
) -> None:
    async with requested(app.server, query, who) as events:
        kind, body = await events.next()
        assert kind == "next"
        assert body["errors"][0]["extensions"]["code"] == code
        assert await events.next() == ("complete", None)


async def test_a_mutation_with_get_is_refused(app: Setup) -> None:
    mutation = 'mutation { cancelSend(input: {sendId: "x"}) { __typename } }'
    async with requested(app.server, mutation, method="GET") as events:
        assert events.response.status_code == 405


async def test_a_subscription_is_not_answered_in_json(app: Setup) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{app.server.url}/graphql", json={"query": BALANCE})
    assert answer.status_code == 400
    assert "text/event-stream" in answer.json()["errors"][0]["message"]


async def test_a_stream_ends_with_its_token_and_with_its_rights(app: Setup) -> None:
    began = time.monotonic()
    async with requested(app.server, BALANCE) as good:
        await good.delivered()
        # Long enough to subscribe, which has just taken a part of it.
        lifetime = timedelta(seconds=0.4 + 20 * (time.monotonic() - began))
        ends_at = datetime.now(UTC) + lifetime
        app.authenticator.actors["short"] = replace(somebody(), expires_at=ends_at)
        async with requested(app.server, BALANCE, "short") as short:
            await short.delivered()
            assert await short.next() == ("", None)  # cut, and not complete
        app.authenticator.change("good", None)
        assert await good.next() == ("", None)


async def test_a_stream_is_kept_alive_without_blank_lines(
    app: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.05)
    async with requested(app.server, BALANCE) as events:
        await events.delivered()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [await anext(events._lines) for _ in range(2)] == [":", ":"]


async def test_streams_are_bounded_as_sockets_are() -> None:
    limits = ConnectionLimits(per_user=1)
    async with live_setup(limits=limits) as strict, requested(strict.server, BALANCE) as first:
        await first.delivered()
        async with requested(strict.server, BALANCE) as second:
            assert second.response.status_code == 503


async def test_a_server_that_stops_ends_its_streams() -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(live_setup())
        async with requested(app.server, BALANCE) as events:
            await events.delivered()
            stopping = asyncio.create_task(stack.aclose())
            with pytest.raises(httpx.RemoteProtocolError):
                await events.next()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await stopping
