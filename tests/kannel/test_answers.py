"""What the real Kannel answers, and which outcome the adapter makes of it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest

from domain.provider import (
    Accepted,
    Credentials,
    NotSent,
    Outcome,
    OutgoingMessage,
    Rejected,
    Unknown,
)
from domain.sending.text import GSM7_DEFAULT, GSM7_EXTENSION, segments_of
from providers.kannel import REJECTED, Kannel
from tests.kannel.conftest import Callback
from tests.kannel.gateway import (
    BEARERBOX,
    FAKESMSC,
    PATIENCE,
    Gateway,
    listens,
    running_gateway,
)
from tests.kannel.smpp import Network
from tests.ports import free_port, free_ports
from tests.providers.scripted import WAIT

pytestmark = [pytest.mark.xdist_group("kannel"), pytest.mark.timeout(600)]
OTHER_USER = """group = sendsms-user
username = elsewhere
password = CHANGE-SENDSMS
user-deny-ip = "*.*.*.*"
"""
ALPHABET = GSM7_DEFAULT.replace("\x1b", "").replace("\r", "")


async def sent(
    account: Kannel, number: str = "+12025550100", text: str = "Hello", **line: str
) -> Outcome:
    """The outcome of one message."""
    try:
        return await account.send(OutgoingMessage(number, text, attempt=uuid4().hex, **line))
    finally:
        await account.close()


@asynccontextmanager
async def without_network(*changes: tuple[str, str]) -> AsyncIterator[Gateway]:
    """A second Kannel whose network cannot be reached, with changes of its configuration."""
    network_port, callback_port = free_ports(2)
    async with running_gateway(
        network_port=network_port, callback_port=callback_port, more=[OTHER_USER], changes=changes
    ) as gateway:
        yield gateway


async def test_a_gateway_accepts_with_and_without_its_network(gateway: Gateway) -> None:
    assert isinstance(await sent(gateway.account()), Accepted)
    async with without_network() as lonely:
        assert isinstance(await sent(lonely.account()), Accepted)
        refused = NotSent("The account's user name or password was refused.", refuses_account=True)
        assert await sent(lonely.account(user="nobody")) == refused
        assert await sent(lonely.account(user="elsewhere")) == refused
        assert await sent(lonely.account(sender=None)) == NotSent(
            "The gateway refuses the account's settings.", refuses_account=True
        )
        wrong_path = lonely.account(base_url=f"{lonely.base_url}/nothing")
        assert await sent(wrong_path) == NotSent(
            "The gateway has no such address.", refuses_account=True
        )
        assert await sent(lonely.account(), "letters") == Rejected(REJECTED)
        wrong_password = lonely.account(credentials=Credentials("ibiki", "wrong"))
        assert await sent(wrong_password) == refused


async def test_a_full_queue_is_not_sent_and_an_answer_in_advance_is_unknown() -> None:
    async with without_network(
        ("sms-resend-freq", "sms-outgoing-queue-limit = 1\nsms-resend-freq")
    ) as full:
        outcomes = [await sent(full.account()) for _ in range(4)]
        assert outcomes[-1] == replace(WAIT, asks_to_wait=False)
    async with without_network(
        ("mo-recode = true", "mo-recode = true\nimmediate-sendsms-reply = true")
    ) as hasty:
        assert isinstance(await sent(hasty.account()), Unknown)


async def test_a_connection_that_an_operator_has_stopped_is_not_sent(gateway: Gateway) -> None:
    await gateway.command("stop-smsc", smsc="network")
    try:
        assert await sent(gateway.account()) == NotSent(
            "The gateway has no route for this number at the moment."
        )
    finally:
        await gateway.command("start-smsc", smsc="network")
        await gateway.is_online()


async def test_a_frozen_gateway_is_unknown_and_the_text_leaves_later(
    gateway: Gateway, network: Network
) -> None:
    gateway.signal(BEARERBOX, signal.SIGSTOP)
    try:
        outcome = await sent(gateway.account(deadline_seconds=1.0), "+12025550101")
    finally:
        gateway.signal(BEARERBOX, signal.SIGCONT)
    assert isinstance(outcome, Unknown)
    async with asyncio.timeout(PATIENCE):
        while not network.sent_to("+12025550101"):
            network.changed.clear()
            await network.changed.wait()


async def test_while_bearerbox_is_down_smsbox_refuses_connections(gateway: Gateway) -> None:
    await gateway.kill(BEARERBOX)
    try:
        async with asyncio.timeout(PATIENCE):
            while isinstance(await sent(gateway.account()), Unknown):  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.05)
        assert await sent(gateway.account()) == NotSent("The connection was refused.")
    finally:
        await gateway.ensure_running()  # smsbox too: by itself it returns after ten seconds


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("+12025550110", ALPHABET),
        ("+12025550111", "".join(GSM7_EXTENSION.values()).replace("\f", "")),
        ("+12025550112", "Привет, \N{WAVING HAND SIGN}"),
        ("+12025550113", "  spaces and\nlines \n"),
        ("+12025550114", "long " * 100),
        ("+12025550115", "Длинный " * 20),
    ],
    ids=["GSM-7", "extension", "UCS-2", "blanks", "long", "long UCS-2"],
)
async def test_each_character_arrives_as_it_was_sent(
    gateway: Gateway, network: Network, number: str, text: str
) -> None:
    await sent(gateway.account(), number, text)
    async with asyncio.timeout(PATIENCE):
        while len(network.sent_to(number)) < segments_of(text):
            network.changed.clear()
            await network.changed.wait()
    parts = sorted(network.sent_to(number), key=lambda each: each.part)
    assert "".join(each.text for each in parts) == text
    assert {each.sender for each in parts} == {"20255"}


async def test_a_reply_has_the_number_that_the_contact_wrote_to_as_its_sender(
    gateway: Gateway, network: Network
) -> None:
    await sent(gateway.account(), "+12025550116", modem="network", port="+12025550199")
    async with asyncio.timeout(PATIENCE):
        while not (found := network.sent_to("+12025550116")):
            network.changed.clear()
            await network.changed.wait()
    assert [each.sender for each in found] == ["12025550199"]


async def test_a_text_leaves_through_another_kind_of_connection(callback: Callback) -> None:
    port = free_port()
    async with running_gateway(
        network_port=port, callback_port=callback.port, changes=[("smsc = smpp", "smsc = fake")]
    ) as gateway:
        await listens(port)
        process = await asyncio.create_subprocess_exec(
            FAKESMSC, "-r", str(port), "-m", "1", "+12025550143 20255 text Hello",
            stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await gateway.is_online()
            assert isinstance(await sent(gateway.account(), text="Good morning"), Accepted)
            assert process.stderr is not None
            async with asyncio.timeout(PATIENCE):
                while b"+12025550100 text Good morning" not in await process.stderr.readline():
                    pass
        finally:
            process.kill()
            await process.communicate()
