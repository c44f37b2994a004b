"""The stock Python client, gql, over its own websocket transport."""

from __future__ import annotations

from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from tests.live.quiet import quiet

BALANCE = gql("subscription { balanceUpdated { account { balance } } }")


async def test_gql_is_told_the_present_and_then_every_change() -> None:
    async with quiet() as place:
        transport = WebsocketsTransport(
            url=place.server.socket_url, init_payload={"Authorization": "Bearer good"}
        )
        heard = []
        async with Client(transport=transport) as session:
            async for told in session.subscribe(BALANCE):
                heard.append(told["balanceUpdated"]["account"]["balance"])
                if heard[-1] == 3:
                    break
                place.change(heard[-1] + 1)
        assert heard == [1, 2, 3]
