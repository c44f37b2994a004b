"""One real Kannel, its network, and the way from it to our webhooks, for all tests of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from domain.inbox.receive import receive_due
from tests import db
from tests.inbox import post
from tests.inbox.webhook_app import webhook_app
from tests.kannel.gateway import MISSING, PATIENCE, Gateway, running_gateway
from tests.kannel.smpp import Network, running_network


@dataclass
class Callback:
    """The address that Kannel calls. It leads to `target`, or closes each connection."""

    port: int = 0
    target: int | None = None
    refused: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connects a caller with the target."""
        if self.target is None:
            self.refused += 1
            writer.close()
            return
        with suppress(ConnectionError):
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()


@pytest.fixture(scope="session")
async def network() -> AsyncIterator[Network]:
    """The network behind the gateway."""
    async with running_network() as network:
        yield network


@pytest.fixture(scope="session")
async def callback() -> AsyncIterator[Callback]:
    """The address that the gateway delivers reports and messages to."""
    callback = Callback()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(callback.pass_on(reader, writer))
        callback.tasks.add(task)
        task.add_done_callback(callback.tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    callback.port = server.sockets[0].getsockname()[1]
    yield callback
    server.close()
    for task in tuple(callback.tasks):
        task.cancel()
    await asyncio.gather(*callback.tasks, return_exceptions=True)
    await server.wait_closed()


@pytest.fixture(scope="session")
async def kannel(network: Network, callback: Callback) -> AsyncIterator[Gateway]:
    """The Kannel of all tests."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}. .ci/run installs kannel, kannel-extras")
    async with running_gateway(network_port=network.port, callback_port=callback.port) as gateway:
        yield gateway


@pytest.fixture
async def gateway(kannel: Gateway) -> Gateway:
    """The Kannel that the page for operators describes. It runs, whatever a test before did."""
    await kannel.ensure_running()
    return kannel


@dataclass
class Ibiki:
    """A client with credits in a pool of Kannel, and the webhooks that Kannel calls."""

    client: db.Tenant

    async def receives(self, query: str, *arguments: object, seconds: float = PATIENCE) -> None:
        """Receives events until the SQL query returns true."""
        async with asyncio.timeout(seconds):
            while True:
                await receive_due(post.RECEIVER)
                (row,) = await db.fetch(f"SELECT ({query}) AS done", *arguments)
                if row["done"]:
                    return
                await asyncio.sleep(0.05)


@pytest.fixture
async def ibiki(database_url: str, gateway: Gateway, callback: Callback) -> AsyncIterator[Ibiki]:
    """The program behind the callback, on a database of the test."""
    async with (
        db.connected(database_url),
        webhook_app(secrets=["CHANGE-SECRET"]) as app,
    ):
        pool = await db.add_pool()
        await db.execute("UPDATE provider_account SET provider = 'kannel'")
        client = await db.add_client(pool, held=1_000)
        callback.target = app.front.port
        yield Ibiki(client)
        callback.target = None
