"""graphql-transport-ws, message by message: valid, invalid, too many and too early ones."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from domain.errors import TryAgain
from ibiki.http.middleware import AllowedOrigins
from ibiki.live.rights import ConnectionLimits
from ibiki.live.subscribing import SocketRules
from tests.live.live_setup import BALANCE, Setup, live_setup
from tests.live.server import PROTOCOL, Client, client, eventually

VIEWER = "{ viewer { email } }"
ALLOWED = "https://shop.example"
TWO_NUMBERS = """{"id": "1", "type": "subscribe", "payload": {"query": "{ viewer { email } }",
    "variables": {"to": "+12025550100", "to": "+12025550101"}}}"""


@pytest.fixture(scope="module")
async def app() -> AsyncIterator[Setup]:
    """One server for tests that leave it as it was."""
    async with live_setup(origins=AllowedOrigins(frozenset({ALLOWED}))) as made:
        yield made


async def test_a_query_is_answered_and_complete(app: Setup) -> None:
    async with client(app.server, "good") as socket:
        await socket.subscribe(VIEWER, id="q")
        assert await socket.receive() == {
            "id": "q",
            "type": "next",
            "payload": {"data": {"viewer": {"email": "ada@ibiki.test"}}},
        }
        assert await socket.receive() == {"id": "q", "type": "complete"}
        await socket.subscribe(VIEWER, id="q")  # the id is free again
        assert (await socket.receive())["type"] == "next"


async def test_many_operations_share_a_socket(app: Setup) -> None:
    async with client(app.server, "good") as socket:
        await socket.subscribe(BALANCE, id="1")
        await socket.subscribe(BALANCE, id="2")
        assert {(await socket.receive())["id"], (await socket.receive())["id"]} == {"1", "2"}
        await socket.send(type="complete", id="1")
        await socket.subscribe(VIEWER, id="3")
        await socket.receive()
        await socket.receive()
        app.change(app.store.balance + 1)
        assert (await socket.receive())["id"] == "2"


async def test_a_wrong_document_ends_the_operation_and_not_the_socket(app: Setup) -> None:
    async with client(app.server, "good") as socket:
        for query in ("{", "{ nothing }", "subscription { balanceUpdated { nothing } }", "", "#"):
            await socket.subscribe(query)
            answer = await socket.receive()
            assert answer["type"] == "error", query
            assert answer["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        await socket.subscribe("query ($id: ID!) { send(id: $id) { id } }")
        assert (await socket.receive())["type"] == "error"
        await socket.subscribe(VIEWER)
        assert (await socket.receive())["type"] == "next"


async def test_an_operation_before_the_sign_in_is_answered_by_its_field(app: Setup) -> None:
    async with client(app.server) as socket:
        await socket.subscribe(BALANCE)
        answer = await socket.receive()
        assert answer["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        await socket.subscribe(VIEWER, id="2")
        answer = await socket.receive()
        assert answer["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_ping_is_answered(app: Setup) -> None:
    async with client(app.server, begin=False) as socket:
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}
        await socket.send(type="ping", payload={"n": 1})
        assert await socket.receive() == {"type": "pong", "payload": {"n": 1}}
        await socket.send(type="pong")
        await socket.begin("good")


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["not json"], 4400),
        (["[]"], 4400),
        (['"text"'], 4400),
        (['{"type": "ping", "type": "pong"}'], 4400),
        (['{"type": "connection_init"}', TWO_NUMBERS], 4400),
        (["{}"], 4400),
        ([b"{}"], 4400),
        ([{"type": "next", "id": "1"}], 4400),
        ([{"type": 7}], 4400),
        ([{"type": "connection_init", "payload": "good"}], 4400),
        ([{"type": "connection_init", "payload": {"Authorization": "Bearer bad"}}], 4403),
        ([{"type": "connection_init", "payload": {"Authorization": "Basic good"}}], 4403),
        ([{"type": "connection_init", "payload": {"Authorization": {"a": 1}}}], 4403),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
        ([{"type": "subscribe", "id": "1", "payload": {"query": VIEWER}}], 4401),
        ([{"type": "connection_init"}, {"type": "subscribe", "id": "1"}], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "payload": {"query": "{"}}], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "id": "1", "payload": {}}], 4400),
    ],
)
async def test_a_protocol_error_closes_the_socket(
    app: Setup, messages: list[Any], code: int
) -> None:
    async with client(app.server, begin=False) as socket:
        for message in messages:
            raw = message if isinstance(message, (str, bytes)) else json.dumps(message)
            await socket.connection.send(raw)
        assert await socket.closed() == code


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": 1},
        {"id": "x" * 129},
        {"payload": {"query": 1}},
        {"payload": {"query": VIEWER, "variables": []}},
        {"payload": {"query": VIEWER, "operationName": 1}},
        {"payload": [VIEWER]},
    ],
)
async def test_a_subscribe_of_the_wrong_shape_closes_the_socket(
    app: Setup, wrong: dict[str, Any]
) -> None:
    async with client(app.server, "good") as socket:
        await socket.send(**{"type": "subscribe", "id": "1", "payload": {"query": VIEWER}} | wrong)
        assert await socket.closed() == 4400


async def test_an_id_that_is_in_use_closes_the_socket(app: Setup) -> None:
    async with client(app.server, "good") as socket:
        await socket.subscribe(BALANCE)
        await socket.subscribe(BALANCE)
        assert await socket.closed() == 4409


async def test_a_long_id_or_name_in_a_reason_is_cut(app: Setup) -> None:
    name = "\U0001f600" * 100
    async with client(app.server, "good") as socket:
        await socket.subscribe(BALANCE, id=name)
        await socket.subscribe(BALANCE, id=name)
        assert await socket.closed() == 4409
    async with client(app.server, begin=False) as socket:
        await socket.connection.send(f'{{"{name}": 1, "{name}": 2}}')
        assert await socket.closed() == 4400


async def test_a_message_that_is_too_long_closes_the_socket(app: Setup) -> None:
    async with client(app.server, "good") as socket:
        await socket.send(type="ping", payload={"much": "x" * 65_536})
        assert await socket.closed() == 1009


@pytest.mark.parametrize("offered", [["graphql-ws"], None, ["graphql-sse"]])
async def test_the_older_protocol_is_refused(app: Setup, offered: Any) -> None:
    options = {"subprotocols": offered, "compression": None}
    async with client(app.server, begin=False, **options) as socket:
        assert await socket.closed() == 4406


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://", "http://127.0.0.1"])
async def test_pages_of_foreign_origins_open_no_socket(
    app: Setup, origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(app.server.socket_url, subprotocols=[PROTOCOL], origin=origin)  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_pages_of_allowed_origins_open_a_socket(app: Setup) -> None:
    async with client(app.server, "good", origin=ALLOWED) as socket:
        await socket.subscribe(VIEWER)
        assert (await socket.receive())["type"] == "next"


@pytest.mark.parametrize("query", ["token=x", "authorization=Bearer%20x", "a=Bearer%20x"])
async def test_a_credential_in_the_address_is_refused(app: Setup, query: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{app.server.socket_url}?{query}", subprotocols=[PROTOCOL])
    assert refused.value.response.status_code == 400


async def test_another_path_opens_no_socket(app: Setup) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{app.server.socket_url}/other", subprotocols=[PROTOCOL])
    assert refused.value.response.status_code in {403, 404}


async def test_a_credential_in_a_header_is_not_a_sign_in(app: Setup) -> None:
    headers = {"authorization": "Bearer good"}
    async with client(app.server, additional_headers=headers) as socket:
        await socket.subscribe(BALANCE)
        assert (await socket.receive())["type"] == "error"


async def test_a_socket_without_an_initialisation_is_closed(app: Setup) -> None:
    async with (
        live_setup(rules=SocketRules(init_seconds=1.0)) as hasty,
        client(hasty.server, "good") as earlier,
    ):
        async with client(hasty.server, begin=False) as socket:
            assert await socket.closed() == 4408
        await earlier.subscribe(VIEWER)
        assert (await earlier.receive())["type"] == "next"


async def test_a_flood_of_messages_closes_the_socket() -> None:
    rules = SocketRules(messages_per_second=50)
    async with live_setup(rules=rules) as strict, client(strict.server, "good") as socket:
        flood = asyncio.create_task(_flood(socket))
        assert await socket.closed() == 4429
        await flood


async def _flood(socket: Client) -> None:
    try:
        for _ in range(1_000):
            await socket.send(type="pong")
    except Exception:  # noqa: BLE001 - it is closed under it
        return


async def test_operations_of_a_socket_are_bounded() -> None:
    rules = SocketRules(operations=3)
    async with live_setup(rules=rules) as strict, client(strict.server, "good") as socket:
        for number in range(3):
            await socket.subscribe(BALANCE, id=f"{number}")
            await socket.receive()
        await socket.subscribe(BALANCE, id="more")
        answer = await socket.receive()
        assert answer["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        await socket.send(type="complete", id="0")
        await socket.subscribe(BALANCE, id="more")
        assert (await socket.receive())["type"] == "next"


async def test_sockets_of_a_user_are_bounded() -> None:
    async with live_setup(limits=ConnectionLimits(most=10, per_user=2, anonymous=1)) as strict:
        server = strict.server
        async with client(server, "good"), client(server, "other"), client(server):
            async with client(server, "good"), client(server, begin=False) as socket:
                payload = {"Authorization": "Bearer good"}
                await socket.send(type="connection_init", payload=payload)
                assert await socket.closed() == 1013
            async with client(server, "good"):
                pass
            async with client(server, begin=False) as socket:
                await socket.send(type="connection_init")
                assert await socket.closed() == 1013


async def test_sockets_of_a_process_are_bounded() -> None:
    async with live_setup(limits=ConnectionLimits(most=1)) as strict:
        async with client(strict.server, "good"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(strict.server.socket_url, subprotocols=[PROTOCOL])
            assert refused.value.response.status_code == 503
        await eventually(lambda: not strict.server.live.rights.is_full)
        async with client(strict.server, "good"):
            pass


async def test_a_handshake_during_an_outage_is_answered_with_503() -> None:
    async def is_ready() -> str | None:
        return "The database does not answer."

    async with live_setup(is_ready=is_ready) as app:
        with pytest.raises(InvalidStatus) as refused:
            await connect(app.server.socket_url, subprotocols=[PROTOCOL])
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["retry-after"] == "1"
        assert b"The database does not answer. Try again later." in refused.value.response.body


async def test_an_outage_during_the_sign_in_closes_the_socket_with_1013() -> None:
    async with live_setup() as app:

        async def unavailable(credential: str) -> None:
            raise TryAgain

        app.authenticator.actor_for = unavailable  # type: ignore[method-assign]
        async with client(app.server, begin=False) as socket:
            await socket.send(type="connection_init", payload={"Authorization": "Bearer good"})
            assert await socket.closed() == 1013


async def test_sockets_are_counted_and_forgotten(app: Setup) -> None:
    gauge = app.server.metrics.sockets
    async with client(app.server, "good") as socket:
        await socket.subscribe(BALANCE)
        await socket.receive()
        assert gauge._value.get() == 1
        assert app.server.live.hub.count == 1
    await eventually(lambda: gauge._value.get() == 0)
    assert app.server.live.hub.count == 0


async def test_a_server_that_stops_closes_its_sockets_with_the_code_for_a_restart() -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(live_setup())
        async with client(app.server, "good") as socket:
            await socket.subscribe(BALANCE)
            await socket.receive()
            stopping = asyncio.create_task(stack.aclose())
            assert await socket.closed() == 1012
            await stopping
