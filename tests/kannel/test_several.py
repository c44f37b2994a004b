"""Several smsboxes at one bearerbox, and two gateways with the same sign-in at a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.provider import Accepted, OutgoingMessage
from tests.kannel.gateway import MISSING, PATIENCE, SMSBOX, Gateway, listens, running_gateway
from tests.kannel.smpp import Network, running_network
from tests.ports import free_port

pytestmark = [pytest.mark.xdist_group("kannel"), pytest.mark.timeout(300)]
PHONE = "+12025550160"
ACCEPTED, DELIVERED = "status=8", "status=1"


class Calls:
    """The request lines of all calls of the gateways. Each is answered with 200."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.changed = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one call."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.lines.append(head.split(b"\r\n")[0].decode())
        self.changed.set()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def have(self, *words: str) -> None:
        """Returns when one of the calls has all of these words."""
        async with asyncio.timeout(PATIENCE):
            while not any(all(each in line for each in words) for line in self.lines):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def calls() -> AsyncIterator[tuple[Calls, int]]:
    """The calls of the gateways, and the port that they call."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)}. .ci/run installs kannel, kannel-extras")
    calls = Calls()
    server = await asyncio.start_server(calls.answer, "127.0.0.1", 0)
    async with server:
        yield calls, server.sockets[0].getsockname()[1]


async def sent_through(gateway: Gateway, attempt: str) -> None:
    account = gateway.account()
    try:
        assert await account.send(OutgoingMessage(PHONE, "Hello", attempt=attempt)) == Accepted(
            attempt
        )
    finally:
        await account.close()


async def second_smsbox(gateway: Gateway) -> Gateway:
    """The same gateway with another smsbox, as the page says: only its port is another one."""
    port = free_port()
    configuration = (gateway.directory / "kannel.conf").read_text()
    ours = f"sendsms-port = {gateway.sendsms_port}"
    second = replace(gateway, directory=gateway.directory / "second", sendsms_port=port, running={})
    second.directory.mkdir()
    (second.directory / "kannel.conf").write_text(
        configuration.replace(ours, f"sendsms-port = {port}")
    )
    await second.run(SMSBOX)
    await listens(port)
    return second


async def test_reports_and_texts_go_through_any_smsbox_also_if_one_has_stopped(
    calls: tuple[Calls, int],
) -> None:
    received, port = calls
    network: Network
    async with (
        running_network() as network,
        running_gateway(network_port=network.port, callback_port=port) as gateway,
    ):
        await gateway.is_online()
        second = await second_smsbox(gateway)
        try:
            await sent_through(second, "a" * 32)
            await received.have("a" * 32, ACCEPTED)
        finally:
            await second.stop()
        await network.receipt(network.log[-1], "DELIVRD")
        await network.text_from(PHONE, "+12025550190", b"Hi")
        await received.have("a" * 32, DELIVERED)
        await received.have("text=Hi")


async def test_a_receipt_through_the_link_of_another_gateway_needs_a_shared_folder(
    calls: tuple[Calls, int],
) -> None:
    received, port = calls
    async with (
        running_network() as network,
        running_gateway(network_port=network.port, callback_port=port) as one,
    ):
        await one.is_online()
        (own,) = network.links
        shared = ("/var/spool/kannel/dlr", f"{one.directory}/dlr")
        for changes, attempt in (([], "b" * 32), ([shared], "c" * 32)):
            async with running_gateway(
                network_port=network.port, callback_port=port, changes=changes
            ) as other:
                await other.is_online()
                (link,) = network.links - {own}
                await sent_through(one, attempt)
                await received.have(attempt, ACCEPTED)
                acknowledged = len(network.acknowledged)
                await network.receipt(network.log[-1], "DELIVRD", link=link)
                if changes:
                    await received.have(attempt, DELIVERED)
                    continue
                async with asyncio.timeout(PATIENCE):
                    while len(network.acknowledged) == acknowledged:  # noqa: ASYNC110 - asked
                        await asyncio.sleep(0.05)
    reported = [line for line in received.lines if DELIVERED in line]
    assert len(reported) == 1, "the other gateway has dropped the first receipt"
    assert "c" * 32 in reported[0]
