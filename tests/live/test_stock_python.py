"""The stock Python client, gql, over its own websocket transport."""

from __future__ import annotations

from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport
from tenacity import retry, retry_if_exception_type, wait_fixed

from tests.live.live_setup import live_setup

BALANCE = gql("subscription { balanceUpdated { account { balance } } }")


async def test_gql_receives_the_present_state_and_then_every_change() -> None:
    async with live_setup() as app:
        transport = WebsocketsTransport(
            url=app.server.socket_url, init_payload={"Authorization": "Bearer good"}
        )
        arrived = []
        async with Client(transport=transport) as session:
            async for delivered in session.subscribe(BALANCE):
                arrived.append(delivered["balanceUpdated"]["account"]["balance"])
                if arrived[-1] == 3:
                    break
                app.change(arrived[-1] + 1)
        assert arrived == [1, 2, 3]


async def test_gql_connects_again_after_an_outage_at_the_handshake() -> None:
    answers = ["The database does not answer."]

    async def is_ready() -> str | None:
        return answers.pop() if answers else None

    async with live_setup(is_ready=is_ready) as app:
        transport = WebsocketsTransport(
            url=app.server.socket_url, init_payload={"Authorization": "Bearer good"}
        )
        client = Client(transport=transport)
        quickly = retry(retry=retry_if_exception_type(Exception), wait=wait_fixed(1.1))
        session = await client.connect_async(reconnecting=True, retry_connect=quickly)  # type: ignore[no-untyped-call]
        try:
            async for delivered in session.subscribe(BALANCE):
                assert delivered["balanceUpdated"]["account"]["balance"] == 1
                break
        finally:
            await client.close_async()  # type: ignore[no-untyped-call]
        assert not answers
